"""Pions, kaons and Lambdas that decay in flight: how far they come in air, and into what."""

import math

import numpy as np
import pytest
from particle import Particle

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


def test_kaons_decay_to_muons_as_often_as_the_pdg_says():
    out = [kinds for kinds in through_air(p.K_PLUS, 1000.0, 40_000.0) if p.K_PLUS not in kinds]
    muons = np.mean([p.MU_PLUS in kinds for kinds in out])
    assert muons == pytest.approx(0.69, rel=0.15)  # mu nu 63.6 %, mu nu pi0 3.4 %, pi in flight
