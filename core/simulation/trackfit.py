"""A muon through slabs of magnetised iron, and its track fitted to the points between them.

A Kalman filter (Fruehwirth, NIM A 262 (1987) 444) run from the last station to the first, so that
its result stands at the first. State in the bending plane: y, dy/dz, q/p; in the other: x, dx/dz.
Scattering (Highland, PDG 34.16), mean energy loss and path length are those of a reference: the
chords between the points, with the momentum of the pass before, followed through the iron in steps.
Passes go on until q/p stays. The ionisation takes its mean in both: its own spread (PDG 34.2.9) adds
some 0.09 GeV/c to the error of 0.32 GeV/c at 2.5 GeV/c, 4 % of it, and less above. mm, GeV/c, T.
"""
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import math

import numpy as np

from .compiled import Array, allocating, compiled
from .electromagnetic import TRANSFER, knocked, radiation
from .particles import M_MU
from .random import exponential, normals, trio
from .slabs import Slabs
from .slowing import STOPS, slowed, slowing

KICK = 0.299792458e-3  # GeV/c per T and mm
FIRST_GUESS = 10.0  # GeV/c, as in the collaboration's fit
PASSES, WHOLE = 30, 10  # at most; those that change the reference by all they find, not half
CLOSE = 0.01  # of its error is how much q/p may still change in the last pass
SLOWEST, FASTEST = 2.0 * STOPS, 1e6  # GeV/c, bounds of the reference's momentum at its last point
SLICES = 5  # of a slab
STEEPEST = 10.0  # path per z; a muon that goes more sideways is not followed
_MASS = 1e-3 * M_MU


@compiled
def scattering(p: float, lengths: float) -> float:
    """Highland's width of the plane angle for momentum `p` GeV/c (times beta), PDG 34.16."""
    return 0.0136 / p * math.sqrt(lengths) * (1.0 + 0.038 * math.log(lengths))


@compiled
def _angle(slabs: Slabs, p: float, slant: float) -> float:
    """Width of the plane angle after a slice: Highland's variance of the slab, shared evenly."""
    beta = p / math.sqrt(p * p + _MASS * _MASS)
    return scattering(p * beta, slabs.thickness / slabs.x0 * slant) / math.sqrt(1.0 * SLICES)


@compiled
def _field(slabs: Slabs, y: float) -> float:
    off = abs(y - slabs.centre)
    if off >= slabs.half:
        return 0.0
    return slabs.field if off < slabs.turn else -slabs.field


@compiled
def _radiated(state: Array, due: float, energy: float, b: float, path: float) -> float:
    """MeV that a muon of `energy` MeV radiates on `path` mm by single losses, as `charged` has them.

    due: exponential number of mean one, for the first of them.
    """
    lost = 0.0
    path -= due / radiation(energy, b)  # infinite where there are none
    while path > 0.0:
        lost += knocked(state, TRANSFER, 0.5 * (energy - lost))
        path -= exponential(state) / radiation(energy - lost, b)
    return lost


@compiled
def through(
    state: Array, slabs: Slabs, x: float, y: float, tx: float, ty: float, p: float, charge: float
) -> tuple[float, float, float, float, float]:
    """Fly through one slab in slices: (x, y, tx, ty, p) behind it, p = 0 if it stops.

    Ionisation takes its mean, radiation single losses. The slopes follow d(way)/ds = q/p way x B.
    """
    path = slabs.thickness / SLICES
    for _ in range(SLICES):
        square = 1.0 + tx * tx + ty * ty
        slant, rise = math.sqrt(square), math.sqrt(1.0 + ty * ty)
        middle = slowed(slabs.loss, 0.0, p, 0.5 * path * slant)
        if middle == 0.0 or slant > STEEPEST:
            return x, y, tx, ty, 0.0
        bend = KICK * charge * _field(slabs, y) * path / middle * slant
        width = _angle(slabs, middle, slant) * slant
        a, b, chance = trio(state)
        turn_y = bend * rise * rise + width * rise * b
        turn_x = tx * ty / (rise * rise) * turn_y + width * slant / rise * a
        x += (tx + 0.5 * turn_x) * path
        y += (ty + 0.5 * turn_y) * path
        tx += turn_x
        ty += turn_y
        p = slowed(slabs.loss, 0.0, middle, 0.5 * path * slant)
        energy = math.sqrt(p * p + _MASS * _MASS)
        due = -math.log(1.0 - chance)
        energy -= 1e-3 * _radiated(state, due, 1e3 * energy, slabs.b, path * slant)
        if p == 0.0:
            return x, y, tx, ty, 0.0
        p = math.sqrt(energy * energy - _MASS * _MASS)
    return x, y, tx, ty, p


