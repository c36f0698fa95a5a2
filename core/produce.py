"""Making a sample of events: in several processes, yet always the same file."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from attrs import frozen

from intarsia import __version__

from . import sample
from .detector import Detector, declaration
from .errors import RunError, suggest
from .events import Events
from .store import EventWriter

Options = Mapping[str, int | float | str]
Progress = Callable[[int, int], None]

_CHUNK = 32  # events asked of a worker at a time
_AHEAD = 3  # chunks per worker that are computed or waiting to be written


@frozen
class Produced:
    """What `produce` did: events written, events the detector left out, wall time in s.

    Of an event whose particles are samples of their own, any number may be written.
    """

    events: int
    left_out: int
    seconds: float


def produce(
    detector: Detector,
    n: int,
    seed: int,
    out: Path,
    workers: int | None = None,
    options: Options | None = None,
    progress: Progress | None = None,
    chunk: int = _CHUNK,
) -> Produced:
    """Write the `n` events of sample `seed` to the event file `out`, less those left out.

    By the detector's simulation with its `options`, or drawn from its declaration if it has none.
    The bytes of the file depend neither on `workers` (default: one per core) nor on `chunk`, and
    memory not on `n`. progress is called with the events done and `n`. RunError for an unknown
    option, a worker that dies, or if all events are left out; then `out` is not touched.
    """
    started = time.perf_counter()
    chosen = _options(detector, options or {})
    workers = min(workers or os.cpu_count() or 1, max(1, -(-n // chunk)))
    with EventWriter(out, detector, _provenance(detector, n, seed, chosen)) as file:
        done = written = 0
        for first, events in _made(detector, n, seed, chosen, workers, chunk):
            file.append(events)
            done, written = min(n, first + chunk), written + len(np.unique(events.group))
            if progress:
                progress(done, n)
        if n and not written:
            raise RunError(f"{detector.name}: all of the {n} events were left out")
        file.provenance["left_out"] = n - written
    return Produced(written, n - written, time.perf_counter() - started)


def _options(detector: Detector, given: Options) -> dict[str, int | float | str]:
    """Defaults overridden by what is given; RunError listing every fault."""
    simulation = detector.simulation
    known = dict(simulation.options) if simulation else {}
    faults = []
    for name, value in given.items():
        if name not in known:
            has = f"it has: {', '.join(known)}" if known else "it has none"
            faults.append(f"there is no option {name!r}{suggest(name, known)} ({has})")
        elif isinstance(known[name], str) is not isinstance(value, str):
            faults.append(f"option {name!r} must be like {known[name]!r}, not {value!r}")
    if faults:
        raise RunError("\n".join(f"simulation of {detector.name!r}: {fault}" for fault in faults))
    return known | dict(given)


def _provenance(detector: Detector, n: int, seed: int, options: Options) -> dict[str, Any]:
    asked = {"declaration": declaration(detector), "options": options}
    return {
        "simulation": "fast" if detector.simulation else "sample",
        "version": __version__,
        "seed": seed,
        "options": dict(options),
        "configuration": sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest(),
        "asked": n,
    }


def _made(
    detector: Detector, n: int, seed: int, options: Options, workers: int, chunk: int
) -> Iterator[tuple[int, Events]]:
    """The chunks in order, with the number of their first event."""
    make = _maker(detector, options)  # here even if the workers call it: a fault shows at once
    jobs = [(first, min(chunk, n - first)) for first in range(0, n, chunk)]
    if workers <= 1:
        for first, size in jobs:
            yield first, make(seed=seed, first=first, n=size)
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
    jobs: list[tuple[int, int]],
    workers: int,
) -> Iterator[tuple[int, Events]]:
    """Results in the order of `jobs`, a bounded number ahead.

    The first job runs alone: if it compiles something, the others find it in the cache.
    """
    first, size = jobs[0]
    yield first, pool.submit(call, first, size).result()
    waiting: deque[tuple[int, Future[Events]]] = deque()
    for first, size in jobs[1:]:
        waiting.append((first, pool.submit(call, first, size)))
        if len(waiting) >= _AHEAD * workers:
            number, future = waiting.popleft()
            yield number, future.result()
    for number, future in waiting:
        yield number, future.result()


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
