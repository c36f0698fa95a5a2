"""A sample that is not yet one file: whole parts beside it, from which a production goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from attrs import frozen

from .detector import Detector, difference
from .errors import RunError
from .store import EventFile, EventWriter

_LOCK = "lock"


def folder_of(out: Path) -> Path:
    """Where the parts of the file `out` are, as long as there are any."""
    return out.with_name(f".{out.name}.parts")


@frozen
class Parts:
    """The parts of the file `out`: ``.NAME.parts/0.h5``, ..."""

    out: Path
    detector: Detector

    def path(self, number: int) -> Path:
        """The file of part `number`; it is there when the part is whole."""
        return folder_of(self.out) / f"{number}.h5"

    def join(self, paths: Iterable[Path], provenance: Mapping[str, Any], asked: int) -> int:
        """Make the file of all parts, given in order, each copied while the next are made.

        Then removes them and gives the number of physical events; RunError if there is none
        although some were `asked` for.
        """
        written, half = 0, folder_of(self.out) / ".joined.part"
        with EventWriter(self.out, self.detector, provenance, half=half) as whole:
            for path in paths:
                written += _copied(path, whole)
            if asked and not written:
                self._remove()
                raise RunError(f"{self.detector.name}: all of the {asked} events were left out")
            whole.provenance["left_out"] = asked - written
        self._remove()
        return written

    def _remove(self) -> None:
        for part in _whole(folder_of(self.out)):
            part.unlink()


def _copied(path: Path, whole: EventWriter) -> int:
    """Physical events of the part `path`, which is open only while they are copied."""
    part = EventFile(path)
    whole.copy(part)
    return len(np.unique(part.group))


@contextmanager
def begun(out: Path, detector: Detector, about: Mapping[str, Any], resume: bool) -> Iterator[Parts]:
    """The parts of the file `out`, of the sample that `about` tells of; no other process has them.

    What is whole stays until it is joined, whatever happens. RunError if `out` is a folder, if
    another process makes it now, and if there are parts: of this sample without `resume`, or of
    another.
    """
    if out.is_dir():
        raise RunError(f"{out}: is a folder; name the file to write")
    folder, plain = folder_of(out), json.dumps(about, sort_keys=True)
    with _owned(folder, out):
        told = folder / "sample.json"
        if _whole(folder):
            before = told.read_text() if told.exists() else "{}"
            _may_go_on(out, plain, before, resume)
        else:
            told.write_text(plain)
        yield Parts(out, detector)


def _may_go_on(out: Path, asked: str, before: str, resume: bool) -> None:
    """RunError unless parts of the sample `before` are those `asked` for, and to be gone on with."""
    remove = f"or remove {folder_of(out)} to begin"
    if asked != before:
        how = difference(json.loads(asked), json.loads(before))
        raise RunError(
            f"{out}: another sample has been begun ({how}); "
            f"ask for that one with --resume, {remove} this one"
        )
    if not resume:
        raise RunError(f"{out}: has been begun; go on with --resume, {remove} again")


def _whole(folder: Path) -> list[Path]:
    return list(folder.glob("*.h5"))


@contextmanager
def _owned(folder: Path, out: Path) -> Iterator[None]:
    """`folder`, made if need be, is this process's alone. In the end it goes unless it has parts."""
    handle = _locked(folder, out)
    try:
        _tidy(folder)
        yield
    finally:
        _tidy(folder)
        stays = bool(_whole(folder))
        if not stays:  # the lock goes last: till then nobody else begins here
            for rest in sorted(folder.iterdir(), key=lambda path: path.name == _LOCK):
                rest.unlink()
        os.close(handle)
        if not stays:
            with suppress(OSError):  # somebody else has just begun here
                folder.rmdir()


def _tidy(folder: Path) -> None:
    """Remove what processes that were stopped left half written."""
    for half in folder.glob(".*.part"):
        half.unlink(missing_ok=True)


def _locked(folder: Path, out: Path) -> int:
    """The lock of `folder`, open; the system releases it when the process ends, however it does."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        held = os.fstat(handle).st_nlink > 0  # otherwise its owner has just removed it
    except BlockingIOError:
        held = False
    except (ImportError, OSError):  # a system or a file system without locks
        held = True
    if not held:
        os.close(handle)
        raise RunError(
            f"{out}: another process is making it now; give this one another file to write"
        )
    return handle
