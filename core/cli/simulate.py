"""``intarsia simulate``: an event file of a detector's simulation."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from intarsia.core.errors import RunError
from intarsia.core.plugins import registry
from intarsia.core.progress import Notify, Progress
from intarsia.core.yaml import parse

from .options import Plugins, Resume, Seed, Share, Workers
from .terminal import say, watch


def simulate(
    detector: Annotated[str, typer.Argument(metavar="DETECTOR", help="Name of a detector.")],
    options: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="Options of the simulation."),
    ] = None,
    n: Annotated[int, typer.Option("-n", metavar="N", min=1, help="Events to make.")] = 100,
    out: Annotated[Path, typer.Option("-o", metavar="FILE", help="The file to write.")] = Path(
        "events.h5"
    ),
    shard: Share = "1/1",
    resume: Resume = False,
    seed: Seed = 0,
    workers: Workers = None,
    plugin: Plugins = None,
) -> None:
    """Simulate events of a detector.

    A detector without a simulation gets events drawn at random from its declaration. One seed is
    one sample, whatever the workers or shards; a recipe reads shards by data.files=[part*.h5].
    """
    record = registry(plugin or ()).detector(detector)
    chosen, share = _parsed(options or ()), _shard(shard)
    out.parent.mkdir(parents=True, exist_ok=True)
    from intarsia.core.produce import Shard, produce

    job = Shard(*share)
    with watch(partial(_kept, out)) as notify:
        tell = partial(_tell, notify, f"simulating {detector}")
        made = produce(record, n, seed or 0, out, workers, chosen, tell, shard=job, resume=resume)
    left = f", {made.left_out} left out by the detector" if made.left_out else ""
    rate = made.new / max(made.seconds, 1e-9)
    drawn = "" if record.simulation else ", drawn at random from its declaration"
    say(f"{out}: {made.events} events of {detector}{drawn}{left}, {rate:.0f} events/s")


def _tell(notify: Notify, what: str, done: int, total: int) -> None:
    note = "" if done else "preparing (longer the first time)"
    notify(Progress(what, done, total, note=note))


def _kept(out: Path) -> str:
    """What an interrupted production of `out` leaves."""
    from intarsia.core.produce import PART
    from intarsia.core.produce_parts import folder_of

    if folder_of(out).exists():
        return f"the same command with --resume makes {PART} events per worker anew at most"
    return f"no events are kept: not even the first {PART} were ready"


def _shard(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    if not found:
        raise RunError(f"command line: --shard is like 1/8, not {text!r}")
    return int(found[1]), int(found[2])


def _parsed(options: Any) -> dict[str, Any]:
    chosen = {}
    for text in options:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise RunError(f"command line: {text!r} is not key=value")
        chosen[key] = parse(value, f"command line, {text}")
    return chosen
