"""What becomes of particles that stop, and of those that decay in flight.

Branching fractions: Particle Data Group, Phys. Rev. D 110 (2024) 030001. Three products share the
phase space evenly: not the true matrix elements. Energies in MeV, those of parents kinetic.
"""
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from .compiled import Array, compiled
from .electromagnetic import michel
from .hadronic import neutral_pion, nucleon
from .particles import (
    ELECTRON,
    K_MINUS,
    K_PLUS,
    K_SHORT,
    LAMBDA,
    M_K,
    M_P,
    M_PI,
    M_PI0,
    MASS,
    MU_MINUS,
    MU_PLUS,
    NEUTRON,
    NOT_FOLLOWED,
    PI_MINUS,
    PI_PLUS,
    PI_ZERO,
    POSITRON,
    PROTON,
)  # fmt: skip
from .random import exponential, isotropic, uniform
from .store import MICHEL, push
from .vectors import Vector, break_up, split


@compiled
def stopped(stack: Array, count: Array, state: Array, kind: int, at: Vector, gen: float) -> None:
    """What a muon or hadron at rest becomes: Michel electrons, other muons, capture stars."""
    ax, ay, az = isotropic(state)
    way = (ax, ay, az)
    if kind in (MU_MINUS, MU_PLUS):
        count[5] = MICHEL
    if kind == MU_PLUS:
        push(stack, count, POSITRON, at, way, michel(state), gen)
    elif kind == MU_MINUS and uniform(state) < 0.92:  # the others are captured in carbon
        push(stack, count, ELECTRON, at, way, michel(state), gen)
    elif kind == PI_PLUS:
        push(stack, count, MU_PLUS, at, way, 4.12, gen)
    elif kind == K_PLUS:
        kaon(stack, count, state, True, at, way, 0.0, gen)
    elif kind in (PI_MINUS, K_MINUS):
        for _ in range(3):
            e = 2.0 + 18.0 * exponential(state)
            push(stack, count, nucleon(state, 0.35), at, isotropic(state), e, gen)


@compiled
def decay(
    stack: Array, count: Array, state: Array, kind: int, at: Vector, way: Vector, energy: float,
    gen: float,
) -> None:  # fmt: skip
    """Decay in flight of a charged pion (as mu nu) or kaon."""
    if kind > PI_MINUS:
        kaon(stack, count, state, kind == K_PLUS, at, way, energy, gen)
        return
    muon = MU_PLUS if kind == PI_PLUS else MU_MINUS
    _two(stack, count, state, muon, NOT_FOLLOWED, at, way, M_PI, energy + M_PI, gen)


@compiled
def kaon(
    stack: Array, count: Array, state: Array, positive: bool, at: Vector, way: Vector,
    energy: float, gen: float,
) -> None:  # fmt: skip
    """Decay of a charged kaon; its six channels make up 99.96 % of all."""
    pion, other = (PI_PLUS, PI_MINUS) if positive else (PI_MINUS, PI_PLUS)
    electron, muon = (POSITRON, MU_PLUS) if positive else (ELECTRON, MU_MINUS)
    r, total = uniform(state), energy + M_K
    if r < 0.2067:
        _two(stack, count, state, pion, PI_ZERO, at, way, M_K, total, gen)
    elif r < 0.2625:
        _three(stack, count, state, pion, pion, other, at, way, M_K, total, gen)
    elif r < 0.3132:
        _three(stack, count, state, PI_ZERO, electron, NOT_FOLLOWED, at, way, M_K, total, gen)
    elif r < 0.3467:
        _three(stack, count, state, PI_ZERO, muon, NOT_FOLLOWED, at, way, M_K, total, gen)
    elif r < 0.3643:
        _three(stack, count, state, pion, PI_ZERO, PI_ZERO, at, way, M_K, total, gen)
    else:
        _two(stack, count, state, muon, NOT_FOLLOWED, at, way, M_K, total, gen)


@compiled
def _mass(kind: int) -> float:
    """Mass of a product; what is not followed is a neutrino."""
    if kind < 0:
        return M_PI0 if kind == PI_ZERO else 0.0
    return MASS[kind]


@compiled
def _put(
    stack: Array, count: Array, state: Array, kind: int, at: Vector, way: Vector, total: float,
    gen: float,
) -> None:  # fmt: skip
    """Put a product of `total` energy on the stack; neutrinos are dropped."""
    if kind == PI_ZERO:
        neutral_pion(stack, count, state, at, way, total, gen)
    elif kind >= 0:
        push(stack, count, kind, at, way, total - MASS[kind], gen)


@compiled
def _two(
    stack: Array, count: Array, state: Array, a: int, b: int, at: Vector, way: Vector, mass: float,
    total: float, gen: float,
) -> None:  # fmt: skip
    """Decay of `mass` with `total` energy to species a and b."""
    e1, way1, e2, way2 = split(state, mass, total, way, _mass(a), _mass(b))
    _put(stack, count, state, a, at, way1, e1, gen)
    _put(stack, count, state, b, at, way2, e2, gen)


@compiled
def _three(
    stack: Array, count: Array, state: Array, a: int, b: int, c: int, at: Vector, way: Vector,
    mass: float, total: float, gen: float,
) -> None:  # fmt: skip
    """Decay of `mass` to species a, b and c, evenly in phase space: a, and a pair that decays."""
    m, low = _mass(a), _mass(b) + _mass(c)
    most = break_up(mass, m, low) * break_up(mass - m, _mass(b), _mass(c))
    while True:
        pair = low + (mass - m - low) * uniform(state)
        density = break_up(mass, m, pair) * break_up(pair, _mass(b), _mass(c))
        if uniform(state) * most < density:
            break
    e1, way1, e2, way2 = split(state, mass, total, way, m, pair)
    _put(stack, count, state, a, at, way1, e1, gen)
    _two(stack, count, state, b, c, at, way2, pair, e2, gen)


@compiled
def decay_neutral(
    stack: Array, count: Array, state: Array, kind: int, at: Vector, way: Vector, energy: float,
    gen: float,
) -> None:  # fmt: skip
    """Decay of K_S (PDG: 30.7 % to two pi0) or Lambda (as p pi-, 64 %, or n pi0)."""
    mass = MASS[kind]
    neutral = uniform(state) < (0.307 if kind == K_SHORT else 0.359)
    m1 = m2 = M_PI0 if neutral else M_PI
    if kind == LAMBDA:
        m1 = M_P
    e1, way1, e2, way2 = split(state, mass, energy + mass, way, m1, m2)
    if kind == K_SHORT and neutral:
        neutral_pion(stack, count, state, at, way1, e1, gen)
    elif kind == K_SHORT:
        push(stack, count, PI_PLUS, at, way1, e1 - m1, gen)
    else:
        push(stack, count, NEUTRON if neutral else PROTON, at, way1, e1 - m1, gen)
    if neutral:
        neutral_pion(stack, count, state, at, way2, e2, gen)
    else:
        push(stack, count, PI_MINUS, at, way2, e2 - m2, gen)
