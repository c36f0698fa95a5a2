"""Line segments through a voxel grid: which cells each crosses, and with what share of its length."""

from __future__ import annotations

import numpy as np
from attrs import frozen

from intarsia.core.events import Array

from .cells import Axes, cells_of_points


@frozen(eq=False)
class Crossed:
    """segment: (m,) int64, ascending. index: (m, 3) cell. share: (m,) of the segment's length in it.

    outside: (n,) share of each segment that is in no cell. The shares of a segment and what is
    outside add up to one, so charge times share conserves charge.
    """

    segment: Array
    index: Array
    share: Array
    outside: Array


def cross(start: Array, end: Array, axes: Axes) -> Crossed:
    """Cells that the segments from `start` (n, 3) to `end` (n, 3), mm, run through.

    A segment without length is in the cell of its start. Ends must be finite.
    """
    n = len(start)
    owners, cuts = [np.arange(n), np.arange(n)], [np.zeros(n), np.ones(n)]
    for d, axis in enumerate(axes):
        owner, cut = _cuts(start[:, d], end[:, d], np.unique([axis.lower, axis.lower + axis.pitch]))
        owners.append(owner)
        cuts.append(cut)
    owner, t = np.concatenate(owners), np.concatenate(cuts)
    order = np.lexsort((t, owner))
    owner, t = owner[order], t[order]
    same = owner[1:] == owner[:-1]
    still = (start == end).all(axis=1)
    keep = same & ((np.diff(t) > 0) | still[owner[1:]])
    segment, share = owner[1:][keep], np.diff(t)[keep]
    middle = (0.5 * (t[1:] + t[:-1]))[keep, None]
    # In this form a segment along an edge stays on it, without rounding.
    index, inside = cells_of_points(start[segment] + middle * (end - start)[segment], axes)
    outside = np.bincount(segment, np.where(inside, 0.0, share), minlength=n)
    return Crossed(segment[inside], index[inside], share[inside], outside)


def _cuts(start: Array, end: Array, edges: Array) -> tuple[Array, Array]:
    """Where segments cross `edges` along one axis: their numbers, and the share of the length."""
    low, high = np.minimum(start, end), np.maximum(start, end)
    first = np.searchsorted(edges, low, side="right")
    counts = np.maximum(np.searchsorted(edges, high, side="left") - first, 0)
    owner = np.repeat(np.arange(len(start)), counts)
    begins = np.repeat(np.cumsum(counts) - counts, counts)
    edge = edges[np.arange(len(owner)) - begins + first[owner]]
    return owner, (edge - start[owner]) / (end - start)[owner]
