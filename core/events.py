"""Events in memory: jagged tables of numpy arrays, one per stream. An event is a batch of one.

Shapes: B events, n rows in total. Numpy, not torch: what only handles events (simulation, readers,
files, pictures) then never waits for torch; `intarsia.core.batch` makes tensors of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np
from attrs import evolve, field, frozen

from .detector import Detector
from .errors import EventError, suggest
from .streams import DenseArray, Label, PointCloud, Shapes, Stream, TrackSet, VoxelGrid

Array = np.ndarray[Any, Any]


@frozen(eq=False)
class Table:
    """Rows of many events end to end: event b owns rows ``offsets[b]:offsets[b + 1]``.

    offsets: (B + 1,) int64, starts at 0, never falls. columns: each (n, ...), same n.
    """

    offsets: Array
    columns: Mapping[str, Array] = field(factory=dict)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, column: str) -> Array:
        return self.columns[column]

    @property
    def counts(self) -> Array:
        """Rows of each event, (B,) int64."""
        return np.diff(self.offsets)

    @property
    def event(self) -> Array:
        """The event each row belongs to, (n,) int64."""
        return np.repeat(np.arange(len(self)), self.counts)

    def slice(self, first: int, last: int) -> Self:
        """Events `first` to `last`, without copying rows."""
        lo, hi = int(self.offsets[first]), int(self.offsets[last])
        columns = {k: v[lo:hi] for k, v in self.columns.items()}
        return evolve(self, offsets=self.offsets[first : last + 1] - lo, columns=columns)

    def take(self, events: Array) -> Self:
        """The events numbered `events`, (m,) int, in that order; one may come twice."""
        counts = self.counts[events]
        offsets = cumulated(counts)
        starts = self.offsets[:-1][events] - offsets[:-1]
        rows = np.arange(offsets[-1]) + np.repeat(starts, counts)
        return evolve(self, offsets=offsets, columns={k: v[rows] for k, v in self.columns.items()})

    def keep(self, rows: Array) -> Self:
        """The rows where `rows`, (n,) bool, is true."""
        counts = np.bincount(self.event[rows], minlength=len(self)) if len(self) else self.counts
        columns = {k: v[rows] for k, v in self.columns.items()}
        return evolve(self, offsets=cumulated(counts), columns=columns)

    @classmethod
    def concat(cls, tables: Sequence[Self]) -> Self:
        """Events of `tables`, in order."""
        counts = np.concatenate([t.counts for t in tables])
        columns = {k: np.concatenate([t.columns[k] for t in tables]) for k in tables[0].columns}
        return cls(cumulated(counts), columns)

    @classmethod
    def empty(cls, layout: Shapes, events: int) -> Self:
        """`events` events without a row, in the columns of `layout`."""
        columns = {k: np.zeros((0, *shape), dtype) for k, (dtype, shape) in layout.items()}
        return cls(np.zeros(events + 1, np.int64), columns)


def cumulated(counts: Array) -> Array:
    """Offsets (B + 1,) int64 of `counts` (B,)."""
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


@frozen(eq=False)
class Events:
    """One or more events of one detector: a table per stream, and the truth of each event.

    A stream that is absent from an event has no rows; missing truth is NaN, or -1 for a class;
    truth that no event has is absent. keys: ``run/event`` or ``run/event/particle``. group: (B,)
    int64, equal for samples of one physical event.
    """

    streams: Mapping[str, Table]
    truth: Mapping[str, Array] = field(factory=dict)
    keys: tuple[str, ...] = ()
    group: Array = field(factory=lambda: np.zeros(0, np.int64))

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, b: int) -> Self:
        return self.slice(b, b + 1)

    def __iter__(self) -> Iterator[Self]:
        return (self[b] for b in range(len(self)))

    def slice(self, first: int, last: int) -> Self:
        """Events `first` to `last`, without copying rows."""
        return evolve(
            self,
            streams={k: t.slice(first, last) for k, t in self.streams.items()},
            truth={k: v[first:last] for k, v in self.truth.items()},
            keys=self.keys[first:last],
            group=self.group[first:last],
        )

    def take(self, events: Array) -> Self:
        """The events numbered `events`, (m,) int, in that order."""
        return evolve(
            self,
            streams={k: t.take(events) for k, t in self.streams.items()},
            truth={k: v[events] for k, v in self.truth.items()},
            keys=tuple(self.keys[i] for i in events),
            group=self.group[events],
        )

    @classmethod
    def collate(cls, parts: Sequence[Self]) -> Self:
        """All events of `parts`; EventError if they do not have the same streams and truth."""
        first = parts[0]
        for e in parts[1:]:
            for what in ("streams", "truth"):
                if (ours := sorted(getattr(first, what))) != (theirs := sorted(getattr(e, what))):
                    raise EventError(f"events of different {what}: {ours} and {theirs}")
        return cls(
            streams={k: Table.concat([e.streams[k] for e in parts]) for k in first.streams},
            truth={k: np.concatenate([e.truth[k] for e in parts]) for k in first.truth},
            keys=tuple(k for e in parts for k in e.keys),
            group=np.concatenate([e.group for e in parts]),
        )


def checked(events: Events, detector: Detector, source: str = "events") -> Events:
    """`events` if they are what `detector` declares; EventError listing every fault otherwise.

    Missing labels and truth are allowed, missing streams and columns are not.
    """
    if found := list(faults(events, detector)):
        raise EventError("\n".join(f"{source}: {fault}" for fault in found))
    return events


def faults(events: Events, detector: Detector) -> Iterator[str]:
    """What about `events` is not as `detector` declares."""
    yield from _stream_faults(events, detector)
    yield from _truth_faults(events, detector)
    if len(events.group) != len(events):
        yield f"group has {len(events.group)} entries for {len(events)} events"


def _stream_faults(events: Events, detector: Detector) -> Iterator[str]:
    declared = {s.name: s for s in detector.streams}
    for name in events.streams.keys() - declared.keys():
        yield f"stream {name!r} is not declared{suggest(name, declared)}"
    for name, stream in declared.items():
        if name not in events.streams:
            yield f"stream {name!r} is missing"
            continue
        for fault in _table_faults(events.streams[name], stream, len(events)):
            yield f"stream {name!r}: {fault}"


def _table_faults(table: Table, stream: Stream, b: int) -> Iterator[str]:
    offsets = table.offsets
    if len(table) != b:
        yield f"{len(table)} events, but there are {b} keys"
    if offsets[0] != 0 or (np.diff(offsets) < 0).any():
        yield "offsets must start at 0 and never fall"
        return
    labels = {label.name for label in stream.labels}
    for name in table.columns.keys() - stream.layout.keys():
        yield f"column {name!r} is not declared{suggest(name, stream.layout)}"
    for name, (dtype, shape) in stream.layout.items():
        if name not in table.columns:
            if name not in labels:
                yield f"column {name!r} is missing"
            continue
        column = table[name]
        if column.shape != (offsets[-1], *shape):
            yield f"column {name!r} has shape {column.shape}, not {(int(offsets[-1]), *shape)}"
        elif not np.can_cast(column.dtype, np.dtype(dtype), "same_kind"):
            yield f"column {name!r} is {column.dtype}, not {dtype}"
    if isinstance(stream, DenseArray) and len(table) and table.counts.max() > 1:
        yield "a dense array has at most one row per event"
    if isinstance(stream, VoxelGrid) and "index" in table.columns:
        yield from _voxel_faults(table, stream)
    yield from _value_faults(table, stream)


def _value_faults(table: Table, stream: Stream) -> Iterator[str]:
    """Measured numbers are finite (those of a track may be missing), classes exist."""
    own = ("position",) if isinstance(stream, PointCloud) else ()
    for name in (*own, *(c.name for c in stream.columns)):
        if name not in table.columns:
            continue
        if isinstance(stream, TrackSet):
            if np.isinf(table[name]).any():
                yield f"column {name!r} has values that are infinite"
        elif not np.isfinite(table[name]).all():
            yield f"column {name!r} has values that are not finite"
    for label in stream.labels:
        if label.name in table.columns:
            yield from _class_faults(table[label.name], label)


def _class_faults(values: Array, label: Label) -> Iterator[str]:
    if not label.classes or label.soft:
        return
    wrong = values[(values < -1) | (values >= len(label.classes))]
    if len(wrong):
        yield (
            f"label {label.name!r} has the class {wrong[0]}, "
            f"not 0 to {len(label.classes) - 1} (-1: unknown)"
        )


def _voxel_faults(table: Table, grid: VoxelGrid) -> Iterator[str]:
    index = table["index"]
    if index.ndim != 2 or index.shape[1] != 3 or len(index) != table.offsets[-1]:
        return
    if len(index) and (
        index.min() < 0 or any(index[:, i].max() >= grid.shape[i] for i in range(3))
    ):
        bad = np.flatnonzero(((index < 0) | (index >= np.array(grid.shape))).any(1))
        yield f"{len(bad)} cells outside the grid {grid.shape}, the first at {index[bad[0]].tolist()}"
        return
    cell = index[:, 0].astype(np.int64)  # in place from here: the files' fast path
    for i in (1, 2):
        cell *= grid.shape[i]
        cell += index[:, i]
    rises = cell[1:] > cell[:-1]
    first = table.offsets[1:-1]
    rises[first[(first > 0) & (first < len(cell))] - 1] = True  # in the event before: of no matter
    if rises.all():  # sorting them takes most of the time
        return
    cell += table.event * math.prod(grid.shape)
    cell.sort()  # np.unique takes ten times as long
    if twice := np.count_nonzero(cell[1:] == cell[:-1]):
        yield f"{twice} cells come twice in one event"


def _truth_faults(events: Events, detector: Detector) -> Iterator[str]:
    declared = {t.name: t for t in detector.truth}
    for name, values in events.truth.items():
        if name not in declared:
            yield f"truth {name!r} is not declared{suggest(name, declared)}"
            continue
        dtype, shape = declared[name].layout
        if values.shape != (len(events), *shape):
            yield f"truth {name!r} has shape {values.shape}, not {(len(events), *shape)}"
        elif not np.can_cast(values.dtype, np.dtype(dtype), "same_kind"):
            yield f"truth {name!r} is {values.dtype}, not {dtype}"
        else:
            yield from _class_faults(values, declared[name])
