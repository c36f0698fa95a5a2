"""Showers, muons and sandwiches of our transport against published numbers."""

import math

import numpy as np
import pytest
from blocks import block, sampled, shoot

from intarsia.core.simulation import ionisation, particles, screening
from intarsia.core.simulation.electromagnetic import TRANSFER, radiation
from intarsia.core.simulation.materials import material
from intarsia.core.simulation.tables import GRID, SIZE, place


def test_places_are_equal_parts_of_octaves():
    assert [place(x) for x in GRID] == list(range(SIZE))
    assert place(1e-9) == 0
    assert place(1e12) == SIZE - 1


# NIST ESTAR, radiative stopping power of water, MeV cm2/g
@pytest.mark.parametrize(("energy", "power"), [(10.0, 0.1832), (100.0, 2.399)])
def test_electrons_radiate_as_nist_says(energy, power):
    _, all_soft = screening.photons(*screening.constants(7.2), 1e9)
    assert np.interp(energy, GRID, all_soft) / 36.08 == pytest.approx(power, rel=0.05)


def test_fast_photons_make_seven_ninths_of_a_pair_per_radiation_length():
    pairs = screening.pairs(*screening.constants(5.6))
    assert pairs[place(1e6)] == pytest.approx(7 / 9, rel=0.03)
    assert pairs[place(1.0)] == 0.0


MOLIERE = 425.4 * 21.2 / 93.1  # mm, PDG 34.5: X0 E_s / E_c of polyvinyltoluene


@pytest.mark.parametrize("kind", [particles.ELECTRON, particles.GAMMA])
def test_nine_tenths_of_a_shower_are_within_molieres_radius(kind):
    where = block([(8000.0, "PVT", True)], 120, 20.0, 400)
    radius, deposit = [], []
    for event in range(30):
        (x, y, _), e, _ = shoot(where, kind, 3000.0, event)
        radius.append(np.hypot((x - 59.5) * 20 - 0.1, (y - 59.5) * 20 - 0.1))
        deposit.append(e)
    r, e = np.concatenate(radius), np.concatenate(deposit)
    share = [e[r < n * MOLIERE].sum() / e.sum() for n in (1.0, 2.0, 3.5)]
    assert share == pytest.approx([0.90, 0.95, 0.99], abs=0.03)  # PDG 34.5
    order = np.argsort(r)
    r90 = r[order][np.searchsorted(np.cumsum(e[order]), 0.9 * e.sum())]
    assert 0.95 < r90 / MOLIERE < 1.2
    assert e.sum() / 30 / 3000 == pytest.approx(1.0, abs=0.01)  # none is lost


def test_muons_lose_the_mean_of_bethe_and_radiation():
    energy, length, n = 50e3, 3000.0, 400
    where = block([(length, "PVT", True)], 60, 20.0, 150)
    lost = []
    for event in range(n):
        _, _, left = shoot(where, particles.MU_MINUS, energy, event)
        lost += [energy - row[7] for row in left if row[0] == particles.MU_MINUS]
    m = material("PVT")
    ionised = length * ionisation.mean_loss(np.array([energy / particles.M_MU]), m)[0]
    b = 1e-7 * m.b * m.density
    high = 0.5 * energy
    each = math.log(high / TRANSFER) / (1 / TRANSFER - 1 / high)  # mean of a radiative loss
    expected = ionised + length * radiation(energy, b) * each
    assert len(lost) == n
    assert np.mean(lost) == pytest.approx(expected, rel=0.10)  # 5 % by statistics: long tails


def test_shashlik_resolves_like_lhcbs():
    # 2 mm Pb and 4 mm scintillator: 8 to 10 %/sqrt(E) with light and noise (JINST 3 (2008) S08005)
    where = block([(2.0, "Pb", False), (4.0, "PS", True)] * 132, 150, 4.0, 132)
    response, term = sampled(where, particles.ELECTRON, 2000.0, 150)
    assert response == pytest.approx(0.170, rel=0.02)  # what the parametrisation uses
    assert 0.06 < term < 0.10


def test_iron_sandwich_resolves_like_calices():
    # 20 mm Fe and 3 mm scintillator; CALICE: pions 57.6 %/sqrt(E), electrons 21.9 %/sqrt(E) with 5 mm
    where = block([(20.0, "Fe", False), (3.0, "PS", True)] * 60, 400, 3.0, 60)
    pion, term = sampled(where, particles.PI_PLUS, 20e3, 150)
    electron, _ = sampled(where, particles.ELECTRON, 4000.0, 150)
    assert electron == pytest.approx(0.0251, rel=0.04)
    assert pion == pytest.approx(0.0206, rel=0.06)
    assert term == pytest.approx(0.576, rel=0.20)
