"""Multiple scattering against sums of single scatterings."""

import math

import numpy as np
import pytest

from intarsia.core.simulation.random import seeded
from intarsia.core.simulation.scattering import PATIENCE, highland, scatter, single

# Carbon, per radiation length, MeV2: Moliere's chi_c^2 and screening angle squared (Bethe, Phys. Rev. 89
# (1953) 1256): 0.157 Z (Z + 1) / A X0 and (hbar / (a_0 0.885 Z^(-1/3)))^2 (1.13 + 3.76 (Z alpha)^2)
CHI2 = 0.157 * 42 / 12.011 * 42.70
SCREEN2 = (0.0037289 / 0.885 * 6 ** (1 / 3)) ** 2 * (1.13 + 3.76 * (6 / 137.036) ** 2)
MOMENTUM = 12.0  # MeV
QUANTILES = (0.3, 0.5, 0.68, 0.9, 0.95, 0.98, 0.995)


def summed(t, n):
    """Angles of `n` electrons behind `t` radiation lengths, each the sum of all its scatterings."""
    rng = np.random.default_rng(1)
    many = rng.poisson(CHI2 * t / SCREEN2, n)
    out = []
    for part in np.array_split(many, max(1, many.sum() // 2_000_000)):
        u, phi = rng.random(part.sum()), 2 * np.pi * rng.random(part.sum())
        theta = np.sqrt(SCREEN2 / MOMENTUM**2 * u / (1 - u))  # Rutherford, screened
        owner = np.repeat(np.arange(len(part)), part)
        x = np.bincount(owner, theta * np.cos(phi), len(part))
        out.append(np.hypot(x, np.bincount(owner, theta * np.sin(phi), len(part))))
    return np.concatenate(out)


def ours(t, steps, n):
    """The same by `scatter`, in `steps` equal steps; 2 tan(theta / 2)."""
    state, width, numbers = seeded(3, 0), (13.6 / MOMENTUM) ** 2, single(6.0, 6 / 12.011)
    cosine = np.empty(n)
    for i in range(n):
        way = (0.0, 0.0, 1.0)
        for _ in range(steps):
            way, saved = scatter(state, way, width, t / steps, *numbers)
            assert saved == 0.0
        cosine[i] = way[2]
    return 2 * np.tan(0.5 * np.arccos(cosine))


@pytest.mark.parametrize(("t", "steps"), [(0.006, 2), (0.03, 5), (0.03, 10)])
def test_angles_are_those_of_all_single_scatterings(t, steps):
    expected = np.quantile(summed(t, 6_000), QUANTILES)
    found = np.quantile(ours(t, steps, 20_000), QUANTILES)
    assert found[:-1] == pytest.approx(expected[:-1], rel=0.08)
    assert found[-1] == pytest.approx(expected[-1], rel=0.15)  # 30 of 6,000 are beyond
    normal = math.sqrt(highland(t)) * 13.6 / MOMENTUM * math.sqrt(-2 * math.log(0.005))
    assert found[-1] > 1.5 * normal  # without tails


def test_a_little_scattering_is_saved_up():
    way = (0.0, 0.6, 0.8)
    assert scatter(seeded(1, 0), way, 1e-4, 0.5 * PATIENCE, 0.01, 0.1) == (way, 0.5 * PATIENCE)
    turned, saved = scatter(seeded(1, 0), way, 1e-4, 1.1 * PATIENCE, 0.01, 0.1)
    assert turned != way
    assert saved == 0.0


def test_no_angle_is_wider_than_the_size_of_nuclei_allows():
    # 20 GeV in tungsten: 274 m_e / (A^(1/3) p) is 1.2 mrad, here 1.4 widths, so singles are all forbidden
    often, forbidden = single(74.0, 74 / 183.84)
    t = 3.0
    assert forbidden * highland(t) > 1
    sigma = math.sqrt(highland(t)) * 13.6 / 2e4
    state, cosine = seeded(4, 0), []
    for _ in range(20_000):
        way, _ = scatter(state, (0.0, 0.0, 1.0), (13.6 / 2e4) ** 2, t, often, forbidden)
        cosine.append(way[2])
    assert np.arccos(min(cosine)) < 5.3 * sigma  # of the table of normal numbers
