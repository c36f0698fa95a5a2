"""From events to a batch: scaled values and the index plan of every stream, as tensors.

Shape letters: n rows, F columns side by side, t visible tokens, B events.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from attrs import field, frozen

from . import plan
from .batch import ArrayPlan, Asked, Batch, GridPlan, Plan, Rows, StreamPlan, TrackPlan
from .detector import Detector
from .dotted import load
from .events import Array, Events, Table
from .normalise import scaled
from .plan import Empty, Patches
from .recipe import Model
from .split import event_of
from .streams import Column, DenseArray, TrackSet, VoxelGrid
from .task import StreamKind, View


@frozen(eq=False, kw_only=True)
class Planner:
    """Makes batches of a detector's events; picklable, so that it works in loader workers.

    kinds: the kinds of stream that plugins bring, by declaration class.
    """

    detector: Detector
    model: Model
    normalisation: Mapping[str, Any]
    kinds: Mapping[type, StreamKind] = field(factory=dict)

    def __call__(self, events: Events, views: tuple[View, ...], rng: np.random.Generator) -> Batch:
        """The batch of `events` with a plan for each of `views`; masks are drawn from `rng`."""
        truth = {k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in events.truth.items()}
        plans = {view: self.plan(events, view, rng) for view in views}
        return Batch(truth=truth, plans=plans, keys=events.keys, together=_together(events.keys))

    def plan(self, events: Events, view: View, rng: np.random.Generator) -> Plan:
        """What the encoder sees of `events` through `view`."""
        streams: dict[str, StreamPlan] = {}
        for stream in self.detector.streams:
            table = events.streams[stream.name]
            scale = self.normalisation["streams"][stream.name]
            if isinstance(stream, VoxelGrid):
                streams[stream.name] = grid_plan(table, stream, scale, self.model, view, rng)
                continue
            shown = rng.random(len(events)) >= view.drop
            make = PLANS.get(type(stream)) or load(self.kinds[type(stream)].plan)
            streams[stream.name] = make(table, stream, scale, shown)
        return fuse(streams, len(events))


def _together(keys: tuple[str, ...]) -> Rows:
    """Samples laid out by the event part of their keys."""
    number: dict[str, int] = {}
    event = [number.setdefault(event_of(key), len(number)) for key in keys]
    return Rows.of([np.array(event, np.int64)], len(number))


def fuse(streams: Mapping[str, StreamPlan], b: int) -> Plan:
    """Lay the latents and keys of all streams out per event."""
    latents, keys = [np.arange(b)], []
    for stream in streams.values():
        keys.append(stream.owner.numpy())
        if isinstance(stream, GridPlan):
            latents.append(stream.summary_event.numpy())
    return Plan(streams, Rows.of(latents, b), Rows.of(keys, b))


def grid_plan(
    table: Table,
    grid: VoxelGrid,
    scale: Mapping[str, Any],
    model: Model,
    view: View,
    rng: np.random.Generator,
) -> GridPlan:
    """The plan of a voxel stream; a table without rows gives no tokens and no windows."""
    windows = int(np.prod(grid.windows))
    found = plan.patches(table, grid)
    kept = plan.mask(found, windows, view, rng)
    visible = np.flatnonzero(kept)
    asked = np.flatnonzero(rng.random(len(kept)) < np.where(kept, view.visible, view.decode))
    empty = plan.empty(found, asked, grid, len(table), view.empty, rng)
    rows, offsets = plan.ragged(found.first, visible)
    taken = found.rows[rows]
    values = grid_values(table, grid.columns, scale)
    names = [label.name for label in grid.labels if label.name in table.columns]
    tensors = {
        "cell": found.cell[rows],
        "values": values[taken],
        "bags": offsets[:-1],
        "token": np.repeat(np.arange(len(visible)), np.diff(offsets)),
        "event": found.event[visible],
        "window": found.window[visible],
        "place": found.place[visible],
        "patch": found.patch[visible],
        **_windows(found, visible, windows, model),
    }
    return GridPlan(
        **{k: torch.from_numpy(v) for k, v in tensors.items()},
        labels={k: torch.from_numpy(table[k][taken]) for k in names},
        rows=Rows.of([found.event[visible]], len(table)),
        asked=_asked(found, asked, empty, values, len(table)),
    )


def _windows(found: Patches, visible: Array, windows: int, model: Model) -> dict[str, Array]:
    """How the visible patches and the summaries of their windows lie in rows."""
    key = found.event[visible] * windows + found.window[visible]
    active, group = np.unique(key, return_inverse=True)
    summary = np.repeat(np.arange(len(active)), model.summaries)
    layout = plan.pack([summary, group], model.row)
    return {
        "slot": layout.slot,
        "document": layout.document,
        "summary_event": active[summary] // windows,
        "summary_window": active[summary] % windows,
    }


def _asked(found: Patches, chosen: Array, empty: Empty, values: Array, b: int) -> Asked:
    rows, offsets = plan.ragged(found.first, chosen)
    arrays = (
        np.append(found.window[chosen], empty.window),
        np.append(found.place[chosen], empty.place),
        np.repeat(np.arange(len(chosen)), np.diff(offsets)),
        found.cell[rows],
        values[found.rows[rows]],
    )
    owners = Rows.of([found.event[chosen], empty.event], b)
    return Asked(owners, *map(torch.from_numpy, arrays))


def grid_values(table: Table, columns: tuple[Column, ...], scale: Mapping[str, Any]) -> Array:
    """Columns in their declared scale over their root mean square, side by side, (n, F) float32.

    They are not centred: a cell that is not hit counts as zero, so the mean must not.
    """
    return _side_by_side(table, columns, lambda c, v: v / np.asarray(scale[c.name]["rms"]), 1)


def array_plan(
    table: Table, array: DenseArray, scale: Mapping[str, Any], shown: Array
) -> ArrayPlan:
    """The plan of a dense array: standardised over the training split, NaN counts as average."""
    values = np.nan_to_num(
        _side_by_side(table, array.columns, _standard(scale), 1 + len(array.shape))
    )
    event = np.flatnonzero(table.counts)
    return ArrayPlan(
        values=torch.from_numpy(values.reshape(len(values), array.size)),
        event=torch.from_numpy(event),
        shown=torch.from_numpy(np.flatnonzero(shown[event])),
    )


def track_plan(table: Table, tracks: TrackSet, scale: Mapping[str, Any], shown: Array) -> TrackPlan:
    """The plan of a track set; missing points count as not hit, missing columns as average."""
    points = _side_by_side(table, tracks.points, _standard(scale), 2)
    hit = np.isfinite(points).all(-1)
    columns = _side_by_side(table, tracks.columns, _standard(scale), 1)
    return TrackPlan(
        columns=torch.from_numpy(np.nan_to_num(columns)),
        points=torch.from_numpy(np.nan_to_num(points)),
        hit=torch.from_numpy(hit),
        event=torch.from_numpy(table.event),
        rows=Rows.of([table.event], len(table)),
        counts=torch.from_numpy(table.counts),
        leading=torch.from_numpy(table.offsets[:-1][table.counts > 0]),
        shown=torch.from_numpy(np.flatnonzero(shown)),
    )


def _standard(scale: Mapping[str, Any]) -> Callable[[Column, Array], Array]:
    return lambda c, v: (v - np.asarray(scale[c.name]["mean"])) / np.asarray(scale[c.name]["std"])


def _side_by_side(
    table: Table, columns: tuple[Column, ...], norm: Callable[[Column, Array], Array], lead: int
) -> Array:
    """Scaled columns as float32, (n, ..., F): `lead` axes, then the numbers of all columns."""
    parts = []
    for column in columns:
        values = norm(column, scaled(column, table[column.name].astype(np.float32)))
        parts.append(values.reshape(*values.shape[:lead], column.width))
    shape = table[columns[0].name].shape[:lead] if columns else (int(table.offsets[-1]),)
    whole = np.concatenate(parts, -1) if parts else np.zeros((*shape, 0))
    return whole.astype(np.float32)


PLANS: dict[type, Callable[..., StreamPlan]] = {DenseArray: array_plan, TrackSet: track_plan}
