"""From true deposits to reconstructed voxels: light, three projections, and back to three
dimensions.

Each module is seen along y (XZ view), along x (YZ view) and along z (XY view, whose fibres sum the
planes of a module). A voxel is a candidate where all three views see light. Energies come from
maximum-likelihood expectation maximisation (Shepp and Vardi 1982). MeV of quenched light.
"""
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import numpy as np

from intarsia.core.simulation.compiled import Array, allocating, compiled
from intarsia.core.simulation.random import poisson
from intarsia.core.simulation.store import LIGHT

from .buffers import Buffers

ISOLATION = 1.0  # MeV that a voxel's six neighbours must have together (TPORecoEvent.cc)
SEED = 1e-3  # MeV added to a first guess, so that it is never zero


@compiled
def project(cell: Array, dep: Array, n: int, cross_talk: float, quenched: bool, b: Buffers) -> None:
    """Fill the views with the light of `n` cells, or with their true energy if not `quenched`.

    A cube passes the share `cross_talk` to each of its four neighbours in x and y; where there is
    none, at the sides, it keeps it.
    """
    xz, yz, xy = b.xz, b.yz, b.xy
    xz[:, :] = 0.0
    yz[:, :] = 0.0
    xy[:, :, :] = 0.0
    nz, nx = xz.shape
    ny = yz.shape[1]
    planes = nz // xy.shape[0]
    for i in range(n):
        light = dep[i, LIGHT] if quenched else dep[i, 0] + dep[i, 1] + dep[i, 2]
        row = cell[i] // nz
        x, z = row // ny, cell[i] - row * nz
        y, m = row - x * ny, z // planes
        leak = cross_talk * light
        along_x, along_y, columns = xz[z], yz[z], xy[m, x]
        kept_x = kept_y = light
        if x > 0:
            along_x[x - 1] += leak
            xy[m, x - 1, y] += leak
            kept_x -= leak
        if x < nx - 1:
            along_x[x + 1] += leak
            xy[m, x + 1, y] += leak
            kept_x -= leak
        if y > 0:
            along_y[y - 1] += leak
            columns[y - 1] += leak
            kept_y -= leak
        if y < ny - 1:
            along_y[y + 1] += leak
            columns[y + 1] += leak
            kept_y -= leak
        along_x[x] += kept_x
        along_y[y] += kept_y
        columns[y] += kept_x + kept_y - light


@compiled
def digitise(
    view: Array, dead: Array, state: Array, per_mev: float, noise: float, threshold: float
) -> None:
    """Photo-electron statistics, `noise` and threshold of the fibres `view` (n,), in place, MeV.

    dead: (n,) bool. noise: mean dark photo-electrons of a fibre.
    """
    for i in range(view.shape[0]):
        if view[i] == 0.0 and noise == 0.0:  # most fibres
            continue
        seen = 0.0 if dead[i] else poisson(state, view[i] * per_mev + noise) / per_mev
        view[i] = seen if seen >= threshold else 0.0


@compiled
def cut(view: Array, threshold: float) -> None:
    """Set the fibres of `view` (n,) that are below `threshold` to zero."""
    for i in range(view.shape[0]):
        if view[i] < threshold:
            view[i] = 0.0


@compiled
def spot(b: Buffers, x: int, y: int, z: int) -> int:
    """Place of a voxel in `b.dense`, plane by plane, each with an empty one beside it.

    So the six neighbours of a voxel, also of one at the sides, are at fixed distances.
    """
    nx, ny = b.xz.shape[1], b.yz.shape[1]
    return ((z + 1) * (nx + 1) + x) * (ny + 1) + y


@compiled
def voxel_at(b: Buffers, place: int) -> tuple[int, int, int]:
    """x, y and z of the voxel at `place` in `b.dense`."""
    nx, ny = b.xz.shape[1], b.yz.shape[1]
    row = place // (ny + 1)
    plane = row // (nx + 1)
    return row - plane * (nx + 1), place - row * (ny + 1), plane - 1


@compiled
def candidates(b: Buffers, m: int, planes: int, start: int) -> tuple[int, int]:
    """List the voxels of module `m` that all views see, with a first guess of their energy.

    Returns the end of the list, which begins at `start`, and the number of runs.
    """
    xz, yz, xy = b.xz, b.yz, b.xy
    nx, ny = xz.shape[1], yz.shape[1]
    n, run = start, 0
    for z in range(m * planes, (m + 1) * planes):
        lit_x = lit_y = 0
        for x in range(nx):
            lit_x += xz[z, x] > 0.0
        for y in range(ny):
            if yz[z, y] > 0.0:
                b.lit[lit_y] = y
                lit_y += 1
        if lit_x == 0 or lit_y == 0:
            continue
        for x in range(nx):
            if xz[z, x] <= 0.0:
                continue
            b.runs[run, 0], b.runs[run, 1], b.runs[run, 2] = z, x, n
            shared, first = xz[z, x] / lit_y, spot(b, x, 0, z)
            for i in range(lit_y):
                y = b.lit[i]
                if xy[m, x, y] > 0.0:
                    b.voxel[n] = first + y
                    b.column[n] = y
                    b.charge[n] = min(shared, min(yz[z, y] / lit_x, xy[m, x, y])) + SEED
                    n += 1
            if n > b.runs[run, 2]:
                run += 1
    b.runs[run, 2] = n
    return n, run


