"""Nucleons that move in their nucleus: momenta of a Fermi gas, and conservation with them."""

import numpy as np
import pytest

from intarsia.core.simulation.dis import NUCLEON
from intarsia.core.simulation.materials import MATERIALS, material
from intarsia.core.simulation.neutrinos import generator
from intarsia.core.simulation.nucleus import strike, velocity
from intarsia.core.simulation.random import seeded

BUILTIN = generator("builtin")


def test_fermi_momenta_are_those_measured():
    # Moniz et al., PRL 26 (1971) 445: C 221, Mg 235, Ca 251, Ni 260, Ta and Pb 265 MeV/c
    for name, fermi in (("PVT", 221), ("Al", 235), ("LAr", 251), ("Fe", 260), ("W", 265)):
        assert 1e3 * material(name).fermi == pytest.approx(fermi, rel=0.01)
    assert all(0.2 < m.fermi < 0.3 for m in MATERIALS)


def test_momenta_fill_a_sphere_and_meet_the_neutrino():
    state, fermi = seeded(1, 1), 0.265
    v = np.array([velocity(state, fermi) for _ in range(20_000)])
    p = NUCLEON * v / np.sqrt(1 - (v**2).sum(1))[:, None]
    size = np.linalg.norm(p, axis=1)
    assert size.max() < fermi
    # weighted by the inverse of the rate, as in the nucleus: p^2 dp, no direction preferred
    weight = 1 / (1 - v[:, 2]) ** 2
    assert np.average(size, weights=weight) == pytest.approx(0.75 * fermi, rel=0.01)
    assert np.average(p[:, 2], weights=weight) == pytest.approx(0.0, abs=0.003)
    # and in the events: <p_z> = -2 <p^2 / 3 E>
    expected = -2 * np.average(size**2 / 3 / np.hypot(size, NUCLEON), weights=weight)
    assert p[:, 2].mean() == pytest.approx(expected, rel=0.1)
    assert np.abs(p[:, :2].mean(0)).max() < 0.004


@pytest.mark.parametrize("neutrino", [12, -14, 16])
@pytest.mark.parametrize("charged", [True, False])
def test_four_momentum_is_that_of_neutrino_and_moving_nucleon(neutrino, charged):
    rows, fermi, moved = np.zeros((600, 6)), material("W").fermi, []
    for energy in (20.0, 400.0, 7000.0):
        for i in range(100):
            n, *_ = strike(BUILTIN, seeded(3, i), energy, neutrino, charged, fermi, rows)
            v = np.array(velocity(seeded(3, i), fermi))  # drawn first
            gamma = 1 / np.sqrt(1 - v @ v)
            target = NUCLEON * gamma * np.array([*v, 1.0])
            target[2:] += energy
            assert np.abs(rows[:n, :4].sum(0) - target).max() < 1e-9 * energy
            mass2 = rows[:n, 3] ** 2 - (rows[:n, :3] ** 2).sum(1)
            assert np.abs(mass2 - rows[:n, 5] ** 2).max() < 1e-9 * energy**2
            moved.append(target[:2])
    # per axis a sphere has a fifth of the square of its radius
    assert np.std(moved) == pytest.approx(fermi / 5**0.5, rel=0.08)


def test_a_nucleon_at_rest_changes_nothing():
    rows, still = np.zeros((600, 6)), np.zeros((600, 6))
    n, *numbers = strike(BUILTIN, seeded(2, 1), 300.0, 14, True, 0.0, rows)
    state = seeded(2, 1)
    velocity(state, 0.0)
    assert BUILTIN(state, 300.0, 14, True, still) == (n, *numbers)
    np.testing.assert_allclose(rows[:n], still[:n], rtol=1e-12)
