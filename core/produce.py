"""Making a sample of events: in several processes or jobs, yet always the same events."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from functools import partial
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any

from attrs import frozen

from intarsia import __version__

from . import sample
from .detector import Detector, Option, declaration, option_faults
from .errors import RunError
from .events import Events
from .produce_parts import Parts

Options = Mapping[str, Option]
Progress = Callable[[int, int], None]

_CHUNK = 32  # events asked of a worker at a time
_AHEAD = 3  # chunks per worker that are computed or waiting to be written
_PART = 2048  # events asked for in a part


@frozen
class Produced:
    """What `produce` did: events written, events the detector left out, wall time in s.

    Of an event whose particles are samples of their own, any number may be written.
    """

    events: int
    left_out: int
    seconds: float


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
    chunk: int = _CHUNK,
    shard: Shard = WHOLE,
    resume: bool = False,
    part: int = _PART,
) -> Produced:
    """Write the `n` events of sample `seed`, or a `shard` of them, to `out`, less those left out.

    By the detector's simulation with its `options`, or drawn from its declaration if it has none.
    The bytes of the file depend neither on `workers` (default: one per core) nor `chunk` nor on
    interruptions, and memory not on `n`. resume: go on with the parts of `part` events that
    an interrupted production of the same sample left. progress is called with the events done and
    their number. RunError for an unknown option, a worker that dies, parts of another sample, or
    if all events are left out; then `out` is not touched.
    """
    started = time.perf_counter()
    chosen = _options(detector, options or {})
    first, last = shard.range(n)
    about = _provenance(detector, n, seed, chosen, shard)
    ends = [min(a + part, last) for a in range(first, last, part)] or [last]
    parts = Parts(out, detector, about | {"part": part}, resume)
    begin = ends[len(parts) - 1] if len(parts) else first
    workers = min(workers or os.cpu_count() or 1, max(1, -(-(last - begin) // chunk)))
    jobs = list(_cut(begin, ends[len(parts) :], chunk))
    made = _made(detector, jobs, seed, chosen, workers)
    with parts.kept(), closing(made):
        watched = _watched(made, first, last, progress)
        for end in ends[len(parts) :]:
            parts.add(_until(watched, end))
    written = parts.join(about, last - first)
    return Produced(written, last - first - written, time.perf_counter() - started)


def _cut(begin: int, ends: Sequence[int], chunk: int) -> Iterator[tuple[int, int]]:
    """First and number of chunks of events from `begin` on, none across one of `ends`."""
    for end in ends:
        yield from ((a, min(chunk, end - a)) for a in range(begin, end, chunk))
        begin = end


def _watched(
    made: Iterator[tuple[int, Events]], first: int, last: int, progress: Progress | None
) -> Iterator[tuple[int, Events]]:
    for done, events in made:
        if progress:
            progress(done - first, last - first)
        yield done, events


def _until(made: Iterator[tuple[int, Events]], end: int) -> Iterator[Events]:
    """What is made up to event `end`."""
    done = -1
    while done < end:
        try:
            done, events = next(made)
        except StopIteration:
            return
        yield events


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


def _made(
    detector: Detector,
    jobs: Sequence[tuple[int, int]],
    seed: int,
    options: Options,
    workers: int,
) -> Generator[tuple[int, Events]]:
    """The events of `jobs` (first, number) in order, each with the number of the next event."""
    make = _maker(detector, options)  # here even if the workers call it: a fault shows at once
    if workers <= 1 or not jobs:
        for first, size in jobs:
            yield first + size, make(seed=seed, first=first, n=size)
        return
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context(method), initializer=_ready)
    try:
        yield from _ordered(pool, partial(_call, detector, dict(options), seed), jobs, workers)
    except BrokenProcessPool:
        raise RunError(
            f"simulation of {detector.name!r}: a worker process died, perhaps out of memory; "
            "try fewer workers"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _ordered(
    pool: ProcessPoolExecutor,
    call: Callable[[int, int], Events],
    jobs: Sequence[tuple[int, int]],
    workers: int,
) -> Iterator[tuple[int, Events]]:
    """Results in the order of `jobs`, a bounded number ahead.

    The first job runs alone: if it compiles something, the others find it in the cache.
    """
    first, size = jobs[0]
    yield first + size, pool.submit(call, first, size).result()
    waiting: deque[tuple[int, Future[Events]]] = deque()
    for first, size in jobs[1:]:
        waiting.append((first + size, pool.submit(call, first, size)))
        if len(waiting) >= _AHEAD * workers:
            done, future = waiting.popleft()
            yield done, future.result()
    for done, future in waiting:
        yield done, future.result()


def _maker(detector: Detector, options: Options) -> Callable[..., Events]:
    """The function that makes events. A plugin file's module is importable in workers too."""
    if detector.simulation is None:
        return partial(sample.events, detector)
    module, name = detector.simulation.make.split(":")
    try:
        make = getattr(import_module(module), name)
    except (ImportError, AttributeError) as fault:
        raise RunError(
            f"simulation of {detector.name!r}: there is no {detector.simulation.make} ({fault})"
        ) from fault
    return partial(make, **options)


def _call(detector: Detector, options: Options, seed: int, first: int, n: int) -> Events:
    return _maker(detector, options)(seed=seed, first=first, n=n)


def _ready() -> None:
    """Prepare a worker: Ctrl-C is the parent's affair."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
