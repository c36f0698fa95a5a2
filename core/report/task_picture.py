"""What pre-training does to an event: what was hidden, what came back, which labels were found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from attrs import frozen
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from intarsia.core.detector import Detector
from intarsia.core.events import Array
from intarsia.core.streams import Label, VoxelGrid

from .project import draw, most, outline, span
from .style import CHARGE, COLOURS, charge_norm, label, plain_log, save_png, styled

_LONG = 1.8
_WIDE = 5.9  # inches of a strip; of a compact panel about half
_Z, _X, _Y = 2, 0, 1
_VIEWS = ((_Z, _X), (_Z, _Y))
_UNKNOWN = "#cbcbd4"
_PALE = ListedColormap([_UNKNOWN])


@frozen(eq=False)
class Layer:
    """Cells of a panel: index (n, 3), and either a charge or a class (n,), or neither: grey."""

    index: Array
    charge: Array | None = None
    kind: Array | None = None


@frozen(eq=False)
class Panel:
    """A titled picture: layers one over another."""

    title: str
    layers: tuple[Layer, ...]


@frozen(eq=False)
class MaskedEvent:
    """An event of one voxel stream as masked pre-training sees it.

    Each index (n, 3) in cells, each charge (n,) in the unit of the stream's first column. kept:
    what the encoder sees. hidden: what it does not. predicted: what the decoder puts there.
    """

    kept_index: Array
    kept_charge: Array
    predicted_index: Array
    predicted_charge: Array
    hidden_index: Array
    hidden_charge: Array

    @classmethod
    def of(cls, arrays: Mapping[str, Array], stream: str) -> MaskedEvent | None:
        """From arrays named ``stream/kept_index``, ``stream/kept_values`` (n, F) and so on."""
        found = []
        for what in ("kept", "predicted", "hidden"):
            if f"{stream}/{what}_index" not in arrays:
                return None
            values = arrays[f"{stream}/{what}_values"]
            found += [
                arrays[f"{stream}/{what}_index"],
                values if values.ndim == 1 else values[:, 0],
            ]
        return cls(*found)


def save_masked(event: MaskedEvent, grid: VoxelGrid, path: Path, heading: str = "") -> Path:
    """Write a PNG to `path`: the event, the masked input, the reconstruction, and the truth."""
    kept, hidden = event.kept_index, event.hidden_index
    charge = np.concatenate([event.kept_charge, event.hidden_charge])
    whole = Layer(np.concatenate([kept, hidden]), charge)
    pale = Layer(kept)
    share = len(hidden) / max(len(whole.index), 1)
    panels = [
        Panel("event", (whole,)),
        Panel(
            f"encoder's input, {share:.0%} hidden",
            (Layer(kept, event.kept_charge),),
        ),
        Panel(
            "reconstruction",
            (pale, Layer(event.predicted_index, event.predicted_charge)),
        ),
        Panel("truth", (pale, Layer(hidden, event.hidden_charge))),
    ]
    return _save(panels, grid, path, heading, charge_norm(charge), ())


def save_labels(
    index: Array,
    charge: Array,
    true: Array,
    predicted: Array | None,
    what: Label,
    grid: VoxelGrid,
    path: Path,
    heading: str = "",
) -> Path:
    """Write a PNG to `path` of the voxel label `what`: true and predicted class of each voxel.

    index: (n, 3), charge: (n,), which weighs voxels that lie behind each other. true, predicted:
    classes (n,), shares (n, C), or probabilities of the second of two classes (n,); unknown truth
    (-1, NaN) is grey.
    """
    panels = [Panel(f"{what.name}, true", (Layer(index), Layer(index, charge, classes(true))))]
    if predicted is not None:
        found = classes(predicted)
        panels.append(Panel(f"{what.name}, predicted", (Layer(index), Layer(index, charge, found))))
    return _save(panels, grid, path, heading, LogNorm(0.1, 1), what.classes)


def classes(values: Array) -> Array:
    """Class of each row, (n,) int, -1 where unknown: of shares (n, C), probabilities or classes."""
    if values.ndim == 2:
        known = np.asarray(np.isfinite(values).all(1))
        return np.where(known, np.where(known[:, None], values, 0).argmax(1), -1)
    if np.issubdtype(values.dtype, np.floating):
        return np.where(np.isfinite(values), (values > 0.5).astype(int), -1)
    return values.astype(int)


def from_arrays(
    arrays: Mapping[str, Array], detector: Detector, folder: Path, name: str, heading: str = ""
) -> list[Path]:
    """Draw all that a picture file of a run holds; gives the PNGs, ``folder/name-*.png``.

    Arrays are those of `TaskModule.picture`. Streams without hits are not drawn.
    """
    made = []
    for grid in detector.streams:
        if not isinstance(grid, VoxelGrid):
            continue
        event = MaskedEvent.of(arrays, grid.name)
        if event and len(event.kept_index) + len(event.hidden_index):
            path = folder / f"{name}-{grid.name}-masked.png"
            made.append(save_masked(event, grid, path, heading))
        made += _labels(arrays, grid, event, folder / f"{name}-{grid.name}", heading)
    return made


def _labels(
    arrays: Mapping[str, Array],
    grid: VoxelGrid,
    event: MaskedEvent | None,
    stem: Path,
    heading: str,
) -> list[Path]:
    index = arrays.get(f"{grid.name}/label_index")
    if index is None or not len(index):
        return []
    charge = _charges(index, grid, event)
    made = []
    for what in grid.labels:
        true = arrays.get(f"{grid.name}/{what.name}_true")
        if true is not None and what.classes:
            found = arrays.get(f"{grid.name}/{what.name}_predicted")
            path = stem.with_name(f"{stem.name}-{what.name}.png")
            made.append(save_labels(index, charge, true, found, what, grid, path, heading))
    return made


def _charges(index: Array, grid: VoxelGrid, event: MaskedEvent | None) -> Array:
    """Charges of the cells `index` as far as `event` knows them; ones for the others."""
    if event is None:
        return np.ones(len(index))
    where = np.concatenate([event.kept_index, event.hidden_index]).astype(np.int64)
    known = np.concatenate([event.kept_charge, event.hidden_charge])
    whole = np.ravel_multi_index(tuple(where.T), grid.shape)
    asked = np.ravel_multi_index(tuple(index.T.astype(np.int64)), grid.shape)
    order = np.argsort(whole)
    at = order[np.minimum(np.searchsorted(whole, asked, sorter=order), len(whole) - 1)]
    return np.where(whole[at] == asked, known[at], 1.0)


def _save(
    panels: Sequence[Panel],
    grid: VoxelGrid,
    path: Path,
    heading: str,
    norm: LogNorm,
    names: Sequence[str],
) -> Path:
    """Panels below each other with two views each, or beside each other if the grid is compact."""
    window = _window(panels, grid)
    spans = [high - low for low, high in (span(grid, _X), span(grid, _Y))]
    ratios = [s / (window[1] - window[0]) for s in spans]
    strips = max(ratios) < 1 / _LONG
    rows, columns = (len(panels), 2) if strips else (2, len(panels))
    wide = _WIDE if strips else min(3.4, 13.0 / len(panels))
    heights = [max((wide - 0.7) * r, 0.9) for r in (ratios[:1] * rows if strips else ratios)]
    size = (columns * wide + 0.9 * (not names), sum(heights) + 0.25 * rows + 0.75)
    with styled():
        figure = Figure(figsize=size, layout="constrained")
        every = figure.subplots(
            rows, columns, squeeze=False, gridspec_kw={"height_ratios": heights}
        )
        mesh = None
        for p, panel in enumerate(panels):
            for v, plane in enumerate(_VIEWS):
                axes = every[p, v] if strips else every[v, p]
                mesh = _panel(axes, panel, grid, plane, norm, len(names)) or mesh
                axes.set_xlim(*window)
                _edges(axes, plane, last=p == len(panels) - 1 if strips else v == 1)
                axes.set_ylabel("" if not strips and p else f"{'xyz'[plane[1]]} [mm]", loc="center")
                if v == 0:
                    axes.set_title(panel.title, fontsize=10)
        figure.suptitle(heading, x=0.01, ha="left", fontsize=12)
        if names:
            _legend(figure, names)
        elif mesh is not None:
            bar = figure.colorbar(mesh, ax=every, shrink=0.6, aspect=30, pad=0.01)
            plain_log(bar)
            bar.set_label(f"{grid.columns[0].name} [{grid.columns[0].unit}]")
        return save_png(figure, path)


def _panel(
    axes: Axes, panel: Panel, grid: VoxelGrid, plane: tuple[int, int], norm: LogNorm, n: int
) -> Any:
    """Draw the layers; gives what the colour bar needs."""
    outline(axes, grid, plane)
    mesh = None
    for layer in panel.layers:
        if layer.kind is not None and layer.charge is not None:
            most(axes, grid, layer.index, layer.kind, layer.charge, plane, COLOURS[:n])
        elif layer.charge is not None:
            charge = np.maximum(layer.charge, 1e-9)
            mesh = draw(axes, grid, layer.index, charge, plane, cmap=CHARGE, norm=norm)
        else:
            ones = np.ones(len(layer.index))
            draw(axes, grid, layer.index, ones, plane, cmap=_PALE)
    low, high = span(grid, plane[1])
    axes.set_ylim(low, high)
    axes.set_aspect("equal", adjustable="box")
    return mesh


def _edges(axes: Axes, plane: tuple[int, int], last: bool) -> None:
    axes.tick_params(labelbottom=last)
    label(axes, f"{'xyz'[plane[0]]} [mm]" if last else "", "")


def _window(panels: Sequence[Panel], grid: VoxelGrid) -> tuple[float, float]:
    """The part of z that is shown: where something is, but at least a third of the grid."""
    low, high = span(grid, _Z)
    z = np.concatenate([layer.index[:, _Z] for panel in panels for layer in panel.layers])
    if not len(z):
        return low, high
    at, pitch = grid.axes[_Z].lower, grid.axes[_Z].pitch
    first, last = float(at[z.min()]) - 5 * pitch, float(at[z.max()]) + 6 * pitch
    missing = max(0.0, (high - low) / 3 - (last - first)) / 2
    return max(low, first - missing), min(high, last + missing)


def _legend(figure: Figure, names: Sequence[str]) -> None:
    known = [Patch(color=c, label=n) for c, n in zip(COLOURS, names, strict=False)]
    unknown = Patch(color=_UNKNOWN, label="unknown")
    figure.legend(handles=[*known, unknown], loc="outside lower center", ncols=len(names) + 1)
