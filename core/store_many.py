"""Several event files read as one, e.g. the shards of a large production."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .detector import difference
from .errors import EventError
from .events import Array, Table
from .store_read import EventFile


def event_file(names: Sequence[Path | str]) -> EventFile:
    """The event file of that name, or several read as one; a name may be a pattern (``*.h5``).

    Files are in the order of `names`, those of a pattern by name. EventError if there is none, if
    they do not fit together, or two events have one key.
    """
    if not (paths := [path for name in names for path in _matching(str(name))]):
        raise EventError("no event file is named")
    return EventFile(paths[0]) if len(paths) == 1 else EventFiles(paths)


def _matching(name: str) -> list[Path]:
    """`name` itself, even if there is no such file, or the files that it is a pattern of."""
    if Path(name).exists() or not glob.has_magic(name):
        return [Path(name)]
    if not (found := sorted(glob.glob(name, recursive=True))):
        raise EventError(f"{name}: no file is called so")
    return [Path(f) for f in found]


class EventFiles(EventFile):
    """Event files of one detector, with the same labels and truth, their events end to end.

    Nothing is copied: blocks are read from the file that has them. path: of the first.
    """

    def __init__(self, paths: Sequence[Path | str]) -> None:
        super().__init__(paths[0])
        self.files = tuple(EventFile(p) for p in paths)
        first = self.files[0]
        for file in self.files[1:]:
            differs = difference(first.declaration, file.declaration)
            if not differs and (other := _contents(first) ^ _contents(file)):
                differs = f"only one has {', '.join(sorted(other))}"
            if differs:
                raise EventError(f"{file.path}: does not go with {first.path}: {differs}")
        self._once()

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"files": self.files}

    def __len__(self) -> int:
        return sum(map(len, self.files))

    def __repr__(self) -> str:
        return f"EventFiles({[str(f.path) for f in self.files]})"

    @property
    def provenance(self) -> dict[str, Any]:
        """What all files say alike, and how many files there are."""
        first, *others = (f.provenance for f in self.files)
        alike = {k: v for k, v in first.items() if all(o.get(k, o) == v for o in others)}
        return alike | {"files": len(self.files)}

    def _once(self) -> None:
        """EventError if a key comes twice."""
        seen: dict[str, EventFile] = {}
        for file in self.files:
            for key in file.keys:
                if key in seen:
                    raise EventError(f"{file.path}: event {key!r} is in {seen[key].path} too")
                seen[key] = file

    def _whole(self, name: str) -> Array:
        parts = [file._whole(name) for file in self.files]
        if not name.endswith("/offsets"):
            return np.concatenate(parts)
        before = np.cumsum([0, *(part[-1] for part in parts)])
        shifted = [part[1:] + rows for part, rows in zip(parts, before, strict=False)]
        return np.concatenate([parts[0][:1], *shifted])

    def _table(self, stream: str, first: int, last: int, labels: bool) -> Table:
        parts, start = [], 0
        for file in self.files:
            lo, hi = max(first - start, 0), min(last - start, len(file))
            if lo < hi:
                parts.append(file._table(stream, lo, hi, labels))
            start += len(file)
        none = self.files[0]._table(stream, 0, 0, labels)
        return parts[0] if len(parts) == 1 else Table.concat(parts or [none])


def _contents(file: EventFile) -> set[str]:
    columns = {f"{name}.{c}" for name, found in file._columns.items() for c in found}
    return columns | {f"truth {name}" for name in file.truth_names}
