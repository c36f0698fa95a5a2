"""A particle's own piece of a large detector, and what of the detector the piece cannot show.

Crops are not moved to lie inside the detector: a particle is always in the middle of its own.
Everything follows from the hits alone, so that real data have the same numbers.

Shape letters: n hits of one particle, or rows of many; B particles, r of them with a context.
"""

from __future__ import annotations

import numpy as np

from .detector import CONTEXT
from .events import Array, Table
from .streams import Axis, Column, DenseArray, Triple, VoxelGrid


def start(index: Array, charge: Array, shape: Triple) -> Array:
    """Lowest cell, (3,) int64, of the crop of `shape` cells for hits at `index` (n, 3).

    Along each axis the crop is centred on the hits if they fit, to within half a cell; otherwise it
    is the first one that holds the most `charge` (n,). Without hits it starts at the detector's
    lowest cell. The crop may reach beyond the detector.
    """
    first = np.zeros(3, np.int64)
    if not len(index):
        return first
    low, high = index.min(0).astype(np.int64), index.max(0).astype(np.int64)
    for axis, size in enumerate(shape):
        if high[axis] - low[axis] < size:
            first[axis] = (low[axis] + high[axis] + 1 - size) // 2
        else:
            line = np.bincount(index[:, axis] - low[axis], charge)
            total = np.concatenate([[0.0], np.cumsum(line)])
            first[axis] = low[axis] + np.argmax(total[size:] - total[:-size])
    return first


def inside(index: Array, first: Array, shape: Triple) -> Array:
    """Which hits lie in the crop of `shape` cells that starts at `first` (3,): (n,) bool."""
    cell = index - first
    kept: Array = np.all((cell >= 0) & (cell < np.array(shape)), axis=1)
    return kept


def context(name: str, charge: Column) -> DenseArray:
    """The stream that tells where a crop lies and what it lost; `charge` is the hits' column."""
    return DenseArray(
        name=name,
        shape=(),
        columns=(
            Column(name="centre", unit="mm", width=3, moves="point", about="middle of the crop"),
            Column(name="extent", unit="mm", width=3, about="of all hits along the axes"),
            Column(
                name="clearance",
                unit="mm",
                width=3,
                about="from the outermost hit to the nearer face of the detector",
            ),
            Column(name="hits", unit="1", scale="log1p", about="also those outside the crop"),
            Column(
                name="total",
                unit=charge.unit,
                scale="log1p",
                about="charge of all hits, also of those outside the crop",
            ),
            Column(name="outside", unit="1", about="share of that charge outside the crop"),
        ),
        about="where the crop lies in the detector, from its hits alone",
    )


def describe(
    index: Array, charge: Array, first: Array, shape: Triple, axes: tuple[Axis, Axis, Axis]
) -> dict[str, Array]:
    """The row of a `context` stream for hits at `index` (n, 3) of a detector with `axes`.

    first: (3,) lowest cell of the crop of `shape` cells. All cells of an axis follow each other
    without gaps. A particle without hits has no row.
    """
    if not len(index):
        vectors = ("centre", "extent", "clearance")
        return {c: np.zeros((0, 3) if c in vectors else 0, np.float32) for c in CONTEXT}
    pitch = np.array([a.pitch for a in axes])
    origin = np.array([a.start for a in axes])
    cells = np.array([a.n for a in axes])
    low, high = index.min(0).astype(np.int64), index.max(0).astype(np.int64)
    total = float(charge.sum())
    lost = float(charge[~inside(index, first, shape)].sum())
    row = {
        "centre": origin + (first + 0.5 * np.array(shape)) * pitch,
        "extent": (high + 1 - low) * pitch,
        "clearance": np.minimum(low, cells - 1 - high) * pitch,
        "hits": len(index),
        "total": total,
        "outside": lost / total if total > 0 else 0.0,
    }
    return {k: np.array([v], np.float32) for k, v in row.items()}


def renewed(
    context: Table, before: Table, after: Table, grid: VoxelGrid, axes: tuple[Axis, Axis, Axis]
) -> Table:
    """The `context` of B crops whose hits were those of `before` and are those of `after`.

    What `describe` would say of the hits now, with the crop where it was and the hits outside it as
    they were. Where there are any, nothing is known of their places, and extent and clearance stay
    as they were. axes: of the whole detector. A particle without a row, or left without a hit, stays.
    """
    charge = grid.columns[0].name
    rows = np.flatnonzero((after.counts > 0)[context.event])
    e = context.event[rows]
    was, now = (_sums(t, charge)[e] for t in (before, after))
    old = {c: context[c][rows].astype(np.float64) for c in CONTEXT}
    lost = old["outside"] * old["total"]
    total = lost + now
    new = {
        "hits": np.maximum(old["hits"] - before.counts[e], 0) + after.counts[e],
        "total": np.where(was == now, old["total"], total),
        "outside": np.divide(lost, total, out=np.zeros(len(e)), where=total > 0),
    }
    pitch, start, cells = (np.array([getattr(a, k) for a in axes]) for k in ("pitch", "start", "n"))
    first = np.rint((old["centre"] - start) / pitch - 0.5 * np.array(grid.shape))
    low, high = (first + bound for bound in _bounds(after.take(e)["index"], after.counts[e]))
    whole = (old["hits"] <= before.counts[e])[:, None]
    new["extent"] = np.where(whole, (high + 1 - low) * pitch, old["extent"])
    clearance = np.minimum(low, cells - 1 - high) * pitch
    new["clearance"] = np.where(whole, clearance, old["clearance"])
    columns = dict(context.columns)
    for name, values in new.items():
        columns[name] = columns[name].copy()
        columns[name][rows] = values
    return Table(context.offsets, columns)


def _sums(table: Table, column: str) -> Array:
    """Sum of a column over each event, (B,)."""
    sums: Array = np.bincount(table.event, table[column], minlength=len(table))
    return sums


def _bounds(index: Array, counts: Array) -> tuple[Array, Array]:
    """Lowest and highest cell, (r, 3) each, of `index` (n, 3), `counts` (r,) rows each, none 0."""
    first = np.cumsum(counts) - counts
    if not len(first):
        return np.zeros((0, 3)), np.zeros((0, 3))
    return np.minimum.reduceat(index, first), np.maximum.reduceat(index, first)
