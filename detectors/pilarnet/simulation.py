"""Simulated particles in liquid argon: a fast, parametrised simulation, not GEANT4.

The releases publish neither their spectra nor their multiplicities; both are options here. Energy
deposits are as they are made, without drift or readout, as in the releases.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np
from attrs import frozen

from intarsia.core.errors import RunError, suggest
from intarsia.core.events import Array, Events
from intarsia.core.reading import Rows, build, merge
from intarsia.core.simulation.medium import Layer, Medium, medium
from intarsia.core.simulation.particles import (
    ELECTRON,
    GAMMA,
    MASS,
    MU_MINUS,
    MU_PLUS,
    PI_MINUS,
    PI_PLUS,
    POSITRON,
    PROTON,
)  # fmt: skip
from intarsia.core.simulation.random import isotropic, seeded, uniform
from intarsia.core.simulation.store import (
    CELLS,
    COLUMNS,
    DELTA,
    FAMILIES,
    HIP,
    LOST,
    LOW,
    MICHEL,
    MIP,
    SHOWER,
    Store,
    clear,
    store,
)  # fmt: skip
from intarsia.core.simulation.transport import transport

from . import CELL, DETECTOR, PILARNET, PILARNET_EVENT, SIDE, SIMULATION, WHOLE
from .crops import crops

KINDS = ((GAMMA, GAMMA), (POSITRON, ELECTRON), (MU_PLUS, MU_MINUS), (PI_PLUS, PI_MINUS),
         (PROTON, PROTON))  # fmt: skip
LEAST_VOXELS = 10
EDGE = 150.0  # mm from the vertex to the nearest face, at least
GENERATION, TRANSPORT = range(2)  # each has random numbers of its own
MANY = 20  # particles of an event, at most


@frozen(eq=False)
class Particle:
    """A primary particle and what it deposits: cells (n, 3) and MeV of each family, (n, 6).

    kind: its class. momentum in GeV/c, energy (kinetic) in GeV.
    """

    kind: int
    momentum: float
    energy: float
    vertex: Array
    index: Array
    deposit: Array


def particles(seed: int, first: int, n: int, **options: float) -> Events:
    """Particles of the events `first` to `first + n`, each in its own crop; few voxels: missing.

    Event i depends on `seed`, i and `options` alone. options: see the declaration; RunError for
    one that is not there, or for a value that cannot be.
    """
    chosen = _options("pilarnet", options)
    found = []
    for number in range(first, first + n):
        for i, particle in enumerate(_event(seed, number, chosen)):
            own = _own(particle)
            if len(own.index) >= LEAST_VOXELS:
                found.append((number, i, own))
    return _samples(seed, found)


def whole(seed: int, first: int, n: int, **options: float) -> Events:
    """Whole events `first` to `first + n`; those without a voxel are missing. As `particles`."""
    chosen = _options("pilarnet_event", options)
    found = []
    for number in range(first, first + n):
        event = list(_event(seed, number, chosen))
        if any(len(p.index) for p in event):
            found.append((number, event))
    return _whole(seed, found)


def _options(detector: str, given: Mapping[str, float]) -> dict[str, float]:
    known: dict[str, Any] = dict(SIMULATION)
    for name in given:
        if name not in known:
            raise RunError(
                f"{detector}: there is no simulation option {name!r}{suggest(name, known)} "
                f"(known: {', '.join(known)})"
            )
    chosen = {**known, **given}
    for name in ("lowest", "highest", "highest_proton"):
        if not isinstance(chosen[name], int | float) or not 0 < chosen[name] <= 10:
            raise RunError(f"{detector}: {name} must be a number above 0, up to 10")
    if not isinstance(chosen["threshold"], int | float) or not 0 <= chosen["threshold"] <= 100:
        raise RunError(f"{detector}: threshold must be a number from 0 to 100")
    for name in ("fewest", "most"):
        if not isinstance(chosen[name], int) or not 1 <= chosen[name] <= MANY:
            raise RunError(f"{detector}: {name} must be a whole number from 1 to {MANY}")
    pairs = ("lowest", "highest"), ("lowest", "highest_proton"), ("fewest", "most")
    for low, high in pairs:
        if chosen[low] > chosen[high]:
            raise RunError(f"{detector}: {low} must be no more than {high}")
    return chosen


@cache
def workspace() -> tuple[Medium, Store]:
    """Tables and buffers of the box; cells are found by hashing, so that memory stays small."""
    low = DETECTOR[0].start
    tables = medium([Layer(low, -low, "LAr", 0)], (SIDE,) * 3, CELL, (low, low), 0.0)
    return tables, store(SIDE**3, particles=20_000, rows=60_000, families=True)


def _event(seed: int, number: int, options: Mapping[str, float]) -> Iterator[Particle]:
    """The particles from the vertex of one event."""
    tables, s = workspace()
    state, flight = seeded(seed, number, GENERATION), seeded(seed, number, TRANSPORT)
    fewest, most = int(options["fewest"]), int(options["most"])
    size = 0.5 * SIDE * CELL - EDGE
    vertex = np.array([size * (2.0 * uniform(state) - 1.0) for _ in range(3)])
    for _ in range(fewest + int((most - fewest + 1) * uniform(state))):
        chosen = int(len(KINDS) * uniform(state))
        kind = KINDS[chosen][int(2 * uniform(state))]
        highest = options["highest_proton" if kind == PROTON else "highest"]
        energy = options["lowest"] + (highest - options["lowest"]) * uniform(state)
        clear(s)
        s.stack[0] = [kind, *vertex, *isotropic(state), 1e3 * energy, 0.0, 0.0]
        s.used[0] = 1
        transport(s, tables, flight)
        if s.used[LOST]:
            raise RunError(f"pilarnet: event {number} of seed {seed} fills the buffers")
        index, deposit = _voxels(s, options["threshold"])
        mass = 1e-3 * MASS[kind]
        yield Particle(
            chosen, math.sqrt(energy * (energy + 2 * mass)), energy, vertex, index, deposit
        )


def _voxels(s: Store, threshold: float) -> tuple[Array, Array]:
    """Cells (n, 3) of `threshold` MeV or more, in ascending order, and MeV of each family, (n, 6)."""
    n = s.used[CELLS]
    deposit = s.deposit[:n, COLUMNS : COLUMNS + FAMILIES]
    seen = np.flatnonzero(deposit.sum(1) >= max(threshold, 1e-9))
    seen = seen[np.argsort(s.cell[seen])]
    index = np.stack(np.unravel_index(s.cell[seen], (SIDE,) * 3), axis=1)
    return index, deposit[seen].astype(np.float64)


def _own(p: Particle) -> Particle:
    """Without the specks that photons and neutrons leave: the releases count them to no particle."""
    kept = p.deposit[:, LOW] < 0.5 * p.deposit.sum(1)
    return Particle(p.kind, p.momentum, p.energy, p.vertex, p.index[kept], p.deposit[kept])


def semantic(deposit: Array) -> Array:
    """Shares (n, 5) of the semantic classes from MeV of each family, (n, 6)."""
    track = deposit[:, MIP] + deposit[:, HIP]
    parts = (deposit[:, SHOWER], track, deposit[:, MICHEL], deposit[:, DELTA], deposit[:, LOW])
    energy = np.stack(parts, axis=1)
    shares: Array = energy / energy.sum(axis=1, keepdims=True)
    return shares


def fivetypes(deposit: Array) -> Array:
    """Class of the original release, (n,), of the largest family; -1 for specks."""
    order = np.array([HIP, MIP, SHOWER, DELTA, MICHEL, LOW])
    largest = deposit[:, order].argmax(axis=1)
    return np.where(largest == len(order) - 1, -1, largest)


def _samples(seed: int, found: list[tuple[int, int, Particle]]) -> Events:
    """One sample per particle; also of none."""
    each = [p for _, _, p in found]
    counts = np.array([len(p.index) for p in each], np.int64)
    index = np.concatenate([np.zeros((0, 3), np.int64), *(p.index for p in each)])
    labelled = _labelled(np.concatenate([np.zeros((0, FAMILIES)), *(p.deposit for p in each)]))
    streams, centre = crops(counts, index, labelled.pop("energy"), labelled)
    truth = {
        "pid": np.array([p.kind for p in each], np.int64),
        "momentum": np.array([p.momentum for p in each]),
        "energy": np.array([p.energy for p in each]),
        "vertex": np.concatenate([np.zeros((0, 3)), *(p.vertex[None] for p in each)]) - centre,
        "origin": np.ones(len(each), np.int64),
    }
    keys = [f"{seed}/{number}/{i}" for number, i, _ in found]
    group = np.array([number for number, _, _ in found], np.int64)
    return build(PILARNET, keys, streams, truth, group=group)


def _labelled(deposit: Array) -> dict[str, Array]:
    """Columns of voxels that follow from MeV of each family, (n, 6)."""
    energy = deposit.sum(1)
    return {"energy": energy, "semantic": semantic(deposit), "fivetypes": fivetypes(deposit)}


def _whole(seed: int, found: list[tuple[int, list[Particle]]]) -> Events:
    """One sample per event; also of none."""
    each = [p for _, event in found for p in event]
    index = np.concatenate([np.zeros((0, 3), np.int64), *(p.index for p in each)])
    deposit = np.concatenate([np.zeros((0, FAMILIES)), *(p.deposit for p in each)])
    rows = np.array([len(p.index) for p in each], np.int64)
    kind = np.repeat(np.array([p.kind for p in each], np.int64), rows)
    number = [i for _, event in found for i in range(len(event))]
    cluster = np.repeat(np.array(number, np.float64), rows)
    counts = np.array([sum(len(p.index) for p in event) for _, event in found], np.int64)
    m = merge(counts, index, WHOLE.shape)
    own = deposit.sum(1) - deposit[:, LOW]
    total = np.stack([m.total(d) for d in deposit.T], axis=1)
    speck = m.total(own) == 0
    owner = np.where(speck, np.nan, m.heaviest(cluster, own)) if len(index) else np.zeros(0)
    tpc = {
        "index": m.index,
        **_labelled(total),
        "pid": m.shares(kind, own, len(KINDS)),
        "cluster": owner,
    }
    vertices = [event[0].vertex[None] for _, event in found]
    seen = [sum(len(_own(p).index) > 0 for p in event) for _, event in found]
    truth = {
        "vertex": np.concatenate([np.zeros((0, 3)), *vertices]),
        "particles": np.array(seen, np.float64),
    }
    numbers = [n for n, _ in found]
    keys = [f"{seed}/{n}" for n in numbers]
    group = np.array(numbers, np.int64)
    return build(PILARNET_EVENT, keys, {"tpc": Rows(m.counts, tpc)}, truth, group=group)
