"""Voxels in millimetres: projections of a grid with its real gaps."""

from __future__ import annotations

from typing import Any

import numpy as np
from attrs import frozen
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.colors import ListedColormap
from matplotlib.patches import Rectangle

from intarsia.core.events import Array
from intarsia.core.streams import Axis, VoxelGrid

from .style import LIGHT

MOST_OUTLINES = 400
MOST_SLOTS = 300  # of an axis that are drawn one by one; finer ones could hardly be seen


@frozen(eq=False)
class Ruler:
    """Edges in mm of the slots of an axis, gaps being slots too; slot: (n,) slot of each cell."""

    edges: Array
    slot: Array

    @classmethod
    def of(cls, axis: Axis) -> Ruler:
        """The ruler of `axis`."""
        lower = axis.lower
        gap = np.diff(lower, append=lower[-1] + axis.pitch) - axis.pitch > 1e-6 * axis.pitch
        edges = np.sort(
            np.concatenate([lower, (lower + axis.pitch)[gap], [lower[-1] + axis.pitch]])
        )
        return cls(edges, np.searchsorted(edges, lower + 0.5 * axis.pitch) - 1)

    @property
    def drawn(self) -> Ruler:
        """Several neighbouring slots as one where there are more than `MOST_SLOTS`."""
        step = -(-(len(self.edges) - 1) // MOST_SLOTS)
        return Ruler(np.append(self.edges[:-1:step], self.edges[-1]), self.slot // step)

    @property
    def span(self) -> tuple[float, float]:
        """Where the axis begins and ends."""
        return float(self.edges[0]), float(self.edges[-1])

    @property
    def blocks(self) -> list[tuple[float, float]]:
        """Begin and end of each stretch without a gap."""
        parts = np.split(self.slot, np.flatnonzero(np.diff(self.slot) > 1) + 1)
        return [(float(self.edges[p[0]]), float(self.edges[p[-1] + 1])) for p in parts]


def span(grid: VoxelGrid, axis: int) -> tuple[float, float]:
    """Begin and end of `grid` along `axis`, mm."""
    return Ruler.of(grid.axes[axis]).span


def draw(
    axes: Axes,
    grid: VoxelGrid,
    index: Array,
    values: Array,
    plane: tuple[int, int],
    **colours: Any,
) -> Any:
    """Sum of `values` (n,) of the cells `index` (n, 3) along the axis that is not in `plane`.

    plane: axes drawn horizontally and vertically. colours: cmap and norm of pcolormesh, which is
    returned. Nothing is drawn where there is no cell.
    """
    across, up = (Ruler.of(grid.axes[a]).drawn for a in plane)
    total = np.zeros((len(up.edges) - 1, len(across.edges) - 1))
    hits = np.zeros(total.shape, bool)
    where = up.slot[index[:, plane[1]]], across.slot[index[:, plane[0]]]
    np.add.at(total, where, values)
    hits[where] = True
    shown = np.ma.masked_array(total, ~hits)
    return axes.pcolormesh(across.edges, up.edges, shown, zorder=2, **colours)


def most(
    axes: Axes,
    grid: VoxelGrid,
    index: Array,
    classes: Array,
    weights: Array,
    plane: tuple[int, int],
    colours: tuple[str, ...],
) -> None:
    """Colour each column of cells by the class with most weight; -1 is not drawn."""
    across, up = (Ruler.of(grid.axes[a]).drawn for a in plane)
    total = np.zeros((len(colours), len(up.edges) - 1, len(across.edges) - 1))
    known = classes >= 0
    where = up.slot[index[known, plane[1]]], across.slot[index[known, plane[0]]]
    np.add.at(total, (classes[known], *where), np.maximum(weights[known], 1e-12))
    shown = np.ma.masked_array(total.argmax(0), ~(total > 0).any(0))
    axes.pcolormesh(
        across.edges,
        up.edges,
        shown,
        cmap=ListedColormap(colours),
        vmin=-0.5,
        vmax=len(colours) - 0.5,
        zorder=2,
    )


def outline(axes: Axes, grid: VoxelGrid, plane: tuple[int, int]) -> None:
    """Draw where the modules of `grid` are; the whole grid alone if they are too many."""
    across, up = (Ruler.of(grid.axes[a]) for a in plane)
    blocks = [(x, y) for x in across.blocks for y in up.blocks]
    if len(blocks) > MOST_OUTLINES:
        blocks = [(across.span, up.span)]
    boxes = [Rectangle((x[0], y[0]), x[1] - x[0], y[1] - y[0]) for x, y in blocks]
    axes.add_collection(
        PatchCollection(boxes, facecolor="#f6f6f8", edgecolor=LIGHT, linewidth=0.6, zorder=1)
    )
