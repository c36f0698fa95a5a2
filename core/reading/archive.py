"""Zip files from elsewhere: members by name, each checked and within bounds."""

from __future__ import annotations

import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from intarsia.core.errors import EventError

_LIMIT = 2**31  # bytes of a member when unpacked


@contextmanager
def opened_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """The zip file at `path`; EventError if it is none, also for damage found later."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = Counter(archive.namelist())
            if twice := [name for name, n in names.items() if n > 1]:
                raise EventError(f"has {twice[0]!r} twice")
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OverflowError) as fault:
        raise EventError(f"not a whole zip file ({fault})") from fault


def member(archive: zipfile.ZipFile, name: str) -> bytes:
    """The bytes of the member `name`; EventError if it is missing, damaged or enormous."""
    try:
        info = archive.getinfo(name)
    except KeyError:
        raise EventError(f"{name}: missing") from None
    if info.file_size > _LIMIT:
        raise EventError(f"{name}: {info.file_size} bytes, more than {_LIMIT >> 30} GiB")
    if info.flag_bits & 1:
        raise EventError(f"{name}: encrypted")
    try:
        data = archive.read(info)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as fault:
        raise EventError(f"{name}: damaged ({fault})") from fault
    if len(data) != info.file_size:
        raise EventError(f"{name}: {len(data)} of {info.file_size} bytes")
    return data
