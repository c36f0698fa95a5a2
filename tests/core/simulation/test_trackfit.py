"""The muon fit: its error against independent calculations and closed formulas, pulls, charge."""

import math

import numpy as np
import pytest
from scipy import stats

from intarsia.core.simulation.materials import material
from intarsia.core.simulation.random import seeded
from intarsia.core.simulation.slabs import Slabs
from intarsia.core.simulation.trackfit import KICK, cross, fit, scattering

SLABS = Slabs(10, 2526.0, 180.0, 15.0, 150.0, 197.0, 500.0, 250.0, -1.5, 0.1)
START = np.array([150.0, 220.0, 0.01, -0.01])  # x, y, dx/dz, dy/dz


def fits(p, n=400, slabs=SLABS):
    """Track, covariance, true track and chi2 of muons of p GeV/c through all stations."""
    points = np.zeros((slabs.stations, 3))
    for event in range(n):
        charge = 1.0 if event % 2 else -1.0
        track, covariance = np.zeros(5), np.zeros((5, 5))
        if cross(seeded(7, event), slabs, *START, p, charge, points) == slabs.stations:
            chi2 = fit(slabs, points, slabs.stations, track, covariance)
            yield track, covariance, np.array([*START, charge / p]), chi2


def together(p, n=400, slabs=SLABS):
    return [np.array(part) for part in zip(*fits(p, n, slabs), strict=True)]


def least_squares(p, slabs=SLABS):
    """Standard error of q/p by generalised least squares on all points at once.

    The bending plane: y at station i is y0 + i pitch t + k sum of kick levers; the points vary
    together by the scattering in the slabs before them (a slab's displacement included), with each
    slab's angle at the momentum the muon has there.
    """
    n = slabs.stations
    middle = slabs.front + 0.5 * slabs.thickness
    levers = np.array(
        [[max(0.0, (i - j) * slabs.pitch - middle) for j in range(n)] for i in range(n)]
    )
    kick = KICK * slabs.field * slabs.thickness
    lost = (slabs.loss + slabs.b * p) * slabs.thickness
    here = p - (np.arange(n) + 0.5) * lost  # and d(1/here) = (p / here)^2 d(1/p)
    column = kick * levers @ (p / here) ** 2
    design = np.stack([np.ones(n), slabs.pitch * np.arange(n), column], axis=1)
    theta = [scattering(h, slabs.thickness / slabs.x0) for h in here]
    before = levers > 0
    variance = slabs.resolution**2 * np.eye(n)
    for j in range(n):
        lever, there = levers[:, j], before[:, j]
        inside = np.outer(there, there) * slabs.thickness**2 / 12.0
        variance += theta[j] ** 2 * (np.outer(lever, lever) + inside)
    return math.sqrt(np.linalg.inv(design.T @ np.linalg.solve(variance, design))[2, 2])


@pytest.mark.parametrize("p", [30.0, 100.0, 300.0, 1000.0])
def test_the_error_is_that_of_least_squares_on_all_points_and_is_true(p):
    tracks, covariance, true, _ = together(p)
    expected = least_squares(p)
    assert np.median(np.sqrt(covariance[:, 4, 4])) == pytest.approx(expected, rel=0.05)
    spread = stats.median_abs_deviation(tracks[:, 4] - true[:, 4], scale="normal")
    assert spread == pytest.approx(expected, rel=0.1)


def test_where_scattering_rules_the_relative_error_is_the_one_of_nine_kicks():
    # each of nine kicks is known to the scattering in its slab
    _, covariance, _, _ = together(20.0)
    floor = scattering(20.0, 150 / 17.57) / (KICK * 1.5 * 150 / 20.0) / 3
    assert np.median(np.sqrt(covariance[:, 4, 4])) * 20.0 == pytest.approx(floor, rel=0.1)


