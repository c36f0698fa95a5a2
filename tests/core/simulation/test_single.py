"""Single particles in large blocks: ranges, bending, and which deposit belongs to what."""

import math

import numpy as np
import pytest

from intarsia.core.simulation import ionisation, particles
from intarsia.core.simulation.charged import follow_charged
from intarsia.core.simulation.electromagnetic import COMPTON_CUT
from intarsia.core.simulation.electrons import follow_electron
from intarsia.core.simulation.field import BENDING, CHARGE, bend
from intarsia.core.simulation.materials import material
from intarsia.core.simulation.medium import Layer, medium
from intarsia.core.simulation.neutral import follow_neutral
from intarsia.core.simulation.photons import follow_photon
from intarsia.core.simulation.random import seeded
from intarsia.core.simulation.store import (
    CELLS,
    COLUMNS,
    DELTA,
    FAMILIES,
    GENERATION,
    HIP,
    KIND,
    LOST,
    LOW,
    MICHEL,
    MIP,
    SHOWER,
    WAITING,
    clear,
    store,
)  # fmt: skip
from intarsia.core.simulation.transport import transport

FAMILY = slice(COLUMNS, COLUMNS + FAMILIES)


def block(name, cells, pitch, field=(0.0, 0.0, 0.0), **buffers):
    half = 0.5 * cells * pitch
    layers = [Layer(-half, half, name, 0)]
    tables = medium(layers, (cells,) * 3, pitch, (-half, -half), 0.126, field)
    return tables, store(cells**3, families=True, particles=20_000, **buffers), cells, pitch


ARGON = block("LAr", 768, 3.0, rows=40_000)
CUBES = block("PS", 200, 10.0, (0.5, 0.0, 0.0))


def shoot(where, kind, energy, event, at=(0.0, 0.0, 0.0)):
    """Positions (n, 3) mm of the middles of cells, and their deposits, for a particle along z."""
    tables, s, cells, pitch = where
    clear(s)
    s.stack[0] = [kind, *at, 0.0, 0.0, 1.0, energy, 0.0, 0.0]
    s.used[0] = 1
    transport(s, tables, seeded(5, event))
    n = s.used[CELLS]
    assert s.used[LOST] == 0
    index = np.stack(np.unravel_index(s.cell[:n], (cells,) * 3), 1)
    return (index + 0.5 - 0.5 * cells) * pitch, s.deposit[:n].copy()


def reach(where, kind, energy, family, events):
    """How far along z each particle itself deposits, mm, from the first face on."""
    half = 0.5 * where[2] * where[3]
    ends = []
    for event in range(events):
        x, deposit = shoot(where, kind, energy, event, (1.0, 1.0, 0.01 - half))
        ends.append(x[deposit[:, COLUMNS + family] > 0, 2].max() + half)
    return np.array(ends)


# PDG, "Muons in liquid argon" (Groom, Mokhov, Striganov 2001): MeV, CSDA range g/cm2
@pytest.mark.parametrize(
    ("energy", "grams"), [(40, 10.58), (100, 42.50), (200, 106.3), (300, 172.5), (400, 238.5)]
)
def test_muons_in_argon_go_as_far_as_the_pdg_says(energy, grams):
    ends = reach(ARGON, particles.MU_PLUS, energy, MIP, 40)
    assert np.median(ends) == pytest.approx(10 * grams / 1.396, rel=0.05)


# NIST PSTAR, argon: MeV, CSDA range g/cm2
@pytest.mark.parametrize(("energy", "grams"), [(100, 10.92), (150, 22.15), (200, 36.27)])
def test_protons_in_argon_go_as_far_as_nist_says(energy, grams):
    ends = reach(ARGON, particles.PROTON, energy, HIP, 120)
    assert np.percentile(ends, 60) == pytest.approx(10 * grams / 1.396, rel=0.05)


@pytest.mark.parametrize(("kind", "family"), [(particles.MU_PLUS, MIP), (particles.PROTON, HIP)])
def test_ranges_in_polystyrene_are_integrals_of_bethes_loss(kind, family):
    mass, energy = particles.MASS[kind], 150.0
    kinetic = np.linspace(0.5, energy, 4000)
    bg = np.sqrt(kinetic * (kinetic + 2 * mass)) / mass
    csda = np.trapezoid(1 / ionisation.mean_loss(bg, material("PS"), mass), kinetic)
    straight = block("PS", 200, 10.0)
    ends = reach(straight, kind, energy, family, 60)
    assert np.percentile(ends, 60) == pytest.approx(csda, rel=0.07)


@pytest.mark.parametrize(("name", "minimum"), [("PS", 1.936), ("PVT", 1.956), ("LAr", 1.508)])
def test_least_losses_are_those_of_the_pdg(name, minimum):
    m = material(name)  # MeV cm2/g
    least = 10 * ionisation.mean_loss(ionisation.GRID, m).min() / m.density
    assert least == pytest.approx(minimum, rel=0.01)


