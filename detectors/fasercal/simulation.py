"""Simulated events of FASERCal: a fast, parametrised simulation, neither GEANT4 nor GENIE."""

from __future__ import annotations

from functools import cache

import numpy as np
from attrs import evolve, frozen

from intarsia.core.errors import RunError
from intarsia.core.events import Events, Table, cumulated
from intarsia.core.simulation.compiled import Array
from intarsia.core.simulation.materials import material
from intarsia.core.simulation.medium import Layer, Medium, medium
from intarsia.core.simulation.neutrinos import Interact, generator
from intarsia.core.simulation.nucleus import strike
from intarsia.core.simulation.random import seeded
from intarsia.core.simulation.slabs import Slabs
from intarsia.core.simulation.store import CELLS, LEFT, LOST, Store, clear, store
from intarsia.core.simulation.transport import transport

from . import FASERCAL, upstream
from .beam import energies, table
from .buffers import Buffers, buffers
from .calorimeters import Calorimeter, calorimeter
from .generations import GENERATION_B, SPECTROMETER
from .geometry import Geometry
from .interaction import (
    BJORKEN_X,
    CHARGED,
    ENERGY,
    NEUTRINO,
    TRUTH_SIZE,
    W,
    draw,
    emerge,
    place,
)
from .options import Options, options
from .pileup import add_muons
from .readout import cut, digitise, project, reconstruct, unravel
from .rear import TILE_THRESHOLD, Rear, rear, signals
from .spectrometer import tracks
from .truth import LEAST_VOXELS, event_truth, label

MOST_PARTICLES = 250_000  # waiting or leaving at a time; one of 7 TeV has 60,000
BIRKS = 0.08718  # mm/MeV: 8.718e-3 cm/MeV, FASER's DetectorConstruction.cc
GENERATION, TRANSPORT, READOUT, REAR, PILE_UP, DEAD = range(6)  # each has its own random numbers

Row = dict[str, Array]


@frozen(eq=False)
class Workspace:
    """What the simulation keeps from event to event; one per process and set of options."""

    geometry: Geometry
    medium: Medium
    share: Array  # of the vertices, by layer
    fermi: tuple[float, ...]  # momenta of nucleons, GeV/c, by layer
    kinds: Array
    slabs: Slabs
    rows: Array  # of a generator
    rear: Rear
    calorimeters: tuple[Calorimeter, Calorimeter]
    store: Store
    buffers: Buffers


def make(seed: int, first: int, n: int, **given: float | str) -> Events:
    """Events numbered `first` to `first + n`; those with too few voxels are missing.

    Event i depends on `seed`, i and the options `given` alone, see `Options`; RunError for one that
    is not there, or for a value that cannot be.
    """
    chosen = options(given)
    space = workspace(chosen.mix, chosen.plastic)
    energies(chosen.spectrum)
    _interact(chosen.generator)
    found = []
    for number in range(first, first + n):
        if (event := _event(space, seed, number, chosen)) is not None:
            found.append((number, event))
    return _assemble(seed, [number for number, _ in found], [event for _, event in found])


@cache
def _interact(name: str) -> Interact:
    return generator(name)


@cache
def workspace(mix: str, plastic: str) -> Workspace:
    """Tables and buffers for a mix of interactions and a plastic of the cubes."""
    g = GENERATION_B
    layers = [evolve(s, material=plastic) if s.cells >= 0 else s for s in _layers(g)]
    nx, ny = g.cells
    nz = g.modules * g.module.planes
    corner = (-0.5 * nx * g.module.cell, -0.5 * ny * g.module.cell)
    mass = np.array([material(s.material).density * (s.high - s.low) for s in layers])
    mass[[s.material == "air" for s in layers]] = 0.0
    return Workspace(
        g,
        medium(layers, (nx, ny, nz), g.module.cell, corner, BIRKS),
        mass / mass.sum(),
        tuple(material(s.material).fermi for s in layers),
        table(mix),
        SPECTROMETER,
        np.zeros((600, 6)),
        rear(g),
        (calorimeter(g.ecal), calorimeter(g.ahcal)),
        store(nx * ny * nz, particles=MOST_PARTICLES),
        buffers(nx, ny, nz, g.modules),
    )


