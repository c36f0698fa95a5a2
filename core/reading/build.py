"""Events from the arrays that a reader found: units, types and absent streams by declaration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b

import numpy as np
from attrs import field, frozen

from intarsia.core.detector import Detector
from intarsia.core.errors import EventError
from intarsia.core.events import Array, Events, Table, cumulated
from intarsia.core.streams import Column, Label, Stream
from intarsia.core.units import factor

from .values import numbers


@frozen(eq=False)
class Rows:
    """Rows of one stream, all events end to end.

    counts: (B,) rows of each event. columns: (n, ...) each. units: of columns that are not in the
    declared unit.
    """

    counts: Array
    columns: Mapping[str, Array]
    units: Mapping[str, str] = field(factory=dict)


def build(
    detector: Detector,
    keys: Sequence[str],
    streams: Mapping[str, Rows],
    truth: Mapping[str, Array] | None = None,
    units: Mapping[str, str] | None = None,
    group: Array | None = None,
) -> Events:
    """Events of `detector` called `keys`, of what `streams` and `truth` hold, in declared types.

    streams: a declared stream that is not named is absent from all events. truth: (B, ...) each.
    units: of truth that is not in the declared unit. group: by default from the event's key.
    EventError beginning with ``stream.column`` if a value does not fit the declared type.
    """
    b = len(keys)
    tables = {}
    for stream in detector.streams:
        rows = streams.get(stream.name)
        tables[stream.name] = _empty(stream, b) if rows is None else _table(stream, rows, b)
    found = {}
    for name, values in (truth or {}).items():
        label = detector.label(name)
        scaled = _converted(numbers(values, name), (units or {}).get(name, ""), label, name)
        found[name] = _cast(scaled, label.layout[0], name)
    return Events(tables, found, tuple(keys), group_of(keys) if group is None else group)


def group_of(keys: Sequence[str]) -> Array:
    """Groups (B,) int64 of `keys`: equal where ``run/event`` is, whatever file they come from."""
    events = ("/".join(k.split("/")[:2]).encode() for k in keys)
    whole = (int.from_bytes(blake2b(e, digest_size=8).digest(), "big") >> 1 for e in events)
    return np.fromiter(whole, np.int64, len(keys))


def _table(stream: Stream, rows: Rows, b: int) -> Table:
    if len(rows.counts) != b:
        raise EventError(f"{stream.name}: rows of {len(rows.counts)} events, there are {b} keys")
    parts = (getattr(stream, part, ()) for part in ("columns", "points", "labels"))
    declared: dict[str, Column | Label] = {c.name: c for part in parts for c in part}
    columns = {}
    for name, given in rows.columns.items():
        where = f"{stream.name}.{name}"
        values = numbers(given, where)
        if name in declared:
            values = _converted(values, rows.units.get(name, ""), declared[name], where)
        columns[name] = (
            _cast(values, stream.layout[name][0], where) if name in stream.layout else values
        )
    return Table(cumulated(rows.counts), columns)


def _empty(stream: Stream, b: int) -> Table:
    """An absent stream, without labels: whether there would be any, nobody knows."""
    labels = {label.name for label in stream.labels}
    layout = {name: how for name, how in stream.layout.items() if name not in labels}
    return Table.empty(layout, b)


def _converted(values: Array, unit: str, declared: Column | Label, where: str) -> Array:
    if not unit or unit == declared.unit:
        return values
    scaled: Array = values * factor(unit, declared.unit)
    return scaled


def _cast(values: Array, dtype: str, where: str) -> Array:
    """`values` in `dtype`; EventError where that would change more than the precision."""
    if np.issubdtype(np.dtype(dtype), np.integer):
        limits = np.iinfo(dtype)
        with np.errstate(invalid="ignore"):
            wrong = ~((values >= limits.min) & (values <= limits.max))
            wrong |= np.rint(values) != values
        what = f"not whole numbers of {dtype}"
    else:
        with np.errstate(over="ignore", invalid="ignore"):
            wrong = np.isinf(values.astype(dtype))
        what = f"infinite or too large for {dtype}"
    if wrong.any():
        worst = values[np.nonzero(wrong)][0]
        raise EventError(f"{where}: {int(wrong.sum())} values are {what}, e.g. {worst}")
    with np.errstate(under="ignore"):
        return values.astype(dtype)
