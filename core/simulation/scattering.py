"""Multiple scattering: Highland's normal law for a step, and single angles that stand out of it.

A step's angle is as wide as Highland says of its own thickness (PDG review 34.16), and at times one
nucleus adds an angle of its own beyond three of these widths, by Rutherford's 1/theta^4. Steps
together then have Highland's width, whose logarithm is the sum of such single angles, however they
are cut, and the tails of Moliere's theory (Bethe, Phys. Rev. 89 (1953) 1256), which a normal law lacks.
"""
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import math

import numpy as np

from .compiled import Array, compiled, inlined
from .particles import M_E
from .random import circle, trio
from .tables import GRID, place
from .vectors import Vector, deflect

MIN_ANGLE2 = 2.5e-3  # rad^2; scattering is saved up until its width is 50 mrad ...
PATIENCE = 0.1  # ... or for that many radiation lengths
HIGHLAND = (1.0 + 0.038 * np.log(GRID)) ** 2  # by radiation lengths, at the places of `tables`
WIDE = 3.0  # widths of the plane angle beyond which single angles are drawn on their own


def single(z: float, za: float) -> tuple[float, float]:
    """How often a nucleus deflects by more than WIDE widths, and what share of that its size forbids.

    First, times t / h(t): number in t radiation lengths. It is chi_c^2 / theta^2, and chi_c^2 (beta
    p)^2 = 0.157 MeV2 cm2/g Z (Z + 1) / A is 112.5 MeV2 / ln(287 / sqrt Z) a radiation length (PDG
    34.25). Second, times h(t): the share beyond 274 m_e / (A^(1/3) p), where a nucleus is no point
    (Jackson, Classical Electrodynamics, 13.105). Of atomic number `z` and `za` = Z / A.
    """
    unit = (13.6 * WIDE) ** 2
    largest = 274.0 * M_E / (z / za) ** (1.0 / 3.0)
    return 112.5 / math.log(287.0 / math.sqrt(z)) / unit, unit / largest**2


@compiled
def highland(t: float) -> float:
    """h(t): variance of the plane angle in units of (13.6 MeV / beta p)^2 after t X0 (PDG 34.16).

    To 0.3 %, by a table without a logarithm; below 0.001 X0, where the law ends, as there.
    """
    return t * HIGHLAND[place(t)]


@inlined
def scatter(
    state: Array, way: Vector, width: float, saved: float, often: float, forbidden: float
) -> tuple[Vector, float]:
    """Deflect if enough was saved up: the new direction, and the radiation lengths still saved.

    width: (13.6 MeV / beta p)^2; saved: radiation lengths since the last deflection; often and
    forbidden: what `single` says of the material.
    """
    if saved <= PATIENCE and saved * width <= MIN_ANGLE2:
        return way, saved
    h = highland(saved)
    sigma = math.sqrt(h * width)
    a, b, chance = trio(state)
    chance *= h
    many = often * saved
    if chance < many and chance > many * forbidden * h:
        # 2 tan(theta / 2), which `deflect` takes, follows 1/theta^4 up to pi
        far = WIDE * math.sqrt(many / chance)
        x, y = circle(state)
        a, b = a + far * x, b + far * y
    return deflect(way, sigma * a, sigma * b), 0.0
