"""Pions, kaons and Lambdas that decay in flight: how far they come in air, and into what."""

import math
from collections import Counter

import numpy as np
import pytest
from particle import Particle

from intarsia.core.simulation import endings
from intarsia.core.simulation import particles as p
from intarsia.core.simulation.medium import Layer, medium
from intarsia.core.simulation.random import seeded
from intarsia.core.simulation.store import KIND, LEFT, clear, store
from intarsia.core.simulation.transport import transport

N = 1500


def through_air(kind, energy, length):
    """Kinds of particles that come out of `length` mm of air, one array a particle shot in."""
    layers = [Layer(0.0, length, "air", -1), Layer(length, length + 5.0, "PVT", 0)]
    tables = medium(layers, (400, 400, 1), 5.0, (-1000.0, -1000.0), 0.0872)
    s = store(400 * 400)
    for i in range(N):
        clear(s)
        s.stack[0] = [kind, 1.0, 1.0, 0.01, 0.0, 0.0, 1.0, energy, 0.0, 0.0][: s.stack.shape[1]]
        s.used[0] = 1
        transport(s, tables, seeded(21, i))
        yield s.left[: s.used[LEFT], KIND].astype(int)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "energy", "length", "to"),
    [
        (p.PI_PLUS, 300.0, 20_000.0, {p.MU_PLUS}),
        (p.PI_MINUS, 300.0, 20_000.0, {p.MU_MINUS}),
        (p.K_PLUS, 1000.0, 10_000.0, {p.MU_PLUS, p.PI_PLUS, p.GAMMA}),
        (p.K_MINUS, 1000.0, 10_000.0, {p.MU_MINUS, p.PI_MINUS, p.GAMMA}),
        (p.K_SHORT, 20_000.0, 1000.0, {p.PI_PLUS, p.PI_MINUS, p.GAMMA}),
        (p.LAMBDA, 20_000.0, 1000.0, {p.PROTON, p.PI_MINUS, p.NEUTRON, p.GAMMA}),
    ],
)
def test_decays_in_flight_follow_the_pdgs_lifetimes(kind, energy, length, to):
    known = Particle.from_pdgid(p.PDG[kind])
    path = known.ctau * math.sqrt(energy * (energy + 2 * known.mass)) / known.mass
    out = list(through_air(kind, energy, length))
    survived = np.mean([kind in kinds for kinds in out])
    expected = math.exp(-length / path)
    error = math.sqrt(expected * (1 - expected) / N)
    # one in fifty interacts with the air or the plastic behind it
    assert survived == pytest.approx(expected, abs=0.03 * expected + 3 * error)
    products = [k for kinds in out if kind not in kinds for k in kinds]
    usual = np.mean([k in to for k in products])
    assert usual > 0.9


# PDG 2024, K+: its products without neutrinos, two photons for a pi0
CHANNELS = {
    (p.MU_PLUS,): 0.6356, (p.GAMMA, p.GAMMA, p.PI_PLUS): 0.2067,
    (p.PI_PLUS, p.PI_PLUS, p.PI_MINUS): 0.05583, (p.GAMMA, p.GAMMA, p.POSITRON): 0.0507,
    (p.GAMMA, p.GAMMA, p.MU_PLUS): 0.03352, (*[p.GAMMA] * 4, p.PI_PLUS): 0.0176,
}  # fmt: skip
OPPOSITE = {p.ELECTRON: p.POSITRON, p.MU_MINUS: p.MU_PLUS, p.PI_MINUS: p.PI_PLUS,
            p.PI_PLUS: p.PI_MINUS, p.GAMMA: p.GAMMA}  # fmt: skip


def decayed(kind, energy, n):
    """Kinds of the products of `n` kaons, and the energy and momentum that neutrinos took, MeV."""
    s, state, way = store(100), seeded(3, kind), (0.0, 0.6, 0.8)
    for _ in range(n):
        s.used[0] = 0
        if energy == 0.0:
            endings.stopped(s.stack, s.used, state, kind, (1.0, 2.0, 3.0), 0.0)
        else:
            endings.decay(s.stack, s.used, state, kind, (1.0, 2.0, 3.0), way, energy, 0.0)
        rows = s.stack[: s.used[0]]
        kinds = rows[:, KIND].astype(int)
        momentum = np.sqrt(rows[:, 7] * (rows[:, 7] + 2 * p.MASS[kinds]))
        before = math.sqrt(energy * (energy + 2 * p.M_K)) * np.array(way)
        lost = before - (momentum[:, None] * rows[:, 4:7]).sum(0)
        yield sorted(kinds), energy + p.M_K - (rows[:, 7] + p.MASS[kinds]).sum(), lost


@pytest.mark.parametrize(("kind", "energy"), [(p.K_PLUS, 0.0), (p.K_PLUS, 2e3), (p.K_MINUS, 2e3)])
def test_kaons_decay_as_the_pdg_says(kind, energy):
    n, seen = 20_000, Counter()
    for kinds, energy_lost, momentum_lost in decayed(kind, energy, n):
        mirrored = kinds if kind == p.K_PLUS else sorted(OPPOSITE[k] for k in kinds)
        seen[tuple(mirrored)] += 1
        # one neutrino without mass, or none
        assert energy_lost == pytest.approx(np.linalg.norm(momentum_lost), abs=1e-6)
        unseen = p.PI_PLUS not in mirrored
        assert (energy_lost > 1e-3) == unseen
    expected = {tuple(sorted(kinds)): share for kinds, share in CHANNELS.items()}
    assert set(seen) == set(expected)
    for kinds, share in expected.items():
        assert seen[kinds] / n == pytest.approx(share, abs=3 * (share * (1 - share) / n) ** 0.5)


def test_three_products_fill_phase_space():
    # K+ -> pi+ pi+ pi-: mean kinetic energy of each is a third of Q = 75.0 MeV
    s, state, kinetic = store(100), seeded(5, 5), []
    while len(kinetic) < 1500:
        s.used[0] = 0
        endings.stopped(s.stack, s.used, state, p.K_PLUS, (0.0, 0.0, 0.0), 0.0)
        if s.used[0] == 3 and s.stack[2, KIND] == p.PI_MINUS:
            kinetic.append(s.stack[:3, 7].copy())
    q = p.M_K - 3 * p.M_PI
    assert np.sum(kinetic, 1) == pytest.approx(q)
    assert np.mean(kinetic, 0) == pytest.approx(q / 3, rel=0.03)
    # uniform in a circle of the Dalitz plot, if slow: rms of T - Q / 3 is Q / 6
    assert np.std(kinetic, 0) == pytest.approx(q / 6, rel=0.06)


def test_kaons_decay_to_muons_as_often_as_the_pdg_says():
    out = [kinds for kinds in through_air(p.K_PLUS, 1000.0, 40_000.0) if p.K_PLUS not in kinds]
    muons = np.mean([p.MU_PLUS in kinds for kinds in out])
    assert muons == pytest.approx(0.69, rel=0.15)  # mu nu 63.6 %, mu nu pi0 3.4 %, pi in flight