@compiled
def _expect(b: Buffers, first: int, run: int, total: Array, yz: Array, xy: Array) -> None:
    """Add the candidates of one run to the modelled views: total (runs,), yz (planes, Y), xy (X, Y)."""
    z, x = b.runs[run, 0], b.runs[run, 1]
    along, across = yz[z - first], xy[x]
    light = np.float32(0.0)
    for i in range(b.runs[run, 2], b.runs[run + 1, 2]):
        e, y = b.charge[i], b.column[i]
        light += e
        along[y] += e
        across[y] += e
    total[run] = light


@compiled
def _divide(seen: Array, model: Array) -> None:
    """model := seen / model, both (n, m); where no light is expected nobody looks."""
    tiny = np.float32(1e-30)
    for i in range(model.shape[0]):
        for j in range(model.shape[1]):
            model[i, j] = seen[i, j] / (model[i, j] + tiny)


@compiled
def _renew(
    b: Buffers, first: int, run: int, total: Array, yz: Array, xy: Array, next_yz: Array, next_xy: Array
) -> None:  # fmt: skip
    """Scale the candidates of one run by the mean of what its three views ask for.

    yz, xy: seen over modelled; what is modelled now is added to total, next_yz and next_xy, at once:
    the candidates of a module fill more than the nearest cache.
    """
    third = np.float32(1.0 / 3.0)
    z, x = b.runs[run, 0], b.runs[run, 1]
    along, across, next_along, next_across = yz[z - first], xy[x], next_yz[z - first], next_xy[x]
    ratio = b.xz[z, x] / total[run]
    light = np.float32(0.0)
    for i in range(b.runs[run, 2], b.runs[run + 1, 2]):
        y = b.column[i]
        e = b.charge[i] * ((ratio + along[y] + across[y]) * third)
        b.charge[i] = e
        light += e
        next_along[y] += e
        next_across[y] += e
    total[run] = light


@compiled
def _fit(
    b: Buffers, m: int, planes: int, runs: int, iterations: int, total: Array, scratch: Array
) -> None:
    """All iterations of module `m`; total (runs,) and scratch (2, planes + X, Y) are written."""
    first = m * planes
    if runs == 0:
        return
    yz, xy = scratch[0, :planes], scratch[0, planes:]
    next_yz, next_xy = scratch[1, :planes], scratch[1, planes:]
    scratch[0] = 0.0
    for run in range(runs):
        _expect(b, first, run, total, yz, xy)
    for _ in range(iterations):
        _divide(b.yz[first : first + planes], yz)
        _divide(b.xy[m], xy)
        next_yz[:] = 0.0
        next_xy[:] = 0.0
        for run in range(runs):
            _renew(b, first, run, total, yz, xy, next_yz, next_xy)
        yz, xy, next_yz, next_xy = next_yz, next_xy, yz, xy


@compiled
def keep(b: Buffers, n: int, threshold: float) -> int:
    """Drop voxels below `threshold` and isolated ones; how many are left, in order."""
    dense, voxel, charge = b.dense, b.voxel, b.charge
    next_x = b.yz.shape[1] + 1
    next_z = next_x * (b.xz.shape[1] + 1)
    for i in range(n):
        dense[voxel[i]] = charge[i]
    for i in range(n):
        v = voxel[i]
        around = dense[v - next_x] + dense[v + next_x] + dense[v - 1] + dense[v + 1]
        around += dense[v - next_z]
        around += dense[v + next_z]
        b.column[i] = (charge[i] >= threshold) & (around >= ISOLATION)
    kept = 0
    for i in range(n):  # without a branch, which a processor could not foresee
        dense[voxel[i]] = 0.0
        voxel[kept], charge[kept] = voxel[i], charge[i]
        kept += int(b.column[i])
    return kept


@allocating
def ordered(b: Buffers, n: int) -> int:
    """Number the `n` voxels at places of `b.dense` by x, then y, then z, and sort them; gives n.

    By counting those of each x and y. An event file then sees at once that none comes twice.
    """
    nz, ny, columns = b.xz.shape[0], b.yz.shape[1], b.xz.shape[1] * b.yz.shape[1]
    voxel, charge = np.empty(n, np.int32), b.charge[:n].copy()
    start = np.zeros(columns + 1, np.int64)
    for i in range(n):
        x, y, z = voxel_at(b, b.voxel[i])
        voxel[i] = (x * ny + y) * nz + z
        start[x * ny + y + 1] += 1
    for c in range(columns):
        start[c + 1] += start[c]
    for i in range(n):
        c = voxel[i] // nz
        b.voxel[start[c]], b.charge[start[c]] = voxel[i], charge[i]
        start[c] += 1
    return n


@compiled
def unravel(voxel: Array, ny: int, nz: int, index: Array) -> None:
    """Write x, y and z of the voxels (n,) to `index` (n, 3)."""
    for i in range(len(voxel)):
        row = voxel[i] // nz
        index[i, 0], index[i, 1], index[i, 2] = row // ny, row % ny, voxel[i] - row * nz


@allocating
def reconstruct(b: Buffers, threshold: float, iterations: int) -> int:
    """Voxels from the digitised views; leaves them in `b.voxel` and `b.charge`, returns how many."""
    modules = b.xy.shape[0]
    planes = b.xz.shape[0] // modules
    scratch = np.zeros((2, planes + b.xz.shape[1], b.yz.shape[1]), np.float32)
    total = np.zeros(b.runs.shape[0], np.float32)
    n = 0
    for m in range(modules):
        n, runs = candidates(b, m, planes, n)
        _fit(b, m, planes, runs, iterations, total, scratch)
    return ordered(b, keep(b, n, threshold))
