"""Simulated events of FASERCal: a fast, parametrised simulation, neither GEANT4 nor GENIE."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np
from attrs import frozen

from intarsia.core.errors import RunError, suggest
from intarsia.core.events import Events, Table, cumulated
from intarsia.core.simulation.compiled import Array
from intarsia.core.simulation.medium import Layer, Medium, medium
from intarsia.core.simulation.neutrinos import Interact, generator
from intarsia.core.simulation.random import seeded
from intarsia.core.simulation.slabs import Slabs
from intarsia.core.simulation.store import CELLS, LEFT, Store, clear, store
from intarsia.core.simulation.trackfit import cross, fit
from intarsia.core.simulation.transport import transport

from . import FASERCAL, SIMULATION
from .beam import energies, table
from .generations import GENERATION_B, SPECTROMETER
from .geometry import Geometry
from .interaction import (
    BJORKEN_X,
    CHARGED,
    CHARM,
    ENERGY,
    NEUTRINO,
    P_JET,
    P_VISIBLE,
    TAU_MODE,
    TRUTH_SIZE,
    VERTEX,
    WEIGHT,
    W,
    draw,
    emerge,
    place,
)  # fmt: skip
from .readout import Buffers, buffers, digitise, label, project, reconstruct
from .rear import TILE_THRESHOLD, Rear, rear, respond

LEAST_VOXELS = 20  # events with fewer voxels that are no ghosts are left out
MOST_TRACKS = 10
LEAST_POINTS = 3  # stations, for a fit
LEAST_Q_P = 1e-5  # c/GeV; a straighter track is given 100 TeV/c
BIRKS = 0.08718  # mm/MeV: 8.718e-3 cm/MeV, FASER's DetectorConstruction.cc
GENERATION, TRANSPORT, READOUT, REAR = range(4)  # each has random numbers of its own

Row = dict[str, Array]


@frozen(eq=False)
class Workspace:
    """What the simulation keeps from event to event; one per process and set of options."""

    geometry: Geometry
    medium: Medium
    share: Array  # of the vertices, by layer
    kinds: Array
    slabs: Slabs
    rows: Array  # of a generator
    rear: Rear
    store: Store
    buffers: Buffers


def make(seed: int, first: int, n: int, **options: float | str) -> Events:
    """Events numbered `first` to `first + n`; those with too few voxels are missing.

    Event i depends on `seed`, i and `options` alone. options: see the declaration; RunError for one
    that is not there, or for a value that cannot be.
    """
    chosen = _options(options)
    space = workspace(str(chosen["mix"]))
    found = []
    for number in range(first, first + n):
        if (event := _event(space, seed, number, chosen)) is not None:
            found.append((number, event))
    return _assemble(seed, [number for number, _ in found], [event for _, event in found])


def _options(given: Mapping[str, float | str]) -> dict[str, float | str]:
    known = dict(SIMULATION.options)
    for name in given:
        if name not in known:
            raise RunError(
                f"fasercal: there is no simulation option {name!r}{suggest(name, known)} "
                f"(known: {', '.join(known)})"
            )
    chosen = {**known, **given}
    for name, most in (("photo_electrons", 1e4), ("cross_talk", 0.25), ("threshold", 1e3)):
        if not isinstance(chosen[name], int | float) or not 0 <= float(chosen[name]) <= most:
            raise RunError(f"fasercal: {name} must be a number from 0 to {most:g}")
    if not isinstance(chosen["iterations"], int) or not 0 <= chosen["iterations"] <= 1000:
        raise RunError("fasercal: iterations must be a whole number from 0 to 1000")
    if float(chosen["photo_electrons"]) == 0:
        raise RunError("fasercal: photo_electrons must be more than 0")
    table(str(chosen["mix"]))
    energies(str(chosen["spectrum"]))
    _interact(str(chosen["generator"]))
    return chosen


@cache
def _interact(name: str) -> Interact:
    return generator(name)


@cache
def workspace(mix: str) -> Workspace:
    """Tables and buffers for a mix of interactions."""
    g = GENERATION_B
    layers = _layers(g)
    nx, ny = g.cells
    nz = g.modules * g.module.planes
    corner = (-0.5 * nx * g.module.cell, -0.5 * ny * g.module.cell)
    density = {"PVT": 1.032, "W": 19.30, "Al": 2.699, "air": 0.0}
    mass = np.array([density[layer.material] * (layer.high - layer.low) for layer in layers])
    return Workspace(
        g,
        medium(layers, (nx, ny, nz), g.module.cell, corner, BIRKS),
        mass / mass.sum(),
        table(mix),
        SPECTROMETER,
        np.zeros((600, 6)),
        rear(g),
        store(nx * ny * nz),
        buffers(nx, ny, nz, g.modules),
    )  # fmt: skip


def _layers(g: Geometry) -> list[Layer]:
    """Slabs of all modules along z."""
    layers: list[Layer] = []
    for module, z in enumerate(g.fronts):
        if layers and layers[-1].high < z:
            layers.append(Layer(layers[-1].high, z, "air"))
        for thickness, name in g.module.slabs:
            first = module * g.module.planes if name == g.module.sensitive else -1
            layers.append(Layer(z, z + thickness, name, first))
            z += thickness
    return layers


def _event(space: Workspace, seed: int, number: int, options: Mapping[str, Any]) -> Row | None:
    """Columns of one event, or None if too little of it is seen."""
    s, m = space.store, space.medium
    clear(s)
    truth = np.zeros(TRUTH_SIZE)
    state = seeded(seed, number, GENERATION)
    draw(state, space.kinds, *energies(str(options["spectrum"])), truth)
    place(state, m.layers, space.share, m.grid, truth)
    n, _, *truth[BJORKEN_X : W + 1] = _interact(str(options["generator"]))(
        state, truth[ENERGY], int(truth[NEUTRINO]), bool(truth[CHARGED]), space.rows
    )
    emerge(s, m, space.geometry.tilt, state, space.rows, n, truth)
    transport(s, m, seeded(seed, number, TRANSPORT))
    voxels = _voxels(space, seeded(seed, number, READOUT), options)
    if voxels is None:
        return None
    return {**voxels, **_behind(space, seeded(seed, number, REAR)), **_truth(space, truth)}


def _voxels(space: Workspace, state: Array, options: Mapping[str, Any]) -> Row | None:
    s, b = space.store, space.buffers
    project(s.cell, s.deposit, int(s.used[CELLS]), float(options["cross_talk"]), b)
    for view in (b.xz, b.yz, b.xy):
        fibres = view.reshape(-1)
        digitise(fibres, state, float(options["photo_electrons"]), float(options["threshold"]))
    n = reconstruct(b, float(options["threshold"]), int(options["iterations"]))
    ghost = np.zeros(n, np.int8)
    category, hierarchy = np.zeros((n, 3), np.float32), np.zeros((n, 3), np.float32)
    if label(b, n, s.slot, s.deposit, ghost, category, hierarchy) < LEAST_VOXELS:
        return None
    shape = (*space.geometry.cells, b.xz.shape[0])
    index = np.stack(np.unravel_index(b.voxel[:n], shape), axis=1).astype(np.int16)
    return {
        "3dcal.index": index,
        "3dcal.charge": b.charge[:n].copy(),
        "3dcal.ghost": ghost,
        "3dcal.hierarchy": hierarchy.astype(np.float16),
        "3dcal.category": category.astype(np.float16),
    }


def _behind(space: Workspace, state: Array) -> Row:
    """ECAL, AHCAL and muon tracks."""
    r = space.rear
    muons = np.zeros((MOST_TRACKS, 6))
    n = respond(r, state, space.store.left, int(space.store.used[LEFT]), muons)
    hit = np.argwhere(r.ahcal >= TILE_THRESHOLD)
    tracks = list(_tracks(space, state, muons[:n]))
    points, fits = np.zeros((0, space.slabs.stations, 3)), np.zeros((0, 7))
    if tracks:
        points, fits = (np.stack(column) for column in zip(*tracks, strict=True))
    return {
        "ecal.energy": r.ecal[None].astype(np.float32),
        "ahcal.index": hit.astype(np.int16),
        "ahcal.energy": r.ahcal[tuple(hit.T)].astype(np.float32),
        "muon.momentum": fits[:, :3].astype(np.float32),
        "muon.charge": fits[:, 3].astype(np.float32),
        "muon.chi2": fits[:, 4].astype(np.float32),
        "muon.ndf": fits[:, 5].astype(np.float32),
        "muon.sigma": fits[:, 6].astype(np.float32),
        "muon.position": points.astype(np.float32),
    }


def _tracks(space: Workspace, state: Array, muons: Array) -> Iterator[tuple[Array, Array]]:
    """Points (stations, 3), NaN where there is none, and numbers (7,) of each muon fitted."""
    slabs = space.slabs
    back = space.geometry.ahcal.front + space.geometry.ahcal.depth
    for x, y, tx, ty, p, charge in muons.tolist():
        points = np.full((slabs.stations, 3), np.nan)
        gap = slabs.first - back
        n = cross(state, slabs, x + tx * gap, y + ty * gap, tx, ty, p, charge, points)
        if n >= LEAST_POINTS:
            yield points, _fitted(slabs, points, n)


def _fitted(slabs: Slabs, points: Array, n: int) -> Array:
    """Momentum (3), charge, chi2, its degrees of freedom and the error of q/p."""
    track, covariance = np.zeros(5), np.zeros((5, 5))
    chi2 = fit(slabs, points, n, track, covariance)
    way = np.array([track[2], track[3], 1.0])
    q_p = max(abs(track[4]), LEAST_Q_P)
    momentum = way / np.linalg.norm(way) / q_p
    charge = 1.0 if track[4] > 0 else -1.0
    return np.array([*momentum, charge, chi2, 2 * n - 5, np.sqrt(covariance[4, 4])])


def _truth(space: Workspace, truth: Array) -> Row:
    """Event truth, each with a first axis of one."""
    to_detector = space.geometry.rotation.T
    visible, jet = truth[P_VISIBLE : P_VISIBLE + 3], truth[P_JET : P_JET + 3]
    flavour = 5
    if truth[CHARGED]:
        flavour = abs(int(truth[NEUTRINO])) // 2 - 6
        if flavour == 2:
            flavour = {1: 2, 2: 3}.get(int(truth[TAU_MODE]), 4)
    numbers = {
        "vertex": truth[VERTEX : VERTEX + 3],
        "p_visible": to_detector @ visible,
        "p_jet": to_detector @ jet,
        "p_visible_beam": visible,
        "p_jet_beam": jet,
        "energy": truth[ENERGY],
        "neutrino": truth[NEUTRINO],
        "weight": truth[WEIGHT],
    }
    classes = {"flavour": flavour, "charm": truth[CHARM]}
    return {
        **{f"truth.{k}": np.array([v], np.int8) for k, v in classes.items()},
        **{f"truth.{k}": np.array([v], np.float32) for k, v in numbers.items()},
    }


def _assemble(seed: int, numbers: list[int], rows: list[Row]) -> Events:
    """Events of single rows; also of none."""
    streams = {}
    for stream in FASERCAL.streams:
        names = list(stream.layout)
        parts = {
            k: np.concatenate(
                [np.zeros((0, *shape), dtype)] + [r[f"{stream.name}.{k}"] for r in rows]
            )
            for k, (dtype, shape) in stream.layout.items()
        }
        counts = np.array([len(r[f"{stream.name}.{names[0]}"]) for r in rows], np.int64)
        streams[stream.name] = Table(cumulated(counts), parts)
    truth = {
        t.name: np.concatenate(
            [np.zeros((0, *t.layout[1]), t.layout[0])] + [r[f"truth.{t.name}"] for r in rows]
        )
        for t in FASERCAL.truth
    }
    keys = tuple(f"{seed}/{number}" for number in numbers)
    return Events(streams, truth, keys, np.array(numbers, np.int64))
