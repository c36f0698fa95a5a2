"""Hadrons from a quark and what is left of the nucleon: a Lund string, in GeV.

Source: Andersson et al., Phys. Rep. 97 (1983) 31: f(z) = (1 - z)^a / z exp(-b mT^2 / z) with a and
b of Pythia 8's Monash tune (Skands et al., EPJC 74 (2014) 3024); charm by Peterson et al.,
PRD 27 (1983) 105. Shares of flavours, vector mesons and diquarks are those of the Monash tune too,
but for charmed hadrons (see CHARMED_BARYON). Masses of broad hadrons are drawn here, so that
four-momentum, charge and flavour are conserved exactly.

Ends of a string: 1 d, 2 u, 3 s, 4 c, 10 dd, 11 ud, 12 uu; negative: antiquarks and antidiquarks.
"""
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import math

from .charm import D0, D0_STAR, D_PLUS, D_S, D_S_STAR, D_STAR, LAMBDA_C, SIGMA_C
from .compiled import Array, compiled
from .decays import (
    DELTA,
    ETA,
    ETA_PRIME,
    K0,
    K_STAR,
    LAMBDA,
    OMEGA,
    PHI,
    PI,
    PI0,
    RHO,
    SIGMA_MINUS,
    SIGMA_PLUS,
    K,
    N,
    P,
)  # fmt: skip
from .random import breit_wigner, normals, uniform

A, B = 0.68, 0.98  # Lund parameters, b in GeV^-2
SIGMA = 0.335 / math.sqrt(2.0)  # GeV, transverse momentum of a quark per axis
# Production of s relative to u and of diquarks to quarks (Monash: 0.217, 0.081); more diquarks since
# none are strange here and the last pair of a string has none
STRANGE, DIQUARK = 0.25, 0.11
SPIN_ONE = 0.3  # share of dd and uu among the diquarks, of our own choice
# Charmed mesons of GENIE for FASERCal: D0 0.603, D+ 0.235, D_s 0.162; baryons of Pythia
CHARMED_BARYON, CHARMED_STRANGE, CHARM_VECTOR = 0.034, 0.172, 0.647
VECTOR, STRANGE_VECTOR = 1 / 3, 0.355  # shares of vector mesons
ETA_KEPT, ETA_PRIME_KEPT = 0.57, 0.12  # suppression of eta and eta'
PETERSON = 0.13
VALENCE = 2.0  # power of 1 - x in a valence quark's share of the remains, tuned to Pythia 8
TRIES = 60


@compiled
def _light_share(state: Array, mt2: float) -> float:
    """Share z of the light-cone momentum from Lund's f(z)."""
    low = min(max(1e-3, B * mt2 / 30.0), 0.9)
    top = 0.0
    for i in range(1, 16):
        z = i / 16.0
        top = max(top, (1.0 - z) ** A * math.exp(-B * mt2 / z))
    log = -math.log(low)
    for _ in range(200):
        z = low * math.exp(log * uniform(state))
        if uniform(state) * 1.15 * top < (1.0 - z) ** A * math.exp(-B * mt2 / z):
            return z
    return 0.5


@compiled
def _remnant_share(state: Array) -> float:
    """Share z of a baryon left behind with a valence quark.

    The quark has the share x of what is left of the nucleon, with x^-1/2 (1 - x)^VALENCE.
    """
    while True:
        x = uniform(state) ** 2
        if uniform(state) < (1.0 - x) ** VALENCE:
            return 1.0 - x


@compiled
def _charm_share(state: Array) -> float:
    """Share z of a charmed hadron, Peterson et al."""
    while True:
        z = 0.02 + 0.979 * uniform(state)
        if uniform(state) * 3.6 < 1.0 / (z * (1.0 - 1.0 / z - PETERSON / (1.0 - z)) ** 2):
            return z


@compiled
def new_quark(state: Array, charmed: bool = False) -> int:
    """Flavour of a pair that breaks a string, beside a charmed quark if `charmed`."""
    r = uniform(state)
    strange = CHARMED_STRANGE if charmed else STRANGE / (2.0 + STRANGE)
    if r < strange:
        return 3
    return 1 if r < 0.5 * (1.0 + strange) else 2


