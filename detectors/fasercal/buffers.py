"""Room in which events are read out and reconstructed, one after the other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from intarsia.core.simulation.compiled import Array


class Buffers(NamedTuple):
    """Arrays that the readout uses again for each event.

    xz (Z, X), yz (Z, Y), xy (modules, X, Y): views. dense ((Z + 2) (X + 1) (Y + 1),): energies at
    the places of `readout.spot`, all zero between events. voxel, charge: (cells,) candidates by
    place, then the voxels that are kept, by number. column (cells,): y of a candidate. runs (Z X, 3):
    z, x, first candidate of the runs that share both, of one module. lit (Y,): fibres of one plane
    that see light.
    """

    xz: Array
    yz: Array
    xy: Array
    dense: Array
    voxel: Array
    charge: Array
    column: Array
    runs: Array
    lit: Array


def buffers(nx: int, ny: int, nz: int, modules: int) -> Buffers:
    """Empty buffers for a grid of nx, ny, nz cells."""
    cells = nx * ny * nz
    return Buffers(
        np.zeros((nz, nx), np.float32),
        np.zeros((nz, ny), np.float32),
        np.zeros((modules, nx, ny), np.float32),
        np.zeros((nz + 2) * (nx + 1) * (ny + 1), np.float32),
        np.zeros(cells, np.int32),
        np.zeros(cells, np.float32),
        np.zeros(cells, np.uint16),
        np.zeros((nz * nx // modules + 1, 3), np.int64),
        np.zeros(ny, np.int64),
    )
