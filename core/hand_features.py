"""What one would compute without any learning: energy sums, centres, tracks.

An honest yardstick: if a linear model or trees do as well with these numbers as an encoder, the
encoder has found nothing that was not easy.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, prod

import numpy as np
from attrs import frozen
from torch.utils.data import Dataset

from .detector import Detector
from .events import Array, Events, Table
from .normalise import scaled
from .store import EventFile
from .streams import Column, DenseArray, PointCloud, Stream, TrackSet, VoxelGrid

Named = Iterator[tuple[str, Array]]


def features(events: Events, detector: Detector) -> tuple[list[str], Array]:
    """Names, and (B, F) float64 of `events`, all finite. An absent stream gives zeros.

    Of a voxel grid: for each slab along z (a row of windows, or of patches if there is one window
    only) log1p of the summed charge and of the hits, their totals, the charge-weighted centre and
    spread in mm, and the first slab and plane hit. Of an array: every number, on its declared scale,
    log1p of their sum and of the largest, and the centre along each dimension in cells. Of tracks:
    how many, all numbers of the longest, and of its vectors the size across z. Of points: totals,
    centre and spread.
    """
    named = [
        (f"{stream.name}.{name}", values.astype(np.float64))
        for stream in detector.streams
        for name, values in _of(stream, events.streams[stream.name])
    ]
    stacked = np.stack([v for _, v in named], axis=1) if named else np.zeros((len(events), 0))
    return [name for name, _ in named], np.nan_to_num(stacked, posinf=0.0, neginf=0.0)


@frozen(eq=False)
class Blocks(Dataset[Array]):
    """Features of the events `numbers` of `file`, `size` at a time, for a loader's workers."""

    file: EventFile
    detector: Detector
    numbers: Array
    size: int = 256

    def __len__(self) -> int:
        return ceil(len(self.numbers) / self.size)

    def __getitem__(self, i: int) -> Array:
        block = self.numbers[i * self.size : (i + 1) * self.size]
        return features(self.file.take(block, labels=False), self.detector)[1]


def _of(stream: Stream, table: Table) -> Named:
    if isinstance(stream, VoxelGrid):
        at = [axis.centres[i] for axis, i in zip(stream.axes, table["index"].T, strict=True)]
        yield from _hits(table, stream.columns, np.stack(at, axis=1))
        yield from _slabs(stream, table)
    elif isinstance(stream, PointCloud):
        yield from _hits(table, stream.columns, table["position"])
    elif isinstance(stream, DenseArray):
        yield from _values(stream, table)
    elif isinstance(stream, TrackSet):
        yield from _tracks(stream, table)


def _charge(table: Table, columns: tuple[Column, ...]) -> Array:
    """The first plain column, what cannot be summed left out; ones if there is none."""
    for column in columns:
        if column.width == 1:
            values = table[column.name].astype(np.float64)
            return np.where(np.isfinite(values), values, 0.0)
    return np.ones(int(table.offsets[-1]))


def _sum(table: Table, values: Array) -> Array:
    return np.bincount(table.event, values, minlength=len(table))


def _hits(table: Table, columns: tuple[Column, ...], at: Array) -> Named:
    charge = np.maximum(_charge(table, columns), 0.0)
    total = _sum(table, charge)
    safe = np.where(total > 0, total, 1.0)
    yield "log_charge", np.log1p(total)
    yield "log_hits", np.log1p(table.counts)
    for axis, x in zip("xyz", at.T.astype(np.float64), strict=True):
        centre = _sum(table, charge * x) / safe
        yield f"mean_{axis}", centre
        yield f"spread_{axis}", np.sqrt(_sum(table, charge * (x - centre[table.event]) ** 2) / safe)


