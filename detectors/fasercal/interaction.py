"""One neutrino interaction in FASERCal: where, by which neutrino, and what comes out.

Generators work along the neutrino (GeV); particles go on the stack in the detector frame (MeV, mm).
"""
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import math

import numpy as np

from intarsia.core.simulation import charm, decays
from intarsia.core.simulation.compiled import Array, allocating, compiled
from intarsia.core.simulation.hadronic import BINDING, neutral_pion, nucleon
from intarsia.core.simulation.medium import Medium
from intarsia.core.simulation.particles import HADRONIC, MASS, NOT_FOLLOWED, PI_ZERO, kind_of
from intarsia.core.simulation.random import exponential, isotropic, uniform
from intarsia.core.simulation.spectrum import draw_energy
from intarsia.core.simulation.store import Store, cell_of, deposit, locate, push
from intarsia.core.simulation.vectors import Vector

from . import labels

# Columns of the truth of an event; P_* are three numbers in the beam frame, GeV
NEUTRINO, CHARGED, ENERGY, WEIGHT, VERTEX, CHARM, TAU_MODE = 0, 1, 2, 3, 4, 7, 8
P_VISIBLE, P_JET, BJORKEN_X, INELASTICITY, W, TRUTH_SIZE = 9, 12, 15, 16, 17, 18

TAU_FLIGHT = 0.08703  # mm, c tau (PDG: 290.3 fs)
MIP = 0.195  # MeV/mm, of a tau or charmed hadron on its way
STRIDE = 2.0  # mm
FRAGMENT = 40.0  # MeV, mean energy of nucleons out of the struck nucleus

_clearer, _of_tau = compiled(labels.clearer), compiled(labels.of_tau)


@compiled
def draw(state: Array, kinds: Array, edges: Array, below: Array, truth: Array) -> None:
    """Draw the neutrino, CC or NC, and its energy; `kinds` as `beam.table`, then a `Spectra`."""
    r = uniform(state)
    row = 0
    while row + 1 < kinds.shape[0] and r >= kinds[row, 2]:
        r -= kinds[row, 2]
        row += 1
    truth[0], truth[1], truth[3] = kinds[row, 0], kinds[row, 1], kinds[row, 3]
    truth[2] = draw_energy(state, edges, below, int(truth[0]))


@compiled
def place(state: Array, layers: Array, share: Array, grid: Array, truth: Array) -> int:
    """Draw the vertex, mm: a layer by `share`, (L,) of the mass, which it returns; evenly inside."""
    r = uniform(state)
    i = 0
    while i + 1 < share.shape[0] and r >= share[i]:
        r -= share[i]
        i += 1
    truth[4] = grid[0] + uniform(state) * grid[3] * grid[2]
    truth[5] = grid[1] + uniform(state) * grid[4] * grid[2]
    truth[6] = layers[i, 0] + uniform(state) * (layers[i, 1] - layers[i, 0])
    return i


@compiled
def _way(row: Array, c: float, s: float) -> Vector:
    """Direction of a generator's row in the detector frame; c, s: cosine and sine of the tilt."""
    p = math.sqrt(row[0] * row[0] + row[1] * row[1] + row[2] * row[2])
    return (c * row[0] - s * row[2]) / p, row[1] / p, (s * row[0] + c * row[2]) / p


@compiled
def _to_stack(
    stack: Array, count: Array, state: Array, row: Array, at: Vector, c: float, s: float, gen: float
) -> None:
    """Put one row of a generator on the stack, at `at`; neutrinos are dropped."""
    kind = kind_of(int(row[4]))
    if kind == NOT_FOLLOWED or row[3] <= row[5]:
        return
    if kind == PI_ZERO:
        neutral_pion(stack, count, state, at, _way(row, c, s), 1e3 * row[3], gen)
        return
    energy = max(1e3 * row[3] - MASS[kind], 0.01)
    push(stack, count, kind, at, _way(row, c, s), energy, gen)


@compiled
def _fly(
    bank: Store, medium: Medium, at: Vector, way: Vector, length: float, category: int
) -> Vector:
    """Where a tau or charmed hadron decays after `length` mm; a track of `category` if >= 0."""
    x, y, z = at
    while length > 0.0:
        step = min(length, STRIDE)
        length -= step
        middle = (x + 0.5 * step * way[0], y + 0.5 * step * way[1], z + 0.5 * step * way[2])
        x, y, z = x + step * way[0], y + step * way[1], z + step * way[2]
        layer = locate(medium.layers, middle[2], bank.used[4])
        bank.used[4] = layer
        cell = cell_of(medium.layers, medium.grid, layer, middle)
        if category >= 0 and cell >= 0 and middle[2] < medium.layers[layer, 1]:
            deposit(
                bank.slot,
                bank.cell,
                bank.deposit,
                bank.used,
                cell,
                category,
                0,
                MIP * step,
                MIP * step,
            )
    return x, y, z


