"""Splits by a list: a CSV file that says of every event, or of every file, where it belongs.

Two columns with a header, ``event,split`` or ``file,split``. An event goes by its ``run/event``,
whose particles share its split; a file by its name without folder. A file's split may lend a share of
its events, chosen by the hash of their keys, to another: ``train+val:0.05``. Lines that are empty or
begin with # do not count.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TextIO

import numpy as np
from attrs import frozen

from .errors import EventError, suggest
from .events import Array
from .split import NAMES, event_of, share_of

_TOLD = 10  # faults that are told of
_BY = ("event", "file")


@frozen(eq=False)
class Manifest:
    """Positions in `split.NAMES` by event (``run/event``) or by file name, whichever `by` says.

    lent: of a file, the split that has a share of its events, and the share.
    """

    path: Path
    by: str
    splits: Mapping[str, int]
    lent: Mapping[str, tuple[int, float]]
    digest: str

    @property
    def about(self) -> dict[str, str]:
        """What is kept of it beside what was split by it."""
        return {"name": self.path.name, "sha256": self.digest}

    def splits_of(self, keys: Sequence[str], file: Path) -> Array:
        """Splits of the events `keys` of `file`, (B,) int8; -1 for what is not listed."""
        if self.by == "event":
            found = (self.splits.get(event_of(k), -1) for k in keys)
            return np.fromiter(found, np.int8, len(keys))
        other, share = self.lent.get(file.name, (-1, 0.0))
        lent = np.fromiter((share_of(k) >= 1 - share for k in keys), bool, len(keys))
        return np.where(lent, other, self.splits.get(file.name, -1)).astype(np.int8)

    def why_not(self, key: str, file: Path) -> str:
        """What is to be said of an event that is not listed."""
        name = file.name if self.by == "file" else event_of(key)
        return f"key {key!r}: {self.by} {name!r} is not in the manifest {self.path}"

    def missing(self, keys: Iterable[str], files: Iterable[Path]) -> list[str]:
        """What is listed but is none of the events `keys` or `files`, in the order of the list."""
        named = (f.name for f in files) if self.by == "file" else map(event_of, keys)
        found = set(named)
        return [name for name in self.splits if name not in found]


def find_manifest(name: str | Path, folders: Sequence[Path]) -> Path:
    """The manifest at the path `name`, or else of that name in ``splits`` of a folder of recipes."""
    if Path(name).is_file():
        return Path(name)
    known = {file.name: file for folder in folders for file in sorted(folder.glob("splits/*.csv"))}
    if Path(name).name != str(name) or name not in known:
        raise EventError(
            f"there is no manifest {str(name)!r}{suggest(str(name), known)} "
            f"(no such file here; installed: {', '.join(known) or 'none'})"
        )
    return known[str(name)]


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
    splits: dict[str, tuple[int, int, float]] = {}
    faults: list[str] = []
    for number, row in rows:
        if said := _take(row, at, by, splits):
            faults.append(f"{path}, line {number}: {said}")
    if faults:
        more = [f"and {len(faults) - _TOLD} more"] if len(faults) > _TOLD else []
        raise EventError("\n".join(faults[:_TOLD] + more))
    if not splits:
        raise EventError(f"{path}: lists no {by}")
    return Manifest(
        path=path,
        by=by,
        splits={name: first for name, (first, _, _) in splits.items()},
        lent={name: (other, share) for name, (_, other, share) in splits.items() if share},
        digest=sha256(data).hexdigest(),
    )


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


def _take(row: Sequence[str], at: int, by: str, splits: dict[str, tuple[int, int, float]]) -> str:
    """Note what a row says; what is wrong with it."""
    if len(row) != 2 or not row[at]:
        return f"must be one {by} and one split, not {','.join(row)}"
    name, cell = row[at], row[1 - at]
    split, lends, lent = cell.partition("+")
    other, _, share = lent.partition(":")
    for part in (split, *([other] if lends else ())):
        if part not in NAMES:
            return (
                f"there is no split {part!r}{suggest(part, NAMES)} (there are: {', '.join(NAMES)})"
            )
    if lends and (by == "event" or not re.fullmatch(r"0\.\d*[1-9]\d*", share)):
        return f"{cell!r} is no split; only a file may have one like train+val:0.05"
    if by == "event" and "/" not in name:
        return f"event {name!r} is not run/event"
    name = event_of(name) if by == "event" else name
    borrows = (NAMES.index(other), float(share)) if lends else (-1, 0.0)
    now = (NAMES.index(split), *borrows)
    if (before := splits.setdefault(name, now)) != now:
        return f"{by} {name!r} is in {NAMES[before[0]]} further up"
    return ""
