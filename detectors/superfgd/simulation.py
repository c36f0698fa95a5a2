"""Simulated particles in SuperFGD: a fast, parametrised simulation, not GEANT4.

The benchmark publishes neither its spectra nor its readout; both are options here. Light: 25
photo-electrons per MeV and fibre and 3 % to each neighbour are about what a prototype in a beam saw
(arXiv:2008.08861: some 50 per cube of a minimum ionising particle, 2.9 %).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from intarsia.core.crop import describe, inside, start
from intarsia.core.errors import RunError, suggest
from intarsia.core.events import Array, Events
from intarsia.core.reading import Rows, build
from intarsia.core.simulation.cubes import cube_charges
from intarsia.core.simulation.medium import Layer, Medium, medium
from intarsia.core.simulation.particles import (
    ELECTRON,
    MASS,
    MU_MINUS,
    MU_PLUS,
    PI_MINUS,
    PI_PLUS,
    POSITRON,
    PROTON,
)  # fmt: skip
from intarsia.core.simulation.random import isotropic, seeded, uniform
from intarsia.core.simulation.store import CELLS, LOST, Store, clear, store
from intarsia.core.simulation.transport import transport

from . import CONTEXT, CUBE, CUBES, DETECTOR, SIMULATION, SUPERFGD

KINDS = ((PROTON, PROTON), (PI_PLUS, PI_MINUS), (MU_PLUS, MU_MINUS), (POSITRON, ELECTRON))
SATURATION = 500.0  # p.e.; the benchmark's hits end there
LEAST_HITS = 3
BIRKS = 0.126  # mm/MeV, polystyrene: Leverington et al., arXiv:1106.5649
GENERATION, TRANSPORT, READOUT = range(3)  # each has random numbers of its own
MOST = {"lowest": 100.0, "highest": 100.0, "field": 10.0, "photo_electrons": 1e4,
        "cross_talk": 0.16, "threshold": 1e3}  # fmt: skip

Row = dict[str, Array]


def make(seed: int, first: int, n: int, **options: float) -> Events:
    """Particles numbered `first` to `first + n`; those with too few hits are missing.

    Particle i depends on `seed`, i and `options` alone. options: see the declaration; RunError for
    one that is not there, or for a value that cannot be.
    """
    chosen = _options(options)
    tables, s = workspace(chosen["field"])
    found = []
    for number in range(first, first + n):
        if (row := _particle(tables, s, seed, number, chosen)) is not None:
            found.append((number, row))
    return _assemble(seed, found)


def _options(given: Mapping[str, float]) -> dict[str, float]:
    known: dict[str, Any] = dict(SIMULATION.options)
    for name in given:
        if name not in known:
            raise RunError(
                f"superfgd: there is no simulation option {name!r}{suggest(name, known)} "
                f"(known: {', '.join(known)})"
            )
    chosen = {**known, **given}
    for name, most in MOST.items():
        if not isinstance(chosen[name], int | float) or not 0 <= chosen[name] <= most:
            raise RunError(f"superfgd: {name} must be a number from 0 to {most:g}")
    if not 0 < chosen["lowest"] <= chosen["highest"]:
        raise RunError("superfgd: lowest must be more than 0 and no more than highest")
    return {name: float(value) for name, value in chosen.items()}


@cache
def workspace(field: float) -> tuple[Medium, Store]:
    """Tables and buffers for a field of `field` T along x."""
    low, cells = DETECTOR[0].start, DETECTOR[0].n
    layers = [Layer(low, low + cells * CUBE, "PS", 0)]
    tables = medium(layers, (cells,) * 3, CUBE, (low, low), BIRKS, (field, 0.0, 0.0))
    return tables, store(cells**3, particles=20_000, rows=60_000)


def _particle(
    tables: Medium, s: Store, seed: int, number: int, options: Mapping[str, float]
) -> Row | None:
    """Columns of one particle, or None if too little of it is seen."""
    clear(s)
    state = seeded(seed, number, GENERATION)
    kind_class = int(4 * uniform(state))
    kind = KINDS[kind_class][int(2 * uniform(state))]
    span = options["highest"] - options["lowest"]
    momentum = options["lowest"] + span * uniform(state)
    size = DETECTOR[0].n * CUBE
    at = np.array([DETECTOR[0].start + size * uniform(state) for _ in range(3)])
    way = np.array(isotropic(state))
    energy = math.hypot(1e3 * momentum, MASS[kind]) - MASS[kind]
    s.stack[0] = [kind, *at, *way, energy, 0.0, 0.0]
    s.used[0] = 1
    transport(s, tables, seeded(seed, number, TRANSPORT))
    if s.used[LOST]:
        raise RunError(f"superfgd: particle {number} of seed {seed} fills the buffers")
    hits = _hits(s, seeded(seed, number, READOUT), options)
    if hits is None:
        return None
    truth = {
        "pid": kind_class,
        "momentum": momentum * way,
        "vertex": at - hits["context.centre"][0],
    }
    return hits | {f"truth.{k}": np.array([v]) for k, v in truth.items()}


def _hits(s: Store, state: Array, options: Mapping[str, float]) -> Row | None:
    """Hits in the crop and their context."""
    shape = (DETECTOR[0].n,) * 3
    charge = cube_charges(s, shape, options["cross_talk"], options["photo_electrons"], state)
    seen = np.flatnonzero(charge >= max(options["threshold"], 1e-9))
    if len(seen) < LEAST_HITS:
        return None
    cell = s.cell[: s.used[CELLS]][seen]
    seen = seen[np.argsort(cell)]
    index = np.stack(np.unravel_index(s.cell[seen], shape), axis=1)
    charge = np.minimum(charge[seen], SATURATION)
    first = start(index, charge, CUBES.shape)
    kept = inside(index, first, CUBES.shape)
    energy = s.deposit[seen[kept], :3]
    whole = energy.sum(1, keepdims=True)
    shares = np.divide(energy, whole, out=np.full_like(energy, np.nan), where=whole > 0)
    where = describe(index, charge, first, CUBES.shape, DETECTOR)
    return {
        "cubes.index": index[kept] - first,
        "cubes.charge": charge[kept],
        "cubes.category": shares,
        **{f"context.{k}": v for k, v in where.items()},
    }


def _assemble(seed: int, found: list[tuple[int, Row]]) -> Events:
    """Events of single particles; also of none."""
    rows = [row for _, row in found]

    def column(name: str, shape: tuple[int, ...] = ()) -> Array:
        empty = np.zeros((0, *shape))
        return np.concatenate([empty, *(row[name] for row in rows)])

    counts = np.array([len(row["cubes.charge"]) for row in rows], np.int64)
    cubes = {"index": column("cubes.index", (3,)), "charge": column("cubes.charge")}
    cubes["category"] = column("cubes.category", (3,))
    context = {k: column(f"context.{k}", shape) for k, (_, shape) in CONTEXT.layout.items()}
    truth = {t.name: column(f"truth.{t.name}", t.layout[1]) for t in SUPERFGD.truth}
    return build(
        SUPERFGD,
        [f"{seed}/{number}" for number, _ in found],
        {"cubes": Rows(counts, cubes), "context": Rows(np.ones_like(counts), context)},
        truth,
        group=np.array([number for number, _ in found], np.int64),
    )
