"""Hadrons that hit a nucleus: a small cascade generator tuned to Sibyll 2.3e.

The model is our own and is not published: a leading particle, then a chain of secondaries that
each take a beta-distributed share of what is left, a third of them neutral pions, plus nucleons
knocked out and evaporated. Constants were tuned to Sibyll 2.3e for pion-carbon at 100 GeV (charged
multiplicity 8.7, leading fraction 0.365, electromagnetic fraction 0.26, mean pT 0.33 GeV).
Energies are kinetic and in MeV unless said otherwise; no more energy comes out than went in.
"""
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import math

from .compiled import Array, compiled
from .particles import MASS, M_PI0
from .random import exponential, isotropic, normals, uniform
from .store import push
from .vectors import deflect, polar, rotate, split

BINDING = 8.0  # MeV to free a nucleon
LOW = 600.0  # below: absorption, charge exchange, quasi-elastic; above: the chain
STOP = 350.0  # MeV left at which the chain ends
LEADING = 0.66  # the leading particle takes a uniform share up to this
SOFTNESS = 2.2  # later shares z ~ (1 - z)^(SOFTNESS - 1)
MEAN_PT = 205.0  # MeV: pT ~ pt exp(-pt / MEAN_PT)
QUENCHED = 0.35  # light of slow nuclear fragments per MeV


@compiled
def neutral_pion(
    stack: Array,
    count: Array,
    state: Array,
    x: float,
    y: float,
    z: float,
    ux: float,
    uy: float,
    uz: float,
    total: float,
    generation: float,
) -> None:
    """Decay of a pi0 of `total` energy at once; its photons are one generation further."""
    e1, ax, ay, az, e2, bx, by, bz = split(state, M_PI0, total, ux, uy, uz, 0.0, 0.0)
    push(stack, count, 0, x, y, z, ax, ay, az, e1, generation + 1.0)
    push(stack, count, 0, x, y, z, bx, by, bz, e2, generation + 1.0)


@compiled
def _nucleons(
    stack: Array,
    count: Array,
    state: Array,
    x: float,
    y: float,
    z: float,
    ux: float,
    uy: float,
    uz: float,
    energy: float,
    generation: float,
) -> float:
    """Knock nucleons out of the nucleus, mostly forward; the energy that is left."""
    left = energy
    mean = 1.0 + 0.12 * math.log(1.0 + energy / 300.0)
    pairs = 0
    product = uniform(state)
    limit = math.exp(-mean)
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
        vx, vy, vz = rotate(ux, uy, uz, ax, ay, az)
        kind = 9 if uniform(state) < 0.5 else 10
        push(stack, count, kind, x, y, z, vx, vy, vz, e, generation)
    return left


@compiled
def _slow(
    stack: Array,
    count: Array,
    state: Array,
    kind: int,
    x: float,
    y: float,
    z: float,
    ux: float,
    uy: float,
    uz: float,
    left: float,
    energy: float,
    generation: float,
) -> None:
    """Interaction below LOW: quasi-elastic, charge exchange, or absorption on nucleons."""
    r = uniform(state)
    pion = kind == 5 or kind == 6
    if r < 0.45 and left > 20.0:
        share = 0.3 + 0.6 * uniform(state)
        a, b = normals(state)
        vx, vy, vz = deflect(ux, uy, uz, 0.5 * a, 0.5 * b)
        push(stack, count, kind, x, y, z, vx, vy, vz, share * left, generation)
        left *= 1.0 - share
    elif r < 0.55 and pion and energy > 150.0:
        a, b = normals(state)
        vx, vy, vz = deflect(ux, uy, uz, 0.5 * a, 0.5 * b)
        neutral_pion(stack, count, state, x, y, z, vx, vy, vz, 0.7 * left + M_PI0, generation)
        return
    for _ in range(4):
        if left <= 25.0:
            return
        e = (0.2 + 0.6 * uniform(state)) * left
        vx, vy, vz = isotropic(state)
        nucleon = 9 if uniform(state) < 0.5 else 10
        push(stack, count, nucleon, x, y, z, vx, vy, vz, e, generation)
        left -= e + BINDING


@compiled
def _secondary(state: Array, left: float) -> int:
    """Species of a secondary: 36 % pi0, 50 % charged pions, kaons, nucleons; few kaons when slow."""
    u = uniform(state)
    if u < 0.36:
        return -1
    charged = 5 if uniform(state) < 0.5 else 6
    if u < 0.86 or (u < 0.95 and left < 3000.0):
        return charged
    if u < 0.91:
        return charged + 2
    if u < 0.95:
        return 11 if u < 0.93 else 12
    return 9 if u < 0.975 else 10


@compiled
def _emit(
    stack: Array,
    count: Array,
    state: Array,
    kind: int,
    x: float,
    y: float,
    z: float,
    ux: float,
    uy: float,
    uz: float,
    e: float,
    generation: float,
) -> None:
    """Push a secondary of kinetic energy `e` with a transverse momentum."""
    mass = M_PI0 if kind < 0 else MASS[kind]
    p = math.sqrt(e * (e + 2.0 * mass))
    pt = MEAN_PT * (exponential(state) + exponential(state))
    if pt > 0.95 * p:
        pt = 0.95 * p * uniform(state)
    vx, vy, vz = polar(ux, uy, uz, math.asin(pt / p), 2.0 * math.pi * uniform(state))
    if kind < 0:
        neutral_pion(stack, count, state, x, y, z, vx, vy, vz, e + mass, generation)
    else:
        push(stack, count, kind, x, y, z, vx, vy, vz, e, generation)


@compiled
def interact(
    stack: Array,
    count: Array,
    state: Array,
    kind: int,
    x: float,
    y: float,
    z: float,
    ux: float,
    uy: float,
    uz: float,
    energy: float,
    generation: float,
) -> float:
    """Inelastic collision of a hadron; pushes its secondaries as `generation`.

    Returns the energy that slow fragments leave on the spot, of which QUENCHED is seen.
    """
    left = _nucleons(stack, count, state, x, y, z, ux, uy, uz, energy, generation)
    spot = min(0.1 * left, 12.0 * exponential(state))
    left -= spot
    if energy < LOW:
        _slow(stack, count, state, kind, x, y, z, ux, uy, uz, left, energy, generation)
        return spot
    leading = kind
    if (kind == 5 or kind == 6) and uniform(state) < 0.12:
        leading = -1
    e = max(LEADING * uniform(state) * left, min(left, 80.0))
    left -= e
    _emit(stack, count, state, leading, x, y, z, ux, uy, uz, e, generation)
    for _ in range(60):
        if left <= STOP:
            break
        new = _secondary(state, left)
        rest = 0.0 if new >= 9 and new <= 10 else (M_PI0 if new < 0 else MASS[new])
        share = 1.0 - (1.0 - uniform(state)) ** (1.0 / SOFTNESS)
        e = max(share * left - rest, 30.0 + 150.0 * uniform(state))
        e = min(e, left - rest)
        if e <= 5.0:
            break
        left -= e + rest
        _emit(stack, count, state, new, x, y, z, ux, uy, uz, e, generation)
    if left > 200.0:
        vx, vy, vz = isotropic(state)
        new = (5 if uniform(state) < 0.5 else 6) if uniform(state) < 0.7 else 10
        push(stack, count, new, x, y, z, vx, vy, vz, 0.7 * (left - 140.0), generation)
    return spot  # fmt: skip