@compiled
def _charmed(state: Array, other: int) -> tuple[int, float]:
    """Charmed meson of a c and an anti-`other`."""
    excited = uniform(state) < CHARM_VECTOR
    if other == 1:
        return (413, D_STAR) if excited else (411, D_PLUS)
    if other == 2:
        return (423, D0_STAR) if excited else (421, D0)
    return (433, D_S_STAR) if excited else (431, D_S)


@compiled
def meson(state: Array, q: int, a: int) -> tuple[int, float]:
    """Meson of quark `q` and antiquark `a` (as a positive number): PDG number and mass."""
    if q == 4:
        return _charmed(state, a)
    if a == 4:
        pdg, mass = _charmed(state, q)
        return -pdg, mass
    vector = uniform(state) < (STRANGE_VECTOR if q == 3 or a == 3 else VECTOR)
    if q == a:
        r = uniform(state)
        if q == 3:
            return (333, PHI) if vector else ((221, ETA) if r < 0.5 else (331, ETA_PRIME))
        if vector:
            return (113, breit_wigner(state, RHO, 0.149, 0.30, 1.1)) if r < 0.5 else (223, OMEGA)
        return (111, PI0) if r < 0.5 else ((221, ETA) if r < 0.77 else (331, ETA_PRIME))
    if q == 3 or a == 3:
        other, sign = (a, -1) if q == 3 else (q, 1)
        mass = breit_wigner(state, K_STAR, 0.051, 0.70, 1.2)
        if other == 2:
            return (sign * 323, mass) if vector else (sign * 321, K)
        return (sign * 313, mass) if vector else (sign * 311, K0)
    sign = 1 if q == 2 else -1
    if vector:
        return sign * 213, breit_wigner(state, RHO, 0.149, 0.30, 1.1)
    return sign * 211, PI


@compiled
def baryon(state: Array, diquark: int, q: int) -> tuple[int, float]:
    """Baryon of a diquark and a quark: PDG number and mass."""
    if q == 4:
        if diquark == 11:
            return 4122, LAMBDA_C
        return (4222, SIGMA_C) if diquark == 12 else (4112, SIGMA_C)
    if q == 3:
        if diquark == 11:
            return 3122, LAMBDA
        return (3222, SIGMA_PLUS) if diquark == 12 else (3112, SIGMA_MINUS)
    up = diquark - 10 + (1 if q == 2 else 0)
    if up == 3 or up == 0 or uniform(state) < 0.35:
        mass = breit_wigner(state, DELTA, 0.117, 1.085, 1.6)
        return (1114, 2114, 2214, 2224)[up], mass
    return (2212, P) if up == 2 else (2112, N)


@compiled
def _hadron(state: Array, end: int, new: int) -> tuple[int, float, int]:
    """Hadron of a string's `end` and a new flavour: PDG number, mass, the end that is left."""
    if new >= 10:
        pdg, mass = baryon(state, new, abs(end))
        return (pdg, mass, -new) if end > 0 else (-pdg, mass, new)
    if abs(end) >= 10:
        pdg, mass = baryon(state, abs(end), new)
        return (pdg, mass, -new) if end > 0 else (-pdg, mass, new)
    if end > 0:
        pdg, mass = meson(state, end, new)
        return pdg, mass, new
    pdg, mass = meson(state, new, -end)
    return pdg, mass, -new


@compiled
def _break(state: Array, end: int) -> tuple[int, float, int]:
    """Break a string near its `end`: PDG number and mass of the hadron, the end that is left."""
    while True:
        new = new_quark(state, abs(end) == 4)
        rate = CHARMED_BARYON if abs(end) == 4 else DIQUARK / (1.0 + DIQUARK)
        if abs(end) < 10 and uniform(state) < rate:
            r = uniform(state)
            new = 11 if r > SPIN_ONE else (10 if r < 0.5 * SPIN_ONE else 12)
        pdg, mass, left = _hadron(state, end, new)
        if pdg == 221 and uniform(state) > ETA_KEPT:
            continue
        if pdg == 331 and uniform(state) > ETA_PRIME_KEPT:
            continue
        return pdg, mass, left


