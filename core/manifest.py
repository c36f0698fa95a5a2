"""Splits by a list: a CSV file that says of every event, or of every file, where it belongs.

Two columns with a header, ``event,split`` or ``file,split``. An event goes by its ``run/event``,
whose particles share its split; a file by its name without folder. Lines that are empty or begin
with # do not count.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TextIO

import numpy as np
from attrs import frozen

from .errors import EventError, suggest
from .events import Array
from .split import NAMES, event_of

_TOLD = 10  # faults that are told of
_BY = ("event", "file")


@frozen(eq=False)
class Manifest:
    """Positions in `split.NAMES` by event (``run/event``) or by file name, whichever `by` says."""

    path: Path
    by: str
    splits: Mapping[str, int]
    digest: str

    def splits_of(self, keys: Sequence[str], file: Path) -> Array:
        """Splits of the events `keys` of `file`, (B,) int8; -1 for what is not listed."""
        names = [file.name] * len(keys) if self.by == "file" else [event_of(k) for k in keys]
        return np.fromiter((self.splits.get(n, -1) for n in names), np.int8, len(keys))

    def why_not(self, key: str, file: Path) -> str:
        """What is to be said of an event that is not listed."""
        name = file.name if self.by == "file" else event_of(key)
        return f"key {key!r}: {self.by} {name!r} is not in the manifest {self.path}"

    def missing(self, keys: Iterable[str], files: Iterable[Path]) -> list[str]:
        """What is listed but is none of the events `keys` or `files`, in the order of the list."""
        named = (f.name for f in files) if self.by == "file" else map(event_of, keys)
        found = set(named)
        return [name for name in self.splits if name not in found]


def read_manifest(path: Path) -> Manifest:
    """The manifest at `path`; EventError with all that is wrong with it, line by line."""
    try:
        data = path.read_bytes()
        lines = data.decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as fault:
        raise EventError(f"{path}: cannot be read: {fault}") from fault
    rows = _rows(lines)
    first, header = next(rows, (1, []))
    by = next((name for name in _BY if sorted(header) == sorted([name, "split"])), "")
    if not by:
        says = ",".join(header) or "nothing"
        raise EventError(f"{path}, line {first}: must be event,split or file,split, not {says}")
    at = header.index(by)
    splits: dict[str, int] = {}
    faults: list[str] = []
    for number, row in rows:
        if said := _take(row, at, by, splits):
            faults.append(f"{path}, line {number}: {said}")
    if faults:
        more = [f"and {len(faults) - _TOLD} more"] if len(faults) > _TOLD else []
        raise EventError("\n".join(faults[:_TOLD] + more))
    if not splits:
        raise EventError(f"{path}: lists no {by}")
    return Manifest(path, by, splits, sha256(data).hexdigest())


def write_manifest(file: TextIO, keys: Sequence[str], splits: Array) -> int:
    """Write the split of every event of `keys`, once each; how many there are."""
    events = {event_of(k): NAMES[s] for k, s in zip(keys, splits.tolist(), strict=True)}
    out = csv.writer(file, lineterminator="\n")
    out.writerow(["event", "split"])
    out.writerows(events.items())
    return len(events)


def _rows(lines: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Numbers and cells of the lines that count."""
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, [cell.strip() for cell in next(csv.reader([line]))]


def _take(row: Sequence[str], at: int, by: str, splits: dict[str, int]) -> str:
    """Note what a row says; what is wrong with it."""
    if len(row) != 2 or not row[at]:
        return f"must be one {by} and one split, not {','.join(row)}"
    name, split = row[at], row[1 - at]
    if split not in NAMES:
        return f"there is no split {split!r}{suggest(split, NAMES)} (there are: {', '.join(NAMES)})"
    if by == "event" and "/" not in name:
        return f"event {name!r} is not run/event"
    name = event_of(name) if by == "event" else name
    before = splits.setdefault(name, NAMES.index(split))
    if before != NAMES.index(split):
        return f"{by} {name!r} is in {NAMES[before]} further up"
    return ""
