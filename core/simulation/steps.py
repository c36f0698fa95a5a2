"""What every charged particle does between two events: borders and fluctuations.

Source: Landau (1944) for the loss in a cell.
"""
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from .compiled import Array, inlined
from .ionisation import SPREAD_SIZE, SPREAD_STEPS
from .medium import Medium
from .random import uniform
from .scattering import MIN_ANGLE2, PATIENCE
from .store import Store, deposit, leave
from .vectors import Vector

NUDGE = 1e-5  # mm beyond a border, so that the next step begins behind it
STRIDE = 0.5  # radiation lengths; longest step in layers without cells ...
TURN2 = 0.6  # rad^2; ... where no step scatters wider than the square root of this
Box = tuple[float, float, float, float, int, int, int]  # x_low, y_low, pitch, 1 / pitch, nx, ny, nz
Slab = tuple[float, float, int, int]  # z_low, z_high, material, first cell along z or -1


@inlined
def box_of(grid: Array) -> Box:
    """The cells of a medium as numbers."""
    return grid[0], grid[1], grid[2], 1.0 / grid[2], int(grid[3]), int(grid[4]), int(grid[5])


@inlined
def slab_of(layers: Array, layer: int) -> Slab:
    """A layer as numbers."""
    first = int(layers[layer, 4]) if layers[layer, 3] > 0.5 else -1
    return layers[layer, 0], layers[layer, 1], int(layers[layer, 2]), first


@inlined
def outside(box: Box, at: Vector) -> bool:
    """Whether `at` is beyond the sides of the detector."""
    x, y = at[0] - box[0], at[1] - box[1]
    return x <= 0.0 or x >= box[4] * box[2] or y <= 0.0 or y >= box[5] * box[2]


@inlined
def reach(slab: Slab, z: float, uz: float, per_x0: float, width: float) -> tuple[float, float]:
    """Straight path from `z` on: the longest possible, and how far scattering leaves it straight.

    width: (13.6 MeV / beta p)^2. The longest is to the next layer; where nothing is read out, STRIDE
    at most.
    """
    path = max(((slab[1] if uz > 0.0 else slab[0]) - z) / uz, 0.0) if abs(uz) > 1e-9 else 1e9
    if slab[3] < 0:
        return min(path + NUDGE, min(STRIDE, TURN2 / width) / per_x0), 0.0
    return path + NUDGE, min(MIN_ANGLE2 / width, PATIENCE) / per_x0


@inlined
def _axis(u: float, here: float, pitch: float, i: int) -> tuple[float, float, int]:
    """Of a way with component `u` from `here` in cell `i`: path to its border, per cell, and sign."""
    v = 1.0 / u if abs(u) > 1e-9 else 1e9
    if v > 0.0:
        return ((i + 1) * pitch - here) * v, pitch * v, 1
    return (i * pitch - here) * v, -pitch * v, -1


@inlined
def ionise(
    s: Store, medium: Medium, state: Array, box: Box, slab: Slab, at: Vector, way: Vector,
    path: float, enough: float, loss: float, per_beta2: float, energy: float, cut: float,
    category: int, generation: int,
) -> tuple[float, float]:  # fmt: skip
    """Leave ionisation in the cells along `path`: the energy lost and the path to where that ends.

    That is at the first border of a cell beyond `enough`, at the detector's sides, behind the layer,
    or where `energy` falls to `cut`, if before `path`; what is left then stays there. loss: restricted mean, MeV/mm. Light by Birks' law; of
    electrons, category 0, as at minimum loss.
    """
    x_low, y_low, pitch, per_pitch, nx, ny, nz = box
    x, y, z = at[0] - x_low, at[1] - y_low, at[2] - slab[0]
    ix, iy, iz = int(x * per_pitch), int(y * per_pitch), int(z * per_pitch)
    tx, dx, sx = _axis(way[0], x, pitch, ix)
    ty, dy, sy = _axis(way[1], y, pitch, iy)
    tz, dz, sz = _axis(way[2], z, pitch, iz)
    planes = max(int((slab[1] - slab[0]) * per_pitch + 0.5), 1)
    birks, xi, fast = medium.grid[6], medium.grid[7], medium.grid[8]
    walked, lost = 0.0, 0.0
    while ix >= 0 and ix < nx and iy >= 0 and iy < ny and iz >= 0 and iz < planes:
        border = min(tx, min(ty, tz))
        step = max(min(border, path) - walked, 0.0)
        e = fluctuated(state, medium.landau, medium.spread, xi, step * per_beta2, loss * step)
        if energy - lost - e <= cut:
            break
        walked += step
        lost += e
        light = fast * e if category == 0 else e / (1.0 + birks * e / max(step, 0.01))
        cell = (ix * ny + iy) * nz + iz + slab[3]
        deposit(s.slot, s.cell, s.deposit, s.used, cell, category, generation, e, light)
        if border >= path:
            return lost, walked
        on_x, on_y = tx <= border, ty <= border
        on_z = not (on_x or on_y)
        tx, ix = (tx + dx if on_x else tx), ix + (sx if on_x else 0)
        ty, iy = (ty + dy if on_y else ty), iy + (sy if on_y else 0)
        tz, iz = (tz + dz if on_z else tz), iz + (sz if on_z else 0)
        if walked >= enough:
            return lost, walked + NUDGE
    else:
        return lost, walked + NUDGE
    rest = energy - lost
    step *= min(1.0, rest / e)
    light = fast * rest if category == 0 else rest / (1.0 + birks * rest / max(step, 0.01))
    cell = (ix * ny + iy) * nz + iz + slab[3]
    deposit(s.slot, s.cell, s.deposit, s.used, cell, category, generation, rest, light)
    return energy, walked + step


@inlined
def cross(layers: Array, layer: int, z: float, uz: float) -> tuple[int, float]:
    """Layer and z of a particle at `z` on its way, perhaps beyond `layer`: -1 or L outside."""
    low, high = layers[layer, 0], layers[layer, 1]
    if z >= high and uz > 0.0:
        layer += 1
        return layer, z if layer == layers.shape[0] else max(z, layers[layer, 0])
    if z <= low and uz < 0.0:
        layer -= 1
        return layer, z if layer < 0 else min(z, layers[layer, 1] - NUDGE)
    # a deflection while stepping over the border sends it back
    return layer, min(max(z, low + NUDGE), high - NUDGE) if z > high or z < low else z


@inlined
def onwards(
    s: Store, layers: Array, box: Box, slab: Slab, row: Array, layer: int, at: Vector, way: Vector,
    energy: float,
) -> tuple[int, Vector]:  # fmt: skip
    """Layer and place of the particle of `row` after a step in `slab`; layer -1 if it has left."""
    if outside(box, at):
        leave(s.left, s.used, row, at, way, energy)
        return -1, at
    if at[2] > slab[0] and at[2] < slab[1]:
        return layer, at
    layer, z = cross(layers, layer, at[2], way[2])
    if layer == layers.shape[0]:
        leave(s.left, s.used, row, (at[0], at[1], slab[1]), way, energy)
        return -1, at
    return layer, (at[0], at[1], z)


@inlined
def fluctuated(
    state: Array, landau: Array, spread: Array, xi: float, path: float, mean: float
) -> float:
    """Loss in a cell about its restricted `mean`, by Landau's law; path: mm over beta^2."""
    j = int(min(path * SPREAD_STEPS, SPREAD_SIZE - 1.0))
    k = int(uniform(state) * spread[j, 0])
    return max(mean + xi * path * (landau[k] - spread[j, 1]), 0.1 * mean)
