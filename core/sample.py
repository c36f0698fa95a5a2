"""Random events drawn from a declaration alone, for tests and for detectors without a simulation.

Every event is one little story in a unit cube: tracks from a common start, a blob around it and
noise. Each stream shows it in its own coordinates and each truth tells of it, so that masked
reconstruction, classification and regression all have something to learn. No physics is meant.
"""

from __future__ import annotations

import numpy as np
from attrs import frozen

from .detector import Detector
from .events import Array, Events, Table, cumulated
from .streams import Column, DenseArray, Label, PointCloud, Stream, TrackSet, VoxelGrid

# Shares of events that test what is legal but rare.
_EMPTY, _ONE_HIT, _ABSENT = 0.02, 0.02, 0.05
_SIDE = 1000.0  # mm, edge of the cube where no grid gives one
_POINTS = 48  # points of a track in a cloud

_TRACK, _BLOB, _NOISE = 0, 1, 2


@frozen
class _Story:
    """What happens in an event, in the unit cube.

    start: (3,). directions, lengths: (T, 3), (T,). strength: charge of a hit. classes: the number
    of each class truth. blob: its width in cells.
    """

    start: Array
    directions: Array
    lengths: Array
    strength: float
    blob: float
    classes: dict[str, int]


def events(detector: Detector, n: int, seed: int, first: int = 0) -> Events:
    """Events `first` to ``first + n`` of the sample `seed`; event i depends on both alone.

    All labels and truth are there; streams are sometimes empty. n = 0 gives no events.
    """
    rows: dict[str, list[dict[str, Array]]] = {s.name: [] for s in detector.streams}
    truths: dict[str, list[Array]] = {t.name: [] for t in detector.truth}
    for i in range(first, first + n):
        rng = np.random.default_rng([seed, i])
        story = _story(detector, rng)
        for truth in detector.truth:
            truths[truth.name].append(_truth(truth, story, detector, rng))
        for stream in detector.streams:
            rows[stream.name].append(_rows(stream, story, rng))
    return Events(
        streams={s.name: _table(s, rows[s.name]) for s in detector.streams},
        truth={
            t.name: np.array(truths[t.name], t.layout[0]).reshape(n, *t.layout[1])
            for t in detector.truth
        },
        keys=tuple(f"{seed}/{i}" for i in range(first, first + n)),
        group=np.arange(first, first + n, dtype=np.int64),
    )


def _story(detector: Detector, rng: np.random.Generator) -> _Story:
    """Classes are drawn first; each in its turn decides on number, spread or strength."""
    classes = {t.name: int(rng.integers(len(t.classes))) for t in detector.truth if t.classes}
    tells = [0.0, 0.0, 0.0]
    for turn, truth in enumerate(t for t in detector.truth if t.classes):
        tells[turn % 3] += classes[truth.name] / len(truth.classes)
    number = 1 + round(6 * tells[0]) if classes else int(rng.integers(1, 4))
    slopes = rng.normal(0.0, 0.25 + 0.6 * tells[1], (number, 2))
    directions = np.concatenate([slopes, np.ones((number, 1))], axis=1)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return _Story(
        start=rng.uniform([0.25, 0.25, 0.05], [0.75, 0.75, 0.4]),
        directions=directions,
        lengths=rng.uniform(0.3, 0.6, number),
        strength=float(np.exp(rng.normal(1.5 + 1.5 * tells[2], 0.25))),
        blob=float(rng.uniform(0.8, 2.0)),
        classes=classes,
    )


def _truth(truth: Label, story: _Story, detector: Detector, rng: np.random.Generator) -> Array:
    if truth.classes:
        k = story.classes[truth.name]
        return np.eye(len(truth.classes))[k] if truth.soft else np.array(k)
    visible = story.strength * float(story.lengths.sum())
    if truth.width == 3:
        towards = (story.directions * story.lengths[:, None]).sum(0)
        values = _where(story.start, detector) if truth.moves == "point" else visible * towards
    else:
        values = visible * np.exp(rng.normal(0.0, 0.02, truth.width))
    return values if truth.width > 1 else values[0]


def _where(start: Array, detector: Detector) -> Array:
    """The start in mm: in the first voxel stream, in a cube around the origin without one."""
    for stream in detector.streams:
        if isinstance(stream, VoxelGrid):
            spans = [(a.lower[0], a.lower[-1] + a.pitch) for a in stream.axes]
            return np.array([lo + u * (hi - lo) for (lo, hi), u in zip(spans, start, strict=True)])
    return (start - 0.5) * _SIDE


