"""HDF5 files from elsewhere: tables, ragged rows, and nothing that leads out of the file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from intarsia.core.errors import EventError, suggest
from intarsia.core.events import Array

from .boundaries import Ranges
from .values import numbers

_LIMIT = 2**31  # bytes of one read
_CHUNK = 2**28  # bytes of one chunk of a dataset: it is unpacked as a whole
_SPARE = 2**24  # bytes that a dataset may have without a byte in the file
_PACKED = 1100  # bytes that a byte in the file can stand for: deflate packs no better
_FILTERS = {  # others would be fetched from a folder of plugins
    h5py.h5z.FILTER_DEFLATE,
    h5py.h5z.FILTER_SHUFFLE,
    h5py.h5z.FILTER_FLETCHER32,
    h5py.h5z.FILTER_SZIP,
    h5py.h5z.FILTER_NBIT,
    h5py.h5z.FILTER_SCALEOFFSET,
    h5py.h5z.FILTER_LZF,
}


class Hdf5:
    """An open HDF5 file. Names are paths of datasets within it.

    External and soft links, external storage and virtual datasets are refused: they could make a
    file read others. EventError if it is no HDF5 file; messages begin with the dataset's name.
    """

    def __init__(self, path: Path) -> None:
        if not h5py.is_hdf5(path):
            raise EventError("not an HDF5 file, or cut off at its beginning")
        with understood("file"):
            self._file = h5py.File(path, "r", locking=False)
        self._known: dict[str, Any] = {}

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def names(self, group: str = "/") -> tuple[str, ...]:
        """What is in `group`, sorted; nothing if there is no such group."""
        with understood(group):
            found = self._walk(group)
            return tuple(sorted(found)) if isinstance(found, h5py.Group) else ()

    def __contains__(self, name: str) -> bool:
        with understood(name):
            return isinstance(self._walk(name), h5py.Dataset)

    def rows(self, name: str) -> int:
        """Rows of the dataset `name`."""
        return int(self.dataset(name).shape[0])

    def dataset(self, name: str) -> Any:
        """The dataset `name`, of at least one dimension, known to be within the file."""
        if name not in self._known:
            with understood(name):
                found = self._walk(name)
                if not isinstance(found, h5py.Dataset):
                    folder = name.rpartition("/")[0] or "/"
                    near = [f"{folder.rstrip('/')}/{n}".lstrip("/") for n in self.names(folder)]
                    raise EventError(f"{name}: missing{suggest(name, near)}")
                _own(found, name)
                self._known[name] = found
        return self._known[name]

    def read(self, name: str, first: int, last: int) -> Array:
        """Rows `first` to `last` of a dataset of numbers."""
        data = self.dataset(name)
        self._bounded(data, name, last - first)
        with understood(name):
            values = data[first:last]
        _whole(values, last - first, name)
        return numbers(values, name)

    def table(self, name: str, first: int, last: int, columns: Iterable[str]) -> dict[str, Array]:
        """`columns` of rows `first` to `last` of a dataset of compound type."""
        data = self.dataset(name)
        known = data.dtype.names or ()
        for column in columns:
            if column not in known:
                has = ", ".join(known) or "no columns"
                raise EventError(
                    f"{name}: has no {column!r}{suggest(column, known)} (it has: {has})"
                )
        self._bounded(data, name, last - first)
        with understood(name):
            values = data[first:last]
        _whole(values, last - first, name)
        return {c: _column(values[c], f"{name}.{c}") for c in columns}

    def gather(self, name: str, ranges: Ranges, columns: Iterable[str] = ()) -> dict[str, Array]:
        """`columns` of the rows of all `ranges` end to end; the whole row as "" without columns."""
        self._bounded(self.dataset(name), name, int(ranges.counts.sum()))
        wanted = tuple(columns)
        parts = []
        for first, last in _runs(ranges):
            part = self.table(name, first, last, wanted) if wanted else None
            parts.append(part or {"": self.read(name, first, last)})
        if len(parts) == 1:
            return parts[0]
        return {c: np.concatenate([p[c] for p in parts]) for c in parts[0]}

    def ragged(self, name: str, first: int, last: int) -> tuple[Array, Array]:
        """Rows of variable length: counts (last - first,), and all their numbers end to end."""
        data = self.dataset(name)
        inner = h5py.check_vlen_dtype(data.dtype)
        if inner is None or not isinstance(inner, np.dtype) or len(data.shape) != 1:
            raise EventError(f"{name}: rows are not of variable length ({data.dtype})")
        with understood(name):
            rows = data[first:last]
        _whole(rows, last - first, name)
        counts = np.array([len(row) for row in rows], np.int64)
        if not inner.isnative:  # h5py gives the bytes as the file has them, and calls them native
            rows = [row.view(inner) if row.dtype.isnative else row for row in rows]
        flat = np.concatenate([np.zeros(0, inner), *rows])
        return counts, numbers(flat, name)

    def _walk(self, name: str) -> Any:
        """The object called `name`, by links within the file alone; None if there is none."""
        found: Any = self._file
        for step in filter(None, name.split("/")):
            # Not `step in found`: h5py would follow an external link to see whether it leads anywhere.
            if not isinstance(found, h5py.Group) or not found.id.links.exists(step.encode()):
                return None
            kind = found.id.links.get_info(step.encode()).type
            if kind != h5py.h5l.TYPE_HARD:
                what = "an external" if kind == h5py.h5l.TYPE_EXTERNAL else "a soft"
                raise EventError(f"{name}: {step!r} is {what} link, which is not followed")
            found = found[step]
        return found

    def _bounded(self, data: Any, name: str, rows: int) -> None:
        size = rows * data.dtype.itemsize * int(np.prod(data.shape[1:], dtype=object))
        if size > _LIMIT:
            raise EventError(f"{name}: {size} bytes at once, more than {_LIMIT >> 30} GiB")


@contextmanager
def understood(name: str) -> Iterator[None]:
    """Turn what the HDF5 library says of a damaged file into one EventError."""
    try:
        yield
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, OverflowError) as fault:
        said = " ".join(str(fault).split())
        raise EventError(f"{name}: damaged HDF5 ({said})") from fault


def _own(data: Any, name: str) -> None:
    """EventError if the numbers of a dataset are not all in its own file, or absurd."""
    if data.external or data.is_virtual:
        raise EventError(f"{name}: its data are in other files, which are not read")
    if not data.shape:
        raise EventError(f"{name}: a single value, not rows")
    if data.chunks and np.prod(data.chunks, dtype=object) * data.dtype.itemsize > _CHUNK:
        raise EventError(f"{name}: chunks of {data.chunks} rows, more than {_CHUNK >> 20} MiB each")
    claimed = int(np.prod(data.shape, dtype=object)) * data.dtype.itemsize
    if claimed > max(_SPARE, _PACKED * (held := data.id.get_storage_size())):
        raise EventError(f"{name}: is to have {claimed} bytes, of which {held} are in the file")
    plist = data.id.get_create_plist()
    used = {plist.get_filter(i)[0] for i in range(plist.get_nfilters())}
    if unknown := used - _FILTERS:
        raise EventError(f"{name}: packed by filters {sorted(unknown)}, which are not known here")


def _runs(ranges: Ranges) -> Iterator[tuple[int, int]]:
    """Ranges of rows to read in one go each: those that follow each other together."""
    used = ranges.counts > 0
    first = ranges.first[used]
    last = first + ranges.counts[used]
    if not len(first):
        yield 0, 0
        return
    begins = np.concatenate([[True], first[1:] != last[:-1]])
    ends = np.concatenate([begins[1:], [True]])
    yield from zip(first[begins].tolist(), last[ends].tolist(), strict=True)


def _whole(values: Any, rows: int, name: str) -> None:
    if len(values) != rows:
        raise EventError(f"{name}: has {len(values)} rows where {rows} were to be")


def _column(values: Array, name: str) -> Array:
    """A column of numbers; one that is a table itself (a vertex), or text, as it is."""
    if values.dtype.names or values.dtype.kind == "S":
        return np.ascontiguousarray(values)
    return numbers(np.ascontiguousarray(values), name)