def test_tracks_grow_denser_towards_their_end():
    ratio = []
    for event in range(40):
        x, deposit = shoot(ARGON, particles.PROTON, 100.0, event)
        cell = np.maximum(x[:, 2] / 3, 0).astype(int)
        along = np.bincount(cell, deposit[:, COLUMNS + HIP])
        last = np.flatnonzero(along)[-1]
        ratio.append(along[last - 4 : last + 1].sum() / along[2:7].sum())
    # PSTAR: the last 15 mm (2.1 g/cm2) take 40 MeV, as many in front 12
    assert np.median(ratio) == pytest.approx(40 / 12, rel=0.25)


def test_a_circle_closes():
    field, momentum, charge = np.array([0.3, -0.2, 0.4]), 80.0, -1.0
    radius = momentum / (BENDING * np.linalg.norm(field))
    along = field / np.linalg.norm(field)
    way = np.cross(along, [1.0, 0.0, 0.0])
    way = tuple(way / np.linalg.norm(way))
    start, n = np.array(way), 1000
    for _ in range(n):
        way = bend(field, way, charge, momentum, 2 * math.pi * radius / n)
        assert np.dot(way, along) == pytest.approx(0.0, abs=1e-9)
    np.testing.assert_allclose(way, start, atol=1e-9)


@pytest.mark.parametrize("kind", [particles.MU_MINUS, particles.MU_PLUS])
def test_the_sagitta_is_that_of_the_field(kind):
    momentum, sideways = 1500.0, []
    energy = math.hypot(momentum, particles.M_MU) - particles.M_MU
    for event in range(60):
        x, deposit = shoot(CUBES, kind, energy, event, (0.0, 0.0, -999.0))
        here = np.abs(x[:, 2] - 495) < 1
        sideways.append(np.average(x[here, 1], weights=deposit[here, COLUMNS + MIP]))
    # Newton: p = 0.3 B R with B = 0.5 T along x; v x B points along +y for a positive charge
    path, loss = 1500.0, 2.05 * 0.1 * 1.06  # mm, MeV/mm
    radius = (momentum - loss * path / 3) / (0.299792458 * 0.5)
    expected = CHARGE[kind] * path**2 / (2 * radius)
    spread = np.std(sideways) / math.sqrt(len(sideways))
    assert np.mean(sideways) == pytest.approx(expected, abs=3 * spread + 5)


def test_what_is_deposited_has_a_family():
    total = {}
    for kind in (particles.MU_PLUS, particles.PROTON, particles.ELECTRON, particles.GAMMA):
        sums = np.zeros(FAMILIES)
        for event in range(40):
            _, deposit = shoot(ARGON, kind, 200.0, event)
            np.testing.assert_allclose(
                deposit[:, FAMILY].sum(1), deposit[:, :3].sum(1), rtol=1e-4, atol=1e-5
            )
            sums += deposit[:, FAMILY].sum(0) / 40
        total[kind] = sums
    muon, proton = total[particles.MU_PLUS], total[particles.PROTON]
    assert muon[MIP] == pytest.approx(195, rel=0.05)  # stops, less what its delta rays take
    # a Michel positron has 37 MeV on average; near argon's critical energy photons take a third
    assert muon[[MICHEL, SHOWER, LOW]].sum() == pytest.approx(37, rel=0.15)
    assert muon[MICHEL] > 0.5 * muon[[MICHEL, SHOWER, LOW]].sum()
    assert 0 < muon[DELTA] < 10
    assert proton[HIP] > 0.9 * proton.sum()
    assert proton[[SHOWER, MICHEL, DELTA]].sum() < 0.05 * proton.sum()
    for kind in (particles.ELECTRON, particles.GAMMA):
        assert total[kind][SHOWER] > 0.85 * total[kind].sum()
        assert total[kind][[MICHEL, DELTA, MIP, HIP]].sum() == 0
        assert 0 < total[kind][LOW] < 0.15 * total[kind].sum()


def test_hashed_cells_are_the_cells():
    whole, tables = store(200**3, families=True), CUBES[0]
    hashed = store(200**3, rows=5000, families=True)
    assert len(whole.slot) == 200**3
    assert len(hashed.slot) < 30_000
    for event in range(3):
        found = []
        for s in (whole, hashed):
            clear(s)
            assert (s.slot == -1).all()
            s.stack[0] = [particles.ELECTRON, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0, 2e3, 0.0, 0.0]
            s.used[0] = 1
            transport(s, tables, seeded(5, event))
            n = s.used[CELLS]
            found.append((s.cell[:n].tobytes(), s.deposit[:n].tobytes()))
        assert found[0] == found[1]


AIR = block("air", 200, 500.0)
FOLLOW = {
    particles.GAMMA: follow_photon,
    **dict.fromkeys((particles.ELECTRON, particles.POSITRON), follow_electron),
    **dict.fromkeys(range(particles.MU_MINUS, particles.NEUTRON), follow_charged),
    **dict.fromkeys(range(particles.NEUTRON, len(particles.PDG)), follow_neutral),
}