def _rows(stream: Stream, story: _Story, rng: np.random.Generator) -> dict[str, Array]:
    if isinstance(stream, VoxelGrid):
        return _voxels(stream, story, rng)
    if isinstance(stream, DenseArray):
        return _array(stream, story, rng)
    if isinstance(stream, TrackSet):
        return _tracks(stream, story, rng)
    if isinstance(stream, PointCloud):
        return _points(stream, story, rng)
    return _plugin_rows(stream, story, rng)


def _hits(
    story: _Story, shape: tuple[int, int, int], rng: np.random.Generator
) -> tuple[Array, ...]:
    """Positions (n, 3) in the unit cube, charges (n,) and origins (n,) of an event's hits."""
    steps = [max(2, int(np.ceil(1.2 * s * max(shape)))) for s in story.lengths]
    along = np.concatenate(
        [np.linspace(0, s, k) for s, k in zip(story.lengths, steps, strict=True)]
    )
    tracks = story.start + along[:, None] * np.repeat(story.directions, steps, axis=0)
    blob = story.start + rng.normal(0, story.blob, (int(rng.integers(8, 24)), 3)) / np.array(shape)
    noise = rng.random((int(rng.integers(0, 4)), 3))
    at = np.concatenate([tracks, blob, noise])
    origin = np.repeat([_TRACK, _BLOB, _NOISE], [len(tracks), len(blob), len(noise)])
    mean = story.strength * np.array([1.0, 2.0, 0.2])[origin]
    charge = mean * np.exp(rng.normal(0, 0.15, len(at)))
    inside = ((at >= 0) & (at < 1)).all(1)
    keep, luck = np.flatnonzero(inside), rng.random()
    if luck < _EMPTY + _ONE_HIT:
        keep = keep[: int(luck >= _EMPTY)]
    return at[keep], charge[keep], origin[keep]


def _voxels(grid: VoxelGrid, story: _Story, rng: np.random.Generator) -> dict[str, Array]:
    at, charge, origin = _hits(story, grid.shape, rng)
    cells = (at * np.array(grid.shape)).astype(np.int64)
    flat = np.ravel_multi_index(tuple(cells.T), grid.shape)
    unique, back = np.unique(flat, return_inverse=True)
    n = len(unique)
    by_origin = np.bincount(back * 3 + origin, charge, minlength=3 * n).reshape(n, 3)
    index = np.stack(np.unravel_index(unique, grid.shape), axis=1)
    position = np.stack([a.centres[i] for a, i in zip(grid.axes, index.T, strict=True)], axis=1)
    rows = {"index": index}
    return rows | _numbers(grid.columns, grid.labels, by_origin, position, story, rng)


def _points(cloud: PointCloud, story: _Story, rng: np.random.Generator) -> dict[str, Array]:
    at, charge, origin = _hits(story, (_POINTS,) * 3, rng)
    by_origin = np.zeros((len(at), 3))
    by_origin[np.arange(len(at)), origin] = charge
    position = (at - 0.5) * _SIDE
    rows = {"position": position}
    return rows | _numbers(cloud.columns, cloud.labels, by_origin, position, story, rng)


def _numbers(
    columns: tuple[Column, ...],
    labels: tuple[Label, ...],
    by_origin: Array,
    position: Array,
    story: _Story,
    rng: np.random.Generator,
) -> dict[str, Array]:
    """Columns and labels of rows: the first scalar is the charge, later ones follow the path."""
    n, charge = len(by_origin), by_origin.sum(1)
    path = np.linalg.norm(position - position.mean(0), axis=1) if n else charge
    rows, scalars = {}, 0
    for c in columns:
        if c.moves != "scalar" and c.width == 3:
            values = position if c.moves == "point" else charge[:, None] * story.directions[0]
        else:
            base = charge if scalars == 0 else path * rng.normal(1.0, 0.01, n)
            values = base.reshape(-1, *(1,) * len(c.extra)) * np.ones((1, *c.extra))
            scalars += 1
        rows[c.name] = values
    for label in labels:
        rows[label.name] = _label(label, by_origin, position, charge)
    return rows


