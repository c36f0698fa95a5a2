"""A muon through slabs of magnetised iron, and its track fitted to the points between them.

A Kalman filter (Fruehwirth, NIM A 262 (1987) 444) run from the last station to the first, so that
its result stands at the first. State in the bending plane: y, dy/dz, q/p; in the other: x, dx/dz.
Multiple scattering (Highland, PDG 34.16) and mean energy loss are taken at the momentum of the
pass before; four passes. mm, GeV/c, T.
"""
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import math

import numpy as np

from .compiled import Array, allocating, compiled
from .random import normals
from .slabs import Slabs

KICK = 0.299792458e-3  # GeV/c per T and mm
FIRST_GUESS = 10.0  # GeV/c, as in the collaboration's fit
PASSES = 4
SLOWEST, FASTEST = 0.3, 1e5  # GeV/c, bounds of the momentum used for scattering


@compiled
def scattering(p: float, lengths: float) -> float:
    """Highland's width of the plane angle for momentum `p` GeV/c (beta = 1), PDG 34.16."""
    return 0.0136 / p * math.sqrt(lengths) * (1.0 + 0.038 * math.log(lengths))


@compiled
def _field(slabs: Slabs, y: float) -> float:
    off = abs(y - slabs.centre)
    if off >= slabs.half:
        return 0.0
    return slabs.field if off < slabs.turn else -slabs.field


@compiled
def _slab(
    state: Array, slabs: Slabs, x: float, y: float, tx: float, ty: float, p: float, charge: float
) -> tuple[float, float, float, float, float]:
    """Fly through one slab in five steps: (x, y, tx, ty, p) behind it, p = 0 if it stops."""
    steps = 5
    path = slabs.thickness / steps
    for _ in range(steps):
        slant = math.sqrt(1.0 + tx * tx + ty * ty)
        p -= (slabs.loss + slabs.b * p) * path * slant
        if p < 0.15:
            return x, y, tx, ty, 0.0
        bend = KICK * charge * _field(slabs, y) * path / p * slant
        # Highland's variance for the whole slab, shared evenly by the steps
        width = scattering(p, slabs.thickness / slabs.x0 * slant) / math.sqrt(1.0 * steps)
        a, b = normals(state)
        x += (tx + 0.5 * width * a) * path
        y += (ty + 0.5 * (bend + width * b)) * path
        tx += width * a
        ty += bend + width * b
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
        x, y, tx, ty, p = _slab(state, slabs, x, y, tx, ty, p, charge)
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
def _apply(v: Array, length: float, shift: float, turn: float) -> None:
    """v := F v with F = [[1, length, shift], [0, 1, turn], [0, 0, 1]], or its first two rows."""
    v[0] += length * v[1]
    if v.shape[0] == 3:
        v[0] += shift * v[2]
        v[1] += turn * v[2]


@compiled
def _regain(v: Array, c: Array, sign: float, p: float, faster: float) -> None:
    """Take q/p from momentum `p` to the larger one `faster`, linear about sign / p."""
    ratio = (p / faster) ** 2
    v[2] = ratio * v[2] + sign * (1.0 / faster - ratio / p)
    for i in range(3):
        c[2, i] *= ratio
        c[i, 2] *= ratio


@compiled
def _back(slabs: Slabs, sign: float, p: float, v: Array, c: Array, slope: float) -> None:
    """Take a state from a station to the one before, through one slab.

    p, sign: momentum in the slab's middle, and charge, about which the loss is linear; sign 0: no
    loss. slope: squares of dx/dz and dy/dz together, for the slanted path.
    """
    n = v.shape[0]
    near = slabs.front + 0.5 * slabs.thickness  # slab's middle to the station before
    slant = math.sqrt(1.0 + slope)
    half = 0.5 * abs(sign) * (slabs.loss + slabs.b * p) * slabs.thickness * slant
    bend = 0.0
    if n == 3:
        _regain(v, c, sign, p - half, p)
        y = v[0] - v[1] * (slabs.pitch - near)
        bend = KICK * _field(slabs, y) * slabs.thickness * slant
    _apply(v, -slabs.pitch, bend * near, -bend)
    for i in range(n):
        _apply(c[i], -slabs.pitch, bend * near, -bend)
    for i in range(n):
        _apply(c[:, i], -slabs.pitch, bend * near, -bend)
    if n == 3:
        _regain(v, c, sign, p, p + half)
    theta2 = scattering(p, slabs.thickness / slabs.x0 * slant) ** 2
    c[0, 0] += theta2 * (near * near + slabs.thickness**2 / 12.0)
    c[0, 1] -= theta2 * near
    c[1, 0] -= theta2 * near
    c[1, 1] += theta2


@allocating
def fit(slabs: Slabs, points: Array, n: int, state: Array, covariance: Array) -> float:
    """Fit the first `n` >= 3 of `points` (planes, 3); gives chi2, of 2 n - 5 degrees of freedom.

    state: (5,) x, y in mm, dx/dz, dy/dz and q/p in c/GeV at the first station; covariance: (5, 5)
    of it. The planes are independent but for the momentum, so x and y are not correlated. Where
    scattering rules, the error is proportional to the fitted 1/p: too small where that is too small.
    """
    p, k, sign = FIRST_GUESS, 0.0, 0.0
    variance = slabs.resolution**2
    v, w = np.zeros(3), np.zeros(2)
    c, d = np.zeros((3, 3)), np.zeros((2, 2))
    chi2 = 0.0
    for _ in range(PASSES):
        last = n - 1
        step = slabs.pitch
        v[0], v[1], v[2] = points[last, 1], (points[last, 1] - points[last - 1, 1]) / step, k
        w[0], w[1] = points[last, 0], (points[last, 0] - points[last - 1, 0]) / step
        c[:, :], d[:, :] = 0.0, 0.0
        c[0, 0] = d[0, 0] = 1e8
        c[1, 1] = d[1, 1] = 1e2
        c[2, 2] = 1e2
        chi2 = 0.0
        for i in range(last, -1, -1):
            chi2 += _measure(v, c, points[i, 1], variance)
            chi2 += _measure(w, d, points[i, 0], variance)
            if i > 0:
                lost = (slabs.loss + slabs.b * p) * slabs.thickness
                here = max(p - (i - 0.5) * lost, SLOWEST)
                slope = min(v[1] * v[1] + w[1] * w[1], 1.0)
                _back(slabs, sign, here, v, c, slope)
                _back(slabs, sign, here, w, d, slope)
        k = v[2]
        sign = 1.0 if k > 0.0 else -1.0
        p = min(max(1.0 / max(abs(k), 1e-9), SLOWEST), FASTEST)
    _gather(v, c, w, d, state, covariance)
    return chi2


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
