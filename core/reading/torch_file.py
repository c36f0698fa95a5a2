"""``.pt`` files, in torch's zip format and in the one before it, as plain data. Torch is not used."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np

from intarsia.core.errors import EventError
from intarsia.core.events import Array

from .archive import member, opened_zip
from .pickled import Name, resolved
from .unpickle import STORAGES, load

_MAGIC = 0x1950A86A20F9469CFC6C
_LIMIT = 2**31  # bytes of a file that is read whole


def torch_file(path: Path) -> Any:
    """What the ``.pt`` file at `path` holds: dict, list, numbers, text, numpy arrays.

    Tensors become arrays. EventError if it is cut off or names anything that could run code.
    """
    if path.stat().st_size > _LIMIT:
        raise EventError(f"larger than {_LIMIT >> 30} GiB")
    with path.open("rb") as file:
        zipped = file.read(4) == b"PK\x03\x04"
    return _zipped(path) if zipped else _legacy(path.read_bytes())


def _zipped(path: Path) -> Any:
    with opened_zip(path) as archive:
        names = [n for n in archive.namelist() if n.endswith("/data.pkl") and n.count("/") == 1]
        if len(names) != 1:
            raise EventError("a zip file, but without a data.pkl as torch.save writes it")
        root = names[0].removesuffix("data.pkl")
        order = "<"
        if f"{root}byteorder" in archive.namelist():
            order = {b"little": "<", b"big": ">"}.get(member(archive, f"{root}byteorder"), "<")
        found: dict[str, Any] = {}

        def storage(pid: Any) -> Any:
            kind, key, count = _storage(pid)
            if key not in found:
                found[key] = _numbers(member(archive, f"{root}data/{key}"), kind, count, order)
            return lambda: found[key]

        data = io.BytesIO(member(archive, names[0]))
        return resolved(load(data, "data.pkl", storage))


def _legacy(data: bytes) -> Any:
    """Magic number, version and machine; the value; names of storages; their numbers."""
    file = io.BytesIO(data)
    first = load(file, "pickle")
    if first != _MAGIC:
        return resolved(first)  # a plain pickle called .pt
    load(file, "version")
    machine = resolved(load(file, "machine"))
    little = machine.get("little_endian", True) if isinstance(machine, dict) else True
    kinds: dict[str, tuple[str, int]] = {}
    found: dict[str, Array] = {}

    def storage(pid: Any) -> Any:
        kind, key, count = _storage(pid)
        kinds[key] = kind, count
        return lambda: found.get(key)

    value = load(file, "pickle", storage)
    keys = resolved(load(file, "storage keys"))
    for key in keys if isinstance(keys, list) else ():
        size = file.read(8)
        if key not in kinds or len(size) < 8:
            raise EventError(f"storage {key!r}: cut off")
        kind, count = kinds[key]
        if struct.unpack("<q", size)[0] != count:
            raise EventError(f"storage {key!r}: has {struct.unpack('<q', size)[0]} of {count}")
        raw = file.read(count * np.dtype(STORAGES[kind]).itemsize)
        found[key] = _numbers(raw, kind, count, "<" if little else ">")
    return resolved(value)


def _storage(pid: Any) -> tuple[str, str, int]:
    """Kind, key and length of the storage that a persistent id names."""
    whole = isinstance(pid, tuple) and len(pid) >= 5 and pid[0] == "storage"
    if not whole or not isinstance(pid[1], Name) or pid[1].name not in STORAGES:
        raise EventError("refers to something that is no storage of numbers")
    if len(pid) > 5 and pid[5] is not None:
        raise EventError("refers to a view of a storage")
    if not isinstance(pid[2], str) or not isinstance(pid[4], int) or not 0 <= pid[4] <= _LIMIT:
        raise EventError("refers to a storage of no sensible size")
    return pid[1].name, pid[2], pid[4]


def _numbers(raw: bytes, kind: str, count: int, order: str) -> Array:
    dtype = np.dtype(order + STORAGES[kind])
    if len(raw) < count * dtype.itemsize:
        raise EventError(f"a storage has {len(raw)} bytes, not {count * dtype.itemsize}")
    values = np.frombuffer(raw, dtype, count).astype(dtype.newbyteorder("="))
    if kind != "torch.BFloat16Storage":
        return values
    wide: Array = (values.astype(np.uint32) << 16).view(np.float32)
    return wide