@compiled
def _nucleus(stack: Array, count: Array, state: Array, at: Vector, most: float) -> float:
    """Up to three slow nucleons from the struck nucleus; the energy they take, at most `most` MeV.

    Kinetic energy and BINDING each. Their momentum is that of the nucleus, which recoils unseen.
    """
    spent = 0.0
    for _ in range(3):
        if uniform(state) < 0.5:
            e = 3.0 + FRAGMENT * exponential(state)
            if spent + e + BINDING > most:
                break
            spent += e + BINDING
            push(stack, count, nucleon(state, 0.5), at, isotropic(state), e, 0.0)
    return spent


@compiled
def _leading(rows: Array, n: int) -> int:
    """Row of the fastest hadron that is followed, 0 if there is none."""
    best, leading = 0.0, 0
    for i in range(1, n):
        if rows[i, 3] - rows[i, 5] > best and kind_of(int(rows[i, 4])) != NOT_FOLLOWED:
            best, leading = rows[i, 3] - rows[i, 5], i
    return leading


@compiled
def _unseen(pdg: int) -> bool:
    size = abs(pdg)
    return size == 12 or size == 14 or size == 16 or size == 9000016


@allocating
def _charmed(
    bank: Store, medium: Medium, state: Array, row: Array, at: Vector, c: float, s: float,
    which: int,
) -> int:  # fmt: skip
    """Fly and decay a charmed hadron; class of the decay: 1 e, 2 mu, 3 hadrons."""
    rows = np.zeros((40, 6))
    rows[0] = row
    gamma_beta = math.sqrt(row[3] * row[3] - row[5] * row[5]) / row[5]
    length = exponential(state) * charm.FLIGHT[which] * gamma_beta
    category = -1 if charm.neutral(which) else HADRONIC
    end = _fly(bank, medium, at, _way(row, c, s), length, category)
    n, decay = charm.decay_charm(state, rows, 0, 1)
    n = decays.decay_resonances(state, rows, n)
    for j in range(n):
        _to_stack(bank.stack, bank.used, state, rows[j], end, c, s, 1.0)
    return decay


@allocating
def _tau(
    bank: Store, medium: Medium, state: Array, row: Array, at: Vector, c: float, s: float,
    truth: Array,
) -> None:  # fmt: skip
    """Fly and decay a tau; fills its mode and adds what is visible of it to `truth`."""
    rows = np.zeros((40, 6))
    rows[0] = row
    sign = 1 if row[4] > 0 else -1
    n, mode = decays.decay_tau(state, rows, 0, 1, sign)
    truth[8] = mode
    length = exponential(state) * TAU_FLIGHT * math.sqrt(row[3] ** 2 - row[5] ** 2) / row[5]
    end = _fly(bank, medium, at, _way(row, c, s), length, _of_tau(mode))
    for j in range(n):
        _to_stack(bank.stack, bank.used, state, rows[j], end, c, s, 1.0)
        if not _unseen(int(rows[j, 4])):
            for k in range(3):
                truth[9 + k] += rows[j, k]


@allocating
def emerge(
    bank: Store, medium: Medium, tilt: float, state: Array, rows: Array, n: int, truth: Array
) -> None:
    """Put the products of an interaction, rows[:n] of a generator, on the stack; fills `truth`.

    The nucleons out of the nucleus take their energy from the fastest hadron.
    """
    c, s = math.cos(tilt), math.sin(tilt)
    vertex = (truth[4], truth[5], truth[6])
    neutrino, charged = int(truth[0]), truth[1] > 0.5
    truth[7:15] = 0.0
    leading = _leading(rows, n)
    room = 500.0 * (rows[leading, 3] - rows[leading, 5]) if leading else 0.0  # half of it, in MeV
    spent = 1e-3 * _nucleus(bank.stack, bank.used, state, vertex, room)
    for i in range(1, n):
        for k in range(3):
            truth[12 + k] += rows[i, k]
        if i == leading:
            rows[i, 3] -= spent
        which = charm.species(int(rows[i, 4]))
        if which < 0:
            _to_stack(bank.stack, bank.used, state, rows[i], vertex, c, s, 0.0)
        else:
            decay = _charmed(bank, medium, state, rows[i], vertex, c, s, which)
            truth[7] = _clearer(int(truth[7]), decay)
    for k in range(3):
        truth[9 + k] = truth[12 + k]
    if charged and abs(neutrino) == 16:
        _tau(bank, medium, state, rows[0], vertex, c, s, truth)
    elif charged:
        _to_stack(bank.stack, bank.used, state, rows[0], vertex, c, s, 0.0)
        for k in range(3):
            truth[9 + k] += rows[0, k]
