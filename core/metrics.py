"""Numbers that a report quotes, in numpy alone. Shapes: B events, C classes, R resamples.

Definitions are those of decision 7 of the design and of arXiv:2604.07037. Wherever events may be
of unknown truth (-1, NaN) they do not count. An interval is ``[value, low, high]`` with the 2.5
and 97.5 percentiles over `resamples` bootstrap samples of the events; what cannot be computed,
e.g. because a class has no event, is NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .events import Array

Interval = list[float]

RESAMPLES = 200


def auroc(score: Array, positive: Array, weights: Array) -> Array:
    """Area under the ROC curve for each row of `weights` (R, B), in one go: (R,).

    The weighted probability that a positive scores above a negative, ties counting one half
    (Hanley and McNeil 1982). score: (B,), positive: (B,) bool. NaN without positives or negatives.
    """
    if not len(score):
        return np.full(len(weights), np.nan)
    order = np.argsort(score, kind="stable")
    starts = np.flatnonzero(np.diff(score[order], prepend=-np.inf))
    ordered = weights[:, order].astype(np.float64)
    above = np.add.reduceat(np.where(positive[order], ordered, 0.0), starts, axis=1)
    below = np.add.reduceat(np.where(positive[order], 0.0, ordered), starts, axis=1)
    pairs = (above * (np.cumsum(below, axis=1) - 0.5 * below)).sum(1)
    total = above.sum(1) * below.sum(1)
    return np.clip(_ratio(pairs, total), 0.0, 1.0)  # rounding may lead just beyond


def one_vs_rest(scores: Array, truth: Array, weights: Array) -> Array:
    """AUROC of every class against all others, (R, C), for `weights` (R, B).

    scores: (B, C), truth: (B,) int. A class without events, or without others, is NaN.
    """
    known = truth >= 0
    each = [
        auroc(scores[known, c], truth[known] == c, weights[:, known])
        for c in range(scores.shape[1])
    ]
    return np.stack(each, axis=1)


def macro(per_class: Array) -> Array:
    """Mean over the classes that have a value, (R,) of (R, C); NaN if none has."""
    found = np.isfinite(per_class)
    n = found.sum(1)
    total = np.where(found, per_class, 0.0).sum(1)
    return _ratio(total, n)


def resampled(n: int, rng: np.random.Generator, resamples: int = RESAMPLES) -> Array:
    """How often each of `n` events comes in each bootstrap sample, (R, n) int64."""
    if not n:
        return np.zeros((resamples, 0), np.int64)
    return rng.multinomial(n, np.full(n, 1 / n), size=resamples)


def interval(value: float, samples: Array) -> Interval:
    """`value` with the central 95 % of the finite `samples`; bounds NaN without any."""
    finite = samples[np.isfinite(samples)]
    low, high = np.percentile(finite, [2.5, 97.5]) if len(finite) else (np.nan, np.nan)
    return [float(value), float(low), float(high)]


def classification(
    scores: Array,
    truth: Array,
    weight: Array,
    classes: Sequence[str],
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> dict[str, Any]:
    """One-vs-rest AUROC of each class and their mean (decision 7), with intervals.

    ``{"auc_macro": interval, "auc": {class: interval}, "absent": [classes without an event]}``;
    the mean is over the classes that are present. scores: (B, C), truth: (B,), weight: (B,).
    """
    counts = resampled(len(truth), rng, resamples)
    values = one_vs_rest(scores, truth, weight[None])
    drawn = one_vs_rest(scores, truth, counts * weight)
    return {
        "auc_macro": interval(macro(values)[0], macro(drawn)),
        "auc": {name: interval(values[0, c], drawn[:, c]) for c, name in enumerate(classes)},
        "absent": [name for c, name in enumerate(classes) if not (truth == c).any()],
    }


def thresholds(scores: Array, truth: Array, weight: Array) -> Array:
    """For each class the score above which S / sqrt(S + B) is largest, (C,) (decision 7).

    S and B are the expected events, the sums of `weight`, of the class and of all others with at
    least that score. A class without events gets infinity: nothing passes.
    """
    best = np.full(scores.shape[1], np.inf)
    for c in range(scores.shape[1]):
        order = np.argsort(-scores[:, c], kind="stable")
        score = scores[order, c]
        signal = np.cumsum(np.where(truth[order] == c, weight[order], 0.0))
        both = np.cumsum(np.where(truth[order] >= 0, weight[order], 0.0))
        if len(score) and signal[-1] > 0:
            merit = np.divide(signal, np.sqrt(both), out=np.zeros_like(both), where=both > 0)
            merit[:-1][score[:-1] == score[1:]] = 0.0  # events of one score pass together
            best[c] = score[np.argmax(merit)]
    return best


def confusion(scores: Array, truth: Array, weight: Array, classes: Sequence[str]) -> dict[str, Any]:
    """Row-normalised confusion at the thresholds of largest merit (decision 7).

    An event that passes several thresholds belongs to the highest score, one that passes none is
    unselected. ``matrix``: rows are true classes and sum to one over selected events (or are 0);
    ``unselected``: their share in each true class; ``thresholds``: null where nothing passes.
    weight: expected events that each stands for, (B,).
    """
    cuts, n = thresholds(scores, truth, weight), scores.shape[1]
    passing = np.where(scores >= cuts, scores, -np.inf)
    chosen = np.where(np.isfinite(passing).any(1), passing.argmax(1), n) if len(scores) else truth
    known = truth >= 0
    table = np.zeros((n, n + 1))
    np.add.at(table, (truth[known], chosen[known]), weight[known])
    rows, selected = table.sum(1), table[:, :n].sum(1, keepdims=True)
    matrix = np.divide(table[:, :n], selected, out=np.zeros((n, n)), where=selected > 0)
    unselected = np.divide(table[:, n], rows, out=np.zeros(n), where=rows > 0)
    return {
        "classes": list(classes),
        "thresholds": [float(t) if np.isfinite(t) else None for t in cuts],
        "matrix": matrix.tolist(),
        "unselected": unselected.tolist(),
    }


def confusion_highest(
    scores: Array, truth: Array, weight: Array, classes: Sequence[str]
) -> dict[str, Any]:
    """Row-normalised confusion where every event goes to its highest score.

    The diagonal of ``matrix`` is the accuracy of each class (tables I and II of arXiv:2604.07037); rows
    of classes without events are 0. weight: expected events that each stands for, (B,).
    """
    known, n = truth >= 0, scores.shape[1]
    table = np.zeros((n, n))
    np.add.at(table, (truth[known], scores[known].argmax(1)), weight[known])
    rows = table.sum(1, keepdims=True)
    matrix = np.divide(table, rows, out=np.zeros((n, n)), where=rows > 0)
    return {"classes": list(classes), "matrix": matrix.tolist()}


def distance(prediction: Array, truth: Array) -> Array:
    """d_PV: distances of predicted from true points, (B,) in the unit of both, (B, 3)."""
    gaps: Array = np.linalg.norm(prediction.astype(np.float64) - truth, axis=1)
    return gaps


def position(
    prediction: Array, truth: Array, rng: np.random.Generator, resamples: int = RESAMPLES
) -> dict[str, Interval]:
    """Mean and median of d_PV with intervals (decision 7), in the unit of the arguments."""
    gaps = distance(prediction, truth)
    return _statistics(
        gaps[np.isfinite(gaps)], {"mean": np.mean, "median": np.median}, rng, resamples
    )


def sigma_mad(values: Array, axis: int = -1) -> Array:
    """1.4826 times the median distance from the median: the width of a Gaussian core."""
    middle = np.median(values, axis=axis, keepdims=True)
    width: Array = 1.4826 * np.median(np.abs(values - middle), axis=axis)
    return width


def resolution(
    prediction: Array, truth: Array, rng: np.random.Generator, resamples: int = RESAMPLES
) -> dict[str, Interval]:
    """sigma_MAD and median of the residuals (true - reco) / true (decision 7), with intervals.

    Events whose truth is zero have no such residual and do not count.
    """
    gaps = residuals(prediction, truth)
    return _statistics(gaps, {"sigma_mad": sigma_mad, "median": np.median}, rng, resamples)


def residuals(prediction: Array, truth: Array) -> Array:
    """(true - reco) / true of all numbers whose truth is known and not zero (decision 7)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        gaps: Array = ((truth.astype(np.float64) - prediction) / truth).reshape(-1)
    return gaps[np.isfinite(gaps)]


