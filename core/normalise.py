"""How columns are brought to order one: the declared scale, then numbers of the training split.

A cell below its threshold is no row of a voxel stream and counts in no mean; an element of a dense
array that measured nothing is a zero and counts. An absent stream has no row and counts nowhere; the
model sees that it is absent.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from attrs import define, field

from .detector import Detector
from .events import Array
from .store import EventFile
from .streams import Column, Label, Stream

_BLOCK = 64  # events read at once


def scaled(column: Column, values: Array) -> Array:
    """`values` of `column` on its declared scale, same shape; NaN stays NaN.

    log1p and sqrt act on the size of a negative value and keep its sign.
    """
    if column.scale == "identity":
        return np.asarray(values)
    squeeze = np.log1p if column.scale == "log1p" else np.sqrt
    squeezed: Array = np.sign(values) * squeeze(np.abs(values))
    return squeezed


def unscaled(column: Column, values: Array) -> Array:
    """Inverse of `scaled`: physical values of numbers on the declared scale, same shape."""
    if column.scale == "identity":
        return np.asarray(values)
    stretch = np.expm1 if column.scale == "log1p" else np.square
    stretched: Array = np.sign(values) * stretch(np.abs(values))
    return stretched


def normalisation(file: EventFile, detector: Detector, split: str = "train") -> dict[str, Any]:
    """Means and widths of the events of `split`, in one pass over `file`, as JSON values.

    ``{"events": n, "streams": {stream: {column: {"mean", "std", "rms"}}}, "truth": {name: {"mean",
    "std", "median"}}}``. Columns are on their declared scale, regressed truth as in the file.
    Numbers, or lists where the width is above one. Values that are not finite do not count;
    without any, mean and median are 0, std and rms 1; so are std and rms of a constant zero.

    Truth that is a vector has two entries more, ``transverse`` and ``along``, for its size across and
    its component along z, see `logarithmic`. Memory is that of a block of events and of the truth.
    """
    sums = {s.name: {c.name: _Sums(c.width) for c in _columns(s)} for s in detector.streams}
    numbers = file.select(split)
    for i in range(0, len(numbers), _BLOCK):
        events = file.take(numbers[i : i + _BLOCK], labels=False)
        for stream in detector.streams:
            for column in _columns(stream):
                values = events.streams[stream.name][column.name]
                sums[stream.name][column.name].add(scaled(column, values.astype(np.float64)))
    truth = {t.name: t for t in detector.truth if not t.classes and t.name in file.truth_names}
    return {
        "events": len(numbers),
        "streams": {s: {c: v.result for c, v in columns.items()} for s, columns in sums.items()},
        "truth": {name: _truth(file.truth[name][numbers], t) for name, t in truth.items()},
    }


def logarithmic(values: Array) -> dict[str, float]:
    """Scale of the logarithms of `values` (n,): ``unit``, and ``median``, ``width`` of what results.

    unit: robust width of the finite values, 1.4826 times the median distance from the median. median
    and width are those of ``u = sign(x) log1p(|x| / unit)``, which ``(u - median) / width`` brings to
    order one. Widths of nothing, or of a constant, are 1.
    """
    x = values[np.isfinite(values)].astype(np.float64)
    unit = _robust(x)
    u = np.sign(x) * np.log1p(np.abs(x) / unit)
    return {"unit": unit, "median": float(np.median(u)) if len(u) else 0.0, "width": _robust(u)}


def _robust(x: Array) -> float:
    width = 1.4826 * float(np.median(np.abs(x - np.median(x)))) if len(x) else 0.0
    return width if width > 0 else 1.0


def _columns(stream: Stream) -> tuple[Column, ...]:
    points: tuple[Column, ...] = getattr(stream, "points", ())
    return (*stream.columns, *points)


@define
class _Sums:
    """Running mean and squared deviations of a column's finite values, per component.

    Blocks are joined by the formula of Chan, Golub and LeVeque (1983), which loses nothing to
    cancellation where a mean is large against its spread.
    """

    width: int
    n: Array = field(init=False)
    mean: Array = field(init=False)
    deviation: Array = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.n, self.mean, self.deviation = np.zeros((3, self.width))

    def add(self, values: Array) -> None:
        rows = values.reshape(-1, self.width)
        finite = np.isfinite(rows)
        n = finite.sum(0)
        mean = np.where(finite, rows, 0.0).sum(0) / np.maximum(n, 1)
        deviation = (np.where(finite, rows - mean, 0.0) ** 2).sum(0)
        both, gap = np.maximum(self.n + n, 1), mean - self.mean
        self.deviation += deviation + gap**2 * self.n * n / both
        self.mean += gap * n / both
        self.n += n

    @property
    def result(self) -> dict[str, Any]:
        variance = self.deviation / np.maximum(self.n, 1)
        square = variance + self.mean**2
        variance[variance < 1e-12 * square] = 0  # rounding, of a constant
        return {
            "mean": _plain(self.mean),
            "std": _plain(_or_one(np.sqrt(variance))),
            "rms": _plain(_or_one(np.sqrt(square))),
        }


def _truth(values: Array, label: Label) -> dict[str, Any]:
    rows = values.reshape(-1, label.width).astype(np.float64)
    columns = [column[np.isfinite(column)] for column in rows.T]
    found: dict[str, Any] = {
        "mean": _plain(np.array([c.mean() if len(c) else 0.0 for c in columns])),
        "std": _plain(_or_one(np.array([c.std() if len(c) else 0.0 for c in columns]))),
        "median": _plain(np.array([np.median(c) if len(c) else 0.0 for c in columns])),
    }
    if _vector(label):
        found["transverse"] = logarithmic(np.hypot(rows[:, 0], rows[:, 1]))
        found["along"] = logarithmic(rows[:, 2])
    return found


def _vector(label: Label) -> bool:
    return label.moves == "vector" and label.width == 3


def _or_one(widths: Array) -> Array:
    return np.where(widths > 0, widths, 1.0)


def _plain(values: Array) -> float | list[float]:
    return float(values[0]) if len(values) == 1 else [float(v) for v in values]


def unit_normalisation(detector: Detector) -> dict[str, Any]:
    """Normalisation that leaves every column and regressed truth as it is."""
    one = {"mean": 0.0, "std": 1.0, "rms": 1.0}
    log = {"unit": 1.0, "median": 0.0, "width": 1.0}
    return {
        "events": 0,
        "streams": {s.name: {c.name: dict(one) for c in _columns(s)} for s in detector.streams},
        "truth": {
            t.name: {"mean": 0.0, "std": 1.0, "median": 0.0}
            | ({"transverse": log, "along": log} if _vector(t) else {})
            for t in detector.truth
            if not t.classes
        },
    }
