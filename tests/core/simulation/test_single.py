"""Single particles in large blocks: ranges, bending, and which deposit belongs to what."""

import math

import numpy as np
import pytest

from intarsia.core.simulation import ionisation, particles
from intarsia.core.simulation.field import BENDING, CHARGE, bend
from intarsia.core.simulation.materials import material
from intarsia.core.simulation.medium import Layer, medium
from intarsia.core.simulation.random import seeded
from intarsia.core.simulation.store import (
    CELLS,
    COLUMNS,
    DELTA,
    FAMILIES,
    HIP,
    LOST,
    LOW,
    MICHEL,
    MIP,
    SHOWER,
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
