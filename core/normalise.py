"""How columns are brought to order one: the declared scale, then numbers of the training split."""

from __future__ import annotations

from typing import Any

import numpy as np
from attrs import define, field

from .detector import Detector
from .events import Array
from .store import EventFile
from .streams import Column, Stream

# Means and widths of 2000 events are known to a few per cent or better, the rest is read for nothing.
MOST = 2000
_BLOCK = 64


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
    """Means and widths from at most 2000 events of `split`, spread over `file`, as JSON values.

    ``{"events": n, "streams": {stream: {column: {"mean", "std", "rms"}}}, "truth": {name: {"mean",
    "std", "median"}}}``. Columns are on their declared scale, regressed truth as in the file.
    Numbers, or lists where the width is above one. Values that are not finite do not count;
    without any, mean and median are 0, std and rms 1; so are std and rms of a constant zero.
    """
    sums = {s.name: {c.name: _Sums(c.width) for c in _columns(s)} for s in detector.streams}
    blocks = _blocks(file.select(split))
    for block in blocks:
        events = file.take(block, labels=False)
        for stream in detector.streams:
            for column in _columns(stream):
                values = events.streams[stream.name][column.name]
                sums[stream.name][column.name].add(scaled(column, values.astype(np.float64)))
    read = np.concatenate([*blocks, np.zeros(0, np.int64)]).astype(np.int64)
    truth = {
        t.name: t.width for t in detector.truth if not t.classes and t.name in file.truth_names
    }
    return {
        "events": len(read),
        "streams": {s: {c: v.result for c, v in columns.items()} for s, columns in sums.items()},
        "truth": {name: _truth(file.truth[name][read], width) for name, width in truth.items()},
    }


def _columns(stream: Stream) -> tuple[Column, ...]:
    points: tuple[Column, ...] = getattr(stream, "points", ())
    return (*stream.columns, *points)


def _blocks(numbers: Array) -> list[Array]:
    """At most `MOST` of the events `numbers`, in blocks that are spread evenly."""
    blocks = [numbers[i : i + _BLOCK] for i in range(0, len(numbers), _BLOCK)]
    most = max(1, MOST // _BLOCK)
    if len(blocks) > most:
        blocks = [blocks[i] for i in np.linspace(0, len(blocks) - 1, most).astype(int)]
    return blocks


@define
class _Sums:
    """Running sums of a column's finite values, per component."""

    width: int
    n: Array = field(init=False)
    total: Array = field(init=False)
    square: Array = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.n, self.total, self.square = np.zeros((3, self.width))

    def add(self, values: Array) -> None:
        rows = values.reshape(-1, self.width)
        finite = np.isfinite(rows)
        rows = np.where(finite, rows, 0.0)
        self.n += finite.sum(0)
        self.total += rows.sum(0)
        self.square += (rows**2).sum(0)

    @property
    def result(self) -> dict[str, Any]:
        n = np.maximum(self.n, 1)
        mean, square = self.total / n, self.square / n
        variance = np.maximum(square - mean**2, 0)
        variance[variance < 1e-12 * square] = 0  # rounding, of a constant
        return {
            "mean": _plain(mean),
            "std": _plain(_or_one(np.sqrt(variance))),
            "rms": _plain(_or_one(np.sqrt(square))),
        }


def _truth(values: Array, width: int) -> dict[str, Any]:
    rows = values.reshape(-1, width).astype(np.float64)
    columns = [column[np.isfinite(column)] for column in rows.T]
    return {
        "mean": _plain(np.array([c.mean() if len(c) else 0.0 for c in columns])),
        "std": _plain(_or_one(np.array([c.std() if len(c) else 0.0 for c in columns]))),
        "median": _plain(np.array([np.median(c) if len(c) else 0.0 for c in columns])),
    }


def _or_one(widths: Array) -> Array:
    return np.where(widths > 0, widths, 1.0)


def _plain(values: Array) -> float | list[float]:
    return float(values[0]) if len(values) == 1 else [float(v) for v in values]


def unit_normalisation(detector: Detector) -> dict[str, Any]:
    """Normalisation that leaves every column and regressed truth as it is."""
    one = {"mean": 0.0, "std": 1.0, "rms": 1.0}
    return {
        "events": 0,
        "streams": {s.name: {c.name: dict(one) for c in _columns(s)} for s in detector.streams},
        "truth": {
            t.name: {"mean": 0.0, "std": 1.0, "median": 0.0}
            for t in detector.truth
            if not t.classes
        },
    }
