"""Deep-inelastic neutrino-nucleon scattering at leading order, in GeV. Rows as in `decays`.

Sources: the quark-parton model (PDG review of structure functions, eqs. 18.13 ff.) with the W and
Z propagators and the lepton's mass; the quark densities of `partons`; slow rescaling for charm
(Barnett, PRL 36 (1976) 1163). Not GENIE: no resonances, no quasi-elastic scattering (W > 2 GeV), no
nuclear effects; target nucleons are at rest (`nucleus` moves them), half of them protons.
"""
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import math

import numpy as np

from .compiled import Array, allocating, compiled
from .decays import ELECTRON, MUON, TAU
from .gluons import MOST
from .jets import hadrons, remains
from .partons import BOTTOM, CHARM, M_BOTTOM, M_CHARM, densities, heavy
from .random import normals, uniform
from .vectors import boost, deflect, rotate

NUCLEON = 0.938919
M_W, M_Z = 80.377, 91.1876
Q2_MIN, W2_MIN = 1.0, 4.0
# Least W2 - M2 in GeV2: room for a charmed meson and a Lambda_c, for two bottom mesons and a nucleon
ROOM_CHARM, ROOM_BOTTOM = 18.0, 132.0
WEIGHTS = 10
V_CS2, V_CD2 = 0.975**2, 0.221**2  # PDG, CKM
# Strange quarks and antiquarks relative to `partons` where a W strikes them, tuned to the charm
# fractions of Pythia and of GENIE for FASER's beam (nu 9.9 %, nubar 9.7 %); NuTeV sees the same sign
# (PRL 99 (2007) 192001)
STRANGE, ANTISTRANGE = 1.13, 0.96
SINE2 = 0.2312  # weak mixing angle, PDG
# Squared couplings of the Z to left- and right-handed d and u
LEFT = ((-0.5 + SINE2 / 3.0) ** 2, (0.5 - 2.0 * SINE2 / 3.0) ** 2)
RIGHT = ((SINE2 / 3.0) ** 2, (2.0 * SINE2 / 3.0) ** 2)
PRIMORDIAL = 0.65  # GeV, transverse momentum of the struck quark in its nucleon, per axis
POWER = 0.7  # x is tried with x^(POWER - 1)
MOST_CHARGED, MOST_NEUTRAL = 0.60, 0.15  # above every weight; a test looks


@compiled
def lepton_mass(neutrino: int) -> float:
    """Mass of the charged lepton of a neutrino of PDG number +-12, 14, 16."""
    flavour = abs(neutrino)
    return ELECTRON if flavour == 12 else (MUON if flavour == 14 else TAU)


@compiled
def charged_weights(
    x: float, y: float, energy: float, sign: int, proton: bool, mass: float, out: Array
) -> float:
    """Weights of quarks struck by a W, into `out`, and their sum; sign: +1 for a neutrino.

    Of valence d (u for an antineutrino), sea d (u), s as a light quark, anti-u (anti-d), anti-s as a
    light antiquark; then with charm made: valence d, sea d (or anti-d), s (or anti-s); and of anti-c
    (c), which becomes anti-s (s).
    """
    s = 2.0 * NUCLEON * energy * x
    q2 = s * y
    uv, dv, ub, db, st = densities(x, q2)
    if not proton:
        uv, dv, ub, db = dv, uv, db, ub
    st *= STRANGE if sign > 0 else ANTISTRANGE
    same = max(0.0, 1.0 - mass * mass / s)
    other = max(0.0, (1.0 - y) * (1.0 - y - mass * mass / s))
    out[:] = 0.0
    if sign > 0:
        out[0], out[1] = (1.0 - V_CD2) * dv * same, (1.0 - V_CD2) * db * same
        out[2], out[3] = (1.0 - V_CS2) * st * same, ub * other
    else:
        out[0], out[1] = uv * other, ub * other
        out[3], out[4] = (1.0 - V_CD2) * db * same, (1.0 - V_CS2) * st * same
    xi = x * (1.0 + M_CHARM * M_CHARM / q2)
    if xi < 1.0:
        k = max(0.0, 1.0 - (M_CHARM * M_CHARM + mass * mass) / (2.0 * NUCLEON * energy * xi))
        uv, dv, ub, db, st = densities(xi, q2)
        if not proton:
            uv, dv, ub, db = dv, uv, db, ub
        out[5] = V_CD2 * dv * k if sign > 0 else 0.0
        out[6], out[7] = V_CD2 * db * k, V_CS2 * (STRANGE if sign > 0 else ANTISTRANGE) * st * k
    out[8] = heavy(x, q2, M_CHARM, CHARM) * other
    return out.sum()


