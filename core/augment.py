"""Augmentations: from events to events that the detector might as well have seen.

Pure functions of whole batches: what is given is not changed, all randomness comes from the
generator, cost follows the rows. Shapes: B events, n rows of a stream.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from attrs import evolve

from .augmentation import Augmentation
from .crop import renewed
from .detector import Detector
from .events import Array, Events, Table, cumulated
from .streams import Column, DenseArray, Label, PointCloud, Stream, TrackSet, VoxelGrid
from .units import factor

_SLOTS = 1 << 16  # of a filter by the last bits of a number
LEAST = 5  # rows that dropout leaves of each event (as in the collaboration's code)


def chosen(detector: Detector, wanted: bool | Mapping[str, float]) -> tuple[Augmentation, ...]:
    """The augmentations of `detector` that a stage asks for, in the order declared.

    wanted: all as declared (true), none (false), or those named with their sizes; of size 0, none.
    """
    if not isinstance(wanted, Mapping):
        return detector.augmentations if wanted else ()
    named = [evolve(a, size=wanted[a.kind]) for a in detector.augmentations if a.kind in wanted]
    return tuple(a for a in named if a.size > 0)


def augmented(
    events: Events, detector: Detector, steps: tuple[Augmentation, ...], rng: np.random.Generator
) -> Events:
    """`events` after each of `steps` in turn; keys, groups and the order of events stay."""
    for step in steps:
        if step.kind == "mirror":
            flip = rng.random(len(events)) < step.size
            events = mirrored(events, detector, step.axis, flip)
            continue
        tables = {}
        common = rng.standard_normal(len(events))
        for stream, column in map(detector.column, step.streams):
            table = events.streams[stream.name]
            if step.kind == "charge_scale":
                table = _times(table, column, _factors(step.size, common)[table.event])
            elif step.kind == "smear":
                own = np.asarray(rng.standard_normal(table[column.name].shape, np.float32))
                table = _times(table, column, _factors(step.size, own))
            elif isinstance(stream, VoxelGrid) and step.kind == "noise":
                table = _noisy(table, stream, column, step, rng)
            else:
                table = _thinned(table, step.size, rng)
            tables[stream.name] = table
        events = _followed(evolve(events, streams={**events.streams, **tables}), events, detector)
    return events


def _followed(now: Events, before: Events, detector: Detector) -> Events:
    """`now` with the context of its crops as their hits have it, if these are no longer `before`'s."""
    if (crop := detector.crop) is None:
        return now
    grid, hits = detector.stream(crop.stream), now.streams[crop.stream]
    context = now.streams[crop.context]
    # What has changed the context itself has seen to it.
    if hits is before.streams[crop.stream] or context is not before.streams[crop.context]:
        return now
    assert isinstance(grid, VoxelGrid)  # noqa: S101  (see Detector)
    new = renewed(context, before.streams[crop.stream], hits, grid, crop.axes)
    return evolve(now, streams={**now.streams, crop.context: new})


def mirrored(events: Events, detector: Detector, axis: str, flip: Array) -> Events:
    """`events` of which those in `flip`, (B,) bool, are seen in a mirror along `axis`.

    The mirror stands in the middle of the voxel streams, without any at 0. Twice is as never.
    """
    a = "xyz".index(axis)
    grids = list(detector.grids.values())
    middle = grids[0].axes[a].middle if grids else 0.0
    streams = {
        s.name: _mirrored(events.streams[s.name], s, axis, middle, flip) for s in detector.streams
    }
    truth = {
        t.name: _moved(events.truth[t.name], t, a, middle, flip)
        for t in detector.truth
        if t.name in events.truth
    }
    return evolve(events, streams=streams, truth=truth)


def _mirrored(table: Table, stream: Stream, axis: str, middle: float, flip: Array) -> Table:
    a, rows = "xyz".index(axis), flip[table.event]
    columns = dict(table.columns)
    points: tuple[Column, ...] = stream.points if isinstance(stream, TrackSet) else ()
    every: tuple[Column | Label, ...] = (*stream.columns, *points, *stream.labels)
    for declared in every:
        if declared.name in columns:
            columns[declared.name] = _moved(columns[declared.name], declared, a, middle, rows)
    if isinstance(stream, VoxelGrid):
        last = stream.shape[a] - 1
        columns["index"] = _component(columns["index"], a, rows, lambda i: last - i)
    elif isinstance(stream, PointCloud):
        columns["position"] = _component(columns["position"], a, rows, lambda p: 2 * middle - p)
    elif isinstance(stream, DenseArray):
        for name in (c.name for c in stream.columns):
            columns[name] = _turned(columns[name], stream.along, axis, rows)
    return evolve(table, columns=columns)


