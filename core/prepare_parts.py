"""Events that are prepared but not yet one file: parts beside it, from which a run goes on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from attrs import evolve, frozen

from .detector import Detector
from .errors import RunError
from .events import Array, Events, Table
from .store import EventFile, EventWriter, atomic
from .streams import Label


@frozen(kw_only=True)
class PartNote:
    """What is known of a part: where it ends, what it left out, which labels say something.

    until: (file, record) that comes next. left_out: what is wrong, in order. readers: that were
    used.
    """

    until: tuple[int, int]
    left_out: tuple[str, ...] = ()
    records_left_out: int = 0
    known: tuple[str, ...] = ()
    readers: tuple[str, ...] = ()


class Parts:
    """The folder of parts of the file `out`, for work that is told by `job`.

    Made when the first part is added. RunError if it holds parts of this work and `resume` is
    false, or of other work and it is true; parts of other work are removed otherwise.
    """

    def __init__(self, out: Path, detector: Detector, job: Mapping[str, Any], resume: bool) -> None:
        self.folder = out.with_name(f".{out.name}.parts")
        self._detector, self._job = detector, dict(job)
        self.notes: list[PartNote] = []
        if not self.folder.exists():
            return
        same = self._same()
        if resume and not same:
            raise RunError(
                f"{out}: has been begun with other files or options (in {self.folder}); "
                "give those, or begin again without --resume"
            )
        if not same:
            self.remove()
            return
        if not resume:
            raise RunError(
                f"{out}: has been begun; go on with --resume, or remove {self.folder} "
                "to begin again"
            )
        self._load()

    @property
    def until(self) -> tuple[int, int]:
        """(file, record) from which to go on."""
        return self.notes[-1].until if self.notes else (0, 0)

    @property
    def files(self) -> list[EventFile]:
        """The parts in order."""
        return [EventFile(self._part(i)) for i in range(len(self.notes))]

    def add(self, events: Sequence[Events], splits: Sequence[Array], note: PartNote) -> None:
        """Keep `events`, whose labels and truth may differ, as the next part."""
        known = known_in(events)
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.notes:
            self._write("job.json", self._job)
        with EventWriter(self._part(len(self.notes)), self._detector, {}) as file:
            for some, split in zip(events, splits, strict=True):
                file.append(with_labels(some, self._detector, known), split)
        note = evolve(note, known=tuple(sorted(known)))
        self._write(f"{len(self.notes)}.json", {f: getattr(note, f) for f in _FIELDS})
        self.notes.append(note)

    def events(self) -> Iterator[tuple[Events, Array]]:
        """All events in blocks, with their splits; of the labels and truth only what is known.

        A label that only some events have is missing in the others.
        """
        known = {name for note in self.notes for name in note.known}
        for file in self.files:
            for first in range(0, len(file), 64):
                last = min(first + 64, len(file))
                some = file.read(first, last)
                yield with_labels(some, self._detector, known), file.splits[first:last]

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _part(self, number: int) -> Path:
        return self.folder / f"{number}.h5"

    def _write(self, name: str, values: Mapping[str, Any]) -> None:
        with atomic(self.folder / name) as path:
            path.write_text(json.dumps(values))

    def _same(self) -> bool:
        """Whether the folder's parts are of this work."""
        job = self.folder / "job.json"
        return job.exists() and json.loads(job.read_text()) == json.loads(json.dumps(self._job))

    def _load(self) -> None:
        """The notes of all parts that are whole."""
        while (path := self.folder / f"{len(self.notes)}.json").exists():
            found: dict[str, Any] = json.loads(path.read_text())
            values: Any = {k: tuple(v) if isinstance(v, list) else v for k, v in found.items()}
            self.notes.append(PartNote(**values))


_FIELDS = ("until", "left_out", "records_left_out", "known", "readers")


def known_in(events: Sequence[Events]) -> set[str]:
    """Labels (``stream.label``) and truth (``truth``) of which some event has a value."""
    found = set()
    for some in events:
        found |= {name for name, values in some.truth.items() if _says(values)}
        for stream, table in some.streams.items():
            found |= {f"{stream}.{c}" for c, values in table.columns.items() if _says(values)}
    return found


def with_labels(events: Events, detector: Detector, known: set[str]) -> Events:
    """`events` with the labels and truth named in `known` and no others, missing where unknown."""
    truth = {
        t.name: events.truth.get(t.name, _missing(t, len(events)))
        for t in detector.truth
        if t.name in known
    }
    streams = {}
    for stream in detector.streams:
        table = events.streams[stream.name]
        n, labels = int(table.offsets[-1]), {label.name: label for label in stream.labels}
        columns: dict[str, Array] = {}
        for name in stream.layout:
            if name not in labels:
                columns[name] = table[name]
            elif f"{stream.name}.{name}" in known:
                columns[name] = table.columns.get(name, _missing(labels[name], n))
        streams[stream.name] = Table(table.offsets, columns)
    return evolve(events, streams=streams, truth=truth)


def _says(values: Array) -> bool:
    if values.dtype.kind == "f":
        return bool(np.isfinite(values).any())
    return bool((values >= 0).any())


def _missing(label: Label, n: int) -> Array:
    dtype, shape = label.layout
    return np.full((n, *shape), -1 if dtype == "int8" else np.nan, dtype)
