"""Decays of short-lived hadrons and of the tau, with four-momentum conserved exactly.

Rows of particles are (n, 6) float64: px, py, pz, E in GeV, PDG number, mass in GeV. A decay puts
its products into the parent's row and behind the last one and returns the new number of rows.
Branching fractions: Particle Data Group, Phys. Rev. D 110 (2024) 030001, rounded; channels below
a few per cent are merged with the nearest one. Decays with more than two products go through a
chain of two-body decays with invented intermediate masses: not the true matrix elements.
"""
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import math

import numpy as np

from .compiled import Array, allocating, compiled
from .random import breit_wigner, uniform
from .vectors import boost, break_up, rotate

PX, PY, PZ, E, PDG, MASS = range(6)
PI, PI0, K, K0, P, N = 0.13957, 0.13498, 0.49368, 0.49761, 0.93827, 0.93957
ELECTRON, MUON, TAU = 0.000511, 0.105658, 1.77693
ETA, ETA_PRIME, OMEGA, PHI, RHO, K_STAR = 0.54786, 0.95778, 0.78266, 1.01946, 0.7753, 0.8917
DELTA, LAMBDA = 1.232, 1.11568
SIGMA_PLUS, SIGMA_ZERO, SIGMA_MINUS = 1.18937, 1.19264, 1.19745
XI_ZERO, XI_MINUS, OMEGA_MINUS = 1.31486, 1.32171, 1.67245
NUMBERS = (22, 111, 211, 221, 223, 311, 321, 331, 333, 2112, 2212, 3112, 3122, 3212, 3222, 3312,
           3322, 3334)  # fmt: skip
MASSES = (
    *(0.0, PI0, PI, ETA, OMEGA, K0, K, ETA_PRIME, PHI),
    *(N, P, SIGMA_MINUS, LAMBDA, SIGMA_ZERO, SIGMA_PLUS, XI_MINUS, XI_ZERO, OMEGA_MINUS),
)
SYSTEM = 9000113  # several particles in one row, about to decay
NEUTRINOS = 9000016  # two neutrinos in one row, which nobody sees


@compiled
def mass_of(pdg: int) -> float:
    """Mass in GeV of a product of a decay; nan for one that no decay here has."""
    for i in range(len(NUMBERS)):
        if abs(pdg) == NUMBERS[i]:
            return MASSES[i]
    return math.nan


@compiled
def conjugate(pdg: int, sign: int) -> int:
    """The particle if `sign` is 1, its antiparticle if -1."""
    if pdg == 22 or pdg == 111 or pdg == 221 or pdg == 331 or pdg == 223 or pdg == 333:
        return pdg
    return sign * pdg


@compiled
def two_body(
    state: Array, rows: Array, i: int, n: int, m1: float, m2: float, p1: int, p2: int, c: float
) -> int:
    """Decay row `i` to (m1, p1) in its own row and (m2, p2) in row `n`.

    c: cosine of the angle, in the parent's rest frame, of the first product to the line of flight.
    """
    mass = rows[i, 5]
    p = break_up(mass, m1, m2)
    s = math.sqrt(max(0.0, 1.0 - c * c))
    phi = 2.0 * math.pi * uniform(state)
    px, py, pz = rows[i, 0], rows[i, 1], rows[i, 2]
    size = math.sqrt(px * px + py * py + pz * pz)
    ax, ay, az = p * s * math.cos(phi), p * s * math.sin(phi), p * c
    if size > 1e-9:
        ax, ay, az = rotate((px / size, py / size, pz / size), ax, ay, az)
    energy = rows[i, 3]
    rows[i, 0], rows[i, 1], rows[i, 2] = ax, ay, az
    rows[i, 3] = math.sqrt(p * p + m1 * m1)
    boost(rows[i], px / energy, py / energy, pz / energy, energy / mass)
    rows[n, 0], rows[n, 1], rows[n, 2] = px - rows[i, 0], py - rows[i, 1], pz - rows[i, 2]
    rows[n, 3] = energy - rows[i, 3]
    rows[i, 4], rows[i, 5], rows[n, 4], rows[n, 5] = p1, m1, p2, m2
    return n + 1


@compiled
def anywhere(state: Array) -> float:
    """Cosine of an isotropic decay."""
    return 2.0 * uniform(state) - 1.0


@compiled
def sloped(state: Array, a: float) -> float:
    """Cosine c from (1 + a c) / 2, 0 < |a| <= 1."""
    return (-1.0 + math.sqrt(max(0.0, 1.0 - 2.0 * a + a * a + 4.0 * a * uniform(state)))) / a


