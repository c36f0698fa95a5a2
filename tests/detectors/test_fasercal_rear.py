"""The calorimeters behind FASERCal's 3DCal: response and resolution of their parametrisation."""

import math

import numpy as np
import pytest

from intarsia.core.simulation.ionisation import mean_loss
from intarsia.core.simulation.materials import material
from intarsia.core.simulation.particles import M_MU, MU_MINUS
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
    assert mean == pytest.approx(0.176, rel=0.02)  # our transport through the layers
    assert term == pytest.approx(0.10, rel=0.10)  # LHCb, JINST 3 (2008) S08005


# Our transport through enough of the layers: 0.0203 at 8 GeV, 0.0210 at 20 GeV
@pytest.mark.parametrize(("energy", "response"), [(8e3, 0.0203), (2e4, 0.0210)])
def test_pions_that_shower_in_the_ahcal(energy, response):
    state, start = seeded(1, 2), R.thick[1] * 1.0001
    mean, term = signals(
        lambda: rear._hadronic(R, state, 57.0, 57.0, 0.0, 0.0, energy, start), R.ahcal, energy, 1500
    )
    assert mean == pytest.approx(response, rel=0.03)
    assert term == pytest.approx(0.576, rel=0.10)  # CALICE, arXiv:1207.4210


def punched_through(energy):
    """Energies in MeV behind the AHCAL of muons of `energy` along its axis."""
    left, muons, out = np.zeros((1, 9)), np.zeros((1, 6)), []
    left[0] = [MU_MINUS, 57.0, 57.0, R.sizes[0] - 1.0, 0.0, 0.0, 1.0, energy, 0.0]
    for event in range(50):
        if rear.respond(R, seeded(2, event), left, 1, muons):
            out.append(math.hypot(1e3 * muons[0, 4], M_MU) - M_MU)
    return out


def test_muons_punch_through_the_calorimeters_with_what_iron_and_lead_leave_them():
    # Bethe's mean loss and PDG's b (1 TeV: 3.4e-6 in Fe, 8.8e-6 cm2/g in Pb; 0.7 of it at 20 GeV)
    layers = [("Pb", 132.0), ("PS", 264.0 + 120.0), ("Fe", 800.0)]
    energy = 2e4
    bg = np.array([energy / M_MU])
    ionised = sum(t * mean_loss(bg, material(m))[0] for m, t in layers)
    radiated = sum(0.7e-7 * material(m).b * material(m).density * t * energy for m, t in layers)
    out = punched_through(energy)
    assert len(out) == 50
    assert energy - np.mean(out) == pytest.approx(ionised + radiated, rel=0.10)
    assert punched_through(1500.0) == []
