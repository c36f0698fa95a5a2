"""Energy loss by ionisation: Bethe's mean, its restriction to soft electrons, Landau's spread.

Sources: PDG review "Passage of particles through matter", eqs. 34.5 (Bethe), 34.7 (density
effect), 34.10 (restricted), 34.12 (most probable loss); Landau, J. Phys. USSR 8 (1944) 201.
MeV and mm, except where a docstring says otherwise. Electrons knocked on with more than CUT are
followed as particles of their own, so only softer ones belong to the continuous loss.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from .compiled import Array
from .materials import Material
from .particles import M_E, M_MU
from .tables import GRID

K = 0.307075  # MeV cm2/mol, PDG: 4 pi N_A r_e^2 m_e c^2
CUT = 3.0  # MeV
# Landau fluctuations are in path / beta2, mm, in steps of 1 / SPREAD_STEPS
SPREAD_STEPS, SPREAD_SIZE = 8.0, 512
LANDAU_SIZE = 1024


def density_effect(bg: Array, m: Material) -> Array:
    """Density-effect correction delta at `bg` = beta gamma, PDG eq. 34.7."""
    a, k, x0, x1, c, delta0 = m.sternheimer
    x = np.log10(bg)
    above = 2.0 * np.log(10.0) * x - c
    between = above + a * np.clip(x1 - x, 0.0, None) ** k
    below = delta0 * 10.0 ** (2.0 * (x - x0))
    values: Array = np.where(x >= x1, above, np.where(x >= x0, between, below))
    return values


def mean_loss(bg: Array, m: Material, mass: float = M_MU, cut: float | Array = np.inf) -> Array:
    """Mean dE/dx of unit charge in MeV/mm with transfers up to `cut` MeV; `mass` in MeV."""
    beta2, gamma = bg**2 / (1.0 + bg**2), np.sqrt(1.0 + bg**2)
    ratio = M_E / mass
    t_max = 2.0 * M_E * bg**2 / (1.0 + 2.0 * gamma * ratio + ratio**2)
    t_cut = np.minimum(cut, t_max)
    i = m.excitation * 1e-6
    log = 0.5 * np.log(2.0 * M_E * bg**2 * t_cut / i**2)
    bracket = log - 0.5 * beta2 * (1.0 + t_cut / t_max) - 0.5 * density_effect(bg, m)
    loss: Array = 0.1 * m.density * K * m.za / beta2 * np.maximum(bracket, 0.5)
    return loss


def most_probable_loss(bg: Array, m: Material, path: float) -> Array:
    """Most probable loss in MeV over `path` mm, PDG eq. 34.12."""
    beta2 = bg**2 / (1.0 + bg**2)
    x = xi(m) * path / beta2
    i = m.excitation * 1e-6
    logs = np.log(2.0 * M_E * bg**2 / i) + np.log(x / i)
    value: Array = x * (logs + 0.200 - beta2 - density_effect(bg, m))
    return value


def xi(m: Material) -> float:
    """Landau's xi in MeV per mm at beta = 1."""
    return 0.05 * K * m.za * m.density


def loss_tables(materials: tuple[Material, ...]) -> tuple[Array, Array]:
    """Restricted loss in MeV/mm, (M, SIZE) each, on the grid of `tables`: heavy particles, electrons.

    Heavy ones by kinetic energy over mass. Electrons by kinetic energy in MeV, transfers up to half
    of it or CUT, whichever is less (PDG 34.2.4).
    """
    bg, bg_e = np.sqrt(GRID * (GRID + 2.0)), np.sqrt(GRID * (GRID + 2.0 * M_E)) / M_E
    heavy = [mean_loss(bg, m, M_MU, CUT) for m in materials]
    light = [mean_loss(bg_e, m, 1e9, np.minimum(CUT, 0.5 * GRID)) for m in materials]
    return np.array(heavy), np.array(light)


@cache
def landau_quantiles() -> Array:
    """Landau's lambda at the middle of LANDAU_SIZE equal shares of probability.

    From phi(l) = 1/pi int exp(-t ln t - l t) sin(pi t) dt, summed over a grid. In the last 3 % the
    share w beyond l follows l = 1/w - ln w - 1 + gamma (Euler's constant), good to 0.3 %.
    """
    t = (np.arange(12000) + 0.5) * 0.005
    l_grid = np.concatenate([np.arange(-3.8, 12.0, 0.02), np.arange(12.0, 60.0, 0.2)])
    weight = np.sin(np.pi * t) * np.exp(-t * np.log(t)) * 0.005 / np.pi
    pdf = np.array([(weight * np.exp(-t * x)).sum() for x in l_grid])
    steps = 0.5 * (pdf[1:] + pdf[:-1]) * np.diff(l_grid)
    cdf = np.concatenate([[0.0], np.cumsum(np.maximum(steps, 0.0))])
    u = (np.arange(LANDAU_SIZE) + 0.5) / LANDAU_SIZE
    tail = 1.0 / (1.0 - u) - np.log(1.0 - u) - 1.0 + np.euler_gamma
    quantiles: Array = np.where(u > 0.97, tail, np.interp(u, cdf, l_grid))
    return quantiles


def spread_table(m: Material, quantiles: Array) -> Array:
    """How Landau's law is cut for a path of given length: (SPREAD_SIZE, 2).

    Row j belongs to path / beta2 = (j + 0.5) / SPREAD_STEPS mm. Column 0: how many of the quantiles
    are kept, up to lambda of about CUT / xi; column 1: mean lambda of these, which is taken away so
    that fluctuations leave the restricted mean as it is.
    """
    path = (np.arange(SPREAD_SIZE) + 0.5) / SPREAD_STEPS
    share = 1.0 - np.minimum(xi(m) * path / CUT, 0.5)
    kept = np.maximum((share * LANDAU_SIZE).astype(np.int64), 1)
    means = np.cumsum(quantiles)[kept - 1] / kept
    return np.stack([kept, means], axis=1)
