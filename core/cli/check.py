"""``intarsia check``: whether files are what they should be, found out by their contents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from intarsia.core.declared import declared
from intarsia.core.detector import Detector, declaration, difference
from intarsia.core.errors import CheckpointError, EventError, IntarsiaError, PluginError
from intarsia.core.plugins import Kind, Registry, registry
from intarsia.core.recipe_load import load, load_every

from .options import Plugins, Scale
from .terminal import say

_BLOCK = 256  # events read together


def check(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH",
            help="Recipes (file or name), event files, checkpoints, plugin files; "
            "KEY.SUB=VALUE changes the recipes.",
        ),
    ],
    scale: Scale = None,
    plugin: Plugins = None,
) -> None:
    """Check recipes, events, checkpoints, plugins.

    Every fault is listed, with the place it stands at. A recipe is checked at all its scales
    unless one is named. A plugin's detectors are tried out on events drawn at random.
    """
    changes = [p for p in paths if "=" in p and not Path(p).exists()]
    named = [p for p in paths if p not in changes]
    if not named:
        raise typer.BadParameter("name a recipe, an event file, a checkpoint or a plugin")
    found = registry(plugin or ())
    faults = []
    for name in named:
        try:
            for line in report(name, found, changes, scale):
                say(line)
        except IntarsiaError as error:
            faults.append(error)
    if faults:
        raise IntarsiaError("\n".join(map(str, faults))) from ExceptionGroup("all", faults)


def kind(name: str) -> str:
    """What `name` is, by its first bytes: recipe, events, checkpoint or plugin."""
    path = Path(name)
    if path.suffix == ".py":
        return "plugin"
    if path.is_file():
        with path.open("rb") as file:
            start = file.read(9)
        if start.startswith(b"\x89HDF"):
            return "events"
        if start[8:] == b"{" or path.suffix == ".safetensors":
            return "checkpoint"
        if path.suffix in (".h5", ".hdf5"):
            raise EventError(f"{name}: is not an HDF5 file")
    return "recipe"


def report(name: str, found: Registry, changes: Sequence[str], scale: str | None) -> Iterable[str]:
    """What is to be said of a good file; an IntarsiaError for any other."""
    match kind(name):
        case "plugin":
            return _plugin(Path(name))
        case "events":
            return _events(Path(name), found)
        case "checkpoint":
            return _checkpoint(Path(name), found)
    return _recipe(name, found, changes, scale)


def _recipe(name: str, found: Registry, changes: Sequence[str], scale: str | None) -> list[str]:
    if scale is None:
        every = load_every(name, found, changes)
        recipe, scales = every[""], [s for s in every if s]
    else:
        recipe, scales = load(name, found, changes, scale), [scale]
    more = f"; scales: {', '.join(scales)}" if scales else ""
    stages = f"{len(recipe.stages)} stage{'s' * (len(recipe.stages) > 1)}"
    names = ", ".join(recipe.stages)
    return [f"recipe {recipe.name}: {stages} ({names}), detector {recipe.detector}{more}"]


def _events(path: Path, found: Registry) -> list[str]:
    from intarsia.core.events import checked
    from intarsia.core.store import EventFile

    file = EventFile(path)
    detector = detector_of(file.detector, file.declaration, found)
    if differs := difference(file.declaration, declaration(detector)):
        raise EventError(f"{path}: detector {file.detector!r} has changed since: {differs}")
    for first in range(0, len(file), _BLOCK):
        last = min(first + _BLOCK, len(file))
        checked(file.read(first, last), detector, f"{path}, events {first} to {last - 1}")
    known = file.detector in found.names("detectors")
    by = "" if known else " (not installed: checked against the declaration in the file)"
    return [f"event file {path}: {len(file)} events of {file.detector}{by}"]


def detector_of(name: str, written: Mapping[str, Any], found: Registry) -> Detector:
    """The detector of a file: the installed one, or else what the file declares."""
    return found.detector(name) if name in found.names("detectors") else declared(written)


def _checkpoint(path: Path, found: Registry) -> list[str]:
    from intarsia.core.card import check_seal, read_card

    card = read_card(path)
    check_seal(path)
    if card.detector in found.names("detectors"):
        now = declaration(found.detector(card.detector))
        if differs := difference(card.declaration, now):
            raise CheckpointError(
                f"{path}: detector {card.detector!r} has changed since: {differs}"
            )
    recipe = card.recipe.get("name", "?")
    what = f"stage {card.stage} of {recipe}, epoch {card.epoch}, detector {card.detector}"
    return [f"checkpoint {path}: {what}"]


def _plugin(path: Path) -> Iterator[str]:
    found = registry([path])
    detectors = _from(found, "detectors", path)
    things = [f"detector {n}" for n in detectors]
    things += [f"task {n}" for n in _from(found, "tasks", path)]
    yield f"plugin {path}: {', '.join(things) or 'no detector and no task'}"
    if detectors:
        from intarsia.core.conformance import check_plugin

        try:
            yield from check_plugin(found, detectors)
        except IntarsiaError as error:
            raise PluginError(f"{path}: {error}") from error


def _from(found: Registry, kind: Kind, path: Path) -> list[str]:
    return [n for n in found.names(kind) if found.source(kind, n).place == str(path)]
