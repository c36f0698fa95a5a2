"""ECAL and AHCAL layer by layer, by the transport: for muons, slow hadrons, and what is few.

So muons have Landau's fluctuations, scatter, radiate and stop, and hadrons have a range. MeV, mm.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from intarsia.core.simulation.compiled import Array, compiled
from intarsia.core.simulation.medium import Layer, Medium, medium
from intarsia.core.simulation.particles import M_MU, MU_MINUS, MU_PLUS
from intarsia.core.simulation.store import CELLS, LEFT, Store, push, store
from intarsia.core.simulation.transport import transport

from .geometry import Sandwich


class Calorimeter(NamedTuple):
    """A sandwich as the transport sees it: every tile of every layer a cell."""

    medium: Medium
    store: Store
    shape: tuple[int, int, int]  # tiles along x and y, layers
    front: float
    back: float
    centre: float
    half: float


def calorimeter(s: Sandwich) -> Calorimeter:
    """Tables and buffers of `s`."""
    shape = s.tiles, s.tiles, s.layers
    corner = s.centre - s.half
    return Calorimeter(
        medium(_layers(s), shape, s.tile, (corner, corner), birks=0.0),
        store(math.prod(shape), rows=math.prod(shape)),
        shape,
        s.front,
        s.front + s.depth,
        s.centre,
        s.half,
    )


def _layers(s: Sandwich) -> list[Layer]:
    layers, z = [], s.front
    for number in range(s.layers):
        for i, (thickness, name) in enumerate(s.slabs):
            layers.append(Layer(z, z + thickness, name, number if i == s.active else -1))
            z += thickness
    return layers


@compiled
def taken(s: Store, row: Array, front: float, centre: float, half: float) -> bool:
    """Put a particle on the stack, where it meets the face at z = `front`; False if it misses it."""
    path = (front - row[3]) / row[6]
    x, y = row[1] + path * row[4], row[2] + path * row[5]
    if max(abs(x - centre), abs(y - centre)) >= half:
        return False
    way = (row[4], row[5], row[6])
    push(s.stack, s.used, int(row[0]), (x, y, front), way, row[7], row[8])
    return True


@compiled
def behind(muons: Array, n: int, row: Array, back: float) -> int:
    """Write a muon as it comes to z = `back` to `muons[n]`, if there is room; gives the next n.

    x, y, dx/dz, dy/dz, p in GeV/c, charge: what `trackfit.cross` needs.
    """
    if n >= muons.shape[0]:
        return n
    out, tx, ty = muons[n], row[4] / row[6], row[5] / row[6]
    out[0], out[1] = row[1] + tx * (back - row[3]), row[2] + ty * (back - row[3])
    out[2], out[3] = tx, ty
    out[4] = 1e-3 * math.sqrt(row[7] * (row[7] + 2.0 * M_MU))
    out[5] = 1.0 if row[0] == MU_PLUS else -1.0
    return n + 1


@compiled
def _hand_over(
    left: Array, n: int, s: Store, front: float, centre: float, half: float, back: float,
    muons: Array, found: int,
) -> int:  # fmt: skip
    """Send on what left the ECAL: on the AHCAL's stack or, muons that miss it, behind it."""
    for i in range(n):
        missed = not taken(s, left[i], front, centre, half)
        if missed and int(left[i, 0]) in (MU_MINUS, MU_PLUS):
            found = behind(muons, found, left[i], back)
    return found


@compiled
def _come_out(left: Array, n: int, back: float, muons: Array, found: int) -> int:
    """Take the muons among what left the AHCAL behind it."""
    for i in range(n):
        if int(left[i, 0]) in (MU_MINUS, MU_PLUS):
            found = behind(muons, found, left[i], back)
    return found


def follow(
    ecal: Calorimeter, ahcal: Calorimeter, state: Array, towers: Array, tiles: Array,
    muons: Array, found: int,
) -> int:  # fmt: skip
    """Follow what is on the stacks of both; how many muons there are in `muons` then.

    Adds MeV to the ECAL's towers (y, x) and to the AHCAL's tiles (x, y, layer).
    """
    e, a = ecal.store, ahcal.store
    transport(e, ecal.medium, state)
    where = ahcal.front, ahcal.centre, ahcal.half, ahcal.back
    found = _hand_over(e.left, e.used[LEFT], a, *where, muons, found)
    transport(a, ahcal.medium, state)
    columns = np.zeros(ecal.shape)
    _add(e, columns)
    towers += columns.sum(2).T
    _add(a, tiles)
    return _come_out(a.left, a.used[LEFT], ahcal.back, muons, found)


def _add(s: Store, signals: Array) -> None:
    """Add the MeV of every cell that was touched to `signals`, of which each is one number."""
    n = s.used[CELLS]
    signals.reshape(-1)[s.cell[:n]] += s.deposit[:n, :3].sum(1)
