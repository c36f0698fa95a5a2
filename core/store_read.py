"""Reading event files, see `intarsia.core.store` for the layout."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from .detector import Detector, declaration, difference
from .errors import EventError
from .events import Array, Events, Table
from .split import NAMES

FORMAT = 1

# Events that are at most so many apart are read in one go and the ones between thrown away:
# a read costs about as much as decoding this many small events (measured on FASERCal files).
_NEAR = 4


class EventFile:
    """An event file, opened when first read from, once per process; it may be pickled.

    Units are those of the declaration. Labels and truth that the file lacks (real data) are absent
    from what `read` gives. EventError if it is missing, foreign, cut off, or of another format.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._open: tuple[int, Any] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "_open": None}

    def __len__(self) -> int:
        return int(self._header["events"])

    def __repr__(self) -> str:
        return f"EventFile({str(self.path)!r})"

    @property
    def detector(self) -> str:
        """Name of the detector that the events are of."""
        return str(self._header["detector"])

    @property
    def declaration(self) -> dict[str, Any]:
        """What the detector declared when the file was written, see `detector.declaration`."""
        parsed: dict[str, Any] = json.loads(self._header["declaration"])
        return parsed

    @property
    def provenance(self) -> dict[str, Any]:
        """How the events came about, e.g. ``{"simulation": "fast", "seed": 1}``."""
        parsed: dict[str, Any] = json.loads(self._header["provenance"])
        return parsed

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Keys of all events: ``run/event`` or ``run/event/particle``."""
        return tuple(k.decode() for k in self._whole("keys"))

    @cached_property
    def group(self) -> Array:
        """(B,) int64, equal for samples of one physical event."""
        return self._whole("group")

    @cached_property
    def splits(self) -> Array:
        """(B,) uint8, positions in `split.NAMES`."""
        return self._whole("split")

    @cached_property
    def truth(self) -> Mapping[str, Array]:
        """Truth of all events, each (B, ...); without any, an empty mapping."""
        return {name: self._whole(f"truth/{name}") for name in self.truth_names}

    @property
    def truth_names(self) -> tuple[str, ...]:
        """Event truth that the file has."""
        return tuple(
            t["name"] for t in self.declaration["truth"] if t["name"] in self._file["truth"]
        )

    @property
    def label_names(self) -> tuple[str, ...]:
        """Row labels that the file has, as ``stream.label``."""
        return tuple(
            f"{stream['name']}.{label['name']}"
            for stream in self.declaration["streams"]
            for label in stream.get("labels", ())
            if label["name"] in self._columns[stream["name"]]
        )

    def rows(self, stream: str) -> Array:
        """Rows of `stream` in each event, (B,) int64, without reading them."""
        return np.diff(self._offsets[stream])

    def pieces(self, dataset: str, rows: int) -> Iterator[Array]:
        """The dataset of that name in the file, in pieces of so many rows."""
        with _understood(self.path):
            data = self._file[dataset]
            for first in range(0, len(data), rows):
                yield data[first : first + rows]

    def select(self, split: str) -> Array:
        """Numbers of the events of `split`, ascending int64; EventError if there is no such split."""
        if split not in NAMES:
            raise EventError(f"there is no split {split!r} (there are: {', '.join(NAMES)})")
        return np.flatnonzero(self.splits == NAMES.index(split))

    def read(self, first: int, last: int, labels: bool = True) -> Events:
        """Events `first` to `last` (a block, the fast way); `labels`: with row labels."""
        if not 0 <= first <= last <= len(self):
            raise EventError(f"{self.path}: has {len(self)} events, not {first} to {last}")
        return Events(
            streams={name: self._table(name, first, last, labels) for name in self._columns},
            truth={k: v[first:last] for k, v in self.truth.items()},
            keys=self.keys[first:last],
            group=self.group[first:last],
        )

    def take(self, indices: Array | Sequence[int], labels: bool = True) -> Events:
        """The events numbered `indices`, in that order; one may come twice. None gives no events."""
        wanted = np.asarray(indices, np.int64).reshape(-1)
        numbers, back = np.unique(wanted, return_inverse=True)
        if not len(numbers):
            return self.read(0, 0, labels)
        if numbers[0] < 0 or numbers[-1] >= len(self):
            worst = numbers[0] if numbers[0] < 0 else numbers[-1]
            raise EventError(f"{self.path}: has {len(self)} events, there is no number {worst}")
        blocks = np.split(numbers, np.flatnonzero(np.diff(numbers) > _NEAR) + 1)
        parts = [self._some(block, labels) for block in blocks]
        events = parts[0] if len(parts) == 1 else Events.collate(parts)
        same = len(back) == len(numbers) and (np.diff(back) == 1).all()
        return events if same else events.take(back)

    def matches(self, detector: Detector) -> None:
        """EventError naming the first difference if `detector` declares other events than these."""
        if differs := difference(declaration(detector), self.declaration):
            raise EventError(
                f"{self.path}: written for another declaration of {detector.name!r} "
                f"(here: the plugin's, there: the file's): {differs}"
            )

    def _some(self, numbers: Array, labels: bool) -> Events:
        block = self.read(int(numbers[0]), int(numbers[-1]) + 1, labels)
        return block if len(block) == len(numbers) else block.take(numbers - numbers[0])

    def _table(self, stream: str, first: int, last: int, labels: bool) -> Table:
        offsets = self._offsets[stream]
        lo, hi = int(offsets[first]), int(offsets[last])
        columns = {}
        with _understood(self.path):
            for name, is_label in self._columns[stream].items():
                if labels or not is_label:
                    columns[name] = self._file[f"streams/{stream}/{name}"][lo:hi]
        return Table(offsets[first : last + 1] - lo, columns)

    def _whole(self, name: str) -> Array:
        with _understood(self.path):
            values: Array = self._file[name][:]
            return values

    @cached_property
    def _columns(self) -> dict[str, dict[str, bool]]:
        """Columns of each stream that the file has: whether it is a label."""
        found = {}
        for stream in self.declaration["streams"]:
            labels = {label["name"] for label in stream.get("labels", ())}
            group = self._file[f"streams/{stream['name']}"]
            found[stream["name"]] = {c: c in labels for c in group.attrs["columns"]}
        return found

    @cached_property
    def _offsets(self) -> dict[str, Array]:
        return {name: self._whole(f"streams/{name}/offsets") for name in self._columns}

    @cached_property
    def _header(self) -> dict[str, Any]:
        with _understood(self.path):
            return dict(self._file.attrs)

    @property
    def _file(self) -> Any:
        if self._open is None or self._open[0] != os.getpid():
            self._open = os.getpid(), _opened(self.path)
        return self._open[1]


@contextmanager
def _understood(path: Path) -> Iterator[None]:
    """Turn what HDF5 says of a damaged file into one EventError."""
    try:
        yield
    except (OSError, KeyError, RuntimeError) as fault:
        raise EventError(f"{path}: damaged event file: {fault}".replace("\n", " ")) from fault


def _opened(path: Path) -> Any:
    """The checked open file; EventError otherwise."""
    if not path.is_file():
        raise EventError(f"{path}: there is no such file")
    try:
        # A cache of chunks would take memory and, as blocks are read in one go, only time.
        file = h5py.File(path, "r", locking=False, rdcc_nbytes=0)
    except OSError as fault:
        foreign = "signature not found" in str(fault)
        what = "not an HDF5 file" if foreign else "cut off or damaged: " + str(fault)
        raise EventError(f"{path}: {what}".replace("\n", " ")) from fault
    with _understood(path):
        if fault_found := _fault(file):
            file.close()
            raise EventError(f"{path}: {fault_found}")
    return file


def _fault(file: Any) -> str:
    """What is wrong with an open file as a whole, or an empty string."""
    found = file.attrs.get("format")
    if found is None or "declaration" not in file.attrs:
        return "an HDF5 file, but not an event file of intarsia"
    if found != FORMAT:
        return f"event file of format {found}, this version reads format {FORMAT}"
    b = int(file.attrs["events"])
    for name in ("keys", "group", "split", *(f"truth/{t}" for t in file["truth"])):
        if len(file[name]) != b:
            return f"not whole: {name} has {len(file[name])} entries for {b} events"
    for name, stream in file["streams"].items():
        rows = int(stream["offsets"][-1]) if len(stream["offsets"]) == b + 1 else -1
        for column in stream.attrs["columns"]:
            if len(stream[column]) != rows:
                return (
                    f"not whole: streams/{name}/{column} has {len(stream[column])} of {rows} rows"
                )
    return ""
