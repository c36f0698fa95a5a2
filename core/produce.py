"""Making a sample of events: in several processes or jobs, yet always the same events."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from functools import partial
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import Any

from attrs import frozen

from intarsia import __version__

from . import sample
from .detector import Detector, Option, declaration, option_faults
from .errors import RunError
from .events import Events
from .produce_parts import begun
from .signals import leave_to_parent
from .store import EventWriter

Options = Mapping[str, Option]
Progress = Callable[[int, int], None]
Job = tuple[Path, int, int]  # of a part: its file, first event, number of events

PART = 256  # events asked for in a part: one file, made by one worker
_BLOCK = 64  # events in memory at a time


@frozen
class Produced:
    """What `produce` did: events written, events the detector left out, wall time in s.

    Of an event whose particles are samples of their own, any number may be written. new: how many
    of both it made in that time; the others were there already.
    """

    events: int
    left_out: int
    seconds: float
    new: int


@frozen
class Shard:
    """Number `number` (from 1) of `count` equal shares of a sample, which end to end are it."""

    number: int = 1
    count: int = 1

    def __attrs_post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise RunError(f"there is no shard {self}: the first of {self.count} is number 1")

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def range(self, n: int) -> tuple[int, int]:
        """The shard's first event of a sample of `n`, and the first after it."""
        return (self.number - 1) * n // self.count, self.number * n // self.count


WHOLE = Shard()


def produce(
    detector: Detector,
    n: int,
    seed: int,
    out: Path,
    workers: int | None = None,
    options: Options | None = None,
    progress: Progress | None = None,
    shard: Shard = WHOLE,
    resume: bool = False,
    part: int = PART,
) -> Produced:
    """Write the `n` events of sample `seed`, or a `shard` of them, to `out`, less those left out.

    By the detector's simulation with its `options`, or drawn from its declaration if it has none.
    Workers (default: one per core) write parts of `part` events beside `out`, joined at the end: the
    bytes depend neither on how many there are nor on interruptions, and memory not on `n`. resume:
    go on with the parts that an interrupted production of the same sample left. progress is called
    with the events done, at first 0, and their number. RunError for an unknown option, a worker that
    dies, parts that are not to be gone on with, another process that makes `out`, or if all events
    are left out; then `out` is not touched.
    """
    started = time.perf_counter()
    chosen = _options(detector, options or {})
    first, last = shard.range(n)
    about = _provenance(detector, n, seed, chosen, shard)
    starts = range(first, max(last, first + 1), part)
    maker = _Maker(detector, chosen, seed)
    with begun(out, detector, about | {"part": part}, resume) as parts:
        jobs = [(parts.path(i), start, min(part, last - start)) for i, start in enumerate(starts)]
        new = [job for job in jobs if not job[0].exists()]
        with closing(_made(maker, jobs, new, workers)) as made:
            written = parts.join(_watched(made, progress, last - first), about, last - first)
    seconds = time.perf_counter() - started
    return Produced(written, last - first - written, seconds, sum(size for _, _, size in new))


def _watched(made: Iterator[Job], progress: Progress | None, asked: int) -> Iterator[Path]:
    """Files of the parts that are `made`."""
    done = 0
    if progress and asked:
        progress(done, asked)
    for path, _, size in made:
        yield path
        done += size
        if progress:
            progress(done, asked)


def _options(detector: Detector, given: Options) -> dict[str, int | float | str]:
    """Defaults overridden by what is given; RunError listing every fault."""
    simulation = detector.simulation
    known = dict(simulation.options) if simulation else {}
    if faults := option_faults(known, given):
        raise RunError("\n".join(f"simulation of {detector.name!r}: {fault}" for fault in faults))
    return known | dict(given)


def _provenance(
    detector: Detector, n: int, seed: int, options: Options, shard: Shard
) -> dict[str, Any]:
    files = {k: sha256(f.read_bytes()).hexdigest() for k, v in options.items() if (f := _file(v))}
    asked = {"declaration": declaration(detector), "options": options, "files": files}
    about: dict[str, Any] = {
        "simulation": "fast" if detector.simulation else "sample",
        "version": __version__,
        "seed": seed,
        "options": dict(options),
        "configuration": sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest(),
        "asked": n,
    }
    if files:
        about["files"] = files
    return about if shard.count == 1 else about | {"shard": str(shard)}


def _file(value: object) -> Path | None:
    """The file that an option names, whose content belongs to the configuration; None for others."""
    path = Path(value) if isinstance(value, str) else Path()
    return path if path.suffix and path.is_file() else None


@frozen(eq=False)
class _Maker:
    """Makes the events of a sample, in whatever process."""

    detector: Detector
    options: Options
    seed: int

    def ready(self) -> Callable[..., Events]:
        """The function that makes them. A plugin file's module is importable in workers too."""
        if self.detector.simulation is None:
            return partial(sample.events, self.detector)
        path = self.detector.simulation.make
        module, name = path.split(":")
        try:
            make = getattr(import_module(module), name)
        except (ImportError, AttributeError) as fault:
            raise RunError(
                f"simulation of {self.detector.name!r}: there is no {path} ({fault})"
            ) from fault
        return partial(make, **self.options)

    def rehearse(self, job: Job) -> None:
        """Make one event for nothing: what this compiles, other processes find in the cache."""
        self.ready()(seed=self.seed, first=job[1], n=1)

    def write(self, job: Job) -> None:
        """Make the events of `job` and write its part."""
        path, first, size = job
        make = self.ready()
        with EventWriter(path, self.detector, {}) as file:
            for start in range(first, first + size, _BLOCK):
                file.append(make(seed=self.seed, first=start, n=min(_BLOCK, first + size - start)))


def _made(
    maker: _Maker, jobs: Sequence[Job], new: Sequence[Job], workers: int | None
) -> Generator[Job]:
    """All `jobs` in order, each when its file is there; the `new` ones are done."""
    left = set(new)
    try:
        with _mapped(maker, new, workers or os.cpu_count() or 1) as results:
            for job in jobs:
                if job in left:
                    next(results)
                yield job
    except BrokenProcessPool:
        raise RunError(
            f"simulation of {maker.detector.name!r}: a worker process died, perhaps out of memory; "
            "try fewer workers"
        ) from None


@contextmanager
def _mapped(maker: _Maker, jobs: Sequence[Job], workers: int) -> Iterator[Iterator[None]]:
    """The `jobs` done in order, in as many processes as are of use; after an exception they end."""
    if (of_use := min(workers, len(jobs))) <= 1:
        yield map(maker.write, jobs)
        return
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    others = multiprocessing.active_children()
    pool = ProcessPoolExecutor(of_use, multiprocessing.get_context(method), initializer=_worker)
    try:
        rehearsal = pool.submit(maker.rehearse, jobs[0])
        for _ in range(of_use - 1):
            pool.submit(maker.ready)  # meanwhile the other processes start
        rehearsal.result()
        yield pool.map(maker.write, jobs)
    except BaseException:
        for process in set(multiprocessing.active_children()).difference(others):
            process.kill()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _worker() -> None:
    """Prepare a worker: signals are the parent's affair, and without the parent it ends."""
    leave_to_parent()
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)