def _slabs(grid: VoxelGrid, table: Table) -> Named:
    depth = grid.windows[2] if grid.windows[2] > 1 else grid.patches[2]
    slab = table["index"][:, 2].astype(np.int64) // (grid.shape[2] // depth)
    cell = table.event * depth + slab
    shape = (len(table), depth)
    charge = np.bincount(cell, _charge(table, grid.columns), minlength=len(table) * depth)
    hits = np.bincount(cell, minlength=len(table) * depth).reshape(shape)
    for s in range(depth):
        yield f"log_charge_{s}", np.log1p(np.maximum(charge.reshape(shape)[:, s], 0))
        yield f"log_hits_{s}", np.log1p(hits[:, s])
    yield "first_slab", np.where(hits.any(1), (hits > 0).argmax(1), depth)
    first = np.full(len(table), grid.shape[2])
    np.minimum.at(first, table.event, table["index"][:, 2].astype(np.int64))
    yield "first_plane", first


def _values(array: DenseArray, table: Table) -> Named:
    present = table.counts > 0
    yield "present", present
    for column in array.columns:
        size = prod(array.shape) * column.width
        whole = np.zeros((len(table), size))
        numbers = scaled(column, table[column.name].astype(np.float64))
        whole[present] = numbers.reshape(len(numbers), size)
        for i, values in enumerate(whole.T):
            yield f"{column.name}_{i}", values
        raw = np.zeros((len(table), *array.shape))
        raw[present] = table[column.name].reshape(len(numbers), *array.shape, column.width).sum(-1)
        yield from _centres(column.name, np.maximum(np.nan_to_num(raw), 0.0))


def _centres(name: str, values: Array) -> Named:
    """Sum, largest and centres of arrays (B, ...) of numbers that are not negative."""
    inside = tuple(range(1, values.ndim))
    total = values.sum(inside)
    yield f"{name}_log_total", np.log1p(total)
    yield f"{name}_log_largest", np.log1p(values.max(inside))
    for axis in inside:
        along = values.sum(tuple(a for a in inside if a != axis))
        places = np.arange(along.shape[1]) - 0.5 * (along.shape[1] - 1)
        yield f"{name}_centre_{axis - 1}", (along * places).sum(1) / np.where(total > 0, total, 1.0)


def _tracks(tracks: TrackSet, table: Table) -> Named:
    """The longest track: most planes seen, the first of several."""
    yield "count", table.counts
    rows = int(table.offsets[-1])
    seen = np.zeros(rows)
    if tracks.points:
        first = table[tracks.points[0].name].reshape(rows, tracks.planes, tracks.points[0].width)
        seen = np.isfinite(first).all(2).sum(1).astype(np.float64)
    order = np.lexsort((np.arange(rows), -seen, table.event))
    leading = order[table.offsets[:-1][table.counts > 0]]
    yield "planes", _spread(table, seen[leading, None])[:, 0]
    for column in tracks.columns:
        physical = table[column.name].astype(np.float64).reshape(rows, column.width)
        for i, values in enumerate(_spread(table, scaled(column, physical[leading])).T):
            yield f"{column.name}_{i}", values
        if column.moves == "vector" and column.width == 3:
            across = np.hypot(physical[leading, 0], physical[leading, 1])[:, None]
            yield f"{column.name}_across", _spread(table, scaled(column, across))[:, 0]
    for column in tracks.points:
        points = table[column.name].astype(np.float64).reshape(rows, tracks.planes, column.width)
        for name, plane in _ends(points[leading]).items():
            for i, values in enumerate(_spread(table, plane).T):
                yield f"{column.name}_{name}_{i}", values


def _ends(points: Array) -> dict[str, Array]:
    """First and last measured point of each track, (tracks, width); zeros if there is none."""
    seen: Array = np.asarray(np.isfinite(points).all(2))
    planes, some = points.shape[1], np.asarray(seen.any(1))[:, None]
    one = np.arange(len(points))
    ends = {"first": seen.argmax(1), "last": planes - 1 - seen[:, ::-1].argmax(1)}
    return {k: np.where(some, points[one, p], 0.0) for k, p in ends.items()}


def _spread(table: Table, rows: Array) -> Array:
    """One row per event that has any, zeros for the others."""
    whole = np.zeros((len(table), rows.shape[1]))
    if len(rows):
        whole[table.counts > 0] = rows
    return whole