def angle(prediction: Array, truth: Array) -> Array:
    """Angle between predicted and true vectors in mrad, (B,) of (B, 3); NaN if one is zero."""
    a, b = prediction.astype(np.float64), truth.astype(np.float64)
    gaps = np.arctan2(np.linalg.norm(np.cross(a, b), axis=1), (a * b).sum(1))
    there = a.any(1) & b.any(1)
    return np.where(there, 1e3 * gaps, np.nan)


def quantities(prediction: Array, truth: Array) -> dict[str, tuple[Array, Array]]:
    """Predicted and true vectors, (B, 3) each, that are quoted of momenta (B, 3, 3).

    Momenta are visible, jet and lepton, with z along the beam. E_vis and p_miss_T are size and
    transverse size of the visible one, p_jet and p_lepton the sizes of the others
    (arXiv:2604.07037, appendix C 2). A true transverse momentum of less than a millionth of the whole
    is zero: what rounding leaves of it.
    """
    flat = np.array([1.0, 1.0, 0.0])
    across = prediction[:, 0] * flat, truth[:, 0] * flat
    size, whole = (np.linalg.norm(v, axis=1) for v in (across[1], truth[:, 0]))
    across[1][size < 1e-6 * whole] = 0
    return {
        "E_vis": (prediction[:, 0], truth[:, 0]),
        "p_miss_T": across,
        "p_lepton": (prediction[:, 2], truth[:, 2]),
        "p_jet": (prediction[:, 1], truth[:, 1]),
    }