@compiled
def neutral_weights(
    x: float, y: float, energy: float, sign: int, proton: bool, out: Array
) -> float:
    """Weights of quarks struck by a Z, into `out`, and their sum.

    Of valence d and u, sea d, u and s, anti-d, anti-u and anti-s, c and anti-c; b counts as c, which
    its hadrons decay to.
    """
    s = 2.0 * NUCLEON * energy * y
    q2, room = s * x, s * (1.0 - x)
    uv, dv, ub, db, st = densities(x, q2)
    if not proton:
        uv, dv, ub, db = dv, uv, db, ub
    back = (1.0 - y) * (1.0 - y)
    left, right = (1.0, back) if sign > 0 else (back, 1.0)
    d, u = LEFT[0] * left + RIGHT[0] * right, LEFT[1] * left + RIGHT[1] * right
    ad, au = LEFT[0] * right + RIGHT[0] * left, LEFT[1] * right + RIGHT[1] * left
    out[0], out[1], out[2], out[3], out[4] = dv * d, uv * u, db * d, ub * u, st * d
    out[5], out[6], out[7] = db * ad, ub * au, st * ad
    charm = heavy(x, q2, 2.0 * M_CHARM, CHARM) if room > ROOM_CHARM else 0.0
    bottom = heavy(x, q2, 2.0 * M_BOTTOM, BOTTOM) if room > ROOM_BOTTOM else 0.0
    out[8], out[9] = charm * u + bottom * d, charm * au + bottom * ad
    return out.sum()


@compiled
def _quarks(which: int, sign: int, charged: bool) -> tuple[int, bool, int]:
    """Quark struck, whether it is of the sea, and what it becomes, for entry `which` of weights."""
    if not charged:
        struck = (1, 2, 1, 2, 3, -1, -2, -3, 4, -4)[which]
        return struck, which >= 2, struck
    if sign > 0:
        struck = (1, 1, 3, -2, -3, 1, 1, 3, -4)[which]
        return struck, which not in (0, 5), (2, 2, 2, -1, -2, 4, 4, 4, -3)[which]
    struck = (2, 2, 3, -1, -3, 1, -1, -3, 4)[which]
    return struck, which != 0, (1, 1, 2, -2, -2, -4, -4, -4, 3)[which]


@compiled
def sample(
    state: Array, energy: float, sign: int, charged: bool, mass: float, out: Array
) -> tuple[float, float, bool, int]:
    """(x, y, whether a proton was struck, entry of the weights that tells the quark).

    sign: +1 for neutrinos, -1 for antineutrinos. mass: of the outgoing lepton. out: (WEIGHTS,) to
    work with.
    """
    m2 = M_W * M_W if charged else M_Z * M_Z
    most = MOST_CHARGED if charged else MOST_NEUTRAL
    while True:
        x, y = uniform(state) ** (1.0 / POWER), uniform(state)
        q2 = 2.0 * NUCLEON * energy * x * y
        w2 = NUCLEON * NUCLEON + 2.0 * NUCLEON * energy * y * (1.0 - x)
        if q2 < Q2_MIN or w2 < W2_MIN or x > 0.999:
            continue
        e = energy * (1.0 - y)
        if e <= mass:
            continue
        p = math.sqrt(e * e - mass * mass)
        if abs(2.0 * energy * e - q2 - mass * mass) > 2.0 * energy * p:
            continue
        proton = uniform(state) < 0.5
        if charged:
            weight = charged_weights(x, y, energy, sign, proton, mass, out)
        else:
            weight = neutral_weights(x, y, energy, sign, proton, out)
        accepted = weight * x ** (1.0 - POWER) / (1.0 + q2 / m2) ** 2
        if uniform(state) * most > accepted:
            continue
        r, which = uniform(state) * weight, 0
        while which < WEIGHTS - 1 and r >= out[which]:
            r -= out[which]
            which += 1
        return x, y, proton, which


@allocating
def interact(
    state: Array, energy: float, neutrino: int, charged: bool, rows: Array
) -> tuple[int, int, float, float, float]:
    """One interaction of a neutrino flying along +z; see `neutrinos.Interact`."""
    sign = 1 if neutrino > 0 else -1
    mass = lepton_mass(neutrino) if charged else 0.0
    chain, spare, weights = np.zeros((MOST, 4)), np.zeros((MOST, 4)), np.zeros(WEIGHTS)
    while True:
        x, y, proton, which = sample(state, energy, sign, charged, mass, weights)
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
        struck, sea, current = _quarks(which, sign, charged)
        end, extra, extra_mass = remains(state, w, proton, struck, sea)
        n, charm = hadrons(state, w, current, end, extra, extra_mass, chain, spare, rows[1:])
        if n > 0:
            break
    _to_laboratory(state, rows, n, w, hx, hy, hz, he)
    return n + 1, charm, x, y, w


@compiled
def _to_laboratory(
    state: Array, rows: Array, n: int, w: float, hx: float, hy: float, hz: float, he: float
) -> None:
    """Turn and boost hadrons rows[1 : n + 1] from the rest frame of their sum, of mass `w`.

    By the primordial motion of the struck quark the axis of the hadrons is turned.
    """
    h = math.sqrt(hx * hx + hy * hy + hz * hz)
    a, b = normals(state)
    turn = min(PRIMORDIAL / (0.5 * w), 1.0)
    axis = deflect((hx / h, hy / h, hz / h), turn * a, turn * b)
    for i in range(1, n + 1):
        rows[i, 0], rows[i, 1], rows[i, 2] = rotate(axis, rows[i, 0], rows[i, 1], rows[i, 2])
        boost(rows[i], hx / he, hy / he, hz / he, he / w)
