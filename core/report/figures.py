"""Figures that compare the starts of a run. Every function gives a Figure, or None without data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from intarsia.core.events import Array
from intarsia.core.metrics import distance, quantities
from intarsia.core.metrics import residuals as relative
from intarsia.core.store_predictions import Predictions

from . import words
from .run_data import Rows
from .style import GREY, INK, LIGHT, bare, colour, label, panels, title

RESIDUALS = (-2.0, 1.0)  # range shown; those beyond are in the outermost bins


def roc(starts: Mapping[str, Predictions], task: str, classes: Sequence[str]) -> Figure | None:
    """One-vs-rest ROC curves, a panel per class that has events, a line per start."""
    known = {s: p for s, p in starts.items() if f"{task}/truth" in p.columns}
    if not known:
        return None
    truth = next(iter(known.values())).columns[f"{task}/truth"]
    shown = [c for c in range(len(classes)) if (truth == c).any()]
    if not shown:
        return None
    figure, every = panels(len(shown), 3.5, 3.6, 0.6)
    for axes, c in zip(every, shown, strict=True):
        axes.plot([0, 1], [0, 1], color=LIGHT, lw=1, zorder=0)
        for number, (start, p) in enumerate(known.items()):
            x, y = _curve(p, task, c)
            axes.plot(x, y, color=colour(start, number), lw=1.6, label=title(start))
        axes.set_title(classes[c].replace("_", " "))
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.0)
        axes.set_aspect("equal")
        label(axes, "others accepted", "class accepted")
        axes.label_outer()
    handles, names = every[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(names))
    return figure


def _curve(p: Predictions, task: str, c: int) -> tuple[Array, Array]:
    scores, truth = p.columns[f"{task}/scores"][:, c], p.columns[f"{task}/truth"]
    known = truth >= 0
    weight = np.asarray(p.columns.get("weight", np.ones(len(truth))), np.float64)[known]
    order = np.argsort(-scores[known], kind="stable")
    own = (truth[known] == c)[order]
    signal, others = np.cumsum(own * weight[order]), np.cumsum(~own * weight[order])
    last = np.append(np.diff(scores[known][order]) != 0, True)  # equal scores pass together
    x, y = others[last] / max(others[-1], 1e-300), signal[last] / max(signal[-1], 1e-300)
    return np.concatenate([[0.0], x]), np.concatenate([[0.0], y])


def confusions(starts: Mapping[str, Mapping[str, Any]], task: str) -> Figure | None:
    """Row-normalised confusion of each start in ``metrics.json``, side by side."""
    tables = {s: m[task]["confusion"] for s, m in starts.items() if task in m}
    if not tables:
        return None
    names = [c.replace("_", " ") for c in next(iter(tables.values()))["classes"]]
    n = len(names)
    side = max(0.55 * n, 1.6)
    figure = Figure(figsize=(len(tables) * (side + 0.75) + 1.2, side + 1.75), layout="constrained")
    every = figure.subplots(1, len(tables), squeeze=False, sharey=True)[0]
    for axes, (start, table) in zip(every, tables.items(), strict=True):
        whole = np.column_stack([table["matrix"], table["unselected"]])
        shown = np.insert(whole, n, np.nan, axis=1)  # a gap before what is not selected
        axes.imshow(shown, cmap="Blues", vmin=0, vmax=1)
        for (i, j), value in np.ndenumerate(shown):
            if np.isfinite(value):
                ink = "white" if value > 0.55 else INK
                axes.text(
                    j,
                    i,
                    f"{value:.2f}".lstrip("0"),
                    ha="center",
                    va="center",
                    fontsize=8,
                    color=ink,
                )
        bare(axes)
        axes.set_xticks([*range(n), n + 1], [*names, "unselected"], rotation=55, ha="right")
        axes.set_yticks(range(n), names)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_title(title(start))
    label(every[0], "", "true class")
    figure.supxlabel(
        "predicted class, of those selected; last column: share not selected", fontsize=9.5
    )
    return figure


def distances(starts: Mapping[str, Predictions], task: str, unit: str) -> Figure | None:
    """Share of test events whose predicted point lies within a distance of the true one."""
    gaps = {
        s: distance(p.columns[f"{task}/prediction"], p.columns[f"{task}/truth"])
        for s, p in starts.items()
        if f"{task}/truth" in p.columns
    }
    gaps = {s: np.sort(g[np.isfinite(g)]) for s, g in gaps.items()}
    if not any(len(g) for g in gaps.values()):
        return None
    figure = Figure(figsize=(7.2, 3.8), layout="constrained")
    axes = figure.subplots()
    for number, (start, gap) in enumerate(gaps.items()):
        if len(gap):
            share = (np.arange(len(gap)) + 1) / len(gap)
            name = f"{title(start)}: median {np.median(gap):.3g} {unit}"
            axes.plot(gap, share, color=colour(start, number), lw=1.8, label=name)
            axes.plot(np.median(gap), 0.5, "o", color=colour(start, number), ms=5)
    axes.axhline(0.5, color=LIGHT, lw=1, zorder=0)
    axes.set_xscale("log")
    low = min(float(np.quantile(g, 0.01)) for g in gaps.values() if len(g))
    axes.set_xlim(max(low, 1e-6), 1.05 * max(float(g[-1]) for g in gaps.values() if len(g)))
    axes.set_ylim(0, 1)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    label(axes, f"distance from the true {task} [{unit}]", "share of events closer")
    axes.legend(loc="upper left")
    return figure


def residuals(starts: Mapping[str, Predictions], task: str) -> Figure | None:
    """Distribution of (true - predicted) / true of the quantities of a task of momenta."""
    known = {
        s: quantities(*(p.columns[f"{task}/{k}"] for k in ("prediction", "truth")))
        for s, p in starts.items()
        if f"{task}/truth" in p.columns
    }
    if not any(len(t) for q in known.values() for _, t in q.values()):
        return None
    names = list(next(iter(known.values())))
    figure = Figure(figsize=(3.2 * len(names), 3.5), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        for number, (start, found) in enumerate(known.items()):
            sizes = (np.linalg.norm(v, axis=1) for v in found[name])
            gaps = np.clip(relative(*sizes), *RESIDUALS)
            edges = np.linspace(*RESIDUALS, 36)
            share = np.histogram(gaps, edges)[0] / max(1, len(gaps))
            axes.stairs(share, edges, color=colour(start, number), lw=1.6, label=title(start))
        axes.axvline(0, color=LIGHT, lw=1, zorder=0)
        axes.set_title(words.quantity(name), fontsize=10)
        axes.set_xlim(*RESIDUALS)
        axes.set_ylim(bottom=0)
        label(axes, "(true - predicted) / true", "share of events" if name == names[0] else "")
    handles, texts = axes.get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncols=len(texts))
    return figure


def losses(logs: Mapping[str, Rows]) -> Figure | None:
    """Training (thin) and validation (thick) loss over steps: a panel per stage, a line per start.

    Of the first seed, and of the stage's own number of labels.
    """
    by_stage: dict[str, dict[str, Rows]] = {}
    for stage, rows in logs.items():
        name, _, start = stage.partition("/")
        if rows and "-seed" not in stage and "@" not in stage:
            by_stage.setdefault(name, {})[start or name] = rows
    if not by_stage:
        return None
    order = sorted(by_stage, key=lambda n: any("/" in s and s.startswith(n) for s in logs))
    figure, every = panels(len(order), 3.9, 3.2, 0.2)
    for axes, name in zip(every, order, strict=True):
        for number, (start, rows) in enumerate(by_stage[name].items()):
            ink = colour(start, number)
            _loss(axes, rows, "train", color=ink, lw=0.8, alpha=0.55)
            _loss(axes, rows, "val", color=ink, lw=1.8, marker="o", ms=3, label=title(start))
        axes.set_title(name)
        label(axes, "step", "loss")
        axes.margins(x=0.02)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        if len(by_stage[name]) > 1:
            axes.legend()
    return figure


def _loss(axes: Axes, rows: Rows, split: str, **look: Any) -> None:
    points = [(r["step"], r["loss"]) for r in rows if r.get("split") == split]
    if points:
        x, y = np.array(points, dtype=float).T
        axes.plot(x, y, **look)


def overview(
    rows: Sequence[Mapping[str, Any]], measures: Sequence[tuple[str, str]]
) -> Figure | None:
    """Every start's value with its interval, one panel per measure: the report in one picture.

    rows: each with ``start``, ``group`` and, by measure, an interval and the values per seed.
    measures: name and axis label.
    """
    shown = [(m, t) for m, t in measures if any(r.get(m) for r in rows)]
    if not rows or not shown:
        return None
    figure = Figure(figsize=(4.9 * len(shown) + 1.2, 0.36 * len(rows) + 1.5), layout="constrained")
    every = figure.subplots(1, len(shown), squeeze=False, sharey=True)[0]
    places = _places(rows)
    for axes, (measure, text) in zip(every, shown, strict=True):
        for y, row in zip(places, rows, strict=True):
            if row.get(measure):
                _dot(axes, y, row[measure], row.get(f"{measure} seeds", ()), colour(row["start"]))
        axes.grid(axis="x", color=LIGHT, lw=0.7)
        axes.set_axisbelow(True)
        axes.tick_params(axis="y", which="both", left=False, right=False)
        axes.tick_params(axis="x", which="both", top=False)
        axes.spines[["left", "right", "top"]].set_visible(False)
        label(axes, text, "")
    every[0].set_yticks(places, [_named(r) for r in rows])
    every[0].set_ylim(max(places) + 0.6, -0.6)
    return figure


def _named(row: Mapping[str, Any]) -> str:
    named = title(row["start"])
    return named if row["group"] == "yardstick" else f"{named}, {row['group']}"


def _places(rows: Sequence[Mapping[str, Any]]) -> list[float]:
    """Heights of the rows: a gap between groups."""
    y, places, before = 0.0, [], None
    for row in rows:
        y += (0.0 if before is None else 1.0) + 0.5 * (before not in (None, row["group"]))
        before = row["group"]
        places.append(y)
    return places


def _dot(axes: Axes, y: float, interval: Sequence[float | None], seeds: Any, ink: str) -> None:
    value, low, high = interval
    if value is None:
        return
    if low is not None and high is not None:
        axes.plot([low, high], [y, y], color=ink, lw=2.2, solid_capstyle="round")
    axes.plot(value, y, "o", color=ink, ms=7)
    if len(seeds) > 1:
        finite = [s for s in seeds if s is not None]
        axes.plot(finite, [y + 0.28] * len(finite), "|", color=GREY, ms=6, mew=1.2)
    axes.annotate(
        words.number(value), (value, y), (0, 7), textcoords="offset points", ha="center", fontsize=9
    )
