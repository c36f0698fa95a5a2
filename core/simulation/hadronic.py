"""Hadrons that hit a nucleus: a small cascade generator tuned to Sibyll 2.3e.

The model is our own and is not published: a leading particle, then a chain of secondaries that
each take a beta-distributed share of what is left, a third of them neutral pions, plus nucleons
knocked out and evaporated. Constants were tuned to Sibyll 2.3e for pion-carbon at 100 GeV: charged
multiplicity 8.7, share of the fastest 0.365, share of neutral pions 0.26, mean pT 0.33 GeV; ours
are within 10 % of these. Energies are kinetic and in MeV unless said otherwise. No more energy comes
out than went in: 130 MeV less on average, which free nucleons, and of slow kaons their mass too. The
nucleus takes up what momentum is missing; it is not followed.
"""
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import math

from .compiled import Array, compiled
from .particles import (
    K_LONG,
    K_SHORT,
    M_PI0,
    MASS,
    NEUTRON,
    PI_MINUS,
    PI_PLUS,
    PI_ZERO,
    PROTON,
)  # fmt: skip
from .random import exponential, isotropic, normals, uniform
from .store import push
from .vectors import Vector, deflect, polar, rotate, split

BINDING = 8.0  # MeV to free a nucleon
LOW = 600.0  # below: absorption, charge exchange, quasi-elastic; above: the chain
STOP = 350.0  # MeV left at which the chain ends
LEADING = 0.5  # the leading particle takes a uniform share up to this
SOFTNESS = 2.4  # later shares z ~ (1 - z)^(SOFTNESS - 1)
MEAN_PT = 205.0  # MeV: pT ~ pt exp(-pt / MEAN_PT)
QUENCHED = 0.35  # light of slow nuclear fragments per MeV


@compiled
def neutral_pion(
    stack: Array, count: Array, state: Array, at: Vector, way: Vector, total: float, gen: float
) -> None:
    """Decay of a pi0 of `total` energy at once; its photons are one generation further."""
    e1, way1, e2, way2 = split(state, M_PI0, total, way, 0.0, 0.0)
    push(stack, count, 0, at, way1, e1, gen + 1.0)
    push(stack, count, 0, at, way2, e2, gen + 1.0)


@compiled
def nucleon(state: Array, share: float) -> int:
    """A proton with probability `share`, else a neutron."""
    return PROTON if uniform(state) < share else NEUTRON


@compiled
def _nucleons(
    stack: Array, count: Array, state: Array, at: Vector, way: Vector, energy: float, gen: float
) -> float:
    """Knock nucleons out of the nucleus, mostly forward; the energy that is left."""
    left = energy
    limit = math.exp(-1.0 - 0.12 * math.log(1.0 + energy / 300.0))
    pairs = 0
    product = uniform(state)
    while product > limit and pairs < 8:
        pairs += 1
        product *= uniform(state)
    for _ in range(2 * pairs):
        e = 4.0 + 90.0 * exponential(state)
        if e + BINDING > 0.5 * left:
            break
        left -= e + BINDING
        ax, ay, az = isotropic(state)
        if uniform(state) < 0.6:
            az = abs(az)
        push(stack, count, nucleon(state, 0.5), at, rotate(way, ax, ay, az), e, gen)
    return left


@compiled
def _slow(
    stack: Array, count: Array, state: Array, kind: int, at: Vector, way: Vector, energy: float,
    left: float, gen: float,
) -> None:  # fmt: skip
    """Interaction below LOW: quasi-elastic, charge exchange, or absorption on nucleons."""
    r = uniform(state)
    if r < 0.45 and left > 20.0:
        share = 0.3 + 0.6 * uniform(state)
        a, b = normals(state)
        push(stack, count, kind, at, deflect(way, 0.5 * a, 0.5 * b), share * left, gen)
        left *= 1.0 - share
    elif r < 0.55 and (kind in (PI_PLUS, PI_MINUS)) and energy > 150.0:
        a, b = normals(state)
        turned = deflect(way, 0.5 * a, 0.5 * b)
        neutral_pion(stack, count, state, at, turned, 0.7 * left + M_PI0, gen)
        return
    for _ in range(4):
        if left <= 25.0:
            return
        e = (0.2 + 0.6 * uniform(state)) * left
        push(stack, count, nucleon(state, 0.5), at, isotropic(state), e, gen)
        left -= e + BINDING


