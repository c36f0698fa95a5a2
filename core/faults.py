"""What is wrong with values, from the exceptions that cattrs raised over them."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

import attrs
from cattrs.errors import ClassValidationError, ForbiddenExtraKeysError, IterableValidationError

from .errors import IntarsiaError
from .yaml import Steps

Fault = tuple[Steps, str]  # where in the values, and what is wrong there


class WrongValueError(Exception):
    """A value that is not what it should be, with the message for the user."""


class Step(str):
    """A step into a list or mapping, noted on the exception that came out of it."""


def faults(error: BaseException, steps: Steps, also: tuple[str, ...]) -> Iterator[Fault]:
    """Each leaf of a tree of exceptions: where, what is wrong, what would be right."""
    if isinstance(error, ClassValidationError):
        yield from _class_faults(error, steps, also)
    elif isinstance(error, IterableValidationError):
        for part in error.exceptions:
            step = next(n for n in part.__notes__ if isinstance(n, Step))
            yield from faults(part, (*steps, str(step)), ())
    elif isinstance(error, KeyError):
        yield steps, "missing"
    elif isinstance(error, WrongValueError | IntarsiaError | ValueError | TypeError):
        yield steps, str(error)
    else:
        yield steps, f"{type(error).__name__}: {error}"


def _class_faults(
    error: ClassValidationError, steps: Steps, also: tuple[str, ...]
) -> Iterator[Fault]:
    noted, plain = error.group_exceptions()
    meant = set()
    for other in plain:
        if isinstance(other, ForbiddenExtraKeysError):
            for key in other.extra_fields:
                near = _meant(str(key), error.cl, also)
                meant.add(near)
                yield (*steps, str(key)), _unknown(near, error.cl, also)
        else:
            # What a class says of its fields together begins with the name of one of them.
            named = str(other).split(maxsplit=1)[:1]
            at = (*steps, *named) if named and named[0] in _fields(error.cl) else steps
            yield from faults(other, at, also)
    called = {f.name: key_of(f) for f in attrs.fields(error.cl)}
    for inner, note in noted:
        step = called[note.name]
        if not (isinstance(inner, KeyError) and step in meant):  # missing as it is misspelt
            yield from faults(inner, (*steps, step), ())


def _unknown(near: str, kind: type, also: tuple[str, ...]) -> str:
    names = ", ".join([*_fields(kind), *also])
    return f"unknown key{f'; did you mean {near!r}?' if near else ''} (known here: {names})"


def _meant(key: str, kind: type, also: tuple[str, ...]) -> str:
    """The key that `key` was probably meant to be, here or one level down; "" if none is near."""
    known = _fields(kind)
    for name, field in known.items():
        if key in field.metadata.get("also", ()):
            return name
    if near := get_close_matches(key, [*known, *also], n=1):
        return near[0]
    for name, field in known.items():
        kind_below: Any = field.type
        if attrs.has(kind_below) and (near := get_close_matches(key, _fields(kind_below))):
            return f"{name}.{near[0]}"
    return ""


def _fields(kind: Any) -> dict[str, attrs.Attribute[Any]]:
    return {key_of(f): f for f in attrs.fields(kind) if f.init}


def key_of(field: attrs.Attribute[Any]) -> str:
    """What a field is called in YAML: its name, unless that is no name in Python, like ``from``."""
    return str(field.metadata.get("key", field.name))