@compiled
def cross(
    state: Array,
    slabs: Slabs,
    x: float,
    y: float,
    tx: float,
    ty: float,
    p: float,
    charge: float,
    points: Array,
) -> int:
    """Fly a muon through the stations: writes smeared points (planes, 3); how many it hit.

    x, y, slopes tx, ty and momentum `p` GeV/c at the first station. A muon that leaves sideways or
    stops has no later point.
    """
    back = slabs.pitch - slabs.front - slabs.thickness
    for station in range(points.shape[0]):
        if abs(x - slabs.centre) > slabs.half or abs(y - slabs.centre) > slabs.half:
            return station
        a, b = normals(state)
        points[station, 0] = x + slabs.resolution * a
        points[station, 1] = y + slabs.resolution * b
        points[station, 2] = slabs.first + station * slabs.pitch
        x, y = x + tx * slabs.front, y + ty * slabs.front
        x, y, tx, ty, p = through(state, slabs, x, y, tx, ty, p, charge)
        if p <= 0.0:
            return station + 1
        x, y = x + tx * back, y + ty * back
    return points.shape[0]


@allocating
def _measure(v: Array, c: Array, value: float, variance: float) -> float:
    """Update a state `v` (n,) and covariance `c` (n, n) with its first component; chi2 added."""
    n = v.shape[0]
    s = c[0, 0] + variance
    r = value - v[0]
    gain = c[:, 0] / s
    first = c[0].copy()
    for i in range(n):
        v[i] += gain[i] * r
        for j in range(n):
            c[i, j] -= gain[i] * first[j]
    return r * r / s


@compiled
def _add(v: Array, c: Array, to: int, what: int, factor: float) -> None:
    """Add to component `to` of a state `factor` times another."""
    v[to] += factor * v[what]
    for i in range(v.shape[0]):
        c[to, i] += factor * c[what, i]
    for i in range(v.shape[0]):
        c[i, to] += factor * c[i, what]


@compiled
def _regain(slabs: Slabs, v: Array, c: Array, sign: float, p: float, path: float) -> float:
    """Take q/p back over `path` mm, linear about sign / p; the reference's momentum there.

    As p' = -L(p), momenta before and after change as L: d(1/before) / d(1/after) is
    (after / before)^2 L(before) / L(after).
    """
    lost = slowing(slabs.loss, slabs.b, p)
    if sign == 0.0 or lost == 0.0:
        return p
    before = slowed(slabs.loss, slabs.b, p, -path)
    ratio = (p / before) ** 2 * slowing(slabs.loss, slabs.b, before) / lost
    v[2] = sign / before + ratio * (v[2] - sign / p)
    for i in range(3):
        c[2, i] *= ratio
    for i in range(3):
        c[i, 2] *= ratio
    return before


@compiled
def _back(
    slabs: Slabs, here: Array, there: Array, sign: float, p: float,
    v: Array, c: Array, w: Array, d: Array,
) -> float:  # fmt: skip
    """Take both states from the station of point `here` to the one before; the momentum there.

    there: point in that one. sign: charge of the reference of momentum `p`; 0: without loss.
    """
    tx, ty = (here[0] - there[0]) / slabs.pitch, (here[1] - there[1]) / slabs.pitch
    rise = 1.0 + ty * ty
    slant = math.sqrt(rise + tx * tx)
    path = slabs.thickness / SLICES
    drift = slabs.pitch - slabs.front - slabs.thickness + 0.5 * path
    z = slabs.front + slabs.thickness - 0.5 * path  # of a slice's middle
    for _ in range(SLICES):
        _add(v, c, 0, 1, -drift)
        _add(w, d, 0, 1, -drift)
        p = _regain(slabs, v, c, sign, p, 0.5 * path * slant)
        turn = KICK * _field(slabs, there[1] + ty * z) * path * slant
        _add(v, c, 1, 2, -turn * rise)
        w[1] -= turn * tx * ty * sign / p
        theta2 = (_angle(slabs, p, slant) * slant) ** 2
        c[1, 1] += theta2 * rise
        d[1, 1] += theta2 * (1.0 + tx * tx)
        p = _regain(slabs, v, c, sign, p, 0.5 * path * slant)
        drift, z = path, z - path
    _add(v, c, 0, 1, -(slabs.front + 0.5 * path))
    _add(w, d, 0, 1, -(slabs.front + 0.5 * path))
    return p