@compiled
def _secondary(state: Array, left: float) -> int:
    """Species of a secondary: 33 % pi0, 53 % charged pions, kaons, nucleons; few kaons when slow."""
    u = uniform(state)
    if u < 0.33:
        return PI_ZERO
    charged = PI_PLUS if uniform(state) < 0.5 else PI_MINUS
    if u < 0.86 or (u < 0.95 and left < 3000.0):
        return charged
    if u < 0.91:
        return charged + 2  # the kaon of the same charge
    if u < 0.95:
        return K_LONG if u < 0.93 else K_SHORT
    return PROTON if u < 0.975 else NEUTRON


@compiled
def _emit(
    stack: Array, count: Array, state: Array, kind: int, at: Vector, way: Vector, e: float,
    gen: float,
) -> None:  # fmt: skip
    """Push a secondary of kinetic energy `e` with a transverse momentum."""
    mass = M_PI0 if kind < 0 else MASS[kind]
    p = math.sqrt(e * (e + 2.0 * mass))
    pt = MEAN_PT * (exponential(state) + exponential(state))
    if pt > 0.95 * p:
        pt = 0.95 * p * uniform(state)
    turned = polar(way, math.asin(pt / p), 2.0 * math.pi * uniform(state))
    if kind < 0:
        neutral_pion(stack, count, state, at, turned, e + mass, gen)
    else:
        push(stack, count, kind, at, turned, e, gen)


@compiled
def _chain(
    stack: Array, count: Array, state: Array, at: Vector, way: Vector, left: float, gen: float
) -> None:
    """Secondaries of a fast collision, one after another, until little energy is left."""
    for _ in range(60):
        if left <= STOP:
            break
        kind = _secondary(state, left)
        rest = M_PI0 if kind < 0 else MASS[kind]
        if kind in (PROTON, NEUTRON):
            rest = 0.0  # they were there before
        share = 1.0 - (1.0 - uniform(state)) ** (1.0 / SOFTNESS)
        e = max(share * left - rest, 30.0 + 150.0 * uniform(state))
        e = min(e, left - rest)
        if e <= 5.0:
            break
        left -= e + rest
        _emit(stack, count, state, kind, at, way, e, gen)
    if left > 200.0:
        kind = PI_PLUS if uniform(state) < 0.5 else PI_MINUS
        if uniform(state) < 0.3:
            kind = NEUTRON
        push(stack, count, kind, at, isotropic(state), 0.7 * (left - 140.0), gen)


@compiled
def interact(
    stack: Array, count: Array, state: Array, kind: int, at: Vector, way: Vector, energy: float,
    gen: float,
) -> float:  # fmt: skip
    """Inelastic collision of a hadron; pushes its secondaries as generation `gen`.

    Returns the energy that slow fragments leave on the spot, of which QUENCHED is seen.
    """
    left = _nucleons(stack, count, state, at, way, energy, gen)
    spot = min(0.1 * left, 12.0 * exponential(state))
    left -= spot
    if energy < LOW:
        _slow(stack, count, state, kind, at, way, energy, left, gen)
        return spot
    leading = kind
    if (kind in (PI_PLUS, PI_MINUS)) and uniform(state) < 0.12:
        leading = PI_ZERO
    e = max(LEADING * uniform(state) * left, min(left, 80.0))
    _emit(stack, count, state, leading, at, way, e, gen)
    _chain(stack, count, state, at, way, left - e, gen)
    return spot
