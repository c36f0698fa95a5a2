"""Deep-inelastic neutrino-nucleon scattering at leading order, in GeV. Rows as in `decays`.

Sources: the quark-parton model (PDG review of structure functions, eqs. 18.13 ff.) with the W and
Z propagators; slow rescaling for charm (Barnett 1976). Quark densities are scale-independent and
were tuned to Pythia 8 at 100 GeV to 5 TeV (<y>, <x>, W, multiplicity); the strange sea to the
charm fraction of GENIE for this beam, 9.9 % of nu and 9.7 % of nubar CC. Not GENIE: no resonances,
no quasi-elastic scattering (W > 2 GeV), no nuclear effects.
"""
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import math

from .charm import LAMBDA_C, decay_excited
from .compiled import Array, compiled
from .decays import ELECTRON, K0, LAMBDA, MUON, TAU, K, decay_resonances
from .random import normals, uniform
from .strings import fragment
from .vectors import boost, deflect, rotate

NUCLEON = 0.938919
M_W, M_Z = 80.377, 91.1876
Q2_MIN, W2_MIN = 1.0, 4.0
M_CHARM = 1.5
V_CS2, V_CD2 = 0.949, 0.0484  # PDG, CKM
STRANGE_SEA = 0.34  # strange quarks relative to all light antiquarks
GL2, GR2 = 0.300, 0.033  # neutral-current couplings squared, u and d together, sin2 theta = 0.231
NEUTRON = 0.64  # share of neutrons struck by neutrinos in CC (Pythia 8: sigma_n / sigma_p = 1.8)
LAMBDA_C_SHARE = 0.03  # of the charmed hadrons of neutrinos
PRIMORDIAL, RADIATION = 0.9, 0.02  # GeV and per GeV of W: transverse kick of the struck quark
NO_CHARM, FROM_VALENCE, FROM_SEA = range(3)


@compiled
def valence(x: float) -> float:
    """Valence momentum density per nucleon of an isoscalar target, half of u + d."""
    return 3.224 * x**0.70 * (1.0 - x) ** 3.5


@compiled
def sea(x: float) -> float:
    """Momentum density of the light antiquarks that a W meets."""
    return 0.160 * x**-0.30 * (1.0 - x) ** 7


@compiled
def lepton_mass(neutrino: int) -> float:
    """Mass of the charged lepton of a neutrino of PDG number +-12, 14, 16."""
    flavour = abs(neutrino)
    return ELECTRON if flavour == 12 else (MUON if flavour == 14 else TAU)


@compiled
def _charmed(state: Array, energy: float, x: float, q2: float, sign: int, all_: float) -> int:
    """Whether a CC interaction makes charm, and from which quark; slow rescaling."""
    xi = x * (1.0 + M_CHARM * M_CHARM / q2)
    if xi >= 1.0:
        return NO_CHARM
    k = max(0.0, 1.0 - M_CHARM * M_CHARM / (2.0 * NUCLEON * energy * xi))
    strange = V_CS2 * STRANGE_SEA * sea(xi) * k
    down = V_CD2 * (valence(xi) + 0.5 * sea(xi)) * k if sign > 0 else V_CD2 * 0.5 * sea(xi) * k
    r = uniform(state) * all_
    if r < strange:
        return FROM_SEA
    if r < strange + down:
        return FROM_VALENCE if sign > 0 else FROM_SEA
    return NO_CHARM


@compiled
def sample(
    state: Array, energy: float, sign: int, charged: bool, mass: float
) -> tuple[float, float, int]:
    """(x, y, charm) of an interaction of a neutrino (sign +1) or antineutrino (-1).

    mass: of the outgoing lepton. The tau's mass enters by kinematics and by the leading factor
    1 - m^2 / (2 M E x).
    """
    m2 = M_W * M_W if charged else M_Z * M_Z
    while True:
        x, y = uniform(state) ** (1.0 / 0.7), uniform(state)
        if x < 1e-6 or x > 0.999 or y < 1e-4:
            continue
        q2 = 2.0 * NUCLEON * energy * x * y
        w2 = NUCLEON * NUCLEON + 2.0 * NUCLEON * energy * y * (1.0 - x)
        if q2 < Q2_MIN or w2 < W2_MIN:
            continue
        left, right = (1.0, 0.0) if charged else (GL2 / 0.33, GR2 / 0.33)
        back = (1.0 - y) * (1.0 - y)
        same, other = left + right * back, right + left * back
        if sign < 0:
            same, other = other, same
        q, qbar = (valence(x) + sea(x)) * same, sea(x) * other
        weight = (q + qbar) * x**0.30 / (1.0 + q2 / m2) ** 2
        if mass > 0.0:
            e = energy * (1.0 - y)
            if e <= mass:
                continue
            p = math.sqrt(e * e - mass * mass)
            if abs(2.0 * energy * e - q2 - mass * mass) > 2.0 * energy * p:
                continue
            weight *= max(0.0, 1.0 - mass * mass / (2.0 * NUCLEON * energy * x))
        if uniform(state) * 0.6 > weight:
            continue
        charm = _charmed(state, energy, x, q2, sign, q + qbar) if charged else NO_CHARM
        return x, y, charm


