"""Follow a stack of particles through layers along z, some of them cut into cubic cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from attrs import frozen

from .charged import follow_charged
from .compiled import Array, compiled
from .electromagnetic import photon_tables
from .ionisation import landau_quantiles, loss_tables, spread_table, xi
from .materials import Material, material
from .neutral import follow_neutral
from .store import Store


@frozen
class Layer:
    """A slab from `low` to `high` mm along z. cells: first cell along z, -1 if not read out."""

    low: float
    high: float
    material: str
    cells: int = -1


class Medium(NamedTuple):
    """All that the kernels need to know of a detector; made by `medium`.

    layers: (L, 5) z_low, z_high mm, material, read out, first cell. grid: (8,) x_low, y_low, pitch
    mm, cells along x, y, z, Birks' constant mm/MeV, Landau's xi MeV/mm. matter: (M, 5) per mm:
    1/X0, 1/lambda proton, 1/lambda pion, electrons per barn, b. heavy, light: (M, LOG_SIZE) MeV/mm.
    landau: quantiles. spread: cut of Landau's law. photons: (3, M, LN_SIZE) per mm.
    """

    layers: Array
    grid: Array
    matter: Array
    heavy: Array
    light: Array
    landau: Array
    spread: Array
    photons: Array


def medium(
    layers: Sequence[Layer],
    cells: tuple[int, int, int],
    pitch: float,
    corner: tuple[float, float],
    birks: float,
) -> Medium:
    """Tables of a detector of `layers`, contiguous and in order, with cubic cells.

    cells: along x, y, z. pitch in mm. corner: lower x and y of the cells, where also the layers
    end. birks: mm/MeV. All layers that are read out are of one material.
    """
    used = tuple(material(name) for name in dict.fromkeys(lay.material for lay in layers))
    number = {m.name: i for i, m in enumerate(used)}
    rows = [
        (lay.low, lay.high, number[lay.material], lay.cells >= 0, max(lay.cells, 0))
        for lay in layers
    ]
    sensitive = next(used[number[lay.material]] for lay in layers if lay.cells >= 0)
    heavy, light = loss_tables(used)
    quantiles = landau_quantiles()
    return Medium(
        np.array(rows, np.float64),
        np.array([*corner, pitch, *cells, birks, xi(sensitive)], np.float64),
        np.array([_matter(m) for m in used]),
        heavy,
        light,
        quantiles,
        spread_table(sensitive, quantiles),
        photon_tables(used),
    )


def _matter(m: Material) -> tuple[float, ...]:
    return (
        1.0 / m.radiation_length,
        1.0 / m.interaction_length,
        1.0 / m.pion_length,
        0.06022 * m.density * m.za,
        1e-7 * m.b * m.density,
    )


@compiled
def transport(s: Store, medium: Medium, state: Array) -> None:
    """Follow all particles on the stack of `s`, last in first out, and all that they make.

    Leaves deposits in `s.cell` and `s.deposit`, and in `s.left` what leaves through the back.
    """
    stack, left, slot, cell, dep, count = s
    layers, grid, matter, heavy, light, landau, spread, photons = medium
    row = np.zeros(9)
    x_high, y_high = grid[0] + grid[3] * grid[2], grid[1] + grid[4] * grid[2]
    while count[0] > 0:
        count[0] -= 1
        for c in range(9):
            row[c] = stack[count[0], c]
        if row[1] <= grid[0] or row[1] >= x_high or row[2] <= grid[1] or row[2] >= y_high:
            continue
        if row[3] < layers[0, 0] or row[3] >= layers[layers.shape[0] - 1, 1]:
            continue
        kind = int(row[0])
        if kind == 0 or kind >= 10:
            follow_neutral(
                stack, left, slot, cell, dep, count, layers, grid, matter, photons, state, row
            )
        else:
            follow_charged(
                stack, left, slot, cell, dep, count, layers, grid, matter, heavy, light,
                landau, spread, state, row,
            )  # fmt: skip
