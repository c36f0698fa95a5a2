"""Electrons and positrons: step by step through layers and cells, radiating and knocking on.

Sources: see `ionisation`, `screening` and `steps`. Energies in MeV, lengths in mm.
"""
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import math

from .annihilation import annihilate
from .compiled import Array, inlined
from .electromagnetic import ELECTRON_CUT, knock_on, radiate
from .field import BENDING, CHARGE, LARGEST, bend, strength
from .ionisation import CUT
from .medium import Medium
from .particles import M_E, POSITRON
from .random import exponential, uniform
from .scattering import scatter
from .steps import NUDGE, box_of, ionise, onwards, reach, slab_of
from .store import Store, locate
from .tables import place
from .vectors import Vector


@inlined
def _hard(
    s: Store, medium: Medium, state: Array, rates: tuple[float, float], m: int, at: Vector,
    way: Vector, energy: float, daughter: float,
) -> float:  # fmt: skip
    """A photon, a delta ray or annihilation; the energy it takes, all of it the last.

    rates: of hard events per mm, of an electron and of this particle.
    """
    high = 0.5 * energy
    matter = medium.matter[m]
    chance = uniform(state) * rates[1]
    if chance >= rates[0]:
        annihilate(s.stack, s.used, state, at, way, energy, daughter)
        return energy
    if high > CUT and chance < matter[5] * (1.0 / CUT - 1.0 / high):
        return knock_on(s.stack, s.used, state, at, way, high, daughter)
    return radiate(s.stack, s.used, state, at, way, energy, matter, daughter)


@inlined
def follow_electron(s: Store, medium: Medium, state: Array, row: Array) -> None:
    """Follow the electron or positron of `row` until it stops or leaves.

    Longer than other functions: splitting this loop would pass twenty numbers to and fro.
    """
    kind, energy, own = int(row[0]), row[7], row[8]
    at, way = (row[1], row[2], row[3]), (row[4], row[5], row[6])
    layers, box = medium.layers, box_of(medium.grid)
    layer = locate(layers, at[2], s.used[4])
    s.used[4] = layer
    slab = slab_of(layers, layer)
    due = exponential(state)  # hard events to go
    turning = BENDING * strength(medium.field)  # rad MeV/c per mm
    saved = 0.0  # radiation lengths whose scattering is to come
    while True:
        j, m = place(energy), slab[2]
        loss, per_x0 = medium.light[m, j], medium.matter[m, 0]
        hard = medium.hard[1 if kind == POSITRON else 0, m, j]
        p2 = energy * (energy + 2.0 * M_E)
        width = (13.6 * (energy + M_E) / p2) ** 2
        path, enough = reach(slab, at[2], way[2], per_x0, width)
        if turning > 0.0:
            path = min(path, LARGEST * math.sqrt(p2) / turning)
        struck = due < path * hard
        if struck:
            path = due / hard
        if slab[3] < 0:
            walked, lost = path, min(loss * path, energy)
        else:
            lost, walked = ionise(
                s, medium, state, box, slab, at, way, path, enough, loss, 1.0, energy, ELECTRON_CUT,
                0, int(own),
            )  # fmt: skip
        due -= walked * hard
        energy -= lost
        at = (at[0] + way[0] * walked, at[1] + way[1] * walked, at[2] + way[2] * walked)
        if energy <= ELECTRON_CUT:  # too slow to follow: what is left stays here
            if kind == POSITRON:
                annihilate(s.stack, s.used, state, at, way, 0.0, own + 1.0)
            return
        if turning > 0.0:
            way = bend(medium.field, way, CHARGE[kind], math.sqrt(p2), walked)
        saved += walked * per_x0
        way, saved = scatter(state, way, width, saved, medium.matter[m, 8], medium.matter[m, 9])
        if struck and walked > path - NUDGE:
            rates = medium.hard[0, m, j], hard
            energy -= _hard(s, medium, state, rates, m, at, way, energy, own + 1.0)
            if energy <= 0.0:
                return
            due = exponential(state)
        layer, at = onwards(s, layers, box, slab, row, layer, at, way, energy)
        if layer < 0:
            return
        slab = slab_of(layers, layer)
