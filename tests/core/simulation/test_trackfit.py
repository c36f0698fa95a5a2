"""The muon fit: its error against independent calculations and closed formulas, pulls, charge."""

import math

import numpy as np
import pytest
from scipy import stats

from intarsia.core.simulation.ionisation import mean_loss
from intarsia.core.simulation.materials import material
from intarsia.core.simulation.particles import M_MU
from intarsia.core.simulation.random import seeded
from intarsia.core.simulation.slabs import Slabs
from intarsia.core.simulation.slowing import STOPS, slowed, slowing
from intarsia.core.simulation.trackfit import KICK, cross, fit, scattering, through
from intarsia.detectors.fasercal import spectrometer

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
    tracks, covariance, true, _ = together(p, 2000)
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


@pytest.mark.parametrize("p", [30.0, 100.0, 300.0, 1000.0])
def test_pulls_are_standard_normal(p):
    tracks, covariance, true, chi2 = together(p, 2000)
    pulls = (tracks - true) / np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    for name, pull in zip(("x", "y", "dx/dz", "dy/dz", "q/p"), pulls.T, strict=True):
        assert abs(np.median(pull)) < 0.15, name
        width = stats.median_abs_deviation(pull, scale="normal")
        assert width == pytest.approx(1.0, abs=0.1), name
        assert stats.kstest(pull, "norm").pvalue > 1e-3, name
    # but for tails of q/p where scattering rules: the error is proportional to the fitted 1/p
    assert np.mean(np.abs(pull) > 3.0) < (0.055 if p < 300.0 else 0.03)
    assert chi2.mean() == pytest.approx(15.0, rel=0.1)  # 20 measurements, five parameters


def slow(p, n=3000):
    """Pulls of q/p times the charge, their points, and how many fits failed, of slow muons."""
    points, pulls, reached, failed = np.zeros((10, 3)), [], [], 0
    for event in range(n):
        charge = 1.0 if event % 2 else -1.0
        track, covariance = np.zeros(5), np.zeros((5, 5))
        hits = cross(seeded(7, event), SLABS, *START, p, charge, points)
        if np.isfinite(fit(SLABS, points, hits, track, covariance)):
            pulls.append((charge * track[4] - 1.0 / p) / math.sqrt(covariance[4, 4]))
        else:
            failed += 1
        reached.append(hits)
    return np.array(pulls), np.array(reached), failed


@pytest.mark.parametrize("p", [2.5, 3.0, 3.5, 5.0, 10.0])
def test_pulls_of_q_p_are_right_down_to_muons_that_lose_most_of_their_momentum(p):
    pulls, reached, failed = slow(p)
    assert failed <= 3
    assert (reached == 10).all()
    assert abs(np.median(pulls)) < 0.1
    assert stats.median_abs_deviation(pulls, scale="normal") == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(("p", "width"), [(0.8, 0.25), (1.0, 0.25), (1.5, 0.45), (2.0, 0.25)])
def test_a_muon_that_ranges_out_has_an_error_that_covers_it(p, width):
    # The error is that of the kicks. That the muon came so far is known too: the bound cuts the law
    # of the pull on one side, so that at 1.5 GeV/c the error is too large by half.
    pulls, reached, failed = slow(p)
    assert failed <= 3
    assert reached.max() < 10 or p == 2.0
    assert abs(np.median(pulls)) < 0.25
    assert stats.median_abs_deviation(pulls, scale="normal") == pytest.approx(1.0, abs=width)
    charge = np.resize([-1.0, 1.0], len(pulls))
    assert abs(np.median(charge * pulls)) < 0.1  # of q/p itself


def test_a_fit_that_does_not_converge_leaves_nan_and_its_points():
    points = np.full((10, 3), np.nan)
    numbers = spectrometer.fitted(SLABS, points, 4)
    assert numbers[5] == 3
    assert np.isnan(np.delete(numbers, 5)).all()


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


def test_ionisation_is_bethe_s_from_stopping_muons_to_tev():
    for p in np.geomspace(STOPS, 3000.0, 60):
        beta = p / math.hypot(p, 1e-3 * M_MU)
        bethe = 1e-3 * mean_loss(np.array([1e3 * p / M_MU]), material("Fe"))[0]
        assert slowing(SLABS.loss, 0.0, p) * beta == pytest.approx(bethe, rel=0.015)


def test_the_momentum_is_followed_as_the_range_says_forwards_and_back():
    step = 2.7 / 20000  # GeV/c, from 0.3 to 3
    middles = 0.3 + step * (np.arange(20000) + 0.5)
    path = sum(step / slowing(SLABS.loss, SLABS.b, p) for p in middles)
    assert slowed(SLABS.loss, SLABS.b, 3.0, path) == pytest.approx(0.3, rel=2e-3)
    assert slowed(SLABS.loss, SLABS.b, 0.3, -path) == pytest.approx(3.0, rel=1e-4)
    assert slowed(SLABS.loss, SLABS.b, 3.0, path + 300.0) == 0.0


@pytest.mark.parametrize("p", [100.0, 1000.0])
def test_the_mean_loss_is_bethe_s_and_b_e(p):
    lost = []
    for event in range(20000):
        state, left = seeded(9, event), p
        for _ in range(9):
            left = through(state, SLABS, 197.0, 197.0, 0.0, 0.0, left, 1.0)[4]
        lost.append(p - left)
    iron, length = material("Fe"), 9 * SLABS.thickness
    bethe = 1e-3 * mean_loss(np.array([1e3 * p / M_MU]), iron)[0]
    expected = (bethe + 1e-7 * iron.b * iron.density * p) * length
    assert np.mean(lost) == pytest.approx(expected, rel=0.1)  # 20,000 muons: 2 %
    assert np.std(lost) > 0.3 * expected
    assert np.median(lost) < 0.95 * np.mean(lost)


def test_a_muon_that_leaves_sideways_has_fewer_points():
    points = np.zeros((10, 3))
    n = cross(seeded(1, 2), SLABS, 600.0, 197.0, 0.3, 0.0, 50.0, 1.0, points)
    assert 1 < n < 10
    assert math.isclose(points[0, 2], 2526.0)