def followed(where, kind, energy, own, events=30):
    """Kinds and generations of what particles of generation `own` make, and the sum of deposits."""
    tables, s, *_ = where
    made, deposits = [], np.zeros(COLUMNS)
    for event in range(events):
        clear(s)
        row = np.array([kind, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, energy, own, 0.0])
        FOLLOW[kind](s, tables, seeded(6, event), row)
        made.append(s.stack[: s.used[WAITING], [KIND, GENERATION]])
        deposits += s.deposit[: s.used[CELLS], :COLUMNS].sum(0)
    kinds, generations = np.concatenate(made).astype(int).T
    return kinds, generations, deposits


@pytest.mark.parametrize("own", [0, 1, 2])
@pytest.mark.parametrize(
    ("kind", "energy", "makes"),
    [
        pytest.param(particles.MU_MINUS, 1e6, particles.GAMMA, id="radiation of muons"),
        pytest.param(particles.MU_MINUS, 5e3, particles.ELECTRON, id="delta rays of muons"),
        pytest.param(particles.MU_PLUS, 20.0, particles.POSITRON, id="muons at rest"),
        pytest.param(particles.ELECTRON, 20.0, particles.ELECTRON, id="delta rays of electrons"),
        pytest.param(particles.ELECTRON, 500.0, particles.GAMMA, id="bremsstrahlung"),
        pytest.param(particles.POSITRON, 2.0, particles.GAMMA, id="annihilation"),
        pytest.param(particles.GAMMA, 1e3, particles.POSITRON, id="pairs"),
        pytest.param(particles.GAMMA, 5.0, particles.ELECTRON, id="Compton scattering"),
        pytest.param(particles.PI_PLUS, 5.0, particles.MU_PLUS, id="pions at rest"),
    ],
)
def test_what_a_particle_makes_is_one_generation_further(kind, energy, makes, own):
    kinds, generations, _ = followed(CUBES, kind, energy, own)
    assert makes in kinds
    assert set(generations) == {min(own + 1, 2)}


@pytest.mark.parametrize("own", [0, 1])
@pytest.mark.parametrize(
    ("where", "kind", "energy"),
    [
        pytest.param(CUBES, particles.PROTON, 5e3, id="collisions of protons"),
        pytest.param(CUBES, particles.NEUTRON, 5e3, id="collisions of neutrons"),
        pytest.param(CUBES, particles.K_SHORT, 300.0, id="decays of neutral kaons"),
        pytest.param(CUBES, particles.LAMBDA, 300.0, id="decays of Lambdas"),
        pytest.param(AIR, particles.K_PLUS, 300.0, id="decays of kaons in flight"),
    ],
)
def test_hadrons_make_daughters_and_photons_of_their_neutral_pions(where, kind, energy, own):
    kinds, generations, _ = followed(where, kind, energy, own)
    photon = kinds == particles.GAMMA
    assert set(generations[~photon]) == {own + 1}
    assert set(generations[photon]) == {2}


def test_a_neutron_that_bounces_off_keeps_its_generation():
    kinds, generations, deposits = followed(CUBES, particles.NEUTRON, 10.0, 0)
    assert set(kinds) == {particles.NEUTRON}
    assert set(generations) == {0}
    assert deposits[3] == 0 < deposits[4]  # what it hit is its daughter


@pytest.mark.parametrize("kind", [particles.PROTON, particles.NEUTRON])
def test_fragments_of_a_struck_nucleus_are_daughters_of_what_struck_it(kind):
    _, _, deposits = followed(CUBES, kind, 1e3, 0)
    assert deposits[4] > 0
    assert deposits[5] == 0
    assert (deposits[3] > 0) == (kind == particles.PROTON)  # its own track


def test_slow_electrons_that_a_photon_knocks_out_are_its_daughters():
    *_, deposits = followed(CUBES, particles.GAMMA, 0.8, 0, events=100)
    assert 0 < deposits[3] < 100 * COMPTON_CUT  # the photon itself, absorbed
    assert deposits[4] > 0.6 * 100 * 0.8


def test_a_slow_electron_that_absorbs_a_photon_is_its_daughter():
    tungsten = block("W", 100, 10.0)
    *_, deposits = followed(tungsten, particles.GAMMA, 0.3, 0, events=100)
    assert deposits[4] > 0.9 * 100 * 0.3  # few are scattered below COMPTON_CUT


def test_a_pion_its_muon_and_its_positron_are_three_generations():
    for event in range(20):
        _, deposit = shoot(CUBES, particles.PI_PLUS, 5.0, event)
        em, muonic, hadronic, *generations = deposit[:, :6].sum(0)
        assert generations == pytest.approx([hadronic, muonic, em])
        assert em > 0
