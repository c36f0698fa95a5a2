"""Where a simulated event lives: particles still to be followed, cells, particles that left.

Kernels take the arrays they touch; `Store` bundles them for the caller, who makes one per process
and empties it after each event.
"""
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .compiled import Array, compiled

# Columns of the stack and of what left: kind, position mm, direction, kinetic energy MeV, generation
KIND, X, Y, Z, UX, UY, UZ, ENERGY, GENERATION = range(9)
# Entries of `count`
WAITING, CELLS, LEFT, LOST = range(4)
# Columns of `deposit`: true MeV by category, by generation (0, 1, 2 and more), then quenched light
LIGHT = 6
COLUMNS = 7


class Store(NamedTuple):
    """Buffers of one event.

    stack: (S, 9) particles to follow. left: (E, 9) particles that left through the back.
    slot: (cells,) int32, row of a cell in `cell` and `deposit`, or -1. cell: (V,) int64.
    deposit: (V, 7) float32. count: (4,) int64, rows in use and particles lost for want of room.
    """

    stack: Array
    left: Array
    slot: Array
    cell: Array
    deposit: Array
    count: Array


def store(cells: int, particles: int = 60_000, rows: int = 200_000) -> Store:
    """Empty buffers for a grid of `cells` cells."""
    return Store(
        np.zeros((particles, 9)),
        np.zeros((particles, 9)),
        np.full(cells, -1, np.int32),
        np.zeros(rows, np.int64),
        np.zeros((rows, COLUMNS), np.float32),
        np.zeros(4, np.int64),
    )


def clear(s: Store) -> None:
    """Empty the buffers of `s`, touching only what was used."""
    s.slot[s.cell[: s.count[CELLS]]] = -1
    s.count[:] = 0


@compiled
def push(
    stack: Array,
    count: Array,
    kind: int,
    x: float,
    y: float,
    z: float,
    ux: float,
    uy: float,
    uz: float,
    energy: float,
    generation: float,
) -> None:
    """Put a particle on the stack; generations above two count as two."""
    n = count[0]
    if n >= stack.shape[0]:
        count[3] += 1
        return
    row = stack[n]
    row[0], row[1], row[2], row[3] = kind, x, y, z
    row[4], row[5], row[6] = ux, uy, uz
    row[7], row[8] = energy, min(generation, 2.0)
    count[0] = n + 1  # fmt: skip


@compiled
def deposit(
    slot: Array,
    cell: Array,
    dep: Array,
    count: Array,
    index: int,
    category: int,
    generation: int,
    energy: float,
    light: float,
) -> None:
    """Add `energy` and `light`, MeV, to cell `index`."""
    row = slot[index]
    if row < 0:
        row = count[1]
        if row >= cell.shape[0]:
            count[3] += 1
            return
        count[1] = row + 1
        slot[index] = row
        cell[row] = index
        for c in range(7):
            dep[row, c] = 0.0
    dep[row, category] += energy
    dep[row, 3 + generation] += energy
    dep[row, 6] += light
