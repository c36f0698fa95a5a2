"""A detector as the kernels see it: layers along z, cells, and tables of its materials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from attrs import frozen

from .compiled import Array
from .electromagnetic import electron_tables, photon_cut, photon_tables
from .ionisation import landau_quantiles, loss_tables, spread_table, xi
from .materials import Material, material
from .scattering import single
from .screening import constants


@frozen
class Layer:
    """A slab from `low` to `high` mm along z. cells: first cell along z, -1 if not read out."""

    low: float
    high: float
    material: str
    cells: int = -1


class Medium(NamedTuple):
    """All that the kernels need to know of a detector; made by `medium`.

    layers: (L, 5) z_low, z_high mm, material, read out, first cell. grid: (9,) x_low, y_low, pitch
    mm, cells along x, y, z, Birks' constant mm/MeV, Landau's xi MeV/mm, light of fast electrons per
    MeV. matter: (M, 11) per mm: 1/X0, 1/lambda proton, 1/lambda pion, electrons per barn, b, Landau's
    xi in MeV; the two constants of `screening`, the two of `scattering`; `photon_cut`. landau:
    quantiles. spread: cut of Landau's law. Tables on the grid of `tables`: heavy, light: losses
    (M, SIZE) in MeV/mm; hard: events of electrons and of positrons (2, M, SIZE) per mm; photons:
    (3, M, SIZE) per mm. field: (3,) T.
    """

    layers: Array
    grid: Array
    matter: Array
    heavy: Array
    light: Array
    hard: Array
    landau: Array
    spread: Array
    photons: Array
    field: Array


def medium(
    layers: Sequence[Layer],
    cells: tuple[int, int, int],
    pitch: float,
    corner: tuple[float, float],
    birks: float,
    field: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> Medium:
    """Tables of a detector of `layers`, contiguous and in order, with cubic cells.

    cells: along x, y, z. pitch in mm. corner: lower x and y of the cells, where also the layers
    end. birks: mm/MeV. field: magnetic, in T, everywhere. All layers that are read out are of one
    material.
    """
    used = tuple(material(name) for name in dict.fromkeys(layer.material for layer in layers))
    number = {m.name: i for i, m in enumerate(used)}
    rows = [(s.low, s.high, number[s.material], s.cells >= 0, max(s.cells, 0)) for s in layers]
    sensitive = next(used[number[s.material]] for s in layers if s.cells >= 0)
    heavy, light = loss_tables(used)
    hard, soft = electron_tables(used)
    fast = float(light[number[sensitive.name]].min())  # MeV/mm
    quantiles = landau_quantiles()
    return Medium(
        np.array(rows, np.float64),
        np.array(
            [*corner, pitch, *cells, birks, xi(sensitive), 1 / (1 + birks * fast)], np.float64
        ),
        np.array([_matter(m) for m in used]),
        heavy,
        light + soft,
        hard,
        quantiles,
        spread_table(sensitive, quantiles),
        photon_tables(used),
        np.array(field, np.float64),
    )


def _matter(m: Material) -> tuple[float, ...]:
    return (
        1.0 / m.radiation_length,
        1.0 / m.interaction_length,
        1.0 / m.pion_length,
        0.06022 * m.density * m.za,  # electrons per barn and mm
        1e-7 * m.b * m.density,
        xi(m),
        *constants(m.z),
        *single(m.z, m.za),
        photon_cut(m),
    )
