"""``intarsia simulate``: an event file of a detector's simulation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from intarsia.core.errors import RunError
from intarsia.core.plugins import registry
from intarsia.core.progress import Progress
from intarsia.core.yaml import parse

from .options import Plugins, Seed, Workers
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
    seed: Seed = 0,
    workers: Workers = None,
    plugin: Plugins = None,
) -> None:
    """Simulate events of a detector.

    A detector without a simulation gets events drawn at random from its declaration. The file is
    the same for the same seed, whatever the number of workers.
    """
    record = registry(plugin or ()).detector(detector)
    chosen = _parsed(options or ())
    out.parent.mkdir(parents=True, exist_ok=True)
    from intarsia.core.produce import produce

    with watch() as notify:
        made = produce(
            *(record, n, seed or 0, out, workers, chosen),
            lambda done, total: notify(Progress(f"simulating {detector}", done, total)),
        )
    left = f", {made.left_out} left out by the detector" if made.left_out else ""
    rate = n / max(made.seconds, 1e-9)
    say(f"{out}: {made.events} events of {detector}{left}, {rate:.0f} events/s")


def _parsed(options: Any) -> dict[str, Any]:
    chosen = {}
    for text in options:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise RunError(f"command line: {text!r} is not key=value")
        chosen[key] = parse(value, f"command line, {text}")
    return chosen
