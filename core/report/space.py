"""A view in space without a camera's distortion, that fits any shape of detector."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from attrs import frozen
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from intarsia.core.events import Array
from intarsia.core.streams import VoxelGrid

from .project import Ruler, span
from .style import GREY

_TURN, _TILT = np.radians(28.0), np.radians(20.0)
_MOST_BLOCKS = 40


@frozen
class View:
    """Parallel projection: z to the right, y up, x away from the onlooker, turned and tilted."""

    turn: float = float(_TURN)
    tilt: float = float(_TILT)

    def seen(self, points: Array) -> tuple[Array, Array]:
        """Where points (n, 3), x y z in mm, lie on paper (n, 2) and how far away they are (n,)."""
        x, y, z = points.T.astype(np.float64)
        right = np.cos(self.turn) * z + np.sin(self.turn) * x
        away = np.cos(self.turn) * x - np.sin(self.turn) * z
        up = np.cos(self.tilt) * y + np.sin(self.tilt) * away
        depth = np.cos(self.tilt) * away - np.sin(self.tilt) * y
        return np.stack([right, up], axis=1), depth


def box(axes: Axes, grid: VoxelGrid, view: View) -> None:
    """The outlines of a grid's modules, or of the grid if they are many."""
    rulers = [Ruler.of(a) for a in grid.axes]
    blocks = [
        (x, y, z) for x in rulers[0].blocks for y in rulers[1].blocks for z in rulers[2].blocks
    ]
    if len(blocks) > _MOST_BLOCKS:
        blocks = [(rulers[0].span, rulers[1].span, rulers[2].span)]
    lines = [line for block in blocks for line in _edges(block, view)]
    axes.add_collection(LineCollection(lines, colors=GREY, linewidths=0.45, zorder=1))


def voxel_area(axes: Axes, grids: Sequence[VoxelGrid], grid: VoxelGrid, inches: float) -> float:
    """Size of a marker as large as a cell of `grid`, in points squared; a point at least.

    inches: width of the axes, which show all of `grids`.
    """
    low, high = limits(grids, View())
    pitch = min(a.pitch for a in grid.axes)
    side = 72.0 * inches * pitch / (high[0] - low[0])
    return float(max(side, 1.3) ** 2)


def limits(grids: Sequence[VoxelGrid], view: View) -> tuple[Array, Array]:
    """Lower left and upper right of all `grids` on paper, (2,) each."""
    corners = [np.array(np.meshgrid(*(span(g, a) for a in range(3)))).reshape(3, -1) for g in grids]
    at, _ = view.seen(np.concatenate(corners, axis=1).T)
    return at.min(0), at.max(0)


def _edges(block: Sequence[tuple[float, float]], view: View) -> list[Array]:
    corners = np.array(np.meshgrid(*block, indexing="ij")).reshape(3, -1).T
    at, _ = view.seen(corners)
    pairs = [(i, j) for i in range(8) for j in range(i) if (corners[i] != corners[j]).sum() == 1]
    return [at[[i, j]] for i, j in pairs]