def _label(label: Label, by_origin: Array, position: Array, charge: Array) -> Array:
    """Classes tell a hit's origin (two classes: noise or not); noise has no soft label."""
    shares: Array
    n, k = len(by_origin), len(label.classes)
    if not label.classes:
        several = position if label.width == 3 else np.repeat(charge[:, None], label.width, 1)
        return several if label.width > 1 else charge
    number = np.array([0, 0, k - 1] if k < 3 else [0, 1, k - 1])
    shares = np.zeros((n, k))
    np.add.at(shares.T, number, by_origin.T)
    if not label.soft:
        number_of: Array = shares.argmax(1)
        return number_of
    shares[by_origin.argmax(1) == _NOISE] = np.nan
    shares /= shares.sum(1, keepdims=True)
    return shares


def _array(array: DenseArray, story: _Story, rng: np.random.Generator) -> dict[str, Array]:
    """At most one row: a bump where the first track points, along the array's own axes."""
    n = int(rng.random() >= _ABSENT)
    centre = np.clip(story.start + 0.3 * story.directions.mean(0), 0, 1)
    bump = np.ones(array.shape)
    for axis, size in enumerate(array.shape):
        which = array.along[axis] if axis < len(array.along) else ""
        u = centre["xyz".index(which)] if which else 0.5
        line = np.exp(-0.5 * ((np.arange(size) + 0.5) / size - u) ** 2 / 0.15**2)
        bump = bump * line.reshape([-1 if a == axis else 1 for a in range(bump.ndim)])
    rows = {}
    for c in array.columns:
        noise = np.exp(rng.normal(0, 0.1, (n, *array.shape, *c.extra)))
        whole = bump.reshape((*array.shape, *(1,) * len(c.extra)))
        rows[c.name] = 20 * story.strength * whole * noise
    for label in array.labels:
        rows[label.name] = _unknown(label, n)
    return rows


def _tracks(tracks: TrackSet, story: _Story, rng: np.random.Generator) -> dict[str, Array]:
    """Up to three tracks: the event's own, seen by most planes."""
    n = int(rng.integers(0, min(len(story.lengths), 3) + 1))
    rows: dict[str, Array] = {}
    for c in tracks.columns:
        three = c.width == 3
        base = story.directions[:n] if three else story.lengths[:n, None] * story.strength
        rows[c.name] = (base * np.ones((n, c.width))).reshape(n, *c.extra)
    seen = rng.random((n, tracks.planes)) > 0.1
    z = np.linspace(0.0, 0.5, tracks.planes)
    path = story.start + story.directions[:n, None, :] * z[:, None]
    for p in tracks.points:
        values = (path - 0.5) * _SIDE if p.width == 3 else np.repeat(path[..., :1], p.width, axis=2)
        values = values.reshape(n, tracks.planes, *p.extra) + rng.normal(
            0, 1e-3, (n, tracks.planes, *p.extra)
        )
        rows[p.name] = np.where(
            seen.reshape(n, tracks.planes, *(1,) * len(p.extra)), values, np.nan
        )
    for label in tracks.labels:
        rows[label.name] = _unknown(label, n)
    return rows


def _plugin_rows(stream: Stream, story: _Story, rng: np.random.Generator) -> dict[str, Array]:
    """Rows of a kind of stream that a plugin adds: numbers of the right size, no more is known."""
    n = int(rng.integers(0, 8))
    layout = stream.layout.items()
    return {k: np.abs(rng.normal(0, story.strength, (n, *shape))) for k, (_, shape) in layout}


def _unknown(label: Label, n: int) -> Array:
    dtype, shape = label.layout
    return np.full((n, *shape), -1 if dtype == "int8" else np.nan)


def _table(stream: Stream, events_rows: list[dict[str, Array]]) -> Table:
    """One table of the rows of each event, in the declared types."""
    if not events_rows:
        return Table.empty(stream.layout, 0)
    columns = {
        name: _converted(np.concatenate([r[name] for r in events_rows]), dtype)
        for name, (dtype, _) in stream.layout.items()
    }
    counts = np.array([len(next(iter(r.values()))) for r in events_rows])
    return Table(cumulated(counts), columns)


def _converted(values: Array, dtype: str) -> Array:
    whole = np.issubdtype(np.dtype(dtype), np.integer)
    result: Array = (np.rint(values) if whole else values).astype(dtype)
    return result
