"""Calorimeter showers from their average shapes: depth, width and leakage.

Sources: longitudinal gamma profile of electromagnetic showers, PDG review 34.5; hadronic profile,
Bock et al., NIM 186 (1981) 533; electromagnetic share of a hadronic shower, Groom, NIM A 572 (2007)
633, as 1 - E^-0.18 with E in GeV; radial shape 2 r R^2 / (r^2 + R^2)^2, Grindhammer and Peters,
hep-ex/0001020. Calibrated against nothing but these averages.
"""
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import math

import numpy as np

from .compiled import Array, compiled
from .random import exponential, gamma, normals, uniform

LEAK_SIZE = 200
LEAK_LOW, LEAK_STEPS = math.log(0.05), 16.0  # table in ln(E / GeV)
SLOPE = 0.5  # of the electromagnetic profile, per radiation length


def leakage(depth: float, critical: float) -> Array:
    """Share of an electromagnetic shower beyond `depth` radiation lengths, (LEAK_SIZE,).

    critical: energy in MeV. The shape a of the gamma profile has its maximum at ln(E / Ec) - 0.2,
    between those of electrons and photons.
    """
    t = np.linspace(0.0, 4.0 * depth, 4001)[1:]
    energy = np.exp(LEAK_LOW + np.arange(LEAK_SIZE) / LEAK_STEPS)
    a = 1.0 + SLOPE * np.clip(np.log(energy * 1e3 / critical) - 0.2, 0.3, None)
    profile = np.exp((a[:, None] - 1.0) * np.log(t) - SLOPE * t)
    share: Array = profile[:, t > depth].sum(1) / profile.sum(1)
    return share


@compiled
def leaked(table: Array, energy: float) -> float:
    """Entry of a `leakage` table for `energy` in GeV."""
    j = int((math.log(energy) - LEAK_LOW) * LEAK_STEPS)
    return table[max(0, min(j, LEAK_SIZE - 1))]


@compiled
def radius(state: Array, core: float, largest: float) -> float:
    """Distance from the axis, half of them within `core`, in the same unit."""
    u = uniform(state)
    return min(core * math.sqrt(u / (1.0 - u + 1e-9)), largest)


@compiled
def electromagnetic_share(state: Array, energy: float) -> float:
    """Electromagnetic share of a hadronic shower of `energy` GeV, fluctuating."""
    mean = 1.0 - energy**-0.18 if energy > 1.0 else 0.05
    return min(0.95, max(0.02, mean + 0.18 * normals(state)[0] * (1.0 - mean)))


@compiled
def hadronic_depth(state: Array, energy: float, em: bool, x0_per_lambda: float) -> float:
    """Depth behind its start, in interaction lengths, of a part of a hadronic shower (GeV)."""
    log = math.log(1.0 + energy)
    if em:
        later = 0.6 * exponential(state) if uniform(state) < 0.10 * log else 0.0
        return gamma(state, 2.5 + 0.35 * log) / SLOPE / x0_per_lambda + later
    return gamma(state, 0.9 + 0.32 * log) * 0.61 * min((energy / 10.0) ** 0.35, 1.5)
