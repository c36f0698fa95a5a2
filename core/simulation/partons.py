"""Densities of quarks in the proton at leading order.

Glück, Reya and Vogt, Z. Phys. C 67 (1995) 433: the published parametrisation of their leading-order
set, for 1e-5 < x < 1 and 0.4 < Q2 < 1e6 GeV2. It is older than the data that fixed the sea about
x = 0.1, so it is corrected to NNPDF2.3 LO (arXiv:1207.1303) by smooth functions of our own: of x for
valence and light sea, of x and Q2 for strange quarks. Charm and bottom have NNPDF's shares of the
strange quarks, functions of Q2, at the rescaled x of the masses that are made (Barnett, PRL 36 (1976)
1163). All is good to about 10 % for 0.01 < x < 0.3.
"""
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import math

from .compiled import compiled

M_CHARM, M_BOTTOM = 1.27, 4.18  # GeV, PDG (MSbar)
# Of heavy to strange quarks: share at most, GeV2 where they begin, power of the approach
CHARM, BOTTOM = (0.68, 2.0, 1.0), (0.46, 22.0, 0.45)
START, LAMBDA2 = 0.23, 0.2322**2  # GeV2, where the evolution starts; QCD scale


@compiled
def _valence(
    x: float, n: float, ak: float, bk: float, a: float, b: float, c: float, d: float
) -> float:
    return n * x**ak * (1.0 + a * x**bk + x * (b + c * math.sqrt(x))) * (1.0 - x) ** d


@compiled
def _light(x: float, s: float) -> float:
    """Sum of u-bar and d-bar."""
    lx = math.log(1.0 / x)
    soft = (0.890 - 0.140 * s + x * (-0.981 + x * (0.320 + 0.683 * s))) * lx ** (0.534 - 0.457 * s)
    hard = math.exp(-4.119 - 1.713 * s + math.sqrt((0.682 + 2.978 * s) * s**0.271 * lx))
    power = 4.752 + 1.164 * s + 0.286 * s * s
    return (x ** (0.410 - 0.232 * s) * soft + s**1.451 * hard) * (1.0 - x) ** power


@compiled
def _strange(x: float, s: float) -> float:
    lx, r = math.log(1.0 / x), math.sqrt(s)
    shape = 1.0 + (-5.548 + 3.669 * r - 0.616 * s) * math.sqrt(x)
    shape += (18.92 - 16.73 * r + 5.168 * s) * x
    power = 6.379 - 0.350 * s + 0.142 * s * s
    rise = math.exp(-3.981 - 1.638 * s + math.sqrt(6.402 * s**0.577 * lx))
    return max(0.0, s**0.914 / lx ** (1.798 - 0.596 * s) * shape * (1.0 - x) ** power * rise)


@compiled
def grv94(x: float, q2: float) -> tuple[float, float, float, float, float]:
    """x times the densities in the proton of (u valence, d valence, u-bar, d-bar, s = s-bar)."""
    s = math.log(math.log(q2 / LAMBDA2) / math.log(START / LAMBDA2))
    s2 = s * s
    uv = _valence(
        x, 2.284 + 0.802 * s + 0.055 * s2, 0.590 - 0.024 * s, 0.131 + 0.063 * s,
        -0.449 - 0.138 * s - 0.076 * s2, 0.213 + 2.669 * s - 0.728 * s2,
        8.854 - 9.135 * s + 1.979 * s2, 2.997 + 0.753 * s - 0.076 * s2,
    )  # fmt: skip
    dv = _valence(
        x, 0.371 + 0.083 * s + 0.039 * s2, 0.376, 0.486 + 0.062 * s,
        -0.509 + 3.310 * s - 1.248 * s2, 12.41 - 10.52 * s + 2.267 * s2,
        6.373 - 6.208 * s + 1.418 * s2, 3.691 + 0.799 * s - 0.071 * s2,
    )  # fmt: skip
    difference = _valence(
        x, 0.082 + 0.014 * s + 0.008 * s2, 0.409 - 0.005 * s, 0.799 + 0.071 * s,
        -38.07 + 36.13 * s - 0.656 * s2, 90.31 - 74.15 * s + 7.645 * s2,
        0.0, 7.486 + 1.217 * s - 0.159 * s2,
    )  # fmt: skip
    both = _light(x, s)
    return (
        max(uv, 0.0),
        max(dv, 0.0),
        max(0.5 * (both - difference), 0.0),
        max(0.5 * (both + difference), 0.0),
        _strange(x, s),
    )


@compiled
def densities(x: float, q2: float) -> tuple[float, float, float, float, float]:
    """As `grv94`, corrected to NNPDF2.3 LO. q2 must be 1 GeV2 or more."""
    uv, dv, ub, db, st = grv94(x, q2)
    a, b, c = math.log(x / 0.08) / 1.35, math.log(x / 0.15) / 1.1, math.log(x / 0.2) / 0.65
    valence, sea = 0.9 + 0.25 * math.exp(-0.5 * a * a), 1.0 - 0.27 * math.exp(-0.5 * b * b)
    strange = 0.95 * (1.0 - (0.3 + 0.45 * math.exp(-0.5 * c * c)) / math.sqrt(q2))
    return valence * uv, valence * dv, sea * ub, sea * db, strange * st


@compiled
def heavy(x: float, q2: float, made: float, of: tuple[float, float, float]) -> float:
    """x times the density of a heavy quark, the same as of its antiquark; `of`: CHARM or BOTTOM.

    made: GeV, mass of all quarks of this kind that an interaction makes; nothing below it.
    """
    most, start, power = of
    xi = x * (1.0 + made * made / q2)
    if q2 <= start or xi >= 1.0:
        return 0.0
    return most * (1.0 - (start / q2) ** power) * densities(xi, q2)[4]
