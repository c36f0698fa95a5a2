"""From predictions of a run to its ``metrics.json`` (decision 6 of the design)."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .events import Array
from .metrics import (
    RESAMPLES,
    Interval,
    classification,
    confusion,
    confusion_highest,
    entropy_auroc,
    momenta,
    position,
    resolution,
)
from .recipe import budget_of
from .store_predictions import Predictions, read_predictions
from .streams import Label
from .voxel_metrics import segmentation

Seeds = Mapping[int, Predictions]

YARDSTICKS = ("hand_features", "boosted_trees")
PROBE, SCRATCH = "probe-", "scratch"
_BOOTSTRAP_SEED = 20_260_407  # of the intervals, fixed: the same predictions give the same file


def read_folder(folder: Path) -> dict[str, dict[int, Predictions]]:
    """Predictions in `folder` by start and seed, the first seed (the plain file name) first.

    Files are called ``START.h5`` or ``START-seedN.h5``. No files give an empty mapping.
    """
    found: dict[str, dict[int, Predictions]] = {}
    for path in sorted(folder.glob("*.h5"), key=lambda p: (p.stem.count("-seed"), p.stem)):
        named = re.fullmatch(r"(.+?)(?:-seed(\d+))?", path.stem)
        if named is None:
            continue
        read = read_predictions(path)
        seed = int(read.attrs.get("seed", named[2] or 0))
        found.setdefault(named[1], {})[seed] = read
    return found


def metrics(
    predictions: Mapping[str, Seeds],
    labels: Mapping[str, Label],
    resamples: int = RESAMPLES,
    **facts: Any,
) -> dict[str, Any]:
    """What ``metrics.json`` says of `predictions`, by start and seed; plain JSON, null for NaN.

    Start ``probe-X`` is the frozen linear probe of the encoder of start X, ``probe-random`` that
    of a random one, those of `YARDSTICKS` see hand-made features; all others are fine-tuned. labels:
    the truth that each task predicts. facts: further entries, e.g. n_train and simulation.

    With several seeds a value is their mean, ``per_seed`` lists them and ``spread`` is their standard
    deviation; ``against_scratch`` lists the differences from scratch with the same seed. The interval
    is that of the first seed's bootstrap over events, moved to the mean. Predictions without truth (real
    data) give nothing. What has another number of labels (``mae@1000``) stands, in the same form, under
    ``budgets`` and that number.
    """
    groups: dict[int | None, dict[str, Seeds]] = {None: {}}
    for name, seeds in predictions.items():
        start, budget = budget_of(name)
        groups.setdefault(budget, {})[start] = seeds
    out = _compared(groups.pop(None), labels, resamples) | facts
    if groups:
        ascending = sorted((n, found) for n, found in groups.items() if n)
        out["budgets"] = {n: _compared(found, labels, resamples) for n, found in ascending}
    plain: dict[str, Any] = _plain(out)
    return plain


def _compared(
    predictions: Mapping[str, Seeds], labels: Mapping[str, Label], resamples: int
) -> dict[str, Any]:
    """`metrics` of starts with the same number of labels."""
    out: dict[str, Any] = {"starts": {}}
    for start, seeds in predictions.items():
        if start in YARDSTICKS:
            out[start] = of_start(seeds, labels, resamples)
        elif start.startswith(PROBE):
            name = start.removeprefix(PROBE)
            place = out if name == "random" else out["starts"]
            place.setdefault(name, {})["probe"] = _probe(of_start(seeds, labels, resamples))
        else:
            out["starts"].setdefault(start, {}).update(of_start(seeds, labels, resamples))
    scratch = out["starts"].get(SCRATCH, {})
    for start, values in out["starts"].items():
        if start != SCRATCH and [*predictions.get(start, ())] == [*predictions.get(SCRATCH, ())]:
            _compare(values, scratch)
    every = [p for seeds in predictions.values() for p in seeds.values()]
    used = [list(s) for name, s in predictions.items() if not name.startswith((PROBE, *YARDSTICKS))]
    out["n_test"] = len(every[0]) if every else 0
    out["seeds"] = max(used, key=len, default=[])
    return out


def of_start(seeds: Seeds, labels: Mapping[str, Label], resamples: int) -> dict[str, Any]:
    """All tasks of one start: classes by task name, positions as ``vertex_mm``, rest kinematics.

    Momenta, (B, 3, 3), give an entry of the kinematics for each quantity of `metrics.momenta`.
    """
    found: dict[str, Any] = {}
    first = next(iter(seeds.values()))
    for task in first.tasks:
        if f"{task}/counts" in first.columns:
            parts = (
                _segmented(p, task, resamples if i == 0 else 1)
                for i, p in enumerate(seeds.values())
            )
            found[task] = _pooled(list(parts))
        if f"{task}/truth" not in first.columns:
            continue
        label = labels.get(task)
        each = [
            _task(p, task, label, resamples if i == 0 else 1) for i, p in enumerate(seeds.values())
        ]
        if first.columns[f"{task}/truth"].ndim == 3:
            quantities = {q: _pooled([e[q] for e in each]) for q in each[0]}
            found.setdefault("kinematics", {}).update(quantities)
            continue
        pooled = _pooled(each)
        if f"{task}/scores" in first.columns:
            found[task] = pooled
        elif label is not None and label.moves == "point" and label.width == 3:
            found[f"{task}_{label.unit}"] = pooled
        else:
            found.setdefault("kinematics", {})[task] = pooled
    return found


def _task(p: Predictions, task: str, label: Label | None, resamples: int) -> dict[str, Any]:
    """Metrics of one task of one seed."""
    rng = np.random.default_rng(_BOOTSTRAP_SEED)
    truth = p.columns[f"{task}/truth"]
    if f"{task}/scores" not in p.columns:
        point = label is not None and label.moves == "point" and label.width == 3
        measure = momenta if truth.ndim == 3 else position if point else resolution
        return measure(p.columns[f"{task}/prediction"].reshape(truth.shape), truth, rng, resamples)
    scores = p.columns[f"{task}/scores"]
    weight = p.columns.get("weight", np.ones(len(truth)))
    names = label.classes if label else tuple(str(c) for c in range(scores.shape[1]))
    found = classification(scores, truth, weight, names, rng, resamples)
    found["confusion"] = confusion(scores, truth, weight, names)
    found["confusion_highest"] = confusion_highest(scores, truth, weight, names)
    found["entropy_auroc"] = entropy_auroc(scores, truth, weight, rng, resamples)
    found["accuracy"] = _accuracy(scores, truth)
    return found


def _segmented(p: Predictions, task: str, resamples: int) -> dict[str, Any]:
    """Metrics of the voxels of one seed."""
    counts = p.columns[f"{task}/counts"]
    names = p.attrs.get("classes", {}).get(task) or [str(c) for c in range(counts.shape[1])]
    return segmentation(counts, names, np.random.default_rng(_BOOTSTRAP_SEED), resamples)


def _accuracy(scores: Array, truth: Array) -> float:
    """Share of events of known class whose highest score is that class; NaN without any."""
    known = truth >= 0
    return float((scores[known].argmax(1) == truth[known]).mean()) if known.any() else math.nan


def _pooled(each: list[dict[str, Any]]) -> dict[str, Any]:
    """One result of several seeds' results: means, the first one's intervals, and lists."""
    first = each[0]
    pooled: dict[str, Any] = {}
    lists: dict[str, Any] = {}
    for name, value in first.items():
        if _is_interval(value):
            lists[name] = [e[name][0] for e in each]
            pooled[name] = _moved(
                value,
                lists[name],
                1.0 if name.startswith(("auc", "entropy", "f1", "iou")) else math.inf,
            )
        elif isinstance(value, Mapping) and all(_is_interval(v) for v in value.values()):
            lists[name] = {k: [e[name][k][0] for e in each] for k in value}
            pooled[name] = {k: _moved(v, lists[name][k], 1.0) for k, v in value.items()}
        elif isinstance(value, float):
            lists[name] = [e[name] for e in each]
            pooled[name] = float(np.mean(lists[name]))
        else:
            pooled[name] = value
    return {**pooled, "per_seed": lists} | ({"spread": _spread(lists)} if len(each) > 1 else {})


def _spread(lists: Mapping[str, Any]) -> dict[str, Any]:
    """Standard deviations of lists of numbers (of a sample, n - 1), of lists by class too."""
    return {
        k: _spread(v) if isinstance(v, Mapping) else float(np.std(v, ddof=1))
        for k, v in lists.items()
    }


def _compare(ours: dict[str, Any], scratch: Mapping[str, Any]) -> None:
    """Add to each task of a start its differences from scratch, seed by seed."""
    for task, values in ours.items():
        if task == "kinematics":
            _compare(values, scratch.get(task, {}))
        elif task != "probe" and task in scratch and "spread" in values:
            theirs = scratch[task]["per_seed"]
            values["against_scratch"] = {
                name: [a - b for a, b in zip(each, theirs[name], strict=True)]
                for name, each in values["per_seed"].items()
                if not isinstance(each, Mapping)
            }


def _is_interval(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(isinstance(v, float) for v in value)


def _moved(first: Interval, values: list[float], most: float) -> Interval:
    """The interval `first`, moved to the mean of `values`, not beyond `most`."""
    mean = float(np.mean(values))
    return [mean, *(min(bound - first[0] + mean, most) for bound in first[1:])]


def _probe(found: Mapping[str, Any]) -> dict[str, Any]:
    """The short form of decision 6: ``auc_macro`` and, as medians, ``vertex_mm``.

    Of further classes the macro AUROC by the name of the task.
    """
    short: dict[str, Any] = {"per_seed": {}}
    for task, values in found.items():
        if "auc_macro" in values and "auc_macro" not in short:
            short |= {k: values[k] for k in ("auc_macro", "auc", "accuracy")}
            short["per_seed"]["auc_macro"] = values["per_seed"]["auc_macro"]
        elif "auc_macro" in values:
            short[task] = values["auc_macro"]
            short["per_seed"][task] = values["per_seed"]["auc_macro"]
        elif "mean" in values:
            short[task] = values["median"]
            short["per_seed"][task] = values["per_seed"]["median"]
    return short


def _plain(value: Any) -> Any:
    """`value` as JSON values: NaN and infinity become null."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def dumps(found: Mapping[str, Any]) -> str:
    """`found` as readable JSON text."""
    return json.dumps(found, indent=1, allow_nan=False)
