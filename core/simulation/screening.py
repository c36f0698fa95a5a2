"""Bremsstrahlung and pair production: Bethe and Heitler's cross sections, screened.

Source: Butcher and Messel, Nucl. Phys. 20 (1960) 15, and Nelson, Hirayama and Rogers, "The EGS4
code system", SLAC-265 (1985), chapter 2.7: spectra in terms of the screening functions phi1, phi2
of delta. Here they are per radiation length, so that the Coulomb correction and atomic electrons
enter through the PDG's radiation lengths alone. At high energy they become Rossi's and Tsai's forms
(PDG 34.4.2, 34.4.4). Energies in MeV.
"""
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import math

import numpy as np

from .compiled import Array, allocating, compiled
from .particles import M_E
from .tables import GRID, SIZE

POINTS = 60  # of the integrals over the spectra


def constants(z: float) -> tuple[float, float]:
    """Of atomic number `z`: 136 m_e / z^(1/3) in MeV, which times k / (E E') is delta; 4/3 ln z."""
    return 136.0 * M_E / z ** (1.0 / 3.0), 4.0 / 3.0 * math.log(z)


@compiled
def phi(delta: float) -> tuple[float, float]:
    """The screening functions phi1 and phi2."""
    if delta <= 1.0:
        return (
            20.867 + delta * (-3.242 + 0.625 * delta),
            20.209 + delta * (-1.930 - 0.086 * delta),
        )
    f = 21.12 - 4.184 * math.log(delta + 0.952)
    return f, f


@compiled
def bremsstrahlung(y: float, total: float, shield: float, log: float) -> float:
    """k dN/dk per radiation length of an electron of `total` energy, k = y total; at most 1.36."""
    if y >= 1.0:
        return 0.0
    phi1, phi2 = phi(shield * y / (total * (1.0 - y)))
    rest = 1.0 - y
    g = (1.0 + rest * rest) * (phi1 - log) - 2.0 / 3.0 * rest * (phi2 - log)
    return max(0.0, g) / (20.867 - log + 2.0 / 9.0)


@compiled
def pair(x: float, energy: float, shield: float, log: float) -> float:
    """dN/dx per radiation length of a photon that gives the share `x` to the positron; at most 1."""
    phi1, phi2 = phi(shield / (energy * x * (1.0 - x)))
    h = (x * x + (1.0 - x) * (1.0 - x)) * (phi1 - log) + 2.0 / 3.0 * x * (1.0 - x) * (phi2 - log)
    return max(0.0, h) / (20.867 - log + 2.0 / 9.0)


@allocating
def pairs(shield: float, log: float) -> Array:
    """Pairs per radiation length of photons of the energies of GRID, (SIZE,)."""
    rate = np.zeros(SIZE)
    for j in range(SIZE):
        low = M_E / GRID[j]
        for i in range(POINTS):
            x = low + (1.0 - 2.0 * low) * (i + 0.5) / POINTS
            if low < 0.5:
                rate[j] += pair(x, GRID[j], shield, log) * (1.0 - 2.0 * low) / POINTS
    return rate


@allocating
def photons(shield: float, log: float, cut: float) -> tuple[Array, Array]:
    """Of electrons of the kinetic energies of GRID, per radiation length: (SIZE,) each.

    How many photons above `cut` they radiate, and the energy in softer ones.
    """
    many, soft = np.zeros(SIZE), np.zeros(SIZE)
    for j in range(SIZE):
        total, high = GRID[j] + M_E, min(cut, GRID[j])
        for i in range(POINTS):
            part = (i + 0.5) / POINTS
            soft[j] += bremsstrahlung(part * high / total, total, shield, log) * high / POINTS
            if GRID[j] > cut:
                step = math.log(GRID[j] / cut)
                y = cut * math.exp(step * part) / total
                many[j] += bremsstrahlung(y, total, shield, log) * step / POINTS
    return many, soft
