"""Hadrons of our transport against published numbers: collisions, cascades, ranges of pions."""

import math

import numpy as np
import pytest
from blocks import block, shoot

from intarsia.core.simulation import particles
from intarsia.core.simulation.hadronic import interact
from intarsia.core.simulation.medium import Layer, medium
from intarsia.core.simulation.random import seeded
from intarsia.core.simulation.store import (
    CELLS,
    COLUMNS,
    DELTA,
    MICHEL,
    WAITING,
    clear,
    store,
)
from intarsia.core.simulation.transport import transport

PIONS = (particles.PI_PLUS, particles.PI_MINUS)
CHARGED = (*PIONS, particles.K_PLUS, particles.K_MINUS, particles.PROTON)


def test_pions_on_carbon_make_what_sibyll_says():
    s, state, energy = store(1), seeded(3, 0), 1e5
    neutral, share, sideways, charged, fastest = [], [], [], [], []
    for _ in range(20_000):
        clear(s)
        interact(
            s.stack, s.used, state, particles.PI_PLUS, (0.0,) * 3, (0.0, 0.0, 1.0), energy, 1.0
        )
        rows = s.stack[: s.used[WAITING]]
        photons, pions = rows[:, 0] == particles.GAMMA, np.isin(rows[:, 0], PIONS)
        neutral.append(photons.sum() / 2)
        share.append(rows[photons, 7].sum() / energy)
        slow = (rows[:, 0] == particles.PROTON) & (rows[:, 7] < 1e3)  # of the nucleus: not Sibyll's
        charged.append((np.isin(rows[:, 0], CHARGED) & ~slow).sum())
        pairs = rows[photons, 7].reshape(-1, 2).sum(1)  # the photons of a pi0 come together
        fastest.append(max(rows[~photons, 7].max(initial=0.0), pairs.max(initial=0.0)) / energy)
        p = np.sqrt(rows[pions, 7] * (rows[pions, 7] + 2 * particles.M_PI))
        sideways += list(p * np.hypot(rows[pions, 4], rows[pions, 5]))
    # Sibyll 2.3e, 100 GeV: pi0, their share of the energy, transverse momentum of charged ones, MeV
    assert np.mean(neutral) == pytest.approx(4.5, rel=0.1)
    assert np.mean(share) == pytest.approx(0.26, rel=0.1)
    assert np.mean(sideways) == pytest.approx(330, rel=0.1)
    assert np.mean(charged) == pytest.approx(8.7, rel=0.1)
    assert np.mean(fastest) == pytest.approx(0.365, rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "length", "pitch"), [("Fe", 3000.0, 20.0), ("PVT", 12e3, 80.0)])
@pytest.mark.parametrize(("energy", "events"), [(2e4, 200), (1e5, 400)])
def test_the_electromagnetic_share_of_cascades_is_grooms(name, length, pitch, energy, events):
    cells = round(length / pitch)
    tables = medium([Layer(0.0, length, name, 0)], (80, 80, cells), pitch, (-40 * pitch,) * 2, 0.0)
    s, shares = store(80 * 80 * cells, rows=100_000, families=True), []
    for event in range(events):
        clear(s)
        s.stack[0] = [particles.PI_PLUS, 0.1, 0.1, 0.01, 0.0, 0.0, 1.0, energy, 0.0, 0.0]
        s.used[0] = 1
        transport(s, tables, seeded(21, event))
        d = s.deposit[: s.used[CELLS]].sum(0)
        shares.append(d[particles.ELECTROMAGNETIC] - d[COLUMNS + DELTA] - d[COLUMNS + MICHEL])
    # Groom, NIM A 572 (2007) 633: 1 - (E / E0)^(k - 1), k from 0.80 to 0.87, E0 from 0.7 to 1.3 GeV
    low, high = (1 - (1e-3 * energy / e0) ** (k - 1) for e0, k in ((1.3, 0.87), (0.7, 0.80)))
    error = np.std(shares) / math.sqrt(events) / energy
    assert low - error < np.mean(shares) / energy < high + error


# Pions lose what muons of the same speed lose: ranges of PDG's muons in argon (test_single), scaled
@pytest.mark.parametrize(("muon", "grams"), [(40, 10.58), (100, 42.50)])
def test_pions_that_stop_go_as_far_as_muons_of_their_speed(muon, grams):
    ratio = particles.M_PI / particles.M_MU
    where = block([(1500.0, "LAr", True)], 100, 3.0, 500)
    ends = []
    for event in range(1500):
        (_, _, z), _, _ = shoot(where, particles.PI_PLUS, muon * ratio, event)
        ends.append(3.0 * (z.max() + 1))
    counts, edges = np.histogram(ends, np.arange(0.0, 1500.0, 9.0))
    expected = 10 * grams * ratio / 1.396
    assert edges[counts.argmax()] + 4.5 == pytest.approx(expected, rel=0.05)
