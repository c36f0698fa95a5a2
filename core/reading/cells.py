"""Cells of a voxel grid from what files hold: linear ids, points, images; cells that come twice."""

from __future__ import annotations

from typing import Literal

import numpy as np
from attrs import frozen

from intarsia.core.errors import EventError
from intarsia.core.events import Array
from intarsia.core.streams import Axis

from .values import integers

Axes = tuple[Axis, Axis, Axis]


def cells_of_ids(
    ids: Array, shape: tuple[int, ...], order: Literal["C", "F"], field: str = "voxels"
) -> Array:
    """Cells (n, d) int64 of linear `ids` (n,) in a grid of `shape`.

    order: "C" if the last axis runs fastest (larcv3), "F" if the first does (larcv2). EventError
    for an id outside the grid, or one that is no whole number.
    """
    if ids.dtype.kind == "f":
        ids = integers(ids, field)
    size = int(np.prod([int(n) for n in shape], dtype=object))
    wrong = (ids < 0) | (ids >= size)
    if wrong.any():
        raise EventError(
            f"{field}: {wrong.sum()} voxel ids outside the grid {tuple(map(int, shape))}, "
            f"e.g. {ids[wrong][0]}"
        )
    index = np.unravel_index(ids.astype(np.int64), tuple(map(int, shape)), order=order)
    return np.stack(index, axis=1).reshape(-1, len(shape))


def cells_of_points(points: Array, axes: Axes) -> tuple[Array, Array]:
    """Cells (n, 3) int64 of `points` (n, 3) in mm, and whether each is in a cell, (n,) bool.

    A cell owns its lower edge. Points between modules, outside or NaN are in none; their cell is
    the nearest below and is not to be used.
    """
    index = np.zeros((len(points), 3), np.int64)
    inside = np.ones(len(points), bool)
    for d, axis in enumerate(axes):
        lower = axis.lower
        at = np.searchsorted(lower, points[:, d], side="right") - 1
        index[:, d] = np.clip(at, 0, axis.n - 1)
        # The upper edge is the next lower one wherever cells touch, so that no gap opens there.
        upper = lower + axis.pitch
        touching = np.isclose(upper[:-1], lower[1:], rtol=0, atol=1e-6 * axis.pitch)
        upper[:-1][touching] = lower[1:][touching]
        inside &= (at >= 0) & (points[:, d] < upper[index[:, d]])
    return index, inside


@frozen(eq=False)
class Merged:
    """Cells that come once per event, from ones that may come several times.

    counts: (B,) cells of each event. index: (m, 3). row: (n,) the cell that each given one is now;
    cells of an event are in ascending order of their C-order id.
    """

    counts: Array
    index: Array
    row: Array

    def total(self, values: Array) -> Array:
        """Sum of `values` (n,) in each cell, (m,) float64: charge is conserved."""
        return np.bincount(self.row, values, minlength=len(self.index))

    def shares(self, classes: Array, weights: Array, k: int) -> Array:
        """Weight of each of `k` classes in each cell, adding up to one, (m, k) float64.

        Several weighted truths per hit, e.g. voxels of two clusters. A class of -1 does not count;
        a cell where nothing counts is NaN.
        """
        return shares(self.row, classes, weights, len(self.index), k)

    def heaviest(self, values: Array, weights: Array) -> Array:
        """The one of `values` (n,) that comes with the largest weight in each cell, (m,).

        Of equal ones the first.
        """
        order = np.lexsort((-weights, self.row))  # which is stable
        first = np.flatnonzero(np.diff(self.row[order], prepend=-1))
        chosen: Array = values[order[first]]
        return chosen


def shares(row: Array, classes: Array, weights: Array, n: int, k: int) -> Array:
    """Weight of each of `k` classes in each of `n` rows, adding up to one, (n, k) float64.

    From any number of weighted truths per row: truth i is of row ``row[i]``. A class of -1 does
    not count; a row where nothing counts is NaN.
    """
    known = (classes >= 0) & (weights > 0)
    flat = row[known] * k + classes[known]
    sums = np.bincount(flat, weights[known], minlength=n * k).reshape(-1, k)
    whole = sums.sum(axis=1, keepdims=True)
    found: Array = np.divide(sums, whole, out=np.full(sums.shape, np.nan), where=whole > 0)
    return found


def merge(counts: Array, index: Array, shape: tuple[int, int, int]) -> Merged:
    """The cells `index` (n, 3) of events with `counts` (B,) cells, each once.

    EventError if a cell lies outside `shape`.
    """
    wrong = ((index < 0) | (index >= np.array(shape))).any(axis=1)
    if wrong.any():
        worst = index[wrong][0].tolist()
        raise EventError(f"voxels: {wrong.sum()} cells outside the grid {shape}, e.g. {worst}")
    size = int(np.prod(shape))
    event = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
    flat = event * size + np.ravel_multi_index(tuple(index.T), shape).astype(np.int64)
    unique, row = np.unique(flat, return_inverse=True)
    merged = np.stack(np.unravel_index(unique % size, shape), axis=1).reshape(-1, 3)
    owned = np.bincount(unique // size, minlength=len(counts)).astype(np.int64)
    return Merged(owned, merged, row.reshape(-1))


def sparse(images: Array, threshold: float = 0.0) -> tuple[Array, Array, Array]:
    """Cells above `threshold` of dense `images` (B, ...): counts (B,), cells (n, d), values (n,).

    Cells are in C order. EventError if a value is not finite.
    """
    if not np.isfinite(images).all():
        raise EventError(f"image: {(~np.isfinite(images)).sum()} values are not finite")
    at = np.nonzero(images > threshold)
    counts = np.bincount(at[0], minlength=len(images)).astype(np.int64)
    return counts, np.stack(at[1:], axis=1), images[at]
