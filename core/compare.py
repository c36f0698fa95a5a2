"""Two detectors side by side, as a core sees them: what to know before a transfer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from attrs import frozen

from .detector import Detector
from .events import Array, Events
from .normalise import scaled
from .plan import patches
from .streams import VoxelGrid

# How many times a number of one may be that of the other before a core is likely to see something
# new. Chosen by judgement: FASERCal and SuperFGD, between which transfer works (arXiv:2604.07037),
# differ by less than all of them in pitch and patch.
APART = {
    "patch [mm]": 3.0,
    "patches of a window": 4.0,
    "occupied patches of an event": 5.0,
    "hits of an occupied patch": 5.0,
    "charge over its rms": 3.0,
}


@frozen(kw_only=True)
class Compared:
    """A voxel stream of each of two detectors: rows of (quantity, value, value), and warnings."""

    streams: tuple[str, str]
    rows: tuple[tuple[str, str, str], ...]
    warnings: tuple[str, ...]


def compare(
    a: Detector, b: Detector, events_a: Events | None = None, events_b: Events | None = None
) -> list[Compared]:
    """Each voxel stream of `b` beside the one of `a` that would play it, see `transfer.played`.

    Occupancy and charge are compared where there are events of both. Nothing for a detector without
    voxels.
    """
    ours, found = a.grids, []
    for grid in b.grids.values() if ours else ():
        other = ours.get(grid.name) or next(iter(ours.values()))
        seen = _seen(other, events_a), _seen(grid, events_b)
        named = dict.fromkeys([*seen[0], *seen[1]])
        shown = [(what, _text(seen[0].get(what)), _text(seen[1].get(what))) for what in named]
        warnings = _warnings((f"{a.name}'s {other.name}", f"{b.name}'s {grid.name}"), *seen)
        found.append(
            Compared(streams=(other.name, grid.name), rows=tuple(shown), warnings=tuple(warnings))
        )
    return found


def _seen(grid: VoxelGrid, events: Events | None) -> dict[str, Any]:
    """Numbers of a voxel stream: texts, triples along the axes, or 5, 50 and 95 % quantiles."""
    pitch = np.array([axis.pitch for axis in grid.axes])
    column = grid.columns[0]
    numbers: dict[str, Any] = {
        "cells": grid.shape,
        "pitch [mm]": pitch,
        "patch [cells]": grid.patch,
        "patch [mm]": pitch * grid.patch,
        "patches": int(np.prod(grid.patches)),
        "patches of a window": int(np.prod(grid.window)),
        "windows": int(np.prod(grid.windows)),
        "columns": ", ".join(f"{c.name} [{c.unit}] {c.scale}" for c in grid.columns),
    }
    if events is None or not len(events):
        return numbers
    table = events.streams[grid.name]
    found = patches(table, grid)
    numbers |= {
        "events": len(events),
        "hits of an event": _quantiles(table.counts),
        "occupied patches of an event": _quantiles(np.bincount(found.event, minlength=len(events))),
        "hits of an occupied patch": _quantiles(np.diff(found.first)),
    }
    charge = table[column.name].astype(np.float64)
    values = scaled(column, charge).reshape(-1)
    rms = float(np.sqrt((values**2).mean())) if len(values) else 0.0
    return numbers | {
        "charge": f"{_text(_quantiles(charge.reshape(-1)))} {column.unit}",
        "charge over its rms": _quantiles(values / (rms or 1.0)),
    }


def _quantiles(values: Array) -> Array | None:
    """5, 50 and 95 %, (3,); None without values."""
    return np.quantile(values, [0.05, 0.5, 0.95]) if len(values) else None


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, np.ndarray | tuple):
        return " ".join(f"{v:.4g}" for v in value)
    return str(value)


def _warnings(names: tuple[str, str], a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[str]:
    if a["columns"].count("[") != b["columns"].count("["):
        yield f"{names[0]} measures {a['columns']}, {names[1]} {b['columns']}"
    for what, most in APART.items():
        pair = a.get(what), b.get(what)
        if pair[0] is None or pair[1] is None:
            continue
        x, y = (np.atleast_1d(np.asarray(v, np.float64)) for v in pair)
        if len(x) == 3 and what != "patch [mm]":  # the middle of a distribution says most
            x, y = x[1:2], y[1:2]
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = float(np.nanmax(np.maximum(x / y, y / x)))
        if ratio > most:
            yield (
                f"{what}: {_text(pair[0])} in {names[0]}, {_text(pair[1])} in {names[1]}: "
                f"{ratio:.3g} times apart (more than {most:g})"
            )
