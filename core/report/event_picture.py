"""A picture of one event of any detector, drawn from its declaration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from attrs import frozen
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec, SubplotSpec

from intarsia.core.detector import Detector
from intarsia.core.events import Array, Events, Table
from intarsia.core.streams import DenseArray, PointCloud, TrackSet, VoxelGrid

from .project import draw, outline, span
from .space import View, box, limits, voxel_area
from .style import CHARGE, COLOURS, INK, bare, charge_norm, label, plain_log, save_png, styled

_WIDE, _SIDE = 8.4, 3.4  # inches: views along the beam, and what stands beside them
_LONG = 1.8  # length over width from which a detector's views are strips
_Z, _X, _Y = 2, 0, 1


@frozen(eq=False)
class _Drawn:
    """One event and what of it is drawn: grids with the column that colours them."""

    detector: Detector
    event: Events
    origin: str
    grids: Sequence[VoxelGrid]
    norms: dict[str, LogNorm]

    def charge(self, grid: VoxelGrid) -> Array:
        column = next((c.name for c in grid.columns if c.width == 1), grid.columns[0].name)
        if (shown := self.detector.display) and shown.stream == grid.name:
            column = shown.column
        values = self.event.streams[grid.name][column].astype(np.float64)
        summed: Array = values if values.ndim == 1 else values.sum(tuple(range(1, values.ndim)))
        return summed

    def span(self, axis: int) -> tuple[float, float]:
        spans = [span(g, axis) for g in self.grids]
        return min(s[0] for s in spans), max(s[1] for s in spans)


def save(events: Events, detector: Detector, path: Path, event: int = 0, origin: str = "") -> Path:
    """Write a PNG of event number `event` of `events` to `path`, which is returned.

    Voxel streams in mm, seen from three sides and in space, where they stand in the detector;
    tracks as lines; arrays as heat maps. A detector without voxels shows arrays, points and
    tracks only. Works on empty streams. origin: how the event came about, for the heading.
    """
    one = events.slice(event, event + 1)
    grids = list(detector.grids.values())
    if shown := detector.display:
        grids.sort(key=lambda g: g.name != shown.stream)
    drawn = _Drawn(detector, one, origin, grids, {})
    for grid in grids:
        same = [g for g in grids if g.columns[0].unit == grid.columns[0].unit]
        drawn.norms[grid.name] = charge_norm(np.concatenate([drawn.charge(g) for g in same]))
    with styled():
        figure = _with_grids(drawn) if grids else _without_grids(drawn)
        return save_png(figure, path)


def origin(provenance: Mapping[str, Any]) -> str:
    """What a picture says of events of that `provenance`; of measured ones nothing."""
    said = {"fast": "fast simulation", "sample": "drawn at random"}
    return said.get(provenance.get("simulation", ""), "")


def _with_grids(drawn: _Drawn) -> Figure:
    """Strips below each other for a detector that is long along z, else views side by side."""
    (z0, z1), (x0, x1), (y0, y1) = (drawn.span(a) for a in (_Z, _X, _Y))
    across, up, along = x1 - x0, y1 - y0, z1 - z0
    figure = Figure(figsize=(1, 1), layout="constrained")
    if along > _LONG * max(across, up):
        inch = (_WIDE - 0.9) / along
        heights = [float(np.clip(s * inch, 1.0, 4.0)) + 0.4 for s in (across, up)]
        heights.append(max(2.6, (_WIDE - 0.9) * _space_ratio(drawn) + 0.3))
        figure.set_size_inches(_WIDE + _SIDE, sum(heights) + 0.4)
        layout = GridSpec(3, 2, figure, width_ratios=[_WIDE, _SIDE], height_ratios=heights)
        places = [layout[0, 0], layout[1, 0], layout[0:2, 1], layout[2, 0], layout[2, 1]]
    else:
        width, beside = 4.6, 2.6 * bool(_arrays(drawn))
        shapes = max(across / along, _space_ratio(drawn)), max(up / along, up / across)
        heights = [float(np.clip(width * r, 1.2, 5.4)) + 0.5 for r in shapes]
        heights[1] += 0.6  # the colour bar
        figure.set_size_inches(2 * width + beside, sum(heights) + 0.4)
        ratios = [width, width, *([beside] if beside else [])]
        layout = GridSpec(2, len(ratios), figure, width_ratios=ratios, height_ratios=heights)
        places = [layout[0, 0], layout[1, 0], layout[1, 1], layout[0, 1], layout[:, -1]]
    _fill(figure, places, drawn)
    figure.suptitle(_heading(drawn), x=0.01, ha="left", fontsize=12)
    return figure


def _fill(figure: Figure, places: Sequence[SubplotSpec], drawn: _Drawn) -> None:
    """Two views along the beam, one against it, one in space, arrays; with a colour bar."""
    top, side, beam = (figure.add_subplot(p) for p in places[:3])
    _view(top, drawn, (_Z, _X))
    mesh = _view(side, drawn, (_Z, _Y))
    _view(beam, drawn, (_X, _Y), drawn.grids[:1])
    first = drawn.grids[0]
    beam.set_title(f"{first.name}, along the beam" if len(drawn.grids) > 1 else "along z")
    _space(figure.add_subplot(places[3]), drawn)
    if _arrays(drawn):
        _beside(figure, places[4], drawn)
    bar = figure.colorbar(mesh, ax=beam, location="bottom", shrink=0.9, aspect=24, pad=0.03)
    plain_log(bar)
    bar.set_label(f"{first.columns[0].name} summed along the view [{first.columns[0].unit}]")


def _arrays(drawn: _Drawn) -> list[DenseArray]:
    arrays = [s for s in drawn.detector.streams if isinstance(s, DenseArray)]
    return [s for s in arrays if s.shape][:3]  # a single value is no picture


def _space_ratio(drawn: _Drawn) -> float:
    """Height over width of the view in space."""
    low, high = limits(drawn.grids, View())
    return float((high[1] - low[1]) / (high[0] - low[0]))


def _heading(drawn: _Drawn) -> str:
    event, words = drawn.event, []
    for truth in drawn.detector.truth:
        if truth.classes and truth.name in event.truth and not truth.soft:
            number = int(event.truth[truth.name][0])
            known = truth.classes[number] if number >= 0 else "unknown"
            words.append(f"{truth.name} {known}".replace("_", " "))
    hits = ", ".join(f"{int(event.streams[g.name].offsets[-1])} in {g.name}" for g in drawn.grids)
    told = f"   true {', '.join(words)}" if words else ""
    origin = f" ({drawn.origin})" if drawn.origin else ""
    return f"{drawn.detector.name}{origin}, event {event.keys[0]}{told}" + (
        f"   hits: {hits}" if hits else ""
    )


def _view(
    axes: Axes, drawn: _Drawn, plane: tuple[int, int], grids: Sequence[VoxelGrid] | None = None
) -> Any:
    """One projection; gives what a colour bar needs, of the first grid."""
    mesh = None
    for grid in grids or drawn.grids:
        outline(axes, grid, plane)
        index = drawn.event.streams[grid.name]["index"]
        colours = {"cmap": CHARGE, "norm": drawn.norms[grid.name]}
        made = draw(axes, grid, index, drawn.charge(grid), plane, **colours)
        mesh = mesh or made
        if len(drawn.grids) > 1 and not grids:
            left, right = span(grid, plane[0])
            high = max(span(g, plane[1])[1] for g in drawn.grids)
            axes.annotate(
                grid.name,
                ((left + right) / 2, high),
                (0, 2),
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=9,
                color=INK,
            )
    for points in _tracks(drawn):
        axes.plot(
            points[:, plane[0]], points[:, plane[1]], ".-", color=COLOURS[2], lw=1, ms=3, zorder=3
        )
    shown = grids or drawn.grids
    axes.set_xlim(*_roomy(shown, plane[0]))
    axes.set_ylim(*_roomy(shown, plane[1]))
    axes.set_aspect("equal", adjustable="box", anchor="N")
    label(axes, f"{'xyz'[plane[0]]} [mm]", f"{'xyz'[plane[1]]} [mm]")
    return mesh


def _roomy(grids: Sequence[VoxelGrid], axis: int) -> tuple[float, float]:
    low, high = min(span(g, axis)[0] for g in grids), max(span(g, axis)[1] for g in grids)
    room = 0.02 * (high - low)
    return low - room, high + room


def _tracks(drawn: _Drawn) -> list[Array]:
    """Measured points of each track, (planes seen, 3) in mm."""
    found = []
    for stream in drawn.detector.streams:
        if isinstance(stream, TrackSet):
            for column in stream.points:
                if column.moves == "point" and column.width == 3 and column.unit == "mm":
                    for points in drawn.event.streams[stream.name][column.name]:
                        found.append(points[np.isfinite(points).all(1)])
    return [points for points in found if len(points)]


def _space(axes: Axes, drawn: _Drawn) -> None:
    """The event in space, the far voxels first."""
    view = View()
    for grid in drawn.grids:
        box(axes, grid, view)
        index, charge = drawn.event.streams[grid.name]["index"], drawn.charge(grid)
        centres = [grid.axes[a].centres[index[:, a]] for a in range(3)]
        at, depth = view.seen(np.stack(centres, axis=1))
        order = np.argsort(-depth, kind="stable")
        size = voxel_area(axes, drawn.grids, grid, 4.6)
        axes.scatter(
            at[order, 0],
            at[order, 1],
            c=charge[order],
            s=size,
            marker="s",
            lw=0,
            cmap=CHARGE,
            norm=drawn.norms[grid.name],
            zorder=2,
        )
    low, high = limits(drawn.grids, view)
    for points in _tracks(drawn):
        at, _ = view.seen(points)
        axes.plot(*at.T, ".-", color=COLOURS[2], lw=1, ms=3, zorder=3)
    room = 0.01 * (high - low)
    axes.set_xlim(low[0] - room[0], high[0] + room[0])
    axes.set_ylim(low[1] - room[1], high[1] + room[1])
    axes.set_aspect("equal", adjustable="box")
    axes.set_axis_off()


def _beside(figure: Figure, place: SubplotSpec, drawn: _Drawn) -> None:
    """Heat maps of the arrays, below each other."""
    arrays = _arrays(drawn)
    layout = place.subgridspec(len(arrays), 1)
    for i, array in enumerate(arrays):
        _heat(figure, figure.add_subplot(layout[i, 0]), array, drawn.event.streams[array.name])


def _heat(figure: Figure, axes: Axes, array: DenseArray, table: Table) -> None:
    column = array.columns[0]
    axes.set_title(
        f"{array.name} [{column.unit}]" + ("" if len(table[column.name]) else ": absent")
    )
    if not len(table[column.name]):
        axes.set_axis_off()
        return
    values = table[column.name][0].astype(np.float64).reshape(*array.shape, -1).sum(-1)
    names = [*array.along, "", ""]
    if values.ndim == 2:
        image = axes.imshow(values, cmap=CHARGE, origin="lower", norm=charge_norm(values))
        bare(axes)
        axes.set_xticks([])
        axes.set_yticks([])
        label(axes, names[1], names[0])
        plain_log(figure.colorbar(image, ax=axes, shrink=0.9, aspect=14))
    else:
        axes.bar(np.arange(values.size), values.ravel(), color=COLOURS[0])
        label(axes, names[0] or "entry", column.unit)


def _without_grids(drawn: _Drawn) -> Figure:
    """Arrays, and points and tracks seen from the side."""
    arrays = [s for s in drawn.detector.streams if isinstance(s, DenseArray)]
    clouds = [s for s in drawn.detector.streams if isinstance(s, PointCloud)]
    flat = bool(clouds or _tracks(drawn))
    n = max(1, len(arrays) + 2 * flat)
    figure = Figure(figsize=(4.2 * n, 4.2), layout="constrained")
    places = [figure.add_subplot(1, n, i + 1) for i in range(n)]
    if flat:
        for axes, plane in zip(places, ((_Z, _X), (_Z, _Y)), strict=False):
            for cloud in clouds:
                table = drawn.event.streams[cloud.name]
                at = table["position"]
                axes.scatter(at[:, plane[0]], at[:, plane[1]], s=4, color=COLOURS[0])
            for points in _tracks(drawn):
                axes.plot(points[:, plane[0]], points[:, plane[1]], ".-", color=COLOURS[2])
            label(axes, f"{'xyz'[plane[0]]} [mm]", f"{'xyz'[plane[1]]} [mm]")
    for axes, array in zip(places[2 * flat :], arrays, strict=False):
        _heat(figure, axes, array, drawn.event.streams[array.name])
    figure.suptitle(_heading(drawn), x=0.01, ha="left", fontsize=12)
    return figure
