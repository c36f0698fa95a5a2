"""Gluons between a struck quark and what is left of the nucleon: a dipole cascade, in GeV.

Source: Gustafson and Pettersson, Nucl. Phys. B 306 (1988) 746, and Lönnblad's ARIADNE, Comput. Phys.
Commun. 71 (1992) 15: gluons ordered in transverse momentum, emitted by the dipoles between
neighbours in colour with (x1^2 + x3^2) dkT^2/kT^2 dy; the extended remnant emits with the share
REMNANT / kT of its momentum only. CUT, REMNANT, LAMBDA2 and LIGHTEST were tuned to multiplicities and
transverse momenta of Pythia 8.
"""
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import math

from .compiled import Array, compiled
from .partons import M_CHARM
from .random import uniform
from .vectors import boost, rotate

MOST = 10  # partons, quark and remnant included
CUT = 1.2  # GeV, least transverse momentum of a gluon
REMNANT = 1.0  # GeV, inverse size of the nucleon's remains
COLOUR = 4.0 / (3.0 * math.pi)  # of a quark and an antiquark; a gluon would have an eighth more
LAMBDA2 = 0.30**2  # GeV2
LIGHTEST = 1.2  # GeV, least mass of a string between light quarks


@compiled
def coupling(kt2: float) -> float:
    """Strong coupling at `kt2`, GeV2: one loop, four flavours."""
    return 12.0 * math.pi / (25.0 * math.log(kt2 / LAMBDA2))


@compiled
def product(a: Array, b: Array) -> float:
    """Four-product of two momenta (px, py, pz, E)."""
    return a[3] * b[3] - a[0] * b[0] - a[1] * b[1] - a[2] * b[2]


@compiled
def _trial(state: Array, s: float, scale: float) -> tuple[float, float]:
    """Next (kT^2, rapidity) of a dipole of mass^2 `s`, below `scale`, at a rate never too small."""
    cut = CUT * CUT
    kt2 = min(scale, 0.25 * s)
    if kt2 <= cut:
        return 0.0, 0.0
    width = math.log(s / cut)
    kt2 *= uniform(state) ** (1.0 / (COLOUR * coupling(cut) * width))
    return kt2, width * (uniform(state) - 0.5)


@compiled
def _allowed(state: Array, s: float, kt2: float, y: float, remnant: bool) -> bool:
    """Whether a trial becomes a gluon."""
    kt, m = math.sqrt(kt2), math.sqrt(s)
    x1, x3 = 1.0 - kt * math.exp(y) / m, 1.0 - kt * math.exp(-y) / m
    if x1 <= 0.0 or x3 <= 0.0 or x1 + x3 <= 1.0:
        return False
    if remnant and (1.0 - x3) * kt > REMNANT:
        return False
    weight = coupling(kt2) / coupling(CUT * CUT) * 0.5 * (x1 * x1 + x3 * x3)
    return uniform(state) < weight


@compiled
def _emit(state: Array, chain: Array, i: int, n: int, kt2: float, y: float) -> None:
    """Put a gluon between partons i and i + 1 of n; the two keep their total momentum."""
    px, py = chain[i, 0] + chain[i + 1, 0], chain[i, 1] + chain[i + 1, 1]
    pz, e = chain[i, 2] + chain[i + 1, 2], chain[i, 3] + chain[i + 1, 3]
    m = math.sqrt(2.0 * product(chain[i], chain[i + 1]))
    kt = math.sqrt(kt2)
    x1, x3 = 1.0 - kt * math.exp(y) / m, 1.0 - kt * math.exp(-y) / m
    boost(chain[i], -px / e, -py / e, -pz / e, e / m)
    q = 1.0 / math.sqrt(chain[i, 0] ** 2 + chain[i, 1] ** 2 + chain[i, 2] ** 2)
    axis = (chain[i, 0] * q, chain[i, 1] * q, chain[i, 2] * q)
    for j in range(n, i + 1, -1):
        for k in range(4):
            chain[j, k] = chain[j - 1, k]
    between = 1.0 - 2.0 * (x1 + x3 - 1.0) / (x1 * x3)  # cosine of the angle of the two
    first = uniform(state) * (x1 * x1 + x3 * x3) < x1 * x1  # who keeps its direction
    c1, c3 = (1.0, between) if first else (-between, -1.0)
    phi = 2.0 * math.pi * uniform(state)
    sine = math.sqrt(max(0.0, 1.0 - between * between))
    for j, x, c, s in (
        (i, x1, c1, 0.0 if first else sine),
        (i + 2, x3, c3, sine if first else 0.0),
    ):
        p = 0.5 * x * m
        sx, sy = s * math.cos(phi), s * math.sin(phi)
        chain[j, 0], chain[j, 1], chain[j, 2] = rotate(axis, p * sx, p * sy, p * c)
        chain[j, 3] = p
        boost(chain[j], px / e, py / e, pz / e, e / m)
    chain[i + 1, 0], chain[i + 1, 1] = (
        px - chain[i, 0] - chain[i + 2, 0],
        py - chain[i, 1] - chain[i + 2, 1],
    )
    chain[i + 1, 2], chain[i + 1, 3] = (
        pz - chain[i, 2] - chain[i + 2, 2],
        e - chain[i, 3] - chain[i + 2, 3],
    )


