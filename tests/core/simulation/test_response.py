"""Showers, muons and sandwiches of our transport against published numbers."""

import math

import numpy as np
import pytest
from blocks import block, sampled, shoot
from scipy.optimize import curve_fit

from intarsia.core.simulation import ionisation, particles, screening
from intarsia.core.simulation.electromagnetic import TRANSFER, photon_tables, radiation
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


# NIST XAAMDI, total attenuation without coherent scattering at 2, 5, 10, 20 MeV, cm2/g; PVT of C and H
ATTENUATION = {
    "PVT": (4.808e-2, 2.906e-2, 2.069e-2, 1.624e-2),
    "Al": (4.324e-2, 2.836e-2, 2.318e-2, 2.168e-2),
    "Fe": (4.265e-2, 3.146e-2, 2.994e-2, 3.224e-2),
}


@pytest.mark.parametrize("name", ATTENUATION)
def test_photons_are_attenuated_as_nist_says(name):
    m = material(name)
    per_mm = photon_tables((m,))[2, 0]
    found = np.interp((2.0, 5.0, 10.0, 20.0), GRID, per_mm) * 10 / m.density
    assert found == pytest.approx(ATTENUATION[name], rel=0.03)
    if name == "PVT":
        assert found == pytest.approx(ATTENUATION[name], rel=0.01)


CRITICAL = {"PVT": 93.1, "Al": 42.70, "Fe": 21.68, "W": 7.97, "Pb": 7.43}  # MeV, PDG


def contained(name, kind=particles.ELECTRON, energy=3000.0, events=150):
    """Of showers in an endless block: radii where the sum of the energy is 0.9, and its shares.

    Radii in Moliere radii X0 21.2 MeV / E_c (PDG 34.5), shares within 1, 2 and 3.5 of them.
    """
    x0 = material(name).radiation_length
    pitch = x0 * 21.2 / CRITICAL[name] / 6
    planes = int(26 * x0 / pitch)
    where = block([(planes * pitch, name, True)], 120, pitch, planes)
    total, bins = np.zeros(2000), np.linspace(0.0, 40.0, 2001)
    for event in range(events):
        (x, y, _), e, _ = shoot(where, kind, energy, event)
        radius = np.hypot((x - 59.5) - 0.1 / pitch, (y - 59.5) - 0.1 / pitch) / 6
        total += np.histogram(radius, bins, weights=e)[0]
    assert total.sum() / events / energy == pytest.approx(1.0, abs=0.02)  # none is lost
    share = np.append(0.0, np.cumsum(total)) / total.sum()
    return np.interp(0.9, share, bins), np.interp((1.0, 2.0, 3.5), bins, share)


# Geant4 11.4 in PVT, 3 GeV: share within 1, 2, 3.5 Moliere radii, radius of nine tenths over that radius
# (`benchmarks/geant4.py`, twice; statistical errors 0.001 and 0.01)
GEANT4 = {
    particles.ELECTRON: ((0.860, 0.942, 0.977), 1.33),
    particles.GAMMA: ((0.857, 0.941, 0.977), 1.35),
}


@pytest.mark.parametrize("kind", GEANT4)
def test_showers_in_plastic_are_as_wide_as_geant4s(kind):
    radius, share = contained("PVT", kind)
    expected, nine_tenths = GEANT4[kind]
    assert share == pytest.approx(expected, abs=0.02)
    assert radius == pytest.approx(nine_tenths, rel=0.10)


def test_nine_tenths_of_a_shower_are_within_molieres_radius():
    # PDG 34.5 of every material: 0.90, 0.95, 0.99
    radius, share = zip(*(contained(name) for name in CRITICAL), strict=True)
    for one in share:  # Geant4 in PVT: -0.04, -0.01, -0.01
        assert (np.abs(np.subtract(one, [0.90, 0.95, 0.99])) < [0.06, 0.03, 0.02]).all()
    # not a radius to hold on to: in light materials photons fly far. Geant4: 1.5 in Al, 1.6 in Fe
    assert radius[1:3] == pytest.approx([1.53, 1.60], rel=0.10)
    assert radius[3:] == pytest.approx([1.0, 1.0], abs=0.15)  # 1 % of the energy are 8 % of it


def maximum(name, kind, energy=20e3, events=60):
    """Depth in X0 at which a gamma law fitted to the mean profile in an endless block is highest.

    As in PDG 34.5, the first two radiation lengths do not count.
    """
    pitch, planes = material(name).radiation_length / 4, 96
    where = block([(planes * pitch, name, True)], 56, pitch, planes)
    profile = np.zeros(planes)
    for event in range(events):
        (_, _, z), e, _ = shoot(where, kind, energy, event)
        profile += np.bincount(z, e, planes)
    t = (np.arange(planes) + 0.5) / 4

    def law(t, size, a, b):
        return size * (b * t) ** (a - 1) * np.exp(-b * t)

    start, late = (1.0, 3.0, 0.5), t > 2
    (_, a, b), _ = curve_fit(law, t[late], profile[late] / profile.max(), start, bounds=(0, 20))
    return (a - 1) / b


# Geant4 11.4 in PVT, 20 GeV, the same fit: 4.61 and 5.57 X0, statistical error 0.06
@pytest.mark.parametrize(
    ("kind", "constant", "geant4"), [(particles.ELECTRON, -0.5, 4.61), (particles.GAMMA, 0.5, 5.57)]
)
def test_shower_maxima_are_the_pdgs_and_geant4s(kind, constant, geant4):
    # PDG 34.5: ln(E / Ec) -+ 0.5
    events = {"PVT": 200}
    found = [maximum(name, kind, events=events.get(name, 60)) for name in CRITICAL]
    expected = [math.log(20e3 / critical) + constant for critical in CRITICAL.values()]
    assert found == pytest.approx(expected, rel=0.10)
    assert np.mean(np.divide(found, expected)) == pytest.approx(1.0, abs=0.07)
    assert found[0] == pytest.approx(geant4, rel=0.06)


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
    assert response == pytest.approx(0.176, rel=0.02)  # what the parametrisation uses
    assert 0.06 < term < 0.10


def test_iron_sandwich_resolves_like_calices():
    # 20 mm Fe and 3 mm scintillator; CALICE: pions 57.6 %/sqrt(E), electrons 21.9 %/sqrt(E) with
    # 5 mm. So deep that, as in what CALICE selected, hardly anything leaves at the back.
    where = block([(20.0, "Fe", False), (3.0, "PS", True)] * 100, 400, 3.0, 100)
    pion, term = sampled(where, particles.PI_PLUS, 20e3, 1500)
    electron, _ = sampled(where, particles.ELECTRON, 4000.0, 150)
    assert electron == pytest.approx(0.0255, rel=0.04)
    assert pion == pytest.approx(0.0210, rel=0.03)
    assert term == pytest.approx(0.576, rel=0.10)