@compiled
def many_body(state: Array, rows: Array, i: int, n: int, masses: Array, pdgs: Array, k: int) -> int:
    """Decay row `i` to `k` products, one after another, each from what is left."""
    rest = 0.0
    for j in range(k):
        rest += masses[j]
    at = i
    for j in range(k - 1):
        rest -= masses[j]
        if j == k - 2:
            other, pdg = masses[k - 1], pdgs[k - 1]
        else:
            room = rows[at, 5] - masses[j] - rest
            other = rest + room * max(uniform(state), uniform(state))
            pdg = 9000113
        n = two_body(state, rows, at, n, masses[j], other, pdgs[j], pdg, anywhere(state))
        at = n - 1
    return n


@compiled
def _three_pions(
    state: Array, rows: Array, i: int, n: int, m: float, first: int, second: int
) -> int:
    """Decay row `i` to a pi0 and a pair (first, second) of pions of mass `m` each."""
    pair = 2.0 * m + (rows[i, 5] - PI0 - 2.0 * m) * uniform(state)
    n = two_body(state, rows, i, n, pair, PI0, SYSTEM, 111, anywhere(state))
    return two_body(state, rows, i, n, m, m, first, second, anywhere(state))


@compiled
def _light_meson(state: Array, rows: Array, i: int, n: int, pdg: int, sign: int) -> int:
    """Decay of rho, omega, eta, eta', phi or K* in row `i`; n unchanged if it is none of them."""
    c = anywhere(state)
    if pdg == 213:
        return two_body(state, rows, i, n, PI, PI0, sign * 211, 111, c)
    if pdg == 113:
        return two_body(state, rows, i, n, PI, PI, 211, -211, c)
    if pdg == 223:
        if uniform(state) < 0.085:
            return two_body(state, rows, i, n, PI0, 0.0, 111, 22, c)
        return _three_pions(state, rows, i, n, PI, 211, -211)
    if pdg == 221:
        r = uniform(state)
        if r < 0.40:
            return two_body(state, rows, i, n, 0.0, 0.0, 22, 22, c)
        if r < 0.73:
            return _three_pions(state, rows, i, n, PI0, 111, 111)
        return _three_pions(state, rows, i, n, PI, 211, -211)
    if pdg == 331:  # eta' -> rho gamma 0.30, eta pi pi 0.65 as eta + system, here eta pi pi always
        pair = 2.0 * PI + (rows[i, 5] - ETA - 2.0 * PI) * uniform(state)
        n = two_body(state, rows, i, n, pair, ETA, SYSTEM, 221, c)
        return two_body(state, rows, i, n, PI, PI, 211, -211, anywhere(state))
    if pdg == 333:
        if uniform(state) < 0.59:
            return two_body(state, rows, i, n, K, K, 321, -321, c)
        return two_body(state, rows, i, n, K0, K0, 130, 310, c)
    third = uniform(state) < 1.0 / 3.0
    if pdg == 323:
        if third:
            return two_body(state, rows, i, n, K, PI0, sign * 321, 111, c)
        return two_body(state, rows, i, n, K0, PI, sign * 311, sign * 211, c)
    if pdg == 313:
        if third:
            return two_body(state, rows, i, n, K0, PI0, sign * 311, 111, c)
        return two_body(state, rows, i, n, K, PI, sign * 321, -sign * 211, c)
    return n


@compiled
def _baryon(state: Array, rows: Array, i: int, n: int, pdg: int, sign: int) -> int:
    """Decay of Delta, Sigma0 or, at once though they fly cm, charged Sigma, Xi or Omega in row `i`.

    sign: -1 for the antiparticle.
    """
    c, r = anywhere(state), uniform(state)
    to_p, to_n = sign * 2212, sign * 2112
    if pdg == 2224:
        return two_body(state, rows, i, n, P, PI, to_p, sign * 211, c)
    if pdg == 1114 or pdg == 3112:
        return two_body(state, rows, i, n, N, PI, to_n, -sign * 211, c)
    if pdg == 2214 or pdg == 3222:
        if r < (2.0 / 3.0 if pdg == 2214 else 0.516):
            return two_body(state, rows, i, n, P, PI0, to_p, 111, c)
        return two_body(state, rows, i, n, N, PI, to_n, sign * 211, c)
    if pdg == 2114:
        if r < 1.0 / 3.0:
            return two_body(state, rows, i, n, P, PI, to_p, -sign * 211, c)
        return two_body(state, rows, i, n, N, PI0, to_n, 111, c)
    if pdg == 3212:
        return two_body(state, rows, i, n, LAMBDA, 0.0, sign * 3122, 22, c)
    if pdg == 3322:
        return two_body(state, rows, i, n, LAMBDA, PI0, sign * 3122, 111, c)
    if pdg == 3312:
        return two_body(state, rows, i, n, LAMBDA, PI, sign * 3122, -sign * 211, c)
    if pdg == 3334:
        if r < 0.678:
            return two_body(state, rows, i, n, LAMBDA, K, sign * 3122, -sign * 321, c)
        if r < 0.914:
            return two_body(state, rows, i, n, XI_ZERO, PI, sign * 3322, -sign * 211, c)
        return two_body(state, rows, i, n, XI_MINUS, PI0, sign * 3312, 111, c)
    return n