@compiled
def string_mass(chain: Array, i: int, n: int) -> float:
    """Mass of the string between partons i and i + 1 of n; a gluon has half of itself in each."""
    share = (1.0 if i == 0 else 0.5) * (1.0 if i == n - 2 else 0.5)
    return math.sqrt(max(0.0, 2.0 * share * product(chain[i], chain[i + 1])))


@compiled
def _strings_fit(chain: Array, n: int, first: float, last: float) -> bool:
    """Whether all strings between neighbours are heavy enough."""
    for i in range(n - 1):
        least = LIGHTEST + (first if i == 0 else 0.0) + (last if i == n - 2 else 0.0)
        if string_mass(chain, i, n) < least:
            return False
    return True


@compiled
def charm_of_gluon(chain: Array, i: int) -> float:
    """Probability that the gluon in row `i` becomes a pair of charmed quarks.

    Its rate alpha_s / (6 pi) dm^2 / m^2 (1 + 2 M^2 / m^2) sqrt(1 - 4 M^2 / m^2) for a pair of mass m of
    quarks of mass M (Seymour, Nucl. Phys. B 436 (1995) 163), up to the transverse momentum of the gluon
    to its neighbours.
    """
    before, after = product(chain[i - 1], chain[i]), product(chain[i], chain[i + 1])
    kt2 = 2.0 * before * after / product(chain[i - 1], chain[i + 1])
    rest = 4.0 * M_CHARM * M_CHARM
    if kt2 <= rest:
        return 0.0
    b = math.sqrt(1.0 - rest / kt2)
    integral = math.log((1.0 + b) / (1.0 - b)) - 2.0 * b + b * b * b / 3.0
    return coupling(kt2) / (6.0 * math.pi) * integral


@compiled
def radiate(state: Array, w: float, first: float, last: float, chain: Array, spare: Array) -> int:
    """Partons of a string of mass `w` at rest, its quark along +z: number of rows of `chain`.

    first, last: GeV that the strings at the two ends need more than others. chain, spare: (MOST, 4).
    """
    for k in range(2):
        chain[0, k] = chain[1, k] = 0.0
    chain[0, 2], chain[1, 2] = 0.5 * w, -0.5 * w
    chain[0, 3] = chain[1, 3] = 0.5 * w
    n, scale = 2, 0.25 * w * w
    while n < MOST:
        best, where, rapidity = 0.0, 0, 0.0
        for i in range(n - 1):
            kt2, y = _trial(state, 2.0 * product(chain[i], chain[i + 1]), scale)
            if kt2 > best:
                best, where, rapidity = kt2, i, y
        if best <= CUT * CUT:
            break
        scale = best
        s = 2.0 * product(chain[where], chain[where + 1])
        if not _allowed(state, s, best, rapidity, where == n - 2):
            continue
        for j in range(n):
            for k in range(4):
                spare[j, k] = chain[j, k]
        _emit(state, spare, where, n, best, rapidity)
        if _strings_fit(spare, n + 1, first, last):
            n += 1
            for j in range(n):
                for k in range(4):
                    chain[j, k] = spare[j, k]
    return n
