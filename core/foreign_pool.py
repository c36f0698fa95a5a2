"""Processes that read foreign files, and may die of it.

Libraries that parse files can be crashed by a file (the published faults of HDF5 are of that
kind), or be made to go on for ever. Here this costs a process and a message, not the run.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from time import monotonic
from typing import Any

from attrs import frozen

from .detector import Detector, Reader
from .errors import EventError
from .events import Events, faults
from .inputs import Options, opened
from .reading import Records, broken, told
from .signals import leave_to_parent

_MEMORY = 8 << 30  # bytes that a process may have
_OPENING = -1


@frozen
class Asked:
    """What every process needs to know: how files are to be read."""

    detector: Detector
    readers: tuple[Reader, ...]
    options: Options
    files: tuple[Path, ...]


@frozen
class Job:
    """Records `first` to `last` of file number `file`; without numbers: to open it."""

    file: int
    first: int = _OPENING
    last: int = _OPENING


@frozen(eq=False)
class Answer:
    """What became of a job: pieces of events, or what is wrong, each with its first record.

    records: of the whole file. reader: the one that was used. splits: of `Records`. crashed: the
    process died or had to be stopped.
    """

    records: int = 0
    reader: str = ""
    splits: tuple[str, ...] = ()
    pieces: tuple[tuple[int, Events | str], ...] = ()
    crashed: bool = False


class Pool:
    """Up to `workers` processes, each at one job; a new one takes the place of one that dies.

    A job that takes longer than `timeout` s is stopped with its process.
    """

    def __init__(self, asked: Asked, workers: int, timeout: float) -> None:
        self._asked, self._workers, self._timeout = asked, max(workers, 1), timeout
        self._all: list[_Worker] = []

    @property
    def free(self) -> bool:
        """Whether a job may be sent."""
        return len(self._all) < self._workers or any(w.job is None for w in self._all)

    def send(self, job: Job) -> None:
        """Let a process begin with `job`."""
        worker = next((w for w in self._all if w.job is None), None)
        if worker is None:
            worker = _Worker(self._asked)
            self._all.append(worker)
        worker.job, worker.until = job, monotonic() + self._timeout
        with suppress(OSError):  # it died while it was idle: wait() will see
            worker.pipe.send(job)

    def wait(self) -> list[tuple[Job, Answer]]:
        """Jobs that are done, at least one; some job must have been sent."""
        done: list[tuple[Job, Answer]] = []
        while not done:
            busy = [w for w in self._all if w.job is not None]
            left = min(w.until for w in busy) - monotonic()
            ready = wait([w.pipe for w in busy], max(left, 0.0))
            for worker in busy:
                if worker.pipe in ready:
                    done.append(self._finished(worker))
                elif monotonic() >= worker.until:
                    why = f"not read after {self._timeout:g} s, the file may be damaged"
                    done.append(self._lost(worker, why))
        return done

    def close(self) -> None:
        """End all processes."""
        for worker in self._all:
            worker.end()
        self._all.clear()

    def _finished(self, worker: _Worker) -> tuple[Job, Answer]:
        try:
            answer: Answer = worker.pipe.recv()
        except (EOFError, OSError):
            worker.process.join(5)
            return self._lost(worker, _death(worker.process.exitcode))
        job, worker.job = worker.job, None
        assert job is not None  # noqa: S101 (only busy workers are asked)
        return job, answer

    def _lost(self, worker: _Worker, why: str) -> tuple[Job, Answer]:
        job = worker.job
        assert job is not None  # noqa: S101
        worker.end()
        self._all.remove(worker)
        path = self._asked.files[job.file]
        said = f"{path}: {why}"
        if job.first != _OPENING:
            said = broken(path, job.first, job.last, EventError(why))
        return job, Answer(pieces=((job.first, said),), crashed=True)


class _Worker:
    """A process that reads, and our end of the pipe to it."""

    def __init__(self, asked: Asked) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe: Connection[Any, Any]
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, asked), daemon=True)
        self.process.start()
        theirs.close()
        self.job: Job | None = None
        self.until = 0.0

    def end(self) -> None:
        """End it now, whatever it does."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


def _death(code: int | None) -> str:
    if code is not None and code < 0:
        with suppress(ValueError):
            name = signal.Signals(-code).name
            hint = ", perhaps out of memory" if name == "SIGKILL" else ""
            return f"reading it crashed ({name}{hint}), the file is damaged or hostile"
    return f"reading it ended the process (exit code {code}), the file is damaged or hostile"


def _serve(pipe: Connection[Any, Any], asked: Asked) -> None:
    """What a process does: jobs from `pipe`, one open file at a time."""
    leave_to_parent()
    os.environ["HDF5_PLUGIN_PRELOAD"] = "::"  # no filters from anybody's folder of plugins
    _limit_memory()
    current: tuple[int, str, Records] | None = None
    while True:
        try:
            job: Job = pipe.recv()
        except EOFError:
            return
        if current is None or current[0] != job.file:
            if current is not None:
                current[2].close()
            current = None
            try:
                current = (job.file, *_opened(asked, job.file))
            # Whatever a reader raises over a damaged file costs that file, not the others.
            except Exception as fault:  # noqa: BLE001
                pipe.send(Answer(pieces=((job.first, f"{asked.files[job.file]}: {told(fault)}"),)))
                continue
        pipe.send(_answer(asked.detector, job, current[1], current[2]))


def _opened(asked: Asked, number: int) -> tuple[str, Records]:
    reader, records = opened(asked.files[number], asked.readers, asked.options)
    if not isinstance(records, Records):
        raise EventError(f"reader {reader.name!r} gives {type(records).__name__}, not Records")
    len(records)  # a fault that shows here is one of the file
    return reader.name, records


def _answer(detector: Detector, job: Job, reader: str, records: Records) -> Answer:
    def check(events: Events) -> Events:
        if found := [*_key_faults(events), *faults(events, detector)]:
            raise EventError("; ".join(found))
        return events

    pieces: tuple[tuple[int, Events | str], ...] = ()
    if job.first != _OPENING:
        pieces = tuple(records.salvage(job.first, job.last, check))
    return Answer(len(records), reader, records.splits, pieces)


def _key_faults(events: Events) -> list[str]:
    wrong = [k for k in events.keys if k.count("/") not in (1, 2) or not k.isprintable()]
    return [f"key {wrong[0]!r} is not run/event or run/event/particle"] if wrong else []


def _limit_memory() -> None:
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
