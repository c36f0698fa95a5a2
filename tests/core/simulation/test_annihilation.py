"""Annihilation: conservation, Heitler's cross section, and how many positrons stop before."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from intarsia.core.simulation import ionisation
from intarsia.core.simulation.annihilation import R_E2, annihilate, annihilations
from intarsia.core.simulation.materials import material
from intarsia.core.simulation.particles import GAMMA, M_E
from intarsia.core.simulation.random import isotropic, seeded
from intarsia.core.simulation.store import ENERGY, UX, UZ, WAITING, store
from intarsia.core.simulation.tables import GRID, place

PVT = material("PVT")
PER_BARN = 0.06022 * PVT.density * PVT.za  # electrons per barn and mm


def photons(energy, way, event):
    """Energies (2,) and directions (2, 3) of the photons of one annihilation."""
    s = store(1)
    annihilate(s.stack, s.used, seeded(5, event), (0.0, 0.0, 0.0), way, energy, 1.0)
    assert s.used[WAITING] == 2
    assert (s.stack[:2, 0] == GAMMA).all()
    return s.stack[:2, ENERGY], s.stack[:2, UX : UZ + 1]


@settings(deadline=None)  # the first call compiles
@given(energy=st.floats(1e-3, 1e5), event=st.integers(0, 10**6))
def test_energy_and_momentum_are_conserved(energy, event):
    way = isotropic(seeded(6, event))
    e, n = photons(energy, way, event)
    assert np.linalg.norm(n, axis=1) == pytest.approx(1.0)
    assert e.sum() == pytest.approx(energy + 2 * M_E)
    momentum = math.sqrt(energy * (energy + 2 * M_E))
    assert e @ n == pytest.approx(momentum * np.array(way), abs=1e-6 * (energy + 1.0))


def test_at_rest_two_photons_fly_apart():
    e, n = photons(0.0, (0.0, 0.0, 1.0), 7)
    assert e == pytest.approx([M_E, M_E])
    assert n[0] == pytest.approx(-n[1])


def heitler(share, g):
    """d sigma / d share, barn; Heitler, The quantum theory of radiation, 27."""
    q = 1.0 / (g + 1.0) ** 2
    return math.pi * R_E2 / (g - 1.0) * (1.0 + 2.0 * g * q - share - q / share) / share


@pytest.mark.parametrize("energy", [0.2, 2.0, 50.0])
def test_rates_and_shares_are_heitlers(energy):
    g = 1.0 + GRID[place(energy)] / M_E
    low = 0.5 * (1.0 - math.sqrt((g - 1.0) / (g + 1.0)))
    whole, _ = quad(heitler, low, 1.0 - low, (g,))
    # photons are alike: each share stands for both
    assert annihilations((PVT,))[0, place(energy)] == pytest.approx(PER_BARN * whole, rel=1e-6)
    found = [
        photons(g * M_E - M_E, (0.0, 0.0, 1.0), i)[0][0] / (g + 1.0) / M_E for i in range(4000)
    ]
    for cut in (0.3, 0.5):
        expected = quad(heitler, low, max(cut, low), (g,))[0] / whole
        assert (np.array(found) < cut).mean() == pytest.approx(expected, abs=0.03)


def test_slow_positrons_annihilate_at_diracs_rate():
    rate = annihilations((PVT,))[0, place(0.002)]
    beta = math.sqrt(1.0 - (1.0 + GRID[place(0.002)] / M_E) ** -2)
    assert rate == pytest.approx(PER_BARN * math.pi * R_E2 / beta, rel=0.01)


def test_of_positrons_of_20_mev_one_in_seven_annihilates_in_flight():
    # Geant4 11.4: 15 % of the positrons in showers of 3 GeV in PVT
    _, light = ionisation.loss_tables((PVT,))
    steps = np.geomspace(1.5, 20.0, 400)
    at = [place(e) for e in steps]
    gone = np.trapezoid(annihilations((PVT,))[0, at] / light[0, at], steps)
    assert 1.0 - math.exp(-gone) == pytest.approx(0.15, rel=0.10)
