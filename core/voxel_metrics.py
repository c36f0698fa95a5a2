"""How well the voxels of events are classified. Shapes: B events, C classes, R resamples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .events import Array
from .metrics import RESAMPLES, interval, macro, resampled


def segmentation(
    counts: Array, classes: Sequence[str], rng: np.random.Generator, resamples: int = RESAMPLES
) -> dict[str, Any]:
    """F1 and IoU of classes of voxels, pooled over events, and their means over the classes.

    counts: (B, C, C) voxels of each event by true class, then predicted class. F1 = 2 TP / (2 TP + FP
    + FN); a class that is neither true nor predicted anywhere has none and does not count in the
    mean, as in torchmetrics' macro average, which PoLAr-MAE (arXiv:2502.02558) quotes. Intervals are
    over events.
    """
    flat = counts.astype(np.float64).reshape(len(counts), -1)
    shape = (-1, len(classes), len(classes))
    found: dict[str, Any] = {}
    for name, extra in (("f1", 1.0), ("iou", 0.0)):
        value = _overlap(flat.sum(0).reshape(shape), extra)
        drawn = _overlap((resampled(len(counts), rng, resamples) @ flat).reshape(shape), extra)
        found[f"{name}_macro"] = interval(macro(value)[0], macro(drawn))
        found[name] = {c: interval(value[0, i], drawn[:, i]) for i, c in enumerate(classes)}
    whole = flat.sum(0).reshape(shape)[0]
    rows = whole.sum(1, keepdims=True)
    matrix = np.divide(whole, rows, out=np.zeros(whole.shape), where=rows > 0)
    right = np.trace(whole) / whole.sum() if whole.sum() else np.nan
    shares = {"classes": list(classes), "matrix": matrix.tolist()}
    return {**found, "accuracy": float(right), "confusion_highest": shares}


def _overlap(tables: Array, extra: float) -> Array:
    """(1 + extra) TP / ((1 + extra) TP + FP + FN) of each class, (R, C) of tables (R, C, C)."""
    both = np.diagonal(tables, axis1=1, axis2=2)
    one = tables.sum(1) + tables.sum(2) - 2 * both
    top = (1.0 + extra) * both
    value: Array = np.divide(top, top + one, out=np.full(top.shape, np.nan), where=top + one > 0)
    return value
