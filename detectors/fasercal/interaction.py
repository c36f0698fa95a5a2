"""One neutrino interaction in FASERCal: where, by which neutrino, and what comes out.

Generators work along the neutrino (GeV); particles go on the stack in the detector frame (MeV, mm).
"""
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import math

import numpy as np

from intarsia.core.simulation import charm, decays, dis
from intarsia.core.simulation.compiled import Array, compiled
from intarsia.core.simulation.hadronic import neutral_pion
from intarsia.core.simulation.particles import MASS, kind_of
from intarsia.core.simulation.random import exponential, isotropic, normals, uniform
from intarsia.core.simulation.store import deposit, push

from .beam import HIGHEST, LOWEST

# Columns of the truth of an event; P_* are three numbers in the beam frame, GeV
NEUTRINO, CHARGED, ENERGY, WEIGHT, VERTEX, CHARM, TAU_MODE = 0, 1, 2, 3, 4, 7, 8
P_VISIBLE, P_JET, BJORKEN_X, INELASTICITY, W, TRUTH_SIZE = 9, 12, 15, 16, 17, 18

TAU_FLIGHT = 0.08703  # mm, c tau (PDG: 290.3 fs)
MIP = 0.195  # MeV/mm, of a tau or charmed hadron on its way
STRIDE = 2.0  # mm
FRAGMENT = 40.0  # MeV, mean energy of nucleons out of the struck nucleus


@compiled
def draw(state: Array, kinds: Array, truth: Array) -> None:
    """Draw the neutrino, CC or NC, and its energy; `kinds` as `beam.table`."""
    r = uniform(state)
    row = 0
    while row + 1 < kinds.shape[0] and r >= kinds[row, 2]:
        r -= kinds[row, 2]
        row += 1
    truth[0], truth[1], truth[3] = kinds[row, 0], kinds[row, 1], kinds[row, 5]
    while True:
        energy = kinds[row, 3] * math.exp(kinds[row, 4] * normals(state)[0])
        if LOWEST < energy < HIGHEST:
            break
    truth[2] = energy


@compiled
def place(state: Array, layers: Array, share: Array, grid: Array, truth: Array) -> None:
    """Draw the vertex, mm: a layer by `share`, (L,) of the mass, then uniformly inside it."""
    r = uniform(state)
    i = 0
    while i + 1 < share.shape[0] and r >= share[i]:
        r -= share[i]
        i += 1
    truth[4] = grid[0] + uniform(state) * grid[3] * grid[2]
    truth[5] = grid[1] + uniform(state) * grid[4] * grid[2]
    truth[6] = layers[i, 0] + uniform(state) * (layers[i, 1] - layers[i, 0])


@compiled
def _to_stack(
    stack: Array,
    count: Array,
    state: Array,
    row: Array,
    at: Array,
    c: float,
    s: float,
    generation: float,
) -> None:
    """Put one row of a generator on the stack, in the detector frame; neutrinos are dropped.

    at: (3,) where it starts; c, s: cosine and sine of the tilt.
    """
    pdg = int(row[4])
    kind = kind_of(pdg)
    p = math.sqrt(row[0] * row[0] + row[1] * row[1] + row[2] * row[2])
    if kind == -2 or p <= 0.0:
        return
    ux, uy, uz = (c * row[0] - s * row[2]) / p, row[1] / p, (s * row[0] + c * row[2]) / p
    if kind == -1:
        neutral_pion(stack, count, state, at[0], at[1], at[2], ux, uy, uz, 1e3 * row[3], generation)
        return
    energy = max(1e3 * row[3] - MASS[kind], 0.01)
    push(stack, count, kind, at[0], at[1], at[2], ux, uy, uz, energy, generation)  # fmt: skip


