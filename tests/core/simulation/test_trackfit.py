"""The muon fit: resolution against the analytic floor, pulls, charge."""

import math

import numpy as np
import pytest

from intarsia.core.simulation.random import seeded
from intarsia.core.simulation.trackfit import KICK, Slabs, cross, fit, scattering

SLABS = Slabs(
    2526.0, 180.0, 15.0, 150.0, 197.0, 500.0, 250.0, -1.5, 17.57, 1.5e-3, 2.7e-6, 0.1
)  # fmt: skip


def fits(p, n=400, field=-1.5):
    slabs, points, result = SLABS._replace(field=field), np.zeros((10, 3)), np.zeros(6)
    for event in range(n):
        charge = 1.0 if event % 2 else -1.0
        state = seeded(7, event)
        if cross(state, slabs, 150.0, 220.0, 0.01, -0.01, p, charge, points) == 10:
            fit(slabs, points, 10, result)
            k = result[3] / np.linalg.norm(result[:3])
            yield charge * k, result[5], result[4]


@pytest.mark.parametrize("p", [10.0, 30.0, 100.0])
def test_resolution_is_that_of_multiple_scattering(p):
    k, _, _ = np.array(list(fits(p))).T
    width = 1.4826 * np.median(np.abs(k - np.median(k))) * p
    # Nine kicks, each known to the scattering in its slab: sigma(k) / k = theta / kick / sqrt(9)
    floor = scattering(p, 150 / 17.57) / (KICK * 1.5 * 150 / p) / 3
    assert width == pytest.approx(floor, rel=0.2)
    assert (k > 0).mean() > 0.995  # the charge


@pytest.mark.parametrize("p", [30.0, 300.0])
def test_pulls_are_standard_normal(p):
    k, sigma, chi2 = np.array(list(fits(p))).T
    pull = (k - 1 / p) / sigma
    assert abs(np.median(pull)) < 0.15
    assert 1.4826 * np.median(np.abs(pull - np.median(pull))) == pytest.approx(1.0, abs=0.12)
    assert chi2.mean() == pytest.approx(15.0, rel=0.15)  # 20 measurements, five parameters


def test_sagitta_turns_with_the_field():
    points = np.zeros((10, 3))
    ends = []
    for field in (-1.5, 1.5):
        cross(seeded(1, 1), SLABS._replace(field=field), 150.0, 197.0, 0.0, 0.0, 200.0, 1.0, points)
        ends.append(points[9, 1] - 197.0)
    bend = KICK * 1.5 * 150.0 / 200.0
    assert ends[1] - ends[0] == pytest.approx(
        2 * bend * sum(180.0 * i - 90.0 for i in range(1, 10)), rel=0.05
    )


def test_a_muon_that_leaves_sideways_has_fewer_points():
    points = np.zeros((10, 3))
    n = cross(seeded(1, 2), SLABS, 600.0, 197.0, 0.3, 0.0, 50.0, 1.0, points)
    assert 1 < n < 10
    assert math.isclose(points[0, 2], 2526.0)