def test_without_scattering_the_error_is_gluckstern_s():
    # NIM 24 (1963) 381: n + 1 equidistant points; the mean field is that of iron and gaps
    _, covariance, _, _ = together(300.0, 20, SLABS._replace(x0=1e9, loss=0.0, b=0.0))
    n = SLABS.stations - 1
    factor = 720 * n**3 / ((n - 1) * (n + 1) * (n + 2) * (n + 3))
    length, field = n * SLABS.pitch, 1.5 * SLABS.thickness / SLABS.pitch
    expected = SLABS.resolution / (KICK * field * length**2) * math.sqrt(factor)
    np.testing.assert_allclose(np.sqrt(covariance[:, 4, 4]), expected, rtol=0.01)


@pytest.mark.parametrize("p", [30.0, 300.0])
def test_pulls_are_standard_normal(p):
    tracks, covariance, true, chi2 = together(p, 2000)
    pulls = (tracks - true) / np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    for name, pull in zip(("x", "y", "dx/dz", "dy/dz", "q/p"), pulls.T, strict=True):
        assert abs(np.median(pull)) < 0.15, name
        width = stats.median_abs_deviation(pull, scale="normal")
        assert width == pytest.approx(1.0, abs=0.1), name
        assert stats.kstest(pull, "norm").pvalue > 1e-3, name
    assert chi2.mean() == pytest.approx(15.0, rel=0.1)  # 20 measurements, five parameters


@pytest.mark.parametrize("p", [10.0, 30.0, 100.0])
def test_the_charge_is_right(p):
    tracks, _, true, _ = together(p)
    assert (tracks[:, 4] * true[:, 4] > 0).mean() > 0.995


def test_covariances_are_symmetric_and_positive():
    for _, covariance, _, _ in fits(50.0, 20):
        np.testing.assert_allclose(covariance, covariance.T, rtol=1e-6, atol=1e-18)
        assert (np.linalg.eigvalsh(covariance) > 0).all()


def test_the_sagitta_is_that_of_the_field():
    # s = q B L^2 / (8 p) for points at both ends and in the middle of an odd number of stations
    slabs, points = (
        SLABS._replace(stations=9, x0=1e9, loss=0.0, b=0.0, resolution=0.0),
        np.zeros((9, 3)),
    )
    for charge in (-1.0, 1.0):
        assert cross(seeded(1, 1), slabs, 150.0, 197.0, 0.0, 0.0, 200.0, charge, points) == 9
        sagitta = points[4, 1] - 0.5 * (points[0, 1] + points[8, 1])
        field = slabs.field * slabs.thickness / slabs.pitch
        expected = -KICK * charge * field * (8 * slabs.pitch) ** 2 / (8 * 200.0)
        assert sagitta == pytest.approx(expected, rel=1e-3)


def test_the_field_turns_in_the_outer_parts():
    slabs, points = SLABS._replace(x0=1e9, loss=0.0, b=0.0, resolution=0.0), np.zeros((10, 3))
    ends = []
    for y in (197.0, 197.0 + 300.0, 197.0 - 300.0):
        cross(seeded(1, 1), slabs, 150.0, y, 0.0, 0.0, 2000.0, 1.0, points)
        ends.append(points[9, 1] - y)
    assert ends[0] < 0
    assert ends[1] == pytest.approx(-ends[0], rel=1e-3) == ends[2]


def test_iron_is_pdg_s():
    iron = material("Fe")
    assert pytest.approx(iron.radiation_length, rel=1e-3) == SLABS.x0
    assert pytest.approx(1e-7 * iron.b * iron.density, rel=0.02) == SLABS.b


def test_a_muon_that_leaves_sideways_has_fewer_points():
    points = np.zeros((10, 3))
    n = cross(seeded(1, 2), SLABS, 600.0, 197.0, 0.3, 0.0, 50.0, 1.0, points)
    assert 1 < n < 10
    assert math.isclose(points[0, 2], 2526.0)
