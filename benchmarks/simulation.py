"""How fast FASERCal's events are simulated, part by part, on one core and two, and in what memory.

Run as ``python benchmarks/simulation.py [EVENTS]``; prints one table. Times are CPU times of one process
(on two cores: wall time), after everything is compiled. Parts are timed by wrapping the functions
that the simulation calls for each event.
"""

from __future__ import annotations

import resource
import sys
import tempfile
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from intarsia.core.plugins import registry
from intarsia.core.produce import produce
from intarsia.detectors.fasercal import simulation

PARTS = {
    "emerge": "neutrino interaction",
    "transport": "showers, muons, hadrons",
    "_reconstructed": "projections and voxels",
    "signals": "ECAL and AHCAL",
}
CHUNK = 500


def timed(name: str, spent: dict[str, float]) -> Callable[..., Any]:
    """The simulation's function `name`, which now adds its CPU time to `spent`."""
    function = getattr(simulation, name)

    @wraps(function)
    def call(*args: Any, **kws: Any) -> Any:
        start = process_time()
        try:
            return function(*args, **kws)
        finally:
            spent[name] += process_time() - start

    return call


def memory() -> float:
    """Largest memory of this process so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def one_core(n: int) -> None:
    """Events per second of one core, each part's share, and memory as events go by."""
    simulation.make(1, 0, 20)
    start = process_time()
    simulation.make(1, 0, CHUNK)
    print(f"one core, CPU time: {CHUNK / (process_time() - start):.0f} events/s")
    kept = {name: getattr(simulation, name) for name in PARTS}
    spent = dict.fromkeys(PARTS, 0.0)
    for name in PARTS:
        setattr(simulation, name, timed(name, spent))
    start = process_time()
    simulation.make(1, 0, CHUNK)
    total = process_time() - start
    for name, function in kept.items():
        setattr(simulation, name, function)
    for name, about in PARTS.items():
        print(f"  {about:<26}{1e3 * spent[name] / CHUNK:6.2f} ms/event")
    rest = total - sum(spent.values())
    print(f"  {'tracks, truth, packing':<26}{1e3 * rest / CHUNK:6.2f} ms/event")
    for first in range(0, n, CHUNK):
        simulation.make(1, first, CHUNK)
        if first in (0, n // 2 // CHUNK * CHUNK) or first + CHUNK >= n:
            print(f"  memory after {first + CHUNK:>6} events: {memory():.0f} MB")


def files(n: int) -> None:
    """Events per second of wall time into an event file, by one worker and by two."""
    detector = registry().detector("fasercal")
    for workers in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            start = perf_counter()
            produce(detector, n, 1, Path(folder) / "x.h5", workers=workers)
            took = perf_counter() - start
        print(f"into a file, {workers} workers: {n / took:.0f} events/s of wall time")


if __name__ == "__main__":
    asked = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    one_core(asked)
    files(min(asked, 2000))
