"""The struck nucleon moves in its nucleus: a Fermi gas, in GeV.

Source: Smith and Moniz, Nucl. Phys. B 43 (1972) 605; Fermi momenta measured by Moniz et al., PRL 26
(1971) 445, see `materials`. The nucleon is on its mass shell and interacts at a rate proportional to
s and to the flux it sees, (1 - beta_z)^2 in all for a neutrino along z. The interaction is made in
its rest frame, so that every generator can be used; the nucleus takes up the opposite momentum
unseen.
"""
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import math

from .compiled import Array, compiled
from .dis import NUCLEON
from .neutrinos import Interact
from .random import isotropic, uniform
from .vectors import Vector, boost, rotate


def strike(
    interact: Interact, state: Array, energy: float, neutrino: int, charged: bool, fermi: float,
    rows: Array,
) -> tuple[int, int, float, float, float]:  # fmt: skip
    """As `interact`, with a nucleon out of a Fermi gas of momenta up to `fermi` GeV/c."""
    way = velocity(state, fermi)
    found = interact(state, seen(energy, way)[3], neutrino, charged, rows)
    to_laboratory(rows, found[0], energy, way)
    return found


@compiled
def velocity(state: Array, fermi: float) -> Vector:
    """Velocity of the nucleon that a neutrino along +z strikes."""
    most = (1.0 + fermi / NUCLEON) ** 2
    while True:
        p = fermi * uniform(state) ** (1.0 / 3.0)
        beta = p / math.sqrt(p * p + NUCLEON * NUCLEON)
        x, y, z = isotropic(state)
        if uniform(state) * most < (1.0 - beta * z) ** 2:
            return beta * x, beta * y, beta * z


@compiled
def seen(energy: float, way: Vector) -> tuple[float, float, float, float]:
    """Momentum and energy, in the frame of a nucleon of velocity `way`, of a neutrino along +z."""
    vx, vy, vz = way
    gamma = 1.0 / math.sqrt(1.0 - vx * vx - vy * vy - vz * vz)
    factor = gamma * (gamma / (1.0 + gamma) * vz - 1.0) * energy
    return factor * vx, factor * vy, energy + factor * vz, gamma * (1.0 - vz) * energy


@compiled
def to_laboratory(rows: Array, n: int, energy: float, way: Vector) -> None:
    """Turn and boost rows[:n] from the frame of the nucleon, with the neutrino along +z there."""
    kx, ky, kz, k = seen(energy, way)
    gamma = 1.0 / math.sqrt(1.0 - way[0] ** 2 - way[1] ** 2 - way[2] ** 2)
    for i in range(n):
        row = rows[i]
        row[0], row[1], row[2] = rotate((kx / k, ky / k, kz / k), row[0], row[1], row[2])
        boost(row, way[0], way[1], way[2], gamma)