@allocating
def _pass(
    slabs: Slabs, points: Array, n: int, sign: float, p: float,
    v: Array, c: Array, w: Array, d: Array,
) -> tuple[float, float]:  # fmt: skip
    """Filter once, about a reference of charge `sign` and momentum `p` at the last point.

    Its momentum at the first station, and chi2.
    """
    variance = slabs.resolution**2
    last = n - 1
    for s, e, axis in ((v, c, 1), (w, d, 0)):
        e[:, :] = 0.0
        e[0, 0], e[1, 1] = 1e8, 1e2
        s[0] = points[last, axis]
        s[1] = (points[last, axis] - points[last - 1, axis]) / slabs.pitch
    v[2], c[2, 2] = sign / p, 1e4
    chi2 = 0.0
    for i in range(last, -1, -1):
        chi2 += _measure(v, c, points[i, 1], variance)
        chi2 += _measure(w, d, points[i, 0], variance)
        if i > 0:
            p = _back(slabs, points[i], points[i - 1], sign, p, v, c, w, d)
    return p, chi2


@compiled
def _carried(slabs: Slabs, sign: float, first: float, last: float) -> float:
    """d(1/last) / d(1/first) of momenta at the last and first point, as in `_regain`."""
    lost = slowing(slabs.loss, slabs.b, first)
    if sign == 0.0 or lost == 0.0:
        return 1.0
    return (first / last) ** 2 * slowing(slabs.loss, slabs.b, last) / lost


@allocating
def fit(slabs: Slabs, points: Array, n: int, state: Array, covariance: Array) -> float:
    """Fit the first `n` >= 3 of `points` (planes, 3); gives chi2, of 2 n - 5 degrees of freedom.

    state: (5,) x, y in mm, dx/dz, dy/dz and q/p in c/GeV at the first station; covariance: (5, 5)
    of it. All are NaN if the passes do not converge. The planes are independent but for the
    momentum, so x and y are not correlated. Where scattering rules, the error is proportional to the
    fitted 1/p (at the last point): too small where that is too small. A track bent more than any muon
    that comes so far is given the least momentum that does, SLOWEST at its last point.
    """
    v, w = np.zeros(3), np.zeros(2)
    c, d = np.zeros((3, 3)), np.zeros((2, 2))
    sign, p = 0.0, FIRST_GUESS
    for done in range(PASSES):
        first, chi2 = _pass(slabs, points, n, sign, p, v, c, w, d)
        change = v[2] - sign / first
        share = 1.0 if done < WHOLE else 0.5
        k = sign / p + share * change * _carried(slabs, sign, first, p)
        slowest = abs(k) * SLOWEST >= 1.0
        if slowest and p == SLOWEST and k * sign > 0.0:
            for i in range(3):
                v[i] -= change * c[i, 2] / c[2, 2]
            change = 0.0
        if sign != 0.0 and abs(change) < CLOSE * math.sqrt(c[2, 2]):
            _gather(v, c, w, d, state, covariance)
            return chi2
        sign = 1.0 if k > 0.0 else -1.0
        p = SLOWEST if slowest else min(1.0 / max(abs(k), 0.5 / FASTEST), FASTEST)
    state[:] = math.nan
    covariance[:, :] = math.nan
    return math.nan


@compiled
def _gather(v: Array, c: Array, w: Array, d: Array, state: Array, covariance: Array) -> None:
    """Put (y, dy/dz, q/p) and (x, dx/dz) together as (x, y, dx/dz, dy/dz, q/p)."""
    covariance[:, :] = 0.0
    for i in range(2):
        state[2 * i] = w[i]
        for j in range(2):
            covariance[2 * i, 2 * j] = d[i, j]
    for i in range(3):
        a = min(2 * i + 1, 4)
        state[a] = v[i]
        for j in range(3):
            covariance[a, min(2 * j + 1, 4)] = c[i, j]
