"""What becomes of particles that stop, and of those that decay in flight."""

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
    M_MU,
    M_P,
    M_PI,
    M_PI0,
    MASS,
    MU_MINUS,
    MU_PLUS,
    NEUTRON,
    PI_MINUS,
    PI_PLUS,
    POSITRON,
    PROTON,
)  # fmt: skip
from .random import exponential, isotropic, uniform
from .store import MICHEL, push
from .vectors import Vector, split


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
        push(stack, count, MU_PLUS, at, way, 152.5, gen)
    elif kind in (PI_MINUS, K_MINUS):
        for _ in range(3):
            e = 2.0 + 18.0 * exponential(state)
            push(stack, count, nucleon(state, 0.35), at, isotropic(state), e, gen)


@compiled
def decay(
    stack: Array, count: Array, state: Array, kind: int, at: Vector, way: Vector, energy: float,
    gen: float,
) -> None:  # fmt: skip
    """Decay in flight of a charged pion (mu nu) or kaon (mu nu 3 : pi pi0 1, the rest shared)."""
    mass = MASS[kind]
    positive = kind in (PI_PLUS, K_PLUS)
    if kind <= PI_MINUS or uniform(state) < 0.75:
        e, way1, _, _ = split(state, mass, energy + mass, way, M_MU, 0.0)
        push(stack, count, MU_PLUS if positive else MU_MINUS, at, way1, e - M_MU, gen)
        return
    e, way1, e0, way2 = split(state, M_K, energy + M_K, way, M_PI, M_PI0)
    push(stack, count, PI_PLUS if positive else PI_MINUS, at, way1, e - M_PI, gen)
    neutral_pion(stack, count, state, at, way2, e0, gen)


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
