"""Muons and charged hadrons: step by step through layers and cells.

Sources: see `ionisation`, `electromagnetic`, `hadronic` and `steps`; Birks' law for the light.
Energies in MeV, lengths in mm.
"""
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import math

from .compiled import Array, compiled, inlined
from .electromagnetic import FAR, TRANSFER, knock_on, knocked, radiation
from .endings import decay, stopped
from .field import BENDING, CHARGE, LARGEST, bend, strength
from .hadronic import QUENCHED, interact
from .ionisation import CUT
from .medium import Medium
from .particles import (
    CATEGORY,
    ELECTRON,
    FLIGHT,
    GAMMA,
    M_E,
    MASS,
    MU_PLUS,
    PI_MINUS,
    PI_PLUS,
    PROTON,
)
from .random import exponential, uniform
from .scattering import scatter
from .steps import NUDGE, box_of, ionise, onwards, reach, slab_of
from .store import Store, cell_of, deposit, locate, push
from .tables import place
from .vectors import Vector

HEAVY_CUT = 0.3  # MeV; slower muons and hadrons stop
BIT = 0.2  # of its energy is the most a particle loses in a step
NOTHING, HARD, COLLISION, DECAY = range(4)  # what ends a step


@compiled
def _per_mm(matter: Array, kind: int, energy: float, m: int) -> float:
    """Inelastic collisions per mm; none of muons."""
    if kind <= MU_PLUS:
        return 0.0
    mu = matter[m, 1 if kind == PROTON else 2]
    if energy < 400.0 and kind <= PI_MINUS:
        mu *= 1.35 if energy > 80.0 else 0.7  # Delta resonance, and below it
    return mu


@compiled
def _knocks(xi: float, per_beta2: float, high: float) -> float:
    """Delta rays between CUT and `high` per mm."""
    return xi * per_beta2 * (1.0 / CUT - 1.0 / high) if high > CUT else 0.0


@inlined
def _hard(
    s: Store, state: Array, at: Vector, way: Vector, energy: float, high: float, knocks: float,
    hard: float, daughter: float,
) -> float:  # fmt: skip
    """A delta ray, or a photon or electron that a muon radiates, by their shares; its energy.

    high: largest transfer to an electron; knocks, hard: delta rays and both per mm.
    """
    if uniform(state) * hard < knocks:
        return knock_on(s.stack, s.used, state, at, way, high, daughter)
    t = knocked(state, TRANSFER, 0.5 * energy)
    push(s.stack, s.used, GAMMA if uniform(state) < 0.4 else ELECTRON, at, way, t, daughter)
    return t


@inlined
def _collide(
    s: Store, medium: Medium, state: Array, kind: int, layer: int, at: Vector, way: Vector,
    energy: float, own: float,
) -> None:  # fmt: skip
    """Inelastic collision; what slow fragments leave goes to the cell at `at`, if there is one."""
    cell = cell_of(medium.layers, medium.grid, layer, at)
    spot = interact(s.stack, s.used, state, kind, at, way, energy, own + 1.0)
    if cell >= 0:
        later = int(min(own + 1.0, 2.0))
        deposit(s.slot, s.cell, s.deposit, s.used, cell, 2, later, spot, QUENCHED * spot)


@compiled
def _life(state: Array, kind: int, energy: float) -> float:
    """Path in mm before decay."""
    if FLIGHT[kind] == 0.0:
        return FAR
    momentum = math.sqrt(energy * (energy + 2.0 * MASS[kind]))
    return exponential(state) * FLIGHT[kind] * momentum / MASS[kind]


@inlined
def follow_charged(s: Store, medium: Medium, state: Array, row: Array) -> None:
    """Follow the muon or hadron of `row` until it stops, interacts, decays or leaves.

    Longer than other functions: splitting this loop would pass twenty numbers to and fro.
    """
    kind, energy, own = int(row[0]), row[7], row[8]
    at, way, mass = (row[1], row[2], row[3]), (row[4], row[5], row[6]), MASS[kind]
    layers, matter, box = medium.layers, medium.matter, box_of(medium.grid)
    layer = locate(layers, at[2], s.used[4])
    s.used[4] = layer
    slab = slab_of(layers, layer)
    due = exponential(state)  # hard events to go
    lengths = exponential(state) if kind >= PI_PLUS else FAR  # interaction lengths to go
    life = _life(state, kind, energy)
    turning = BENDING * strength(medium.field)  # rad MeV/c per mm
    saved = 0.0  # radiation lengths whose scattering is to come
    while True:
        p2, total, m = energy * (energy + 2.0 * mass), energy + mass, slab[2]
        per_beta2, loss = total * total / p2, medium.heavy[m, place(energy / mass)]
        mu, width = _per_mm(matter, kind, energy, m), 184.96 * per_beta2 / p2
        high = min(0.5 * energy, 2.0 * M_E * p2 / (mass * mass))
        knocks = _knocks(matter[m, 5], per_beta2, high)
        hard = knocks + (radiation(energy, matter[m, 4]) if kind <= MU_PLUS else 0.0)
        path, enough = reach(slab, at[2], way[2], matter[m, 0], width)
        event = NOTHING
        if energy > 4.0 * HEAVY_CUT:  # below, it stops
            path = min(path, BIT * energy / loss)
            middle = 0.5 * min(path, max(enough, 0.7 * box[2])) if slab[3] >= 0 else 0.5 * path
            loss = medium.heavy[m, place((energy - loss * middle) / mass)]
        if turning > 0.0:
            path = min(path, LARGEST * math.sqrt(p2) / turning)
        if due < path * hard:
            path, event = due / hard, HARD
        if lengths < path * mu:
            path, event = lengths / mu, COLLISION
        if life < path:
            path, event = life, DECAY
        if slab[3] < 0:
            walked, lost = path, min(loss * path, energy)
        else:
            lost, walked = ionise(
                s, medium, state, box, slab, at, way, path, enough, loss, per_beta2, energy, HEAVY_CUT,
                CATEGORY[kind], int(own),
            )  # fmt: skip
        due -= walked * hard
        lengths -= walked * mu
        life -= walked
        energy -= lost
        at = (at[0] + way[0] * walked, at[1] + way[1] * walked, at[2] + way[2] * walked)
        if energy <= HEAVY_CUT:
            stopped(s.stack, s.used, state, kind, at, own + 1.0)
            return
        if turning > 0.0:
            way = bend(medium.field, way, CHARGE[kind], math.sqrt(p2), walked)
        saved += walked * matter[m, 0]
        way, saved = scatter(state, way, width, saved, matter[m, 8], matter[m, 9])
        if walked < path - NUDGE:
            event = NOTHING
        if event == HARD:
            energy -= _hard(s, state, at, way, energy, high, knocks, hard, own + 1.0)
            due = exponential(state)
        elif event == COLLISION and energy > 30.0:
            _collide(s, medium, state, kind, layer, at, way, energy, own)
            return
        elif event == COLLISION:
            lengths = FAR
        elif event == DECAY:
            decay(s.stack, s.used, state, kind, at, way, energy, own + 1.0)
            return
        layer, at = onwards(s, layers, box, slab, row, layer, at, way, energy)
        if layer < 0:
            return
        slab = slab_of(layers, layer)
