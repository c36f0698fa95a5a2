"""Positrons that meet an electron: two photons, from rest or in flight.

Source: Heitler, "The quantum theory of radiation" (1954), and in the form used here Nelson, Hirayama
and Rogers, "The EGS4 code system", SLAC-265 (1985), chapter 2.12. Of positrons that slow down from
20 MeV in plastic one in seven annihilates in flight, into photons of a few MeV, which fly far.
"""
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import math

import numpy as np

from .compiled import Array, compiled
from .materials import Material
from .particles import GAMMA, M_E
from .random import circle, isotropic, uniform
from .store import push
from .tables import GRID
from .vectors import Vector, rotate

R_E2 = 0.0794078  # classical electron radius squared, barn


def annihilations(materials: tuple[Material, ...]) -> Array:
    """Annihilations in flight per mm, by the positron's kinetic energy: (M, SIZE)."""
    g = 1.0 + GRID / M_E
    root = np.sqrt(g * g - 1.0)
    bracket = (g * g + 4.0 * g + 1.0) / root**2 * np.log(g + root) - (g + 3.0) / root
    barn = np.pi * R_E2 / (g + 1.0) * bracket  # per electron
    return np.array([0.06022 * m.density * m.za * barn for m in materials])


@compiled
def _share(state: Array, g: float) -> float:
    """Share of the total energy, electron's mass included, that one of the photons takes.

    From 1/e (1 + 2 g / (g + 1)^2 - e - 1 / ((g + 1)^2 e)), at most 1/e: the rest is below one.
    """
    root = math.sqrt((g - 1.0) / (g + 1.0))
    low = 0.5 * (1.0 - root)
    span = math.log((1.0 + root) / (1.0 - root))
    q = 1.0 / (g + 1.0) ** 2
    while True:
        e = low * math.exp(span * uniform(state))
        if uniform(state) < 1.0 + 2.0 * g * q - e - q / e:
            return e


@compiled
def annihilate(
    stack: Array, count: Array, state: Array, at: Vector, way: Vector, energy: float, gen: float
) -> None:
    """Two photons of a positron of kinetic `energy`, MeV, on an electron at rest; 0: back to back.

    Both by momentum and energy alone: cos = (e (g + 1) - 1) / (e sqrt(g^2 - 1)) for a share e.
    """
    if energy <= 0.0:
        ax, ay, az = isotropic(state)
        push(stack, count, GAMMA, at, (ax, ay, az), M_E, gen)
        push(stack, count, GAMMA, at, (-ax, -ay, -az), M_E, gen)
        return
    g = 1.0 + energy / M_E
    share = _share(state, g)
    x, y = circle(state)
    momentum = math.sqrt(g * g - 1.0)
    for e in (share, 1.0 - share):
        c = max(-1.0, min(1.0, (e * (g + 1.0) - 1.0) / (e * momentum)))
        s = math.sqrt(1.0 - c * c)
        push(stack, count, GAMMA, at, rotate(way, s * x, s * y, c), e * (energy + 2.0 * M_E), gen)
        x, y = -x, -y
