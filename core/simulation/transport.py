"""Follow a stack of particles, and all that they make, through the layers of a detector."""

from __future__ import annotations

import numpy as np

from .charged import follow_charged
from .compiled import Array, allocating
from .electrons import follow_electron
from .medium import Medium
from .neutral import follow_neutral
from .particles import ELECTRON, GAMMA, NEUTRON, POSITRON, PROTON
from .photons import follow_photon
from .store import DELTA, HIP, LOW, MIP, SHOWER, Store


@allocating
def transport(s: Store, medium: Medium, state: Array) -> None:
    """Follow all particles on the stack of `s`, last in first out.

    Leaves deposits in `s.cell` and `s.deposit`, and in `s.left` what leaves forwards.
    Particles that start outside the layers are dropped.
    """
    grid, layers = medium.grid, medium.layers
    row = np.zeros(10)
    x_high, y_high = grid[0] + grid[3] * grid[2], grid[1] + grid[4] * grid[2]
    z_low, z_high = layers[0, 0], layers[layers.shape[0] - 1, 1]
    while s.used[0] > 0:
        s.used[0] -= 1
        for c in range(10):
            row[c] = s.stack[s.used[0], c]
        if row[1] <= grid[0] or row[1] >= x_high or row[2] <= grid[1] or row[2] >= y_high:
            continue
        if row[3] < z_low or row[3] >= z_high:
            continue
        kind = int(row[0])
        if kind in (ELECTRON, POSITRON):
            s.used[5] = s.used[6] = int(row[9])
        elif kind == GAMMA or kind >= NEUTRON:  # what they leave themselves is no track
            s.used[5], s.used[6] = SHOWER, LOW
        else:
            s.used[5], s.used[6] = DELTA, HIP if kind == PROTON else MIP
        if kind == GAMMA:
            follow_photon(s, medium, state, row)
        elif kind <= POSITRON:
            follow_electron(s, medium, state, row)
        elif kind >= NEUTRON:
            follow_neutral(s, medium, state, row)
        else:
            follow_charged(s, medium, state, row)