@compiled
def _fly(
    slot: Array,
    cell: Array,
    dep: Array,
    count: Array,
    layers: Array,
    grid: Array,
    at: Array,
    row: Array,
    flight: float,
    mass: float,
    c: float,
    s: float,
    category: int,
) -> None:
    """Move `at` to where a tau or charmed hadron decays, leaving a track if category >= 0."""
    p = math.sqrt(row[0] * row[0] + row[1] * row[1] + row[2] * row[2])
    ux, uy, uz = (c * row[0] - s * row[2]) / p, row[1] / p, (s * row[0] + c * row[2]) / p
    left = flight * p / mass
    while left > 0.0:
        step = min(left, STRIDE)
        left -= step
        x, y, z = at[0] + 0.5 * step * ux, at[1] + 0.5 * step * uy, at[2] + 0.5 * step * uz
        at[0] += step * ux
        at[1] += step * uy
        at[2] += step * uz
        ix, iy = int(math.floor((x - grid[0]) / grid[2])), int(math.floor((y - grid[1]) / grid[2]))
        if category < 0 or ix < 0 or iy < 0 or ix >= grid[3] or iy >= grid[4]:
            continue
        for i in range(layers.shape[0]):
            if layers[i, 3] > 0.5 and layers[i, 0] <= z < layers[i, 1]:
                iz = int(layers[i, 4]) + int((z - layers[i, 0]) / grid[2])
                index = int((ix * grid[4] + iy) * grid[5]) + iz
                e = MIP * step
                deposit(slot, cell, dep, count, index, category, 0, e, e)


@compiled
def _nucleus(stack: Array, count: Array, state: Array, at: Array) -> None:
    """Up to three slow nucleons from the struck nucleus; no energy is taken from the neutrino."""
    for _ in range(3):
        if uniform(state) < 0.5:
            ux, uy, uz = isotropic(state)
            kind = 9 if uniform(state) < 0.5 else 10
            e = 3.0 + FRAGMENT * exponential(state)
            push(stack, count, kind, at[0], at[1], at[2], ux, uy, uz, e, 0.0)


@compiled
def _unseen(pdg: int) -> bool:
    size = abs(pdg)
    return size == 12 or size == 14 or size == 16 or size == 9000016


@compiled
def generate(
    stack: Array,
    slot: Array,
    cell: Array,
    dep: Array,
    count: Array,
    layers: Array,
    grid: Array,
    tilt: float,
    state: Array,
    truth: Array,
) -> None:
    """Interaction of the neutrino drawn in `truth`, whose other columns it fills; fills the stack.

    One long function, as the tau, the charmed hadron and the rest each need all of its arrays.
    """
    c, s = math.cos(tilt), math.sin(tilt)
    rows, more = np.zeros((400, 6)), np.zeros((40, 6))
    vertex, at = truth[4:7].copy(), np.zeros(3)
    neutrino, charged = int(truth[0]), truth[1] > 0.5
    sign = 1 if neutrino > 0 else -1
    n, heavy, truth[15], truth[16], truth[17] = dis.interact(
        state, truth[2], neutrino, charged, rows
    )
    for k in range(3):
        truth[9 + k] = truth[12 + k] = 0.0
    truth[7] = truth[8] = 0.0
    for i in range(1, n):
        for k in range(3):
            truth[12 + k] += rows[i, k]
        which = charm.species(int(rows[i, 4]))
        if which < 0:
            _to_stack(stack, count, state, rows[i], vertex, c, s, 0.0)
            continue
        at[:] = vertex
        more[0] = rows[i]
        flight = exponential(state) * charm.FLIGHT[which]
        track = -1 if which == 0 else 2
        mass = rows[i, 5]
        _fly(slot, cell, dep, count, layers, grid, at, rows[i], flight, mass, c, s, track)
        m, decay = charm.decay_charm(state, more, 0, 1)
        m = decays.decay_resonances(state, more, m)
        truth[7] = decay
        for j in range(m):
            _to_stack(stack, count, state, more[j], at, c, s, 1.0)
    for k in range(3):
        truth[9 + k] = truth[12 + k]
    if charged and abs(neutrino) == 16:
        at[:] = vertex
        more[0] = rows[0]
        m, mode = decays.decay_tau(state, more, 0, 1, sign)
        truth[8] = mode
        flight = exponential(state) * TAU_FLIGHT
        track = 0 if mode == 1 else (1 if mode == 2 else 2)
        _fly(slot, cell, dep, count, layers, grid, at, rows[0], flight, rows[0, 5], c, s, track)
        for j in range(m):
            _to_stack(stack, count, state, more[j], at, c, s, 1.0)
            if not _unseen(int(more[j, 4])):
                for k in range(3):
                    truth[9 + k] += more[j, k]
    elif charged:
        _to_stack(stack, count, state, rows[0], vertex, c, s, 0.0)
        for k in range(3):
            truth[9 + k] += rows[0, k]
    _nucleus(stack, count, state, vertex)  # fmt: skip