@cache
def _dead(seed: int, share: float, sizes: tuple[int, ...]) -> tuple[Array, ...]:
    """Which fibres of the views (of `sizes`) see nothing; the same in all events of `seed`."""
    rng = np.random.default_rng([seed, DEAD])
    return tuple(rng.random(size) < share for size in sizes)


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


def _event(space: Workspace, seed: int, number: int, chosen: Options) -> Row | None:
    """Columns of one event, or None if too little of it is seen."""
    s, m = space.store, space.medium
    clear(s)
    truth = np.zeros(TRUTH_SIZE)
    state = seeded(seed, number, GENERATION)
    draw(state, space.kinds, *energies(chosen.spectrum), truth)
    fermi = space.fermi[place(state, m.layers, space.share, m.grid, truth)]
    neutrino, charged = int(truth[NEUTRINO]), bool(truth[CHARGED])
    n, _, *truth[BJORKEN_X : W + 1] = strike(
        _interact(chosen.generator), state, truth[ENERGY], neutrino, charged, fermi, space.rows
    )
    emerge(s, m, space.geometry.tilt, state, space.rows, n, truth)
    if chosen.pile_up:
        front, tilt = space.geometry.fronts[0], space.geometry.tilt
        muons = seeded(seed, number, PILE_UP)
        add_muons(s.stack, s.used, muons, chosen.pile_up, m.grid, front, tilt)
    transport(s, m, seeded(seed, number, TRANSPORT))
    voxels = _voxels(space, seed, number, chosen)
    if voxels is None:
        return None
    behind = _behind(space, seeded(seed, number, REAR))
    if any(b.used[LOST] for b in (s, *(c.store for c in space.calorimeters))):
        raise RunError(f"fasercal: event {number} of seed {seed} fills the buffers")
    named = event_truth(space.geometry, truth)
    return {**voxels, **behind, **{f"truth.{name}": v for name, v in named.items()}}


def _voxels(space: Workspace, seed: int, number: int, chosen: Options) -> Row | None:
    s, b = space.store, space.buffers
    n = _reconstructed(space, seed, seeded(seed, number, READOUT), chosen)
    ghost = np.zeros(n, np.int8)
    category, hierarchy = np.empty((n, 3), np.float16), np.empty((n, 3), np.float16)
    shares = category.view(np.uint16), hierarchy.view(np.uint16)
    if label(b.voxel[:n], s.slot, s.deposit, ghost, *shares) < LEAST_VOXELS:
        return None
    index = np.empty((n, 3), np.int16)
    unravel(b.voxel[:n], b.yz.shape[1], b.xz.shape[0], index)
    return {
        "3dcal.index": index,
        "3dcal.charge": b.charge[:n].copy(),
        "3dcal.ghost": ghost,
        "3dcal.hierarchy": hierarchy,
        "3dcal.category": category,
    }


def _reconstructed(space: Workspace, seed: int, state: Array, chosen: Options) -> int:
    """Read out and reconstruct: how many voxels there are in the buffers."""
    s, b = space.store, space.buffers
    ours = chosen.solver == "mlem"
    leak = chosen.cross_talk if ours else 0.0
    project(s.cell, s.deposit, int(s.used[CELLS]), leak, ours, b)
    views = [view.reshape(-1) for view in (b.xz, b.yz, b.xy)]
    if not ours:
        for view in views:
            cut(view, upstream.THRESHOLD)
        return upstream.solve(b, state)
    dead = _dead(seed, chosen.dead, tuple(len(v) for v in views))
    for view, off in zip(views, dead, strict=True):
        digitise(view, off, state, chosen.photo_electrons, chosen.noise, chosen.threshold)
    return reconstruct(b, chosen.threshold, chosen.iterations)


def _behind(space: Workspace, state: Array) -> Row:
    """ECAL, AHCAL and muon tracks."""
    r, s = space.rear, space.store
    muons = signals(r, space.calorimeters, state, s.left, int(s.used[LEFT]))
    tiles = r.ahcal.reshape(-1)
    hit = np.flatnonzero(tiles >= TILE_THRESHOLD)
    fitted = tracks(space.slabs, space.geometry.rotation, state, muons, space.calorimeters[1].back)
    return {
        "ecal.energy": r.ecal[None].astype(np.float32),
        "ahcal.index": np.stack(np.unravel_index(hit, r.ahcal.shape), 1).astype(np.int16),
        "ahcal.energy": tiles[hit].astype(np.float32),
        **{f"muon.{name}": values for name, values in fitted.items()},
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
