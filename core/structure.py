"""From plain values to attrs classes, strictly, with every fault at once.

cattrs by itself turns "no" into True and 3.7 into 3; here a value has the declared type or is a
fault. Ranges (`ge`, `gt`, ...) are checked field by field, so that they do not wait for the other
fields to be right.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Mapping as AbstractMapping
from functools import cache
from types import FunctionType, NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import attrs
import cattrs
from cattrs.errors import BaseValidationError, IterableValidationError
from cattrs.gen import make_dict_structure_fn, override

from .errors import KINDS, spell, suggest
from .faults import Fault, Step, WrongValueError, faults, key_of
from .yaml import Steps

_Hook = Callable[[Any, Any], Any]


def structure(
    values: Any, kind: type, steps: Steps = (), also: Iterable[str] = ()
) -> tuple[Any, list[Fault]]:
    """An object of the attrs class `kind` made of `values`, or None and every fault.

    steps: where the values stand. also: keys of the mapping itself that others have used up, to be
    named among those known.
    """
    try:
        return _converter().structure(values, kind), []
    except (WrongValueError, BaseValidationError) as error:
        return None, list(faults(error, steps, tuple(also)))


@cache
def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True)
    for kind in (int, float, bool, str):
        converter.register_structure_hook(kind, _strict(kind))
    converter.register_structure_hook_factory(_is_sequence, lambda kind: _sequence(converter, kind))
    converter.register_structure_hook_factory(_is_mapping, lambda kind: _mapping(converter, kind))
    converter.register_structure_hook_factory(_is_union, lambda kind: _union(converter, kind))
    converter.register_structure_hook_func(_is_literal, _literal)
    converter.register_structure_hook_factory(attrs.has, lambda kind: _class(converter, kind))
    return converter


def _strict(kind: type) -> _Hook:
    def hook(value: Any, _: Any) -> Any:
        if kind is float and type(value) is int:
            return float(value)
        if type(value) is not kind:
            raise WrongValueError(f"must be {KINDS[kind]}, not {spell(value)}")
        return value

    return hook


def _is_sequence(kind: Any) -> bool:
    return get_origin(kind) in (tuple, list) or kind in (tuple, list)


def _is_mapping(kind: Any) -> bool:
    return get_origin(kind) in (dict, AbstractMapping) or kind in (dict, AbstractMapping)


def _is_union(kind: Any) -> bool:
    return get_origin(kind) in (Union, UnionType)


def _is_literal(kind: Any) -> bool:
    return get_origin(kind) is Literal


def _sequence(converter: cattrs.Converter, kind: Any) -> _Hook:
    inner, fixed = get_args(kind) or (Any, ...), 0
    if get_origin(kind) is tuple and inner[-1] is not Ellipsis:
        fixed = len(inner)

    def hook(value: Any, _: Any) -> Any:
        if not isinstance(value, list | tuple):
            raise WrongValueError(f"must be a list, not {spell(value)}")
        if fixed and len(value) != fixed:
            raise WrongValueError(f"must be a list of {fixed}, not {spell(value)}")
        kinds = inner if fixed else [inner[0]] * len(value)
        made = _each(converter, kind, zip(map(str, range(len(value))), value, kinds, strict=True))
        return list(made.values()) if list in (kind, get_origin(kind)) else tuple(made.values())

    return hook


def _mapping(converter: cattrs.Converter, kind: Any) -> _Hook:
    inner = (get_args(kind) or (str, Any))[1]

    def hook(value: Any, _: Any) -> Any:
        if not isinstance(value, Mapping):
            raise WrongValueError(f"must be a mapping, not {spell(value)}")
        return _each(converter, kind, ((k, v, inner) for k, v in value.items()))

    return hook


def _each(
    converter: cattrs.Converter, whole: Any, parts: Iterable[tuple[str, Any, Any]]
) -> dict[str, Any]:
    """Each part structured as its kind; all that fail in one group."""
    made: dict[str, Any] = {}
    failed: list[Exception] = []
    for step, value, kind in parts:
        try:
            made[step] = value if kind is Any else converter.structure(value, kind)
        except (WrongValueError, BaseValidationError) as error:
            error.__notes__ = [Step(step)]
            failed.append(error)
    if failed:
        raise IterableValidationError("parts", failed, whole)
    return made


def _union(converter: cattrs.Converter, kind: Any) -> _Hook:
    members = [k for k in get_args(kind) if k is not NoneType]
    optional = len(members) < len(get_args(kind))

    def hook(value: Any, _: Any) -> Any:
        if value is None and optional:
            return None
        if len(members) == 1:
            return converter.structure(value, members[0])
        for member in sorted(members, key=lambda m: m is not type(value)):
            try:
                return converter.structure(value, member)
            except (WrongValueError, BaseValidationError):
                continue
        expected = " or ".join(map(_named, members))
        raise WrongValueError(f"must be {expected}, not {spell(value)}")

    return hook


def _named(kind: Any) -> str:
    if not _is_mapping(kind):
        return KINDS.get(kind, getattr(kind, "__name__", str(kind)))
    inner = (get_args(kind) or (str, Any))[1]
    return f"a mapping of {KINDS[inner].removeprefix('a ')}s" if inner in KINDS else "a mapping"


def _literal(value: Any, kind: Any) -> Any:
    return _one_of(value, get_args(kind))


def _one_of(value: Any, options: Iterable[Any]) -> Any:
    known = [str(o) for o in options]
    if not any(type(value) is type(o) and value == o for o in options):
        near = suggest(value, known) if isinstance(value, str) else ""
        raise WrongValueError(f"must be one of {', '.join(known)}, not {spell(value)}{near}")
    return value


def _class(converter: cattrs.Converter, kind: type) -> _Hook:
    attrs.resolve_types(kind)
    changed = {
        f.name: override(struct_hook=_checked(converter, f), rename=key_of(f))
        for f in attrs.fields(kind)
        if f.init
    }
    # No field is called like an option of this function, which is what mypy fears.
    base: Callable[..., Any] = make_dict_structure_fn(
        kind,
        converter,
        _cattrs_forbid_extra_keys=True,
        **changed,  # type: ignore[arg-type]
    )

    def hook(value: Any, _: Any) -> Any:
        if not isinstance(value, Mapping):
            raise WrongValueError(f"must be a mapping, not {spell(value)}")
        return base(value, kind)

    return hook


def _checked(converter: cattrs.Converter, field: attrs.Attribute[Any]) -> _Hook:
    """Structures a field and runs at once those of its validators that need no other field."""
    kind: Any = field.type
    inner = getattr(field.validator, "_validators", (field.validator,))
    alone = [v for v in inner if v and not isinstance(v, FunctionType)]

    def hook(value: Any, _: Any) -> Any:
        made = value if kind is Any else converter.structure(value, kind)
        for validator in alone:
            try:
                validator(None, field, made)
            except (ValueError, TypeError) as error:
                raise WrongValueError(_range(validator, error, value)) from None
        return made

    return hook


def _range(validator: Any, error: Exception, value: Any) -> str:
    """What attrs says of a value out of range, as this project says it."""
    if (options := getattr(validator, "options", None)) is not None:
        try:
            _one_of(value, options)
        except WrongValueError as wrong:
            return str(wrong)
    said = str(error.args[0])
    if found := re.match(r"'\w+' (must be .*?): ", said):
        return f"{found[1]}, not {spell(value)}"
    if said.startswith("Length of"):
        return f"{re.sub(r'Length of .* must be', 'length must be', said).partition(':')[0]}"
    if regex := getattr(validator, "pattern", None):
        return f"must match {regex.pattern}, not {spell(value)}"
    return said
