"""``intarsia plugins``: what is installed, and where it comes from."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from intarsia.core.errors import RecipeError
from intarsia.core.plugins import Registry, registry
from intarsia.core.streams import Stream
from intarsia.core.yaml import read

from .options import Plugins
from .terminal import say, table


def plugins(plugin: Plugins = None) -> None:
    """List what is installed.

    Detectors, tasks, kinds of stream and recipes, and where each comes from; at the end, plugins
    that could not be loaded.
    """
    found = registry(plugin or ())
    table(("kind", "name", "about", "from"), rows(found))
    for broken in found.broken:
        say(f"not loaded: {broken}")


def rows(found: Registry) -> list[tuple[str, str, str, str]]:
    """Kind, name, what it is and source of everything that is registered."""
    detectors = [
        ("detector", n, found.detector(n).about, str(found.source("detectors", n)))
        for n in found.names("detectors")
    ]
    tasks = [
        ("task", n, found.task(n).about, str(found.source("tasks", n)))
        for n in found.names("tasks")
    ]
    own = [("stream", s.__name__, _first_line(s), "intarsia") for s in get_args(Stream)]
    streams = [("stream", n, "", str(found.source("streams", n))) for n in found.names("streams")]
    recipes = [
        ("recipe", file.stem, _about(file), str(folder))
        for folder in found.recipes
        for file in sorted(folder.glob("*.yaml"))
    ]
    return detectors + tasks + own + streams + recipes


def _first_line(declaration: type) -> str:
    return (declaration.__doc__ or "").partition("\n")[0].rstrip(".")


def _about(recipe: Path) -> str:
    try:
        return str(read(recipe).get("about") or "")
    except RecipeError:
        return "cannot be read; see 'intarsia check'"
