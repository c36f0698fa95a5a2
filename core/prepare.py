"""Event files from the files of other experiments: in several processes, resumable, whole or not."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from attrs import evolve, field, frozen

from intarsia import __version__

from .detector import Detector, declaration
from .errors import EventError, RunError
from .events import Array, Events
from .foreign import Piece, read_foreign
from .foreign_pool import Asked
from .inputs import Options, files_of, options_of, readers_of
from .manifest import Manifest, read_manifest
from .prepare_keys import Seen, where
from .prepare_parts import PartNote, Parts
from .progress import Notify, Progress, silent
from .reading import group_of
from .split import NAMES, splits_of
from .store import EventWriter, atomic

_PART_EVENTS = 1024  # events of a part
_PART_BYTES = 256 << 20  # or its size in memory, if that comes first
_TOLD = 20  # names of files that the file itself tells of
GO_ON = "to go on and leave out what cannot be read: --resume --skip-broken"


@frozen(kw_only=True)
class How:
    """How files are prepared.

    reader: its name, "" to choose by suffix and content. options: of the reader. split: put all
    events in this one ("train", "val" or "test"). manifest: a file that lists the splits, see
    `manifest`; what it does not list is a fault. by_file: event keys become FILE:RUN/EVENT, for
    files whose numbers repeat. skip_broken: leave out what cannot be read. timeout: seconds for a
    block of events. resume: go on with what an interrupted run has prepared.
    """

    reader: str = ""
    options: Options = field(factory=dict)
    split: str = ""
    manifest: Path | None = None
    by_file: bool = False
    skip_broken: bool = False
    timeout: float = 300.0
    resume: bool = False
    workers: int = 1


@frozen
class Prepared:
    """What `prepare` did: events, files, what was left out (one line each), where that is listed.

    missing: events or files of the manifest that are in no file.
    """

    events: int
    files: int
    left_out: tuple[str, ...]
    records_left_out: int
    listed: Path | None
    seconds: float
    splits: Mapping[str, int]
    missing: tuple[str, ...] = ()


def prepare(
    detector: Detector,
    inputs: Sequence[Path | str],
    out: Path,
    how: How,
    notify: Notify = silent,
) -> Prepared:
    """Write all events of `inputs` (files, folders, patterns) to the event file `out`.

    The bytes depend on the files and their order alone. Memory does not grow with them, but for
    200 bytes an event. Without `skip_broken` the first fault is an EventError naming file, event,
    field and what is wrong; what was prepared before it is kept beside `out` for `resume`. `out`
    appears when it is whole. RunError for inputs, readers or options that there are not, and if
    `out` is a folder or an input.
    """
    started = time.perf_counter()
    readers = readers_of(detector, how.reader)
    options_of(readers, how.options)
    files = files_of(inputs, readers, bool(how.reader))
    _may_be_written(out, files)
    asked = Asked(detector, readers, dict(how.options), tuple(files))
    manifest = read_manifest(how.manifest) if how.manifest else None
    parts = Parts(out, detector, _job(asked, how, manifest), how.resume)
    _read(asked, how, manifest, parts, notify)
    counts = _join(parts, asked, how, manifest, out, notify)
    keys = (key for file in parts.files for key in file.keys)
    missing = tuple(manifest.missing(keys, files)) if manifest else ()
    left_out = tuple(line for note in parts.notes for line in note.left_out)
    listed = out.with_name(f"{out.name}.left_out.txt")
    if left_out:
        with atomic(listed) as path:
            path.write_text("".join(f"{line}\n" for line in left_out))
    else:
        listed.unlink(missing_ok=True)  # of an earlier file of this name
    records = sum(note.records_left_out for note in parts.notes)
    parts.remove()
    seconds = time.perf_counter() - started
    events = sum(counts.values())
    where_listed = listed if left_out else None
    return Prepared(events, len(files), left_out, records, where_listed, seconds, counts, missing)


def _may_be_written(out: Path, files: Sequence[Path]) -> None:
    """RunError if `out` is a folder, or one of `files`, which it would replace."""
    if out.is_dir():
        raise RunError(f"{out}: is a folder; name the file to write")
    if out.exists() and any(out.samefile(file) for file in files):
        raise RunError(f"{out}: is one of the files to read; give what is written another name")


def _job(asked: Asked, how: How, manifest: Manifest | None) -> dict[str, Any]:
    """What decides the result: parts of other work are not to be gone on with."""
    seen = sha256()
    for file in asked.files:
        at = file.stat()
        seen.update(f"{file}\0{at.st_size}\0{at.st_mtime_ns}\n".encode())
    return {
        "files": seen.hexdigest(),
        "declaration": declaration(asked.detector),
        "how": [how.reader, dict(how.options), how.split, how.by_file],
        "manifest": manifest.digest if manifest else "",
        "version": __version__,
    }


def _read(asked: Asked, how: How, manifest: Manifest | None, parts: Parts, notify: Notify) -> None:
    """Read on from where the parts end, into further parts."""
    seen = Seen(asked.files)
    for file in parts.files:
        seen.note(file.keys)
    part = _Part(parts, sum(len(f) for f in parts.files))
    try:
        for piece in read_foreign(asked, how.workers, how.timeout, parts.until):
            path = asked.files[piece.file]
            taken, found = seen.sorted_out(_renamed(piece, path, how))
            splits = _splits(taken, path, how, manifest)
            if (splits < 0).any() and manifest:
                taken, unlisted = _listed(taken, splits, path, manifest)
                splits, found = splits[splits >= 0], found + unlisted
            if found and not how.skip_broken:
                raise EventError(f"{found[0]}; {GO_ON}")
            part.add(taken, splits, found)
            note = f"file {piece.file + 1} of {len(asked.files)}"
            notify(Progress("preparing", part.events, 0, note=note))
    except BaseException:
        part.keep()
        raise
    part.keep(last=True)
    notify(Progress("preparing", part.events, part.events, note=f"{len(asked.files)} files"))


def _renamed(piece: Piece, path: Path, how: How) -> Piece:
    if not how.by_file or not isinstance(piece.what, Events):
        return piece
    keys = tuple(f"{path.stem}:{key}" for key in piece.what.keys)
    return evolve(piece, what=evolve(piece.what, keys=keys, group=group_of(keys)))


def _splits(piece: Piece, path: Path, how: How, manifest: Manifest | None) -> Array:
    """Where the events of `piece` belong, (B,); -1 for those that the manifest does not list."""
    keys = piece.what.keys if isinstance(piece.what, Events) else ()
    if manifest:
        return manifest.splits_of(keys, path)
    return splits_of(keys, (how.split,) if how.split else piece.splits)


def _listed(piece: Piece, splits: Array, path: Path, manifest: Manifest) -> tuple[Piece, list[str]]:
    """`piece` without the events that the manifest does not list, and what is said of those."""
    assert isinstance(piece.what, Events)  # noqa: S101 (what has no events has no splits)
    records = where(piece)
    unlisted = [piece.what.keys[b] for b in np.flatnonzero(splits < 0)]
    faults = [f"{path}, {records}: {manifest.why_not(key, path)}" for key in unlisted]
    return evolve(piece, what=piece.what.take(np.flatnonzero(splits >= 0))), faults


class _Part:
    """Events that wait to become a part."""

    def __init__(self, parts: Parts, events: int) -> None:
        self._parts, self.events = parts, events
        self._clear()

    def _clear(self) -> None:
        self._events: list[Events] = []
        self._splits: list[Array] = []
        self._faults: list[str] = []
        self._readers: list[str] = []
        self._lost = self._size = 0
        self._until: tuple[int, int] | None = None

    def add(self, piece: Piece, splits: Array, faults: Sequence[str]) -> None:
        """Take what is good of `piece`, with its splits, note what is not."""
        self._faults += faults
        if isinstance(piece.what, str):
            self._lost += max(piece.last - piece.first, 1)
        else:
            self._lost += len(faults)
        if isinstance(piece.what, Events) and len(piece.what):
            self._events.append(piece.what)
            self._splits.append(splits.astype(np.uint8))
            self._size += _bytes(piece.what)
            self.events += len(piece.what)
        self._readers = list(dict.fromkeys([*self._readers, piece.reader]))
        self._until = (piece.file, piece.last) if piece.last else (piece.file + 1, 0)
        if sum(map(len, self._events)) >= _PART_EVENTS or self._size >= _PART_BYTES:
            self.keep()

    def keep(self, last: bool = False) -> None:
        """Make a part of what waits; without events only at the end, for the faults."""
        if self._until is not None and (self._events or last):
            note = PartNote(
                until=self._until,
                left_out=tuple(self._faults),
                records_left_out=self._lost,
                readers=tuple(filter(None, self._readers)),
            )
            self._parts.add(self._events, self._splits, note)
            self._clear()


def _bytes(events: Events) -> int:
    return sum(c.nbytes for t in events.streams.values() for c in t.columns.values())


def _join(
    parts: Parts, asked: Asked, how: How, manifest: Manifest | None, out: Path, notify: Notify
) -> dict[str, int]:
    """One file of all parts; events of each split."""
    left_out = [line for note in parts.notes for line in note.left_out]
    total = sum(len(f) for f in parts.files)
    if not total:
        first = f", the first as follows\n{left_out[0]}" if left_out else ""
        parts.remove()
        raise EventError(f"{out}: not written: no event in {len(asked.files)} files{first}")
    provenance = {
        "simulation": "none",
        "prepared": sorted({r for note in parts.notes for r in note.readers}),
        "version": __version__,
        "options": dict(how.options),
        "files": len(asked.files),
        "first_files": [f.name for f in asked.files[:_TOLD]],
        "left_out": sum(note.records_left_out for note in parts.notes),
    }
    if manifest:
        provenance["manifest"] = manifest.about
    counts = np.zeros(len(NAMES), np.int64)
    done = 0
    with EventWriter(out, asked.detector, provenance) as file:
        for events, splits in parts.events():
            file.append(events, splits)
            counts += np.bincount(splits, minlength=len(NAMES))
            done += len(events)
            notify(Progress("writing", done, total))
    return dict(zip(NAMES, counts.tolist(), strict=True))
