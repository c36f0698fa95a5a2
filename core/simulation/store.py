"""Where a simulated event lives: particles still to be followed, cells, particles that left.

Kernels take the arrays they touch; `Store` bundles them for the caller, who makes one per process
and empties it after each event.
"""
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from .compiled import Array, compiled, inlined
from .vectors import Vector

# Columns of the stack and of what left: kind, position mm, direction, kinetic energy MeV, generation,
# and of electrons and positrons their origin
KIND, X, Y, Z, UX, UY, UZ, ENERGY, GENERATION, ORIGIN = range(10)
# Entries of `used`, which kernels call `count`
WAITING, CELLS, LEFT, LOST, HINT, HEIR, NOW = range(7)
# Origins of electrons and positrons; families of particles whose deposits are kept apart on demand
SHOWER, MICHEL, DELTA, MIP, HIP, LOW = range(6)
FAMILIES = 6
# Columns of `deposit`: true MeV by category, by generation (0, 1, 2 and more), then quenched light
LIGHT = 6
COLUMNS = 7


class Store(NamedTuple):
    """Buffers of one event.

    stack: (S, 10) particles to follow. left: (E, 9) particles that left through the back or, forwards, through the sides.
    slot: int32, row of a cell in `cell` and `deposit`, or -1; one for each cell, or fewer and then
    looked through from place ``cell % len(slot)`` on. cell: (V,) int64. deposit: (V, 7) float32, or
    (V, 13) with the energy of each family. used: (7,) int64, rows in use, particles lost for want of
    room, the layer of the last particle, the origin of the electrons that the present particle makes,
    its family.
    """

    stack: Array
    left: Array
    slot: Array
    cell: Array
    deposit: Array
    used: Array


def store(
    cells: int, particles: int = 60_000, rows: int = 200_000, families: bool = False
) -> Store:
    """Empty buffers for a grid of `cells` cells, of which an event touches `rows` at most.

    families: keep the energy deposited by each family of particles, in columns behind the others.
    A grid of more than a hundred times `rows` cells has no place for each, so that memory follows
    the rows: its cells are found by hashing.
    """
    return Store(
        np.zeros((particles, 10)),
        np.zeros((particles, 9)),
        np.full(cells if cells <= 100 * rows else 4 * rows + 1, -1, np.int32),
        np.zeros(rows, np.int64),
        np.zeros((rows, COLUMNS + FAMILIES * families), np.float32),
        np.zeros(7, np.int64),
    )


@inlined
def _place(slot: Array, cell: int) -> int:
    """Where to look for `cell` first: at once, where every cell has a place of its own."""
    return cell if cell < len(slot) else cell % len(slot)


@compiled
def clear(s: Store) -> None:
    """Empty the buffers of `s`, touching only what was used."""
    for row in range(s.used[1]):
        place = _place(s.slot, s.cell[row])
        while s.slot[place] != row:
            place = _place(s.slot, place + 1)
        s.slot[place] = -1
    s.deposit[: s.used[1]] = 0.0
    s.used[:] = 0


@inlined
def push(
    stack: Array, count: Array, kind: int, at: Vector, way: Vector, energy: float, generation: float
) -> None:
    """Put a particle on the stack; generations above two count as two."""
    n = count[0]
    if n >= stack.shape[0]:
        count[3] += 1
        return
    row = stack[n]
    row[0], row[7], row[8] = kind, energy, min(generation, 2.0)
    row[1], row[2], row[3] = at
    row[4], row[5], row[6] = way
    row[9] = count[5]
    count[0] = n + 1


@inlined
def leave(left: Array, count: Array, row: Array, at: Vector, way: Vector, energy: float) -> None:
    """Note that the particle of `row` leaves, as it is now; not those that go backwards."""
    n = count[2]
    if way[2] <= 0.0:
        return
    if n >= left.shape[0]:
        count[3] += 1
        return
    out = left[n]
    out[0], out[7], out[8] = row[0], energy, row[8]
    out[1], out[2], out[3] = at
    out[4], out[5], out[6] = way
    count[2] = n + 1


@inlined
def deposit(
    slot: Array, cells: Array, dep: Array, count: Array, index: int, category: int,
    generation: int, energy: float, light: float,
) -> None:  # fmt: skip
    """Add `energy` and `light`, MeV, to cell `index`; the arrays are those of a `Store`."""
    place = _place(slot, index)
    row = slot[place]
    while row >= 0 and cells[row] != index:  # never where every cell has a place
        place = _place(slot, place + 1)
        row = slot[place]
    if row < 0:
        row = count[1]
        if row >= cells.shape[0]:
            count[3] += 1
            return
        count[1] = row + 1
        slot[place] = row
        cells[row] = index
    dep[row, category] += energy
    dep[row, 3 + generation] += energy
    dep[row, 6] += light
    if dep.shape[1] > 7:
        dep[row, 7 + count[6]] += energy


@inlined
def cell_of(layers: Array, grid: Array, layer: int, at: Vector) -> int:
    """Index of the cell at `at`, mm, in layer `layer`; -1 if nothing is read out there."""
    if layers[layer, 3] < 0.5:
        return -1
    pitch, nx, ny, nz = grid[2], grid[3], grid[4], grid[5]
    ix, iy = math.floor((at[0] - grid[0]) / pitch), math.floor((at[1] - grid[1]) / pitch)
    iz = layers[layer, 4] + math.floor((at[2] - layers[layer, 0]) / pitch)
    if ix < 0 or iy < 0 or iz < 0 or ix >= nx or iy >= ny or iz >= nz:
        return -1
    return int((ix * ny + iy) * nz + iz)


@inlined
def locate(layers: Array, z: float, hint: int) -> int:
    """Layer that holds `z` mm, looking from layer `hint` on: relatives start close together."""
    layer = hint
    while layer + 1 < layers.shape[0] and z >= layers[layer, 1]:
        layer += 1
    while layer > 0 and z < layers[layer, 0]:
        layer -= 1
    return layer


@inlined
def to_side(low: float, high: float, x: float, u: float) -> float:
    """Path to the side of the detector at `low` or `high`, from `x` with direction component `u`."""
    if u > 1e-12:
        return (high - x) / u
    return (low - x) / u if u < -1e-12 else 1e30
