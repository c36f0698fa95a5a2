"""The calorimeters behind FASERCal's 3DCal: response and resolution of their parametrisation."""

import math

import numpy as np
import pytest

from intarsia.core.simulation.random import seeded
from intarsia.detectors.fasercal import rear
from intarsia.detectors.fasercal.generations import GENERATION_B

R = rear.rear(GENERATION_B)


def signals(fill, of, energy, n=400):
    e = []
    for _ in range(n):
        R.ecal[:] = 0.0
        R.ahcal[:] = 0.0
        fill()
        e.append(of.sum() / energy)
    return np.mean(e), np.std(e) / np.mean(e) * math.sqrt(energy / 1e3)


@pytest.mark.parametrize("energy", [1e3, 4e3])
def test_electrons_in_the_ecal(energy):
    state = seeded(1, 1)
    mean, term = signals(
        lambda: rear._electromagnetic(R, state, 0.0, 0.0, 0.0, 0.0, energy), R.ecal, energy
    )
    assert mean == pytest.approx(0.170, rel=0.02)  # our transport through the layers
    assert term == pytest.approx(0.10, rel=0.10)  # LHCb, JINST 3 (2008) S08005


# Our transport through the layers: 0.0203 at 4 GeV, 0.0206 at 20 GeV
@pytest.mark.parametrize(("energy", "response"), [(4e3, 0.0203), (2e4, 0.0206)])
def test_pions_that_shower_in_the_ahcal(energy, response):
    state, start = seeded(1, 2), R.thick[1] * 1.0001
    mean, term = signals(
        lambda: rear._hadronic(R, state, 57.0, 57.0, 0.0, 0.0, energy, start), R.ahcal, energy
    )
    assert mean == pytest.approx(response, rel=0.06)
    assert term == pytest.approx(0.576, rel=0.20)  # CALICE, arXiv:1207.4210
