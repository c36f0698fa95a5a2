"""The collaboration's three-dimensional reconstruction, for comparison with ours.

Source: rubbiaa/FASER, CoreUtils/TPORecoEvent.cc, ``Reconstruct3DPS_2``: an algebraic reconstruction
that visits the candidates of a module in random order and changes one energy at a time. Its inner
gradient descent is a geometric series, which is summed here. Ours is seeded; theirs is not.
"""
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import numpy as np

from intarsia.core.simulation.compiled import Array, allocating, compiled
from intarsia.core.simulation.random import uniform

from .buffers import Buffers
from .readout import candidates, keep, ordered, voxel_at

THRESHOLD = 1e-3  # MeV, of a projection and of a voxel
SWEEPS = 150
CROWDED, EARLY = 3000, 25  # from sweep 26 on a module with more voxels is left as it is
LEAST_SCORE = 10.0  # MeV; a sweep that changes a module by less is the last
TOLERANCE = 1.0  # MeV2, of a step of the descent
STEPS = 1000
RATE = 0.94  # 1 - 2 * 3 * learning rate 0.01
BIAS = 0.5  # of the forward difference with step 1


@compiled
def change(a: float, b: float, c: float) -> float:
    """Change of a voxel's energy whose three projections are too high by a, b and c MeV."""
    s1 = a + b + c
    s2 = a * a + b * b + c * c
    d, before, power = 0.0, 0.0, 1.0
    for _ in range(STEPS + 1):
        chi2 = s2 + 2.0 * s1 * d + 3.0 * d * d
        if abs(chi2 - before) < TOLERANCE:
            break
        before = chi2
        power *= RATE
        d = (-s1 / 3.0 - BIAS) * (1.0 - power)
    return d


@compiled
def _shuffle(state: Array, order: Array, first: int, last: int) -> None:
    for i in range(last - 1, first, -1):
        j = first + int(uniform(state) * (i - first + 1))
        order[i], order[j] = order[j], order[i]


@compiled
def _sweep(
    b: Buffers, state: Array, order: Array, v: Array, m: int, xy: Array, xz: Array, yz: Array
) -> tuple[float, int]:
    """Visit the candidates `order` of module `m` plane by plane; total change, voxels above 0."""
    score, lit, first = 0.0, 0, 0
    while first < len(order):
        _, _, z = voxel_at(b, b.voxel[order[first]])
        last = first
        while last < len(order) and voxel_at(b, b.voxel[order[last]])[2] == z:
            last += 1
        _shuffle(state, order, first, last)
        for k in range(first, last):
            i = order[k]
            x, y, _ = voxel_at(b, b.voxel[i])
            d = change(xy[x, y] - b.xy[m, x, y], xz[z, x] - b.xz[z, x], yz[z, y] - b.yz[z, y])
            if d != 0.0:
                score += abs(d)
                step = max(v[i] + d, 0.0) - v[i]
                v[i] += step
                xy[x, y] += step
                xz[z, x] += step
                yz[z, y] += step
            lit += v[i] > 0.0
        first = last
    return score, lit


@allocating
def solve(b: Buffers, state: Array) -> int:
    """Voxels from views of true energy: leaves them in `b.voxel` and `b.charge`, returns how many.

    Entries of the views below `THRESHOLD` are to be zero.
    """
    modules = b.xy.shape[0]
    planes = b.xz.shape[0] // modules
    v = np.zeros(len(b.voxel))
    xz, yz = np.zeros(b.xz.shape), np.zeros(b.yz.shape)
    n = 0
    for m in range(modules):
        start = n
        n, _ = candidates(b, m, planes, start)
        order, xy = np.arange(start, n), np.zeros(b.xy.shape[1:])
        lit = 0
        for sweep in range(SWEEPS):
            if sweep > EARLY and lit > CROWDED:
                break
            score, lit = _sweep(b, state, order, v, m, xy, xz, yz)
            if score < LEAST_SCORE:
                break
    for i in range(n):
        b.charge[i] = v[i]
    return ordered(b, keep(b, n, THRESHOLD))