@compiled
def decay_resonances(state: Array, rows: Array, n: int) -> int:
    """Decay all that lives too short to be seen, and turn K0 into K_L or K_S."""
    i = 0
    while i < n:
        pdg = int(rows[i, 4])
        size = abs(pdg)
        before, sign = n, 1 if pdg > 0 else -1
        if size < 1000:
            n = _light_meson(state, rows, i, n, size, sign)
        elif size < 4000:
            n = _baryon(state, rows, i, n, size, sign)
        if n > before:
            continue  # the first product, now in this row, may decay as well
        if size == 311:
            rows[i, 4] = 130 if uniform(state) < 0.5 else 310
        i += 1
    return n


@compiled
def _leptonic(state: Array, rows: Array, i: int, n: int, sign: int, lepton: int) -> int:
    """tau -> lepton and two neutrinos: x^2 ((3 - 2x) - c (1 - 2x)), fully left-handed tau-.

    x = E / (m_tau / 2) in the rest frame, c to the line of flight; PDG review of muon decay
    parameters with P = -1 along the flight; the same for a right-handed tau+.
    """
    m = ELECTRON if lepton == 11 else MUON
    x_max = 1.0 + m * m / (TAU * TAU)
    while True:
        x, c = x_max * uniform(state), anywhere(state)
        if 0.5 * TAU * x > m and 2.1 * uniform(state) < x * x * (
            3.0 - 2.0 * x - c * (1.0 - 2.0 * x)
        ):
            break
    energy = 0.5 * TAU * x
    unseen = math.sqrt(max(0.0, TAU * TAU + m * m - 2.0 * TAU * energy))
    return two_body(state, rows, i, n, m, unseen, sign * lepton, NEUTRINOS, c)


@allocating
def decay_tau(state: Array, rows: Array, i: int, n: int, sign: int) -> tuple[int, int]:
    """Decay the tau in row `i`; sign +1 for tau-. Returns (rows, mode).

    Modes as faserDL counts them: 1 e, 2 mu, 3 one charged, 4 rho, 5 three charged, 6 other.
    """
    r = uniform(state)
    if r < 0.3521:
        lepton = 11 if r < 0.1782 else 13
        return _leptonic(state, rows, i, n, sign, lepton), 1 if lepton == 11 else 2
    nu = sign * 16
    r -= 0.3521
    if r < 0.1152:  # pi and K
        return two_body(state, rows, i, n, PI, 0.0, -sign * 211, nu, sloped(state, -1.0)), 3
    r -= 0.1152
    if r < 0.2592:  # pi pi0 through the rho, K pi0
        m = breit_wigner(state, RHO, 0.149, PI + PI0 + 0.005, 1.6)
        n = two_body(state, rows, i, n, m, 0.0, SYSTEM, nu, sloped(state, -0.45))
        return two_body(state, rows, i, n, PI, PI0, -sign * 211, 111, anywhere(state)), 4
    r -= 0.2592
    masses, pdgs = np.full(4, PI), np.zeros(4, np.int64)
    pdgs[0], pdgs[1], pdgs[2], pdgs[3] = -sign * 211, sign * 211, -sign * 211, 111
    masses[3] = PI0
    three = r < 0.1878  # through the a1: pi 2pi0 (9.26 %), 3pi (9.52 %)
    charged = 0.0926 <= r < 0.2381  # 14.55 % in all
    if not charged:
        masses[1] = masses[2] = PI0
        pdgs[1] = pdgs[2] = 111
    if three:
        m = breit_wigner(state, 1.23, 0.42, 0.45, 1.7)
        n = two_body(state, rows, i, n, m, 0.0, SYSTEM, nu, sloped(state, -0.12))
    else:
        m = breit_wigner(state, 1.35, 0.30, 0.60, 1.7)
        n = two_body(state, rows, i, n, m, 0.0, SYSTEM, nu, anywhere(state))
    n = many_body(state, rows, i, n, masses, pdgs, 3 if three else 4)
    return n, 5 if charged else 6
