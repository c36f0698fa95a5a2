"""Writing event files, see `intarsia.core.store` for the layout.

The same events give the same bytes, however they are handed over: events are written in blocks of
a fixed number, every dataset in whole chunks, and nothing holds a time or a name of a machine.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import h5py
import numpy as np

from .detector import Detector, declaration
from .errors import EventError
from .events import Array, Events, Table, checked
from .split import splits_of
from .store_read import FORMAT, EventFile
from .streams import Column, Label, Stream

_BLOCK = 64  # events written at a time
_COPIED = 1 << 18  # rows copied at a time
_CHUNK = 16_384  # rows of a chunk: about two FASERCal events, 16 to 96 kB of one column


class EventWriter:
    """Writes an event file: ``with EventWriter(path, detector, provenance) as file``.

    The file appears under its name when the block ends well; after an exception nothing is left.
    Memory does not grow with the events (but for 100 bytes an event). provenance: plain JSON
    values on how the events came about; may be added to until the end. compression: "lzf" takes
    40 % less space, but blocks of FASERCal events are then read ten times more slowly. half: see
    `atomic`.
    """

    def __init__(
        self,
        path: Path | str,
        detector: Detector,
        provenance: Mapping[str, Any],
        compression: Literal["lzf"] | None = None,
        half: Path | None = None,
    ) -> None:
        self.path = Path(path)
        self.provenance = dict(provenance)
        self._detector, self._compression = detector, compression
        self._waiting: list[Events] = []
        self._contents: set[str] = set()
        self._series: dict[str, _Series] = {}
        self._keys: list[str] = []
        self._splits: list[Array] = []
        self._scope = atomic(self.path, half)

    def __enter__(self) -> Self:
        # What is written are whole chunks: a cache of them would only be one copy more.
        self._file = h5py.File(self._scope.__enter__(), "w", locking=False, rdcc_nbytes=0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if fault is None:
                self._finish()
        except BaseException as late:
            self._file.close()
            self._scope.__exit__(type(late), late, late.__traceback__)
            raise
        self._file.close()
        self._scope.__exit__(kind, fault, trace)

    def append(self, events: Events, splits: Array | None = None) -> None:
        """Add `events`; EventError if they are not as declared or differ in truth or labels.

        splits: (B,) uint8 of a benchmark that publishes its own; by default the hash of the key.
        """
        checked(events, self._detector, str(self.path))
        if not len(events):
            return
        contents = _contents(events)
        if other := contents ^ (self._contents or contents):
            raise EventError(f"{self.path}: only some events have {', '.join(sorted(other))}")
        self._contents = contents
        self._splits.append(splits_of(events.keys) if splits is None else splits)
        self._keys.extend(events.keys)
        self._waiting.append(events)
        while sum(map(len, self._waiting)) >= _BLOCK:
            self._write(self._next(_BLOCK))

    def copy(self, file: EventFile) -> None:
        """Add all events of `file`, which has the declaration, labels and truth of this one.

        Ten times as fast as `append`: nothing is checked again. Not to be mixed with it.
        """
        if not len(file):
            return
        if not self._series:
            self._create(file.read(0, 1))
        for name, series in self._series.items():
            if isinstance(series, _Counts):
                series.add(file.rows(name.split("/")[1]))
            else:
                for values in file.pieces(name, _COPIED):
                    series.add(values)
        self._keys.extend(file.keys)
        self._splits.append(file.splits)

    def _next(self, n: int) -> list[Events]:
        """The first `n` waiting events, or all if there are fewer."""
        found = []
        while n and self._waiting:
            head = self._waiting.pop(0)
            taken = min(n, len(head))
            found.append(head.slice(0, taken))
            if taken < len(head):
                self._waiting.insert(0, head.slice(taken, len(head)))
            n -= taken
        return found

    def _write(self, parts: list[Events]) -> None:
        if not self._series:
            self._create(parts[0])
        for name, series in self._series.items():
            for events in parts:
                series.add(_column(events, name))

    def _create(self, events: Events) -> None:
        """Lay out the datasets in the order of the declaration."""
        self._new("group", "int64", ())
        self._file.create_group("truth")
        for truth in self._detector.truth:
            if truth.name in events.truth:
                self._new(f"truth/{truth.name}", *truth.layout, about=truth)
        for stream in self._detector.streams:
            own = _about(stream)
            table = events.streams[stream.name]
            present = [c for c in stream.layout if c in table.columns]
            self._new(f"streams/{stream.name}/offsets", "int64", ())
            for column in present:
                where = f"streams/{stream.name}/{column}"
                self._new(where, *stream.layout[column], about=own.get(column))
            self._file[f"streams/{stream.name}"].attrs["columns"] = present

    def _new(
        self, name: str, dtype: str, shape: tuple[int, ...], about: Column | Label | None = None
    ) -> None:
        data = self._file.create_dataset(
            name,
            shape=(0, *shape),
            maxshape=(None, *shape),
            chunks=(_CHUNK if name.startswith("streams/") else 4096, *shape),
            dtype=dtype,
            compression=self._compression,
            shuffle=self._compression is not None,
        )
        if about is not None:
            data.attrs["unit"], data.attrs["about"] = about.unit, about.about
        kind = _Counts if name.endswith("/offsets") else _Series
        self._series[name] = kind(data)

    def _finish(self) -> None:
        if self._waiting or not self._series:
            self._write(self._next(_BLOCK) or [_none(self._detector)])
        if len(set(self._keys)) != len(self._keys):
            twice = Counter(self._keys).most_common(1)[0][0]
            raise EventError(f"{self.path}: two events have the key {twice!r}")
        for series in self._series.values():
            series.end()
        text = (
            np.array([k.encode() for k in self._keys], dtype="S")
            if self._keys
            else np.zeros(0, "S1")
        )
        self._file["keys"] = text
        self._file["split"] = np.concatenate([np.zeros(0, np.uint8), *self._splits]).astype(
            np.uint8
        )
        attrs = self._file.attrs
        attrs["events"] = len(self._keys)
        attrs["detector"] = self._detector.name
        attrs["declaration"] = json.dumps(declaration(self._detector))
        attrs["provenance"] = json.dumps(self.provenance, sort_keys=True)
        attrs["format"] = FORMAT


class _Series:
    """A dataset that is written in whole chunks only."""

    def __init__(self, data: Any) -> None:
        self._data, self._step = data, data.chunks[0]
        self._begun = np.empty(data.chunks, data.dtype)  # the chunk that is not yet whole
        self._rows = 0  # of it

    def add(self, values: Array) -> None:
        if self._rows:
            values = self._begin(values)
            if self._rows < self._step:
                return
            self._append(self._begun)
            self._rows = 0
        whole = len(values) // self._step * self._step
        self._append(values[:whole])
        self._begin(values[whole:])

    def end(self) -> None:
        self._append(self._begun[: self._rows])

    def _begin(self, values: Array) -> Array:
        """Put into the begun chunk what it has room for; gives the others."""
        taken = min(self._step - self._rows, len(values))
        self._begun[self._rows : self._rows + taken] = values[:taken]
        self._rows += taken
        return values[taken:]

    def _append(self, values: Array) -> None:
        if len(values):
            start = len(self._data)
            self._data.resize(start + len(values), axis=0)
            self._data[start:] = values.astype(self._data.dtype, copy=False)


class _Counts(_Series):
    """Offsets, added to as counts."""

    def __init__(self, data: Any) -> None:
        super().__init__(data)
        self._last = 0
        super().add(np.zeros(1, np.int64))

    def add(self, values: Array) -> None:
        offsets = self._last + np.cumsum(values, dtype=np.int64)
        self._last = int(offsets[-1]) if len(offsets) else self._last
        super().add(offsets)


@contextmanager
def atomic(path: Path, half: Path | None = None) -> Iterator[Path]:
    """A name to write to: renamed to `path` at the end, removed after an exception.

    half: this name, of the same file system; by default one beside `path` for each process, which
    stays if the process is killed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = half or path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _column(events: Events, dataset: str) -> Array:
    """What `events` add to the dataset of that name; to offsets they add counts."""
    if dataset == "group":
        return events.group
    kind, *names = dataset.split("/")
    if kind == "truth":
        return events.truth[names[0]]
    stream, column = names
    table = events.streams[stream]
    return table.counts if column == "offsets" else table.columns[column]


def _contents(events: Events) -> set[str]:
    columns = {f"{name}.{c}" for name, table in events.streams.items() for c in table.columns}
    return columns | {f"truth {name}" for name in events.truth}


def _about(stream: Stream) -> dict[str, Column | Label]:
    parts = (getattr(stream, part, ()) for part in ("columns", "points", "labels"))
    return {item.name: item for part in parts for item in part}


def _none(detector: Detector) -> Events:
    """No events, with every label and truth."""
    return Events(
        streams={s.name: Table.empty(s.layout, 0) for s in detector.streams},
        truth={t.name: np.zeros((0, *t.layout[1]), t.layout[0]) for t in detector.truth},
    )