def _moved(values: Array, declared: Column | Label, a: int, middle: float, rows: Array) -> Array:
    """`values` (n, ..., 3) of a point or vector with component `a` mirrored in `rows`."""
    if declared.moves == "scalar":
        return values
    twice = 2 * middle * factor("mm", declared.unit) if declared.moves == "point" else 0.0
    return _component(values, a, rows, lambda v: twice - v)


def _component(values: Array, a: int, rows: Array, change: Callable[[Array], Array]) -> Array:
    """`values` (n, ..., 3) with their component `a` changed in `rows`, (n,) bool."""
    new = values.copy()
    new[rows, ..., a] = change(values[rows, ..., a])
    return new


def _turned(values: Array, along: tuple[str, ...], axis: str, rows: Array) -> Array:
    """`values` (n, ...) of an array with its dimensions along `axis` reversed in `rows`."""
    dimensions = tuple(1 + d for d, name in enumerate(along) if name == axis)
    if not dimensions:
        return values
    new = values.copy()
    new[rows] = np.flip(values[rows], dimensions)
    return new


def _factors(size: float, normal: Array) -> Array:
    """Log-normal factors of mean 1."""
    factors: Array = np.exp(size * normal - normal.dtype.type(0.5 * size**2))
    return factors


def _times(table: Table, column: Column, factors: Array) -> Table:
    values = table[column.name]
    product = values * factors.reshape(factors.shape + (1,) * (values.ndim - factors.ndim))
    if np.issubdtype(values.dtype, np.integer):
        product = np.rint(product)
    return evolve(table, columns={**table.columns, column.name: product.astype(values.dtype)})


def _thinned(table: Table, size: float, rng: np.random.Generator) -> Table:
    """Rows lost with a probability of each event's own; none where fewer than `LEAST` would be left."""
    event = table.event
    lost = rng.random(len(event)) < (size * rng.random(len(table)))[event]
    left = np.bincount(event[~lost], minlength=len(table))
    return table.keep(~lost | (left < LEAST)[event])


def _noisy(
    table: Table, stream: VoxelGrid, column: Column, step: Augmentation, rng: np.random.Generator
) -> Table:
    """Rows in free cells, behind those of their event."""
    cells = int(np.prod(stream.shape, dtype=np.int64))
    event = np.repeat(np.arange(len(table)), rng.poisson(step.size * cells / 1000, len(table)))
    key = np.unique(event * cells + rng.integers(cells, size=len(event)))
    key = key[~_occupied(key, table, stream)]
    event, cell = key // cells, key % cells
    new: dict[str, Array] = {"index": np.stack(np.unravel_index(cell, stream.shape), axis=1)}
    new |= {c.name: np.zeros((len(key), *c.extra)) for c in stream.columns}
    least, mean = step.charge
    new[column.name] += least + mean * rng.standard_exponential(len(key))
    new |= {x.name: _said(x, step.labels.get(x.name, ""), len(key)) for x in stream.labels}
    behind = table.offsets[1:][event]
    columns = {k: np.insert(old, behind, new[k], axis=0) for k, old in table.columns.items()}
    return Table(cumulated(table.counts + np.bincount(event, minlength=len(table))), columns)


def _occupied(key: Array, table: Table, grid: VoxelGrid) -> Array:
    """Which of few `key`, event and cell in one number, have a row in the `table` of many, bool."""
    there = table.event
    for index, n in zip(table["index"].T, grid.shape, strict=True):
        there *= n
        there += index
    maybe = np.zeros(_SLOTS, bool)  # most rows meet no key, which their last bits tell
    maybe[key % _SLOTS] = True
    met: Array = np.isin(key, there[maybe[there % _SLOTS]])
    return met


def _said(label: Label, name: str, n: int) -> Array:
    """`label` of `n` rows that are of the class `name`, or unknown."""
    dtype, shape = label.layout
    if not name:
        return np.full((n, *shape), -1 if dtype == "int8" else np.nan)
    number = label.classes.index(name)
    return np.tile(np.eye(len(label.classes))[number], (n, 1)) if label.soft else np.full(n, number)
