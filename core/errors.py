"""Every error this project raises on purpose, and how their messages are built."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from types import NoneType
from typing import Any


class IntarsiaError(Exception):
    """Base of every error raised on purpose: catch this one at the top."""


class DeclarationError(IntarsiaError):
    """A detector or stream declares something that cannot be."""


class PluginError(IntarsiaError):
    """A plugin failed to load, clashes with another, or returned a wrong thing."""


class RecipeError(IntarsiaError):
    """A recipe is wrong: every fault found, one a line, each with file and line."""


class EventError(IntarsiaError):
    """Events do not match their detector's declaration, or an event file is not whole."""


class CheckpointError(IntarsiaError):
    """A checkpoint is not ours, is of another format, or does not fit."""


class RunError(IntarsiaError):
    """A run cannot start or go on: the folder, the sample or the machine does not allow it."""


def suggest(word: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the known word nearest to `word`, or ``""``."""
    names = list(known)
    near = get_close_matches(word, names, n=1)
    if not near:  # perhaps but for capitals
        small = {name.lower(): name for name in names}
        near = [small[name] for name in get_close_matches(word.lower(), small, n=1)]
    return f"; did you mean {near[0]!r}?" if near else ""


# Kinds of plain values as messages name them
KINDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    NoneType: "empty",
}


def spell(value: Any) -> str:
    """`value` as a message shows it."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a mapping"
    return repr(list(value)) if isinstance(value, tuple) else repr(value)