@compiled
def _ends(state: Array, proton: bool, sign: int, charged: bool, charm: int) -> tuple[int, int, int]:
    """Ends of the string and the hadron that goes with the remains: (forward, backward, extra).

    Chosen so that charge, baryon number and flavour add up (see module `strings` for the codes).
    """
    pair = 12 if proton else 10  # the two equal quarks
    if not charged:
        if uniform(state) < (0.5 if proton else 0.4):
            return 2, 11 if proton else 10, 0
        return 1, pair if proton else 11, 0
    if charm == FROM_SEA and sign > 0:  # s -> c leaves an s-bar, which takes a quark along
        return 4, 11, 321 if proton else 311
    if charm == FROM_SEA:  # s-bar -> c-bar leaves an s, which takes a diquark along
        return -4, 2 if proton else 1, 3122
    if sign > 0:
        return (4 if charm else 2), 12 if proton else 11, 0
    return 1, 11 if proton else 10, 0


@compiled
def _baryonic_charm(state: Array, backward: int) -> tuple[int, int]:
    """Ends left when a c takes a new ud diquark: its antidiquark annihilates with the remains."""
    if backward == 12:
        return -1, 2
    if backward == 10:
        return -2, 1
    return (-1, 1) if uniform(state) < 0.5 else (-2, 2)


@compiled
def _hadrons(state: Array, w: float, forward: int, backward: int, extra: int, rows: Array) -> int:
    """Hadrons of the struck nucleon at rest, current along +z; 0 if `w` is too small."""
    mass = K if extra == 321 else (K0 if extra == 311 else LAMBDA)
    if forward == 4 and extra == 0 and uniform(state) < 2.0 * LAMBDA_C_SHARE and w > 4.0:
        quark, other = _baryonic_charm(state, backward)
        # the Lambda_c goes where the current goes: fragment backwards, then turn about
        n = fragment(state, w, other, quark, 4122, LAMBDA_C, rows)
        for i in range(n):
            rows[i, 0], rows[i, 2] = -rows[i, 0], -rows[i, 2]
        return n
    return fragment(state, w, forward, backward, extra, mass, rows)


@compiled
def interact(
    state: Array, energy: float, neutrino: int, charged: bool, rows: Array
) -> tuple[int, int, float, float, float]:
    """One interaction of a neutrino flying along +z with a nucleon at rest.

    Writes the outgoing lepton to rows[0] and hadrons behind it, resonances decayed, tau and charm
    not. Returns (rows, PDG number of a charmed hadron or 0, x, y, W).
    """
    sign = 1 if neutrino > 0 else -1
    mass = lepton_mass(neutrino) if charged else 0.0
    while True:
        x, y, charm = sample(state, energy, sign, charged, mass)
        e = energy * (1.0 - y)
        p = math.sqrt(e * e - mass * mass)
        c = (2.0 * energy * e - 2.0 * NUCLEON * energy * x * y - mass * mass) / (2.0 * energy * p)
        s = math.sqrt(max(0.0, 1.0 - c * c))
        phi = 2.0 * math.pi * uniform(state)
        rows[0, 0], rows[0, 1], rows[0, 2] = p * s * math.cos(phi), p * s * math.sin(phi), p * c
        rows[0, 3], rows[0, 5] = e, mass
        rows[0, 4] = neutrino - sign if charged else neutrino
        hx, hy, hz = -rows[0, 0], -rows[0, 1], energy - rows[0, 2]
        he = energy + NUCLEON - e
        w = math.sqrt(max(he * he - hx * hx - hy * hy - hz * hz, 0.0))
        share = NEUTRON if sign > 0 else 1.0 - NEUTRON
        proton = uniform(state) > (share if charged else 0.5)
        forward, backward, extra = _ends(state, proton, sign, charged, charm)
        n = _hadrons(state, w, forward, backward, extra, rows[1:])
        if n > 0:
            break
    pdg = 0
    last = n
    for i in range(1, last + 1):
        if abs(rows[i, 4]) > 400 and (abs(rows[i, 4]) < 500 or abs(rows[i, 4]) > 4000):
            n = decay_excited(state, rows[1:], i - 1, n)
            pdg = int(rows[i, 4])
    n = decay_resonances(state, rows[1:], n)
    _to_laboratory(state, rows, n, w, hx, hy, hz, he)
    return n + 1, pdg, x, y, w


@compiled
def _to_laboratory(
    state: Array, rows: Array, n: int, w: float, hx: float, hy: float, hz: float, he: float
) -> None:
    """Turn and boost hadrons rows[1 : n + 1] from the rest frame of their sum, of mass `w`.

    The current has a transverse kick (primordial motion and gluons), by which the axis is turned.
    """
    h = math.sqrt(hx * hx + hy * hy + hz * hz)
    a, b = normals(state)
    turn = min((PRIMORDIAL + RADIATION * w) / (0.5 * w), 1.0)
    axis = deflect((hx / h, hy / h, hz / h), turn * a, turn * b)
    for i in range(1, n + 1):
        rows[i, 0], rows[i, 1], rows[i, 2] = rotate(axis, rows[i, 0], rows[i, 1], rows[i, 2])
        boost(rows[i], hx / he, hy / he, hz / he, he / w)
