"""``intarsia show``: what is in a file, for people."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from intarsia.core import account
from intarsia.core.errors import CheckpointError, EventError, IntarsiaError
from intarsia.core.plugins import registry

from .check import detector_of, kind
from .options import Overrides, Plugins, Scale
from .terminal import say, table


def show(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="An event file, a checkpoint, or a recipe or its name."
        ),
    ],
    overrides: Overrides = None,
    n: Annotated[int, typer.Option("-n", metavar="N", min=0, help="Which event, from 0.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option("-o", metavar="FILE", help="The picture to write (default: event_N.png)."),
    ] = None,
    scale: Scale = None,
    plugin: Plugins = None,
) -> None:
    """Show what is in a file.

    Of an event file a picture of one event and how its events came about, of a checkpoint its
    card, and what became of every tensor if it began from another detector's weights, of a recipe
    all its values, those by default included.
    """
    match kind(file):
        case "plugin":
            raise IntarsiaError(f"{file}: is a plugin; see 'intarsia plugins --plugin {file}'")
        case "events":
            _picture(Path(file), n, out or Path(f"event_{n}.png"), plugin or [])
        case "checkpoint":
            _card(Path(file))
        case _:
            from intarsia.core.recipe_load import dump_yaml, load

            recipe = load(file, registry(plugin or ()), overrides or (), scale)
            say(dump_yaml(recipe).rstrip())


def _picture(path: Path, n: int, out: Path, plugin: list[Path]) -> None:
    from intarsia.core.store import EventFile

    file = EventFile(path)
    if n >= len(file):
        raise EventError(f"{path}: has no event {n}; it has {len(file)}, from 0 on")
    detector = detector_of(file.detector, file.declaration, registry(plugin))
    out.parent.mkdir(parents=True, exist_ok=True)
    from intarsia.core.report import event_picture

    events = file.read(n, n + 1)
    event_picture.save(events, detector, out, origin=event_picture.origin(file.provenance))
    say(f"{out}: event {n} of {path} ({file.detector}, {events.keys[0]})")
    for name, value in file.provenance.items():
        say(f"  {name}: {_listed(value) if isinstance(value, Mapping) else value}")


def _card(path: Path) -> None:
    from intarsia.core.card import read_card

    card = read_card(path)
    about = {
        "file": f"{path} ({path.stat().st_size / 1e6:.1f} MB)",
        "detector": card.detector,
        "recipe": str(card.recipe.get("name", "?")),
        "stage": card.stage,
        "epoch": str(card.epoch),
        "step": str(card.step),
        "metrics": _listed(card.metrics),
        "sizes": _listed(card.sizes),
        "model": _listed(card.recipe.get("model", {})),
        "versions": _listed(card.versions),
        "parents": ", ".join(card.parents) or "none",
    }
    table(("card", ""), list(about.items()))
    if card.transfer:
        say()
        _transfer(path, card.transfer)


def _transfer(path: Path, card: Mapping[str, Any]) -> None:
    try:
        rows, summary = account.rows(card), account.summary(card)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{path}: its transfer card is not one: {error!r}") from error
    table(account.HEADS, rows)
    for line in summary:
        say(line)


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{k} {_short(v)}" for k, v in values.items()) or "none"


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
