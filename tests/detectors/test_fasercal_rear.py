"""The calorimeters behind FASERCal's 3DCal: response and resolution of their parametrisation."""

import math

import numpy as np
import pytest

from intarsia.core.simulation.ionisation import mean_loss
from intarsia.core.simulation.materials import material
from intarsia.core.simulation.particles import GAMMA, M_MU, MU_MINUS, NEUTRON, PI_PLUS, PROTON
from intarsia.core.simulation.random import seeded
from intarsia.core.simulation.store import clear
from intarsia.detectors.fasercal import rear
from intarsia.detectors.fasercal.calorimeters import calorimeter, follow, taken
from intarsia.detectors.fasercal.generations import GENERATION_B

R = rear.rear(GENERATION_B)
BOTH = calorimeter(GENERATION_B.ecal), calorimeter(GENERATION_B.ahcal)
TILE_THRESHOLD = rear.TILE_THRESHOLD


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


def shot(kind, energy, n, x=57.0):
    """Of `n` particles of `energy`, MeV, along z: MeV in the ECAL (n,), MeV in each layer of the
    AHCAL (n, 40), energies in MeV of the muons behind."""
    left, ecal, layers, out = np.zeros((1, 9)), np.zeros(n), np.zeros((n, 40)), []
    left[0] = [kind, x, 57.0, R.sizes[0] - 1.0, 0.0, 0.0, 1.0, energy, 0.0]
    for event in range(n):
        muons = rear.signals(R, BOTH, seeded(2, event), left, 1)
        ecal[event], layers[event] = R.ecal.sum(), R.ahcal.sum((0, 1))
        out += [math.hypot(1e3 * p, M_MU) - M_MU for p in muons[:, 4]]
    return ecal, layers, np.array(out)


def followed(kind, energy, n):
    """Mean MeV in ECAL and AHCAL of `n` particles taken through all layers."""
    row, found = np.array([kind, 57.0, 57.0, 1204.0, 0.0, 0.0, 1.0, energy, 0.0]), []
    for event in range(n):
        for c in BOTH:
            clear(c.store)
        assert taken(BOTH[0].store, row, BOTH[0].front, BOTH[0].centre, BOTH[0].half)
        towers, tiles = np.zeros((5, 5)), np.zeros((18, 18, 40))
        follow(*BOTH, seeded(3, event), towers, tiles, np.zeros((10, 6)), 0)
        found.append((towers.sum(), tiles.sum()))
    return np.mean(found, axis=0), np.std(found, axis=0) / math.sqrt(n)


MATTER = [("Pb", 132.0), ("PS", 264.0 + 120.0), ("Fe", 800.0)]  # mm of both


@pytest.mark.parametrize(("energy", "share"), [(2e4, 0.7), (1e6, 1.0)])
def test_muons_come_out_with_what_iron_and_lead_leave_them(energy, share):
    # Bethe's mean loss and PDG's b (1 TeV: 3.4e-6 in Fe, 8.8e-6 cm2/g in Pb; 0.7 of it at 20 GeV)
    bg = np.array([energy / M_MU])
    ionised = sum(t * mean_loss(bg, material(m))[0] for m, t in MATTER)
    b = sum(share * 1e-7 * material(m).b * material(m).density * t for m, t in MATTER)
    _, _, out = shot(MU_MINUS, energy, 2000)
    assert len(out) == 2000
    error = (energy - out).std() / math.sqrt(2000)  # single losses have long tails
    assert energy - out.mean() == pytest.approx(ionised + b * energy, rel=0.10, abs=2 * error)


def test_a_muon_of_a_tev_radiates_and_showers():
    _, slow, _ = shot(MU_MINUS, 2e4, 500)
    _, fast, out = shot(MU_MINUS, 1e6, 500)
    assert np.quantile(1e6 - out, 0.95) > 2 * np.median(1e6 - out)
    assert np.quantile(fast.sum(1), 0.95) > 3 * np.quantile(slow.sum(1), 0.95)


@pytest.mark.parametrize("energy", [500.0, 800.0])
def test_a_muon_stops_where_its_range_ends(energy):
    deep, left = 0, energy
    for name, thickness in [("Pb", 2), ("PVT", 4)] * 66 + [("Fe", 20), ("PS", 3)] * 40:
        for _ in range(thickness):  # mm by mm
            bg = math.sqrt(max(left * (left + 2 * M_MU), 1.0)) / M_MU
            left -= mean_loss(np.array([bg]), material(name))[0]
        deep += left > 0.0 and name == "PS"
    ecal, layers, out = shot(MU_MINUS, energy, 200)
    lit = layers > TILE_THRESHOLD
    last = np.where(lit.any(1), 40 - lit[:, ::-1].argmax(1), 0)
    assert np.median(last) == pytest.approx(deep, abs=2.5)  # scattering shortens it
    assert len(out) == 0
    assert (ecal + layers.sum(1) < energy + 60.0).all()  # and the electron of its decay


def test_slow_particles_stop_in_the_ecal():
    for kind, energy in ((MU_MINUS, 50.0), (PROTON, 201.0)):
        ecal, layers, _ = shot(kind, energy, 200)
        assert (ecal < energy + 60.0).all()
        assert np.median(ecal) > 0.05 * energy
        assert (layers.sum(1) == 0.0).mean() > 0.98  # but for neutrons of a capture


@pytest.mark.parametrize("kind", [PI_PLUS, PROTON, NEUTRON])
@pytest.mark.parametrize("energy", [5e3, 1e4, 2e4])
def test_fast_hadrons_leave_what_the_transport_leaves(kind, energy):
    n = 600
    ecal, layers, _ = shot(kind, energy, n)
    (towers, tiles), errors = followed(kind, energy, n)
    # the transport of slow hadrons is coarse itself
    for ours, theirs, error in ((ecal, towers, errors[0]), (layers.sum(1), tiles, errors[1])):
        noise = math.hypot(error, ours.std() / math.sqrt(n))
        assert ours.mean() == pytest.approx(theirs, rel=0.20, abs=2 * noise)


def test_what_misses_the_ecal_may_meet_the_ahcal():
    for kind, energy in ((PI_PLUS, 5e3), (GAMMA, 5e3)):
        ecal, layers, _ = shot(kind, energy, 100, x=360.0)
        assert (ecal == 0.0).all()
        assert layers.sum(1).mean() == pytest.approx(0.022 * energy, rel=0.25)
    _, layers, out = shot(MU_MINUS, 5e3, 5, x=500.0)  # neither, but the spectrometer
    assert (layers == 0.0).all()
    np.testing.assert_allclose(out, 5e3, rtol=1e-9)