@compiled
def _write(
    rows: Array, n: int, px: float, py: float, plus: float, minus: float, pdg: int, mass: float
) -> None:
    rows[n, 0], rows[n, 1] = px, py
    rows[n, 2], rows[n, 3] = 0.5 * (plus - minus), 0.5 * (plus + minus)
    rows[n, 4], rows[n, 5] = pdg, mass


@compiled
def _close(
    state: Array, plus: float, minus: float, forward: int, backward: int, fx: float, fy: float,
    bx: float, by: float, rows: Array, n: int,
) -> int:  # fmt: skip
    """The last two hadrons of a string, from light-cone momenta `plus` and `minus`; 0 if they
    cannot be, else the number of hadrons."""
    new = new_quark(state, abs(forward) == 4 or abs(backward) == 4)
    kx, ky = normals(state)
    p1, m1, _ = _hadron(state, forward, new)
    p2, m2, _ = _hadron(state, backward, new)
    x1, y1 = fx + SIGMA * kx, fy + SIGMA * ky
    x2, y2 = bx - SIGMA * kx, by - SIGMA * ky
    t1, t2 = m1 * m1 + x1 * x1 + y1 * y1, m2 * m2 + x2 * x2 + y2 * y2
    s = plus * minus
    if s <= (math.sqrt(t1) + math.sqrt(t2)) ** 2:
        return 0
    a = plus * (s + t1 - t2 + math.sqrt((s - t1 - t2) ** 2 - 4.0 * t1 * t2)) / (2.0 * s)
    _write(rows, n, x1, y1, a, t1 / a, p1, m1)
    _write(rows, n + 1, x2, y2, plus - a, minus - t1 / a, p2, m2)
    return n + 2


@compiled
def _excess(end: int) -> float:
    """Mass in GeV that a string needs for hadrons of its `end`, more than for light quarks."""
    return 1.5 if abs(end) == 4 else (0.8 if abs(end) >= 10 else 0.0)


@compiled
def _attempt(
    state: Array, w: float, forward: int, backward: int, extra: int, extra_mass: float, rows: Array
) -> int:
    """One try at `fragment`; 0 if the kinematics did not close."""
    plus, minus, n = w, w, 0
    fx = fy = bx = by = 0.0  # transverse momenta of the ends
    first = extra != 0
    while True:
        heavy = _excess(forward) + _excess(backward)
        if not first and plus * minus < (1.85 + 0.6 * uniform(state) + heavy) ** 2:
            break
        kx, ky = normals(state)
        kx, ky = SIGMA * kx, SIGMA * ky
        ahead = not first and uniform(state) < 0.5
        if first:
            pdg, mass, end = extra, extra_mass, backward
        else:
            pdg, mass, end = _break(state, forward if ahead else backward)
        hx, hy = (fx + kx, fy + ky) if ahead else (bx + kx, by + ky)
        mt2 = mass * mass + hx * hx + hy * hy
        charm = not first and abs(forward if ahead else backward) == 4
        if charm:
            z = _charm_share(state)
        elif first and abs(extra) > 1000 and 0 < backward < 4:
            z = _remnant_share(state)
        else:
            z = _light_share(state, mt2)
        p = z * plus if ahead else mt2 / (z * minus)
        m = mt2 / p
        if p >= 0.99 * plus or m >= 0.99 * minus or n > 180:
            return 0
        _write(rows, n, hx, hy, p, m, pdg, mass)
        n += 1
        plus -= p
        minus -= m
        if ahead:
            forward, fx, fy = end, -kx, -ky
        else:
            backward, bx, by = end, -kx, -ky
        first = False
    return _close(state, plus, minus, forward, backward, fx, fy, bx, by, rows, n)


@compiled
def fragment(
    state: Array, w: float, forward: int, backward: int, extra: int, extra_mass: float, rows: Array
) -> int:
    """Hadrons of a string of mass `w` at rest, its `forward` end along +z; 0 if it cannot be.

    extra: PDG number of a hadron that goes with the nucleon's remains, 0 for none.
    """
    for _ in range(TRIES):
        n = _attempt(state, w, forward, backward, extra, extra_mass, rows)
        if n > 0:
            return n
    return 0
