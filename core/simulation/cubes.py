"""Scintillator cubes that are read out one by one, each by three fibres."""
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import numpy as np

from .compiled import Array, allocating
from .random import poisson
from .store import Store, deposit


@allocating
def cube_charges(
    s: Store, cells: tuple[int, int, int], cross_talk: float, photo_electrons: float, state: Array
) -> Array:
    """Photo-electrons of the cubes of `s`, averaged over three fibres: (n,), n cells then in use.

    Each cube gives the share `cross_talk` of its light to each of its six neighbours, which join the
    cells of `s` without energy; what crosses the outer faces is lost. photo_electrons: per MeV of
    light and fibre, with Poisson's fluctuations.
    """
    nx, ny, nz = cells
    before = s.used[1]
    light = s.deposit[:before, 6].copy()
    for row in range(before):
        index = s.cell[row]
        x, y, z = index // (ny * nz), index // nz % ny, index % nz
        given = cross_talk * light[row]
        s.deposit[row, 6] -= 6.0 * given
        for axis in range(3):
            place, n = (x, nx) if axis == 0 else ((y, ny) if axis == 1 else (z, nz))
            step = ny * nz if axis == 0 else (nz if axis == 1 else 1)
            if place > 0:
                deposit(s.slot, s.cell, s.deposit, s.used, index - step, 0, 0, 0.0, given)
            if place < n - 1:
                deposit(s.slot, s.cell, s.deposit, s.used, index + step, 0, 0, 0.0, given)
    charge = np.empty(s.used[1])
    for row in range(s.used[1]):
        charge[row] = poisson(state, 3.0 * photo_electrons * max(0.0, s.deposit[row, 6])) / 3.0
    return charge
