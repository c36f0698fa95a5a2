"""Muons that cross the detector together with a neutrino interaction.

A law of our own, not a flux calculation: along the beam within a few milliradians, evenly over the
front of the 3DCal, either charge alike, energies with equal numbers per decade.
"""

from __future__ import annotations

import math

from intarsia.core.simulation.compiled import Array, compiled
from intarsia.core.simulation.particles import MU_MINUS, MU_PLUS
from intarsia.core.simulation.random import normals, poisson, uniform
from intarsia.core.simulation.store import push

SLOWEST, FASTEST = 2e4, 2e6  # MeV
SPREAD = 0.005  # rad, about the beam in either plane
LATER = 2.0  # generation: none of the interaction's particles


@compiled
def add_muons(
    stack: Array, count: Array, state: Array, mean: float, grid: Array, front: float, tilt: float
) -> int:
    """Put a Poisson number of muons on the stack at `front`, mm; how many.

    grid: of the `Medium`; tilt: of the detector, rad.
    """
    n = int(poisson(state, mean))
    for _ in range(n):
        x = grid[0] + uniform(state) * grid[3] * grid[2]
        y = grid[1] + uniform(state) * grid[4] * grid[2]
        a, b = normals(state)
        tx, ty = SPREAD * a - math.tan(tilt), SPREAD * b
        size = math.sqrt(1.0 + tx * tx + ty * ty)
        energy = SLOWEST * math.exp(uniform(state) * math.log(FASTEST / SLOWEST))
        kind = MU_MINUS if uniform(state) < 0.5 else MU_PLUS
        way = (tx / size, ty / size, 1.0 / size)
        push(stack, count, kind, (x, y, front + 1e-3), way, energy, LATER)
    return n
