"""How results grow with the number of labels: figure and tables, from ``metrics.json`` alone.

The study of data efficiency of arXiv:2604.07037, section IV E and figure 5.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from math import exp, log
from typing import Any

import numpy as np
from attrs import frozen
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from . import tables, words
from .style import GREY, INK, LIGHT, colour, label, panels, title
from .tables import Table
from .words import Measured

HEADING = "How many labels it takes"
NOTE = (
    "Every model fitted to so many labelled events and tried on the same test events; mean and standard "
    "deviation over seeds, or 95 % bootstrap interval over test events with one seed. Of positions the median "
    "distance, of momenta sigma_MAD."
)
CAPTION = (
    "Solid: fine-tuned; dashed: frozen probes; dotted: hand-made features. Bars: standard deviation over "
    "seeds, or 95 % interval with one seed."
)
SAVED = "Labels that scratch needs for the same"
SAVED_NOTE = (
    "Where the line through the results of scratch, straight in the logarithm of the labels, first reaches what a "
    "start has with so many labels. > and <: beyond the numbers of labels that scratch was trained with."
)

_WIDE = 4.0  # results further apart than this ratio are drawn on a logarithmic axis

Model = tuple[str, str]  # group and start, as in the rows of the overview
Curve = dict[int, Measured]  # by number of labels, ascending


@frozen
class Measure:
    """What is compared: its words, whether more is better, and the results of each model."""

    text: str
    up: bool
    curves: Mapping[Model, Curve]


def measures(found: Mapping[str, Any]) -> list[Measure]:
    """Every measure with a curve for each model; empty without budgets."""
    groups = {int(n): group for n, group in (found.get("budgets") or {}).items()}
    if not groups:
        return []
    values: dict[str, dict[Model, Curve]] = {}
    own = ((_labels(found, model), key, model, v) for key, model, v in _values(found))
    more = ((n, key, model, v) for n, group in groups.items() for key, model, v in _values(group))
    for labels, key, model, value in (*own, *more):
        if labels:
            values.setdefault(key, {}).setdefault(model, {})[labels] = value
    return [
        Measure(text, up, {m: dict(sorted(c.items())) for m, c in values[key].items()})
        for key, text, up in _named(found)
        if key in values
    ]


def _labels(found: Mapping[str, Any], model: Model) -> int | None:
    """The number of labels that a model of the main comparison was fitted to."""
    linear = model[0] == "probe" or model[1] == "hand_features"
    labels: int | None = found.get("n_probe" if linear else "n_train")
    return labels


def _values(found: Mapping[str, Any]) -> Iterator[tuple[str, Model, Measured]]:
    """Measure, model and value, of everything that was fitted to one number of labels."""
    keys = [key for key, _ in tables.measures(found)]
    for row in tables.rows(found):
        for key in keys:
            if value := Measured.of(row.get(key), row.get(f"{key} seeds")):
                yield key, (row["group"], row["start"]), value
    everyone = [("fine-tuned", s, v) for s, v in found.get("starts", {}).items()]
    everyone += [("yardstick", s, v) for s, v in tables.yardsticks(found)]
    for group, start, values in everyone:
        for key, numbers in values.get("kinematics", {}).items():
            seeds = numbers["per_seed"]["sigma_mad"]
            if value := Measured.of(numbers["sigma_mad"], seeds):
                yield key, (group, start), value


def _named(found: Mapping[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """Measure, its words, and whether more is better."""
    for key, text in tables.measures(found):
        words_of, _, better = text.partition(" (")
        yield key, words_of.replace("_", " "), better.startswith("right")
    starts = found.get("starts", {}).values()
    for key in dict.fromkeys(k for v in starts for k in v.get("kinematics", {})):
        yield key, f"{words.quantity(key)}: sigma_MAD", False


def curves(every: Sequence[Measure]) -> Figure | None:
    """A panel per measure, a line per model over the number of labels; None without any."""
    if not every:
        return None
    figure, all_axes = panels(len(every), 4.1, 3.3, 0.8)
    for axes, measure in zip(all_axes, every, strict=True):
        for number, (model, curve) in enumerate(measure.curves.items()):
            _line(axes, curve, **_look(model, number))
        axes.set_xscale("log")
        values = [v.value for curve in measure.curves.values() for v in curve.values()]
        if max(values) > _WIDE * min(values) > 0:
            axes.set_yscale("log")
        _plain(axes)
        axes.grid(color=LIGHT, lw=0.7)
        axes.set_axisbelow(True)
        axes.set_title(measure.text)
        label(axes, "labelled events", "")
    shown = {
        text: line
        for axes in all_axes
        for line, text in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        shown.values(), shown.keys(), loc="outside lower center", ncols=min(4, len(shown))
    )
    return figure


def _look(model: Model, number: int) -> dict[str, Any]:
    group, start = model
    if group == "yardstick":
        ink = INK if start == "hand_features" else GREY
        return {"color": ink, "ls": ":", "label": title(start)}
    named = title(start) if group == "fine-tuned" else f"{title(start)}, frozen probe"
    line = "-" if group == "fine-tuned" else "--"
    return {"color": colour(start, number), "ls": line, "label": named}


def _line(axes: Axes, curve: Curve, **look: Any) -> None:
    x = np.array(list(curve))
    y = np.array([m.value for m in curve.values()])
    bars = np.array([m.spread or m.half for m in curve.values()])
    axes.errorbar(x, y, bars, marker="o", ms=4, lw=1.6, elinewidth=1, **look)


def _plain(axes: Axes) -> None:
    """Plain numbers on logarithmic axes, with thousands set off."""
    for axis, steps in ((axes.xaxis, (1, 3)), (axes.yaxis, (1, 2, 3, 5, 7))):
        if axis.get_scale() == "log":
            axis.set_major_locator(LogLocator(subs=steps))
            axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.7g}"))
            axis.set_minor_locator(NullLocator())


def table(every: Sequence[Measure]) -> Table | None:
    """Every measure of every model by number of labels; None without any."""
    numbers = sorted({n for m in every for curve in m.curves.values() for n in curve})
    body = [
        [f"{m.text}, {_look(model, 0)['label']}", *(_cell(curve.get(n)) for n in numbers)]
        for m in every
        for model, curve in m.curves.items()
    ]
    return Table(["labelled events", *(f"{n:,}" for n in numbers)], body) if body else None


def _cell(value: Measured | None) -> str:
    """``0.761 ± 0.025`` over seeds, ``0.76 [0.74, 0.78]`` with one."""
    if value is None:
        return "-"
    if len(value.seeds) > 1:
        mean = words.number(value.value)
        return f"{mean} ± {value.spread:.{len(mean.partition('.')[2])}f}"
    return words.with_interval((value.value, value.low, value.high))


def saved(every: Sequence[Measure]) -> Table | None:
    """How many labels scratch needs to be as good as each other start; None without any other."""
    body = []
    numbers: dict[int, None] = {}
    for measure in every:
        fine = {start: c for (group, start), c in measure.curves.items() if group == "fine-tuned"}
        scratch = fine.pop("scratch", {})
        for start, curve in fine.items() if len(scratch) > 1 else ():
            numbers |= dict.fromkeys(curve)
            body.append((f"{measure.text}, {title(start)}", curve, scratch, measure.up))
    rows = [
        [name, *(_needed(c[n].value, scratch, up) if n in c else "-" for n in sorted(numbers))]
        for name, c, scratch, up in body
    ]
    return Table(["labelled events", *(f"{n:,}" for n in sorted(numbers))], rows) if rows else None


def _needed(value: float, scratch: Curve, up: bool) -> str:
    """Labels with which `scratch`, ascending, is first as good as `value`, to two digits."""
    sign = 1 if up else -1
    points = [(n, sign * m.value) for n, m in scratch.items()]
    wanted = sign * value
    if points[0][1] >= wanted:
        return f"< {points[0][0]:,}" if points[0][1] > wanted else f"{points[0][0]:,}"
    for (n, below), (m, above) in itertools.pairwise(points):
        if above >= wanted:
            share = (wanted - below) / (above - below)
            exact = exp(log(n) + share * (log(m) - log(n)))
            return f"{float(f'{exact:.2g}'):,.0f}"
    return f"> {points[-1][0]:,}"
