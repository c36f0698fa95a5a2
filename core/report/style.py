"""How figures look: the field's style, colours that the colour-blind can tell apart."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import matplotlib as mpl
import mplhep
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from intarsia.core.events import Array

# M. Petroff, arXiv:2107.02270: six colours of nearly equal weight, also to the colour-blind, and two more
# of the set of ten.
COLOURS = ("#5790fc", "#f89c20", "#e42536", "#964a8b", "#9c9ca1", "#7a21dd", "#a96b59", "#b9ac70")
GREY, LIGHT, INK = "#9c9ca1", "#e4e4e8", "#222228"

# Starts keep their colour in all figures.
STARTS = {
    "scratch": COLOURS[1],
    "mae": COLOURS[0],
    "mae_rel": COLOURS[3],
    "transferred": COLOURS[2],
    "transferred_patches": COLOURS[5],
    "random": COLOURS[4],
    "hand_features": INK,
    "boosted_trees": INK,
}

# Charge: viridis without its palest end, which vanishes on white, dark where charge is high.
CHARGE = LinearSegmentedColormap.from_list(
    "charge", mpl.colormaps["viridis_r"](np.linspace(0.06, 1.0, 256))
)

_DPI = 150


@contextmanager
def styled() -> Iterator[None]:
    """Draw in the style of LHC experiments (mplhep), at sizes that suit a web page."""
    field = {k: v for k, v in mplhep.style.CMS.items() if k.startswith(("axes.", "xtick", "ytick"))}
    ours: dict[str, Any] = {
        "font.family": ["TeX Gyre Heros", "DejaVu Sans"],
        "font.size": 10.5,
        "axes.labelsize": 10.5,
        "axes.titlesize": 11,
        "axes.titlelocation": "left",
        "axes.linewidth": 0.9,
        "legend.frameon": False,
        "legend.fontsize": 9.5,
        "xtick.labelsize": 9.5,
        "ytick.labelsize": 9.5,
        **{f"{a}tick.major.size": 4.5 for a in "xy"},
        **{f"{a}tick.minor.visible": False for a in "xy"},  # half of the time goes into them
        "xtick.major.pad": 4,
        "ytick.major.pad": 4,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": INK,
        "xtick.color": INK,
        "ytick.color": INK,
    }
    with mpl.rc_context(cast("Any", {**field, **ours})):
        yield


def panels(count: int, width: float, height: float, more: float) -> tuple[Figure, list[Axes]]:
    """A figure of `count` panels, three side by side, and their axes.

    width, height: of a panel in inches; the figure is higher by `more`, for a legend below.
    """
    columns = min(3, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(width * columns, height * rows + more), layout="constrained")
    every = list(figure.subplots(rows, columns, squeeze=False).ravel())
    for axes in every[count:]:
        axes.set_axis_off()
    return figure, every[:count]


def save_png(figure: Figure, path: Path) -> Path:
    """Write `figure` as PNG to `path`, whose folder is made; gives `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=_DPI, facecolor="white", metadata={"Software": None})
    return path


def colour(start: str, number: int = 0) -> str:
    """Colour of a start; of one that is not known by name, the `number`-th free one."""
    free = [c for c in COLOURS if c not in STARTS.values()]
    return STARTS.get(start, free[number % len(free)])


def title(start: str) -> str:
    """What a start is called in figures and tables."""
    known = {
        "scratch": "from scratch",
        "mae": "MAE",
        "mae_rel": "MAE + Rel",
        "transferred_patches": "transferred with patches",
        "random": "random encoder",
        "hand_features": "hand-made features (linear)",
        "boosted_trees": "hand-made features (boosted trees)",
    }
    return known.get(start, start.replace("_", " "))


def charge_norm(values: Array) -> LogNorm:
    """Logarithmic colours for positive `values`, from the 2nd percentile to the largest."""
    positive = values[np.isfinite(values) & (values > 0)]
    if not len(positive):
        return LogNorm(0.1, 1.0)
    low, high = float(np.percentile(positive, 2)), float(positive.max())
    return LogNorm(min(low, high / 10), high, clip=True)


def bare(axes: Axes) -> None:
    """No ticks on the far sides, no minor ticks: for heat maps."""
    axes.tick_params(which="both", top=False, right=False, bottom=False, left=False)
    axes.minorticks_off()


def label(axes: Axes, x: str, y: str, **more: Any) -> None:
    """Axis labels with units, in the middle of the axes."""
    axes.set_xlabel(x, loc="center", **more)
    axes.set_ylabel(y, loc="center", **more)


def plain_log(bar: Any) -> None:
    """Few and plain numbers on a logarithmic colour bar: 1, 2, 5, 10, ..."""
    low, high = bar.mappable.norm.vmin, bar.mappable.norm.vmax
    steps = (1.0,) if high > 200 * low else (1.0, 2.0, 5.0)
    bar.locator = LogLocator(subs=steps)
    bar.formatter = FuncFormatter(lambda v, _: f"{v:g}")
    bar.minorlocator = NullLocator()
    bar.update_ticks()
    bar.outline.set_linewidth(0.6)