def momenta(
    prediction: Array, truth: Array, rng: np.random.Generator, resamples: int = RESAMPLES
) -> dict[str, dict[str, Interval]]:
    """`resolution` of the sizes of each of the `quantities`, and ``angle_mrad``.

    The latter is the median angle between prediction and truth, of p_miss_T in the transverse plane. A
    true momentum of zero, as of the lepton of a neutral current, does not count.
    """
    found = {}
    for name, (p, t) in quantities(prediction, truth).items():
        sizes = np.linalg.norm(p, axis=1), np.linalg.norm(t, axis=1)
        gaps = angle(p, t)
        turned = _statistics(gaps[np.isfinite(gaps)], {"angle_mrad": np.median}, rng, resamples)
        found[name] = {**resolution(*sizes, rng, resamples), **turned}
    return found


def entropy(probabilities: Array) -> Array:
    """Predictive entropy of each event in nats, (B,) of (B, C); 0 log 0 is 0."""
    p = probabilities.astype(np.float64)
    summed: Array = -(p * np.log(np.where(p > 0, p, 1.0))).sum(1)
    return summed


def entropy_auroc(
    probabilities: Array,
    truth: Array,
    weight: Array,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> Interval:
    """How well predictive entropy finds the wrongly classified events (decision 7): their AUROC.

    NaN if all events are right, or all are wrong.
    """
    known = truth >= 0
    p, weights = probabilities[known], weight[known]
    wrong = p.argmax(1) != truth[known] if len(p) else known[:0]
    counts = resampled(len(p), rng, resamples)
    value = auroc(entropy(p), wrong, weights[None])[0]
    return interval(value, auroc(entropy(p), wrong, counts * weights))


def _ratio(a: Array, b: Array) -> Array:
    """a / b, NaN where b is not positive."""
    result: Array = np.divide(a, b, out=np.full(len(a), np.nan), where=b > 0)
    return result


def _statistics(
    values: Array,
    which: dict[str, Callable[..., Any]],
    rng: np.random.Generator,
    resamples: int,
) -> dict[str, Interval]:
    """Each statistic of `values` with its interval."""
    if not len(values):
        return {name: [np.nan] * 3 for name in which}
    drawn = values[rng.integers(len(values), size=(resamples, len(values)))]
    return {name: interval(f(values), f(drawn, axis=1)) for name, f in which.items()}
