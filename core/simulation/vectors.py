"""Directions, rotations and boosts. Unit vectors are three numbers; units are the caller's."""
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import math

from .compiled import Array, compiled
from .random import isotropic

Vector = tuple[float, float, float]


@compiled
def rotate(axis: Vector, ax: float, ay: float, az: float) -> Vector:
    """Vector (ax, ay, az), given with respect to a z axis, when that axis points along `axis`."""
    ux, uy, uz = axis
    p = math.sqrt(ux * ux + uy * uy)
    if p < 1e-9:
        return (ax, ay, az) if uz > 0.0 else (ax, -ay, -az)
    cx, cy = ux / p, uy / p
    t = ax * uz + az * p
    return cx * t - cy * ay, cy * t + cx * ay, az * uz - ax * p


@compiled
def deflect(way: Vector, a: float, b: float) -> Vector:
    """Unit vector `way` turned by the plane angles `a` and `b`, rad; angles up to pi."""
    square = a * a + b * b
    if square < 1e-18:
        return way
    theta = math.sqrt(square)
    if theta < 0.35:  # Taylor series, good to 1e-6 here, saves two slow functions
        s = 1.0 - square / 6.0 * (1.0 - 0.05 * square)
        c = 1.0 - 0.5 * square * (1.0 - square / 12.0 * (1.0 - square / 30.0))
    else:
        theta = min(theta, 3.1)
        s = math.sin(theta) / math.sqrt(square)
        c = math.cos(theta)
    vx, vy, vz = rotate(way, s * a, s * b, c)
    q = 1.0 / math.sqrt(vx * vx + vy * vy + vz * vz)
    return vx * q, vy * q, vz * q


@compiled
def polar(axis: Vector, theta: float, phi: float) -> Vector:
    """Unit vector at polar angle `theta` and azimuth `phi`, rad, about the direction `axis`."""
    s = math.sin(theta)
    return rotate(axis, s * math.cos(phi), s * math.sin(phi), math.cos(theta))


@compiled
def break_up(mass: float, m1: float, m2: float) -> float:
    """Momentum of both products when `mass` at rest decays to `m1` and `m2`; 0 below threshold."""
    square = (mass * mass - (m1 + m2) ** 2) * (mass * mass - (m1 - m2) ** 2)
    return 0.5 * math.sqrt(max(0.0, square)) / mass


@compiled
def boost(row: Array, bx: float, by: float, bz: float, gamma: float) -> None:
    """Boost row[:4] = (px, py, pz, E) by velocity (bx, by, bz) with Lorentz factor `gamma`."""
    along = bx * row[0] + by * row[1] + bz * row[2]
    factor = gamma * gamma / (1.0 + gamma) * along + gamma * row[3]
    energy = gamma * (row[3] + along)
    row[0] += factor * bx
    row[1] += factor * by
    row[2] += factor * bz
    row[3] = energy


@compiled
def split(
    state: Array, mass: float, energy: float, way: Vector, m1: float, m2: float
) -> tuple[float, Vector, float, Vector]:
    """Isotropic two-body decay in flight: (E1, direction 1, E2, direction 2), total energies.

    The parent has `mass` and total `energy` and flies along `way`. Four-momentum is conserved.
    """
    p = break_up(mass, m1, m2)
    ax, ay, az = isotropic(state)
    g = max(energy / mass, 1.0)
    bg = math.sqrt(g * g - 1.0)
    e1, e2 = math.sqrt(p * p + m1 * m1), math.sqrt(p * p + m2 * m2)
    z1, z2 = g * p * az + bg * e1, -g * p * az + bg * e2
    tx, ty = p * ax, p * ay
    n1 = 1.0 / math.sqrt(tx * tx + ty * ty + z1 * z1 + 1e-30)
    n2 = 1.0 / math.sqrt(tx * tx + ty * ty + z2 * z2 + 1e-30)
    first = g * e1 + bg * p * az
    way1 = rotate(way, tx * n1, ty * n1, z1 * n1)
    way2 = rotate(way, -tx * n2, -ty * n2, z2 * n2)
    return first, way1, g * mass - first, way2
