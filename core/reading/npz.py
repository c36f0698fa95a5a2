"""``.npy`` and ``.npz`` files as plain arrays; arrays of objects only of what `unpickle` admits."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy_format

from intarsia.core.errors import EventError
from intarsia.core.events import Array

from .archive import member, opened_zip
from .unpickle import unpickle


class Npz(Mapping[str, Array]):
    """The arrays of an open ``.npz`` file by name; each is read when it is asked for."""

    def __init__(self, archive: Any) -> None:
        self._archive = archive
        self._names = {n.removesuffix(".npy"): n for n in archive.namelist()}

    def __getitem__(self, name: str) -> Array:
        """EventError beginning with `name` if it is missing or not whole."""
        if name not in self._names:
            raise EventError(
                f"{name}: missing (the file has: {', '.join(self._names) or 'nothing'})"
            )
        try:
            return npy(member(self._archive, self._names[name]))
        except EventError as fault:
            said = str(fault).removeprefix(f"{self._names[name]}: ")
            raise EventError(f"{name}: {said}") from None

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@contextmanager
def npz(path: Path) -> Iterator[Npz]:
    """The arrays of the file at `path`. EventError if it is no npz file."""
    with opened_zip(path) as archive:
        yield Npz(archive)


def npy(data: bytes) -> Array:
    """The array in the ``.npy`` file `data`, in this machine's byte order.

    EventError if it is cut off, claims more than it holds, or holds objects that could run code.
    """
    file = io.BytesIO(data)
    try:
        version = npy_format.read_magic(file)
        if version not in ((1, 0), (2, 0), (3, 0)):
            raise EventError(f"npy format {version} is not known")
        read: Any = {
            (1, 0): npy_format.read_array_header_1_0,
            (2, 0): npy_format.read_array_header_2_0,
            (3, 0): getattr(npy_format, "_read_array_header", None),
        }[version]
        shape, fortran, dtype = read(file, version) if version == (3, 0) else read(file)
    except EventError:
        raise
    # The header is a Python literal: a damaged one fails in its parser in many ways.
    except Exception as fault:
        raise EventError(f"not a whole array ({fault})") from fault
    return _filled(data[file.tell() :], shape, fortran, dtype)


def _filled(raw: bytes, shape: tuple[int, ...], fortran: bool, dtype: Any) -> Array:
    if any(n < 0 for n in shape):
        raise EventError(f"has the shape {shape}")
    if dtype.hasobject:
        if dtype.names:
            raise EventError("holds records with objects in them")
        found = np.asarray(unpickle(raw, "objects"), object)
        if found.shape != shape:
            raise EventError(f"holds objects of shape {found.shape}, not {shape}")
        return found
    count = int(np.prod([int(n) for n in shape], dtype=object))
    if len(raw) != count * dtype.itemsize:
        raise EventError(f"has {len(raw)} bytes for {shape} of {dtype}")
    values = np.frombuffer(raw, dtype, count) if dtype.itemsize else np.zeros(count, dtype)
    native: Array = values.astype(dtype.newbyteorder("="))
    return native.reshape(shape[::-1]).T if fortran else native.reshape(shape)
