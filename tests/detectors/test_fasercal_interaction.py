"""What comes out of a neutrino interaction in FASERCal and is then followed."""

import numpy as np
import pytest

from intarsia.core.simulation.dis import NUCLEON, interact
from intarsia.core.simulation.hadronic import BINDING
from intarsia.core.simulation.particles import M_N, M_P, MASS
from intarsia.core.simulation.random import seeded
from intarsia.core.simulation.store import ENERGY, KIND, WAITING, clear
from intarsia.detectors.fasercal import interaction
from intarsia.detectors.fasercal.simulation import workspace


@pytest.mark.parametrize(("neutrino", "charged"), [(12, True), (14, True), (-14, False)])
def test_energy_is_conserved_down_to_the_nucleons_of_the_nucleus(neutrino, charged):
    space = workspace("balanced", "PVT")
    nucleons = []
    for i in range(300):
        clear(space.store)
        state, truth = seeded(3, i), np.zeros(interaction.TRUTH_SIZE)
        truth[:3] = neutrino, charged, 200.0
        truth[6] = -900.0
        n, heavy, *_ = interact(state, 200.0, neutrino, charged, space.rows)
        unseen = 0.0 if charged else space.rows[0, 3]
        interaction.emerge(space.store, space.medium, 0.0, state, space.rows, n, truth)
        if heavy:  # neutrinos of its decay are not followed
            continue
        row = space.store.stack[: space.store.used[WAITING]]
        total = row[:, ENERGY].sum() + MASS[row[:, KIND].astype(int)].sum()
        extra = total - 1e3 * (200.0 + NUCLEON - unseen)
        count = round(extra / (0.5 * (M_P + M_N)))
        # each nucleon brought its mass along, less what bound it
        assert extra == pytest.approx(count * (0.5 * (M_P + M_N) - BINDING), abs=0.7 * count + 0.1)
        nucleons.append(count)
    assert np.mean(nucleons) == pytest.approx(1.5, abs=0.15)
    assert max(nucleons) == 3
