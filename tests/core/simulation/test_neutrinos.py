"""Neutrino interactions and decays: conservation exactly, averages against published numbers."""

import math

import numpy as np
import pytest
from particle import Particle

from intarsia.core.simulation import charm, decays, dis
from intarsia.core.simulation.random import seeded

CHARGE = {11: -1, 13: -1, 15: -1, 211: 1, 321: 1, 2212: 1, 411: 1, 431: 1, 4122: 1}


def charge(pdg):
    return sum(CHARGE.get(abs(int(p)), 0) * (1 if p > 0 else -1) for p in pdg)


def sample(energy, neutrino, charged, n, seed=1):
    state, rows = seeded(seed, neutrino), np.zeros((400, 6))
    for _ in range(n):
        m, heavy, x, y, w = dis.interact(state, energy, neutrino, charged, rows)
        yield rows[:m].copy(), heavy, x, y, w


@pytest.mark.parametrize("neutrino", [12, -14, 16, -16])
@pytest.mark.parametrize("charged", [True, False])
def test_interactions_conserve_four_momentum_and_charge(neutrino, charged):
    for rows, _, _, _, _ in sample(300.0, neutrino, charged, 200):
        total = rows[:, :4].sum(0)
        target = np.array([0.0, 0.0, 300.0, 300.0 + dis.NUCLEON])
        assert np.abs(total - target).max() < 1e-9 * 300
        mass2 = rows[:, 3] ** 2 - (rows[:, :3] ** 2).sum(1)
        assert np.allclose(mass2, rows[:, 5] ** 2, atol=1e-9 * 300**2)
        assert charge(rows[:, 4]) in (0, 1)  # a neutron or a proton was there
        assert sum(abs(p) in (2212, 2112, 3122, 4122) for p in rows[:, 4]) == 1


def test_averages_are_near_those_of_pythia():
    # Pythia 8.3, numu p CC at 1 TeV, Q2 > 4 GeV2: <y>, <x>, W, charged particles
    events = list(sample(1000.0, 14, True, 3000))
    y, x, w = (np.mean([e[i] for e in events]) for i in (3, 2, 4))
    charged = np.mean([sum(abs(p) in CHARGE for p in e[0][:, 4]) for e in events])
    for ours, theirs in ((y, 0.485), (x, 0.21), (w, 25.3), (charged, 9.3)):
        assert ours == pytest.approx(theirs, rel=0.10)
    y = np.mean([e[3] for e in sample(1000.0, -14, True, 3000)])
    assert y == pytest.approx(0.327, rel=0.10)


@pytest.mark.parametrize("neutrino", [14, -14])
def test_charm_is_a_tenth(neutrino):
    heavy = [e[1] for e in sample(600.0, neutrino, True, 6000)]
    made = [abs(h) for h in heavy if h]
    assert len(made) / len(heavy) == pytest.approx(0.098, abs=0.012)
    share = {p: made.count(p) / len(made) for p in (421, 411, 431, 4122)}
    assert sum(share.values()) == 1.0
    assert share[421] == pytest.approx(0.589, abs=0.09)  # GENIE
    assert share[411] == pytest.approx(0.230, abs=0.08)
    if neutrino > 0:
        assert 0.005 < share[4122] < 0.05


def test_jets_are_as_wide_as_pythias():
    pt = []
    for rows, *_ in sample(1000.0, 14, True, 1000):
        p = rows[1:, :3]
        axis = p.sum(0) / np.linalg.norm(p.sum(0))
        pt += np.linalg.norm(p - (p @ axis)[:, None] * axis, axis=1).tolist()
    assert np.mean(pt) == pytest.approx(0.43, rel=0.10)


def taus(n, sign=1):
    state, rows = seeded(9, sign), np.zeros((40, 6))
    for _ in range(n):
        rows[0] = [0.0, 0.0, math.sqrt(500.0**2 - decays.TAU**2), 500.0, sign * 15, decays.TAU]
        m, mode = decays.decay_tau(state, rows, 0, 1, sign)
        yield rows[:m].copy(), mode


def test_taus_decay_as_the_pdg_says():
    modes, x_pion, x_lepton = [], [], []
    for rows, mode in taus(20_000):
        total = rows[:, :4].sum(0)
        assert abs(total[3] - 500.0) < 1e-8
        assert np.abs(total[:2]).max() < 1e-8
        assert charge(rows[:, 4]) == -1
        modes.append(mode)
        if mode == 3:
            x_pion.append(rows[0, 3] / 500.0)
        if mode == 1:
            x_lepton.append(rows[0, 3] / 500.0)
    share = np.bincount(modes, minlength=7) / len(modes)
    assert share[1] == pytest.approx(0.1782, abs=0.01)
    assert share[2] == pytest.approx(0.1739, abs=0.01)
    assert share[5] == pytest.approx(0.1456, abs=0.012)  # three charged: PDG's topological 15.2 %
    # Left-handed tau-: pions 2 (1 - x), leptons (4 / 3)(1 - x^3): means 1/3 and 2/5
    assert np.mean(x_pion) == pytest.approx(1 / 3, abs=0.02)
    assert np.mean(x_lepton) == pytest.approx(2 / 5, abs=0.02)


def test_antitaus_mirror_taus():
    rows, mode = next(iter(taus(1, -1)))
    assert mode > 0
    assert charge(rows[:, 4]) == 1


@pytest.mark.parametrize(
    ("pdg", "mass"),
    [(421, charm.D0), (411, charm.D_PLUS), (431, charm.D_S), (4122, charm.LAMBDA_C)],
)
def test_charm_decays(pdg, mass):
    p = Particle.from_pdgid(pdg)
    which = charm.species(pdg)
    assert mass == pytest.approx(p.mass / 1e3, rel=1e-4)
    assert charm.FLIGHT[which] == pytest.approx(p.ctau, rel=0.02)
    state, rows, classes = seeded(2, pdg), np.zeros((40, 6)), []
    for _ in range(5000):
        rows[0] = [0.0, 3.0, 40.0, math.sqrt(mass**2 + 9 + 1600), pdg, mass]
        before = rows[0, :4].copy()
        m, decay = charm.decay_charm(state, rows, 0, 1)
        m = decays.decay_resonances(state, rows, m)
        classes.append(decay)
        assert np.abs(rows[:m, :4].sum(0) - before).max() < 1e-8
        assert charge(rows[:m, 4]) == CHARGE.get(pdg, 0)
    share = np.bincount(classes, minlength=4) / len(classes)
    assert share[1] == pytest.approx(charm.TO_E[which], abs=0.02)
    assert share[2] == pytest.approx(charm.TO_MU[which], abs=0.02)
