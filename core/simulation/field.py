"""Charged particles in a uniform magnetic field."""
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import math

import numpy as np

from .compiled import Array, compiled
from .vectors import Vector

# rad per mm and tesla at a momentum of 1 MeV/c: p = 0.299792458 B R (PDG review 35.14), in MeV, T, mm
BENDING = 0.299792458
LARGEST = 0.2  # rad; a step turns a particle by no more
# Sign of each species' charge, as numbered in `particles`
CHARGE = np.array([0, -1, 1, -1, 1, 1, -1, 1, -1, 1, 0, 0, 0, 0], np.float64)


@compiled
def strength(field: Array) -> float:
    """Size of `field` (3,), T."""
    return math.sqrt(field[0] ** 2 + field[1] ** 2 + field[2] ** 2)


@compiled
def bend(field: Array, way: Vector, charge: float, momentum: float, step: float) -> Vector:
    """Direction `way` of a particle of `momentum` MeV/c after `step` mm in `field` (3,), T.

    The exact rotation about the field (Rodrigues); taken once per step, the path is a polygon
    inscribed in the circle's neighbourhood, whose radius is right to (step / radius)^2 / 24.
    """
    size = strength(field)
    angle = BENDING * charge * size * step / momentum
    bx, by, bz = field[0] / size, field[1] / size, field[2] / size
    s, c = math.sin(angle), math.cos(angle)
    along = (1.0 - c) * (bx * way[0] + by * way[1] + bz * way[2])
    x = c * way[0] + s * (way[1] * bz - way[2] * by) + along * bx
    y = c * way[1] + s * (way[2] * bx - way[0] * bz) + along * by
    z = c * way[2] + s * (way[0] * by - way[1] * bx) + along * bz
    q = 1.0 / math.sqrt(x * x + y * y + z * z)
    return x * q, y * q, z * q
