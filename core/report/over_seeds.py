"""Tables of what the seeds of a run say together: mean and spread, and differences seed by seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from . import words
from .style import title
from .tables import Table

HEADING = "Over seeds"
NOTE = (
    "Mean and standard deviation over the seeds, each of which draws weights, labelled events and "
    "their order anew; events and pre-training are those of the first seed."
)
PAIRED = "Against scratch, seed by seed"
PAIRED_NOTE = (
    "Value less that of scratch with the same seed and the same labelled events, in the order of the "
    "seeds; then mean and standard deviation of these differences."
)


def spread(rows: Sequence[Mapping[str, Any]], measures: Sequence[tuple[str, str]]) -> Table | None:
    """Mean and spread of every measure of the overview's `rows`; None with a single seed."""
    body = [
        [_named(row), *(_mean(row.get(f"{key} seeds") or ()) for key, _ in measures)]
        for row in rows
    ]
    several = any(len(row.get(f"{key} seeds") or ()) > 1 for row in rows for key, _ in measures)
    return Table(["", *_heads(measures)], body) if several else None


def paired(found: Mapping[str, Any], measures: Sequence[tuple[str, str]]) -> Table | None:
    """Differences of every start from scratch; None where there are none."""
    body = []
    for start, values in found.get("starts", {}).items():
        cells = []
        for key, _ in measures:
            differences = values.get(key, {}).get("against_scratch", {})
            names = ("auc_macro", "f1_macro", "median")
            cells.append(
                _differences(next((differences[n] for n in names if n in differences), ()))
            )
        if any(cell != "-" for cell in cells):
            body.append([title(start), *cells])
    return Table(["", *_heads(measures)], body) if body else None


def _heads(measures: Sequence[tuple[str, str]]) -> list[str]:
    return [text.partition(" (")[0].replace("_", " ") for _, text in measures]


def _named(row: Mapping[str, Any]) -> str:
    named = title(row["start"])
    return f"{named}, frozen probe" if row["group"] == "probe" else named


def _mean(values: Sequence[float | None]) -> str:
    """``0.761 ± 0.025``; without ± of one value, a dash of none."""
    numbers = [v for v in values if v is not None]
    if len(numbers) < 2:
        return words.number(numbers[0] if numbers else None)
    mean = words.number(float(np.mean(numbers)))
    digits = len(mean.partition(".")[2])
    return f"{mean} ± {np.std(numbers, ddof=1):.{digits}f}"


def _differences(values: Sequence[float | None]) -> str:
    """``+0.090, +0.079; +0.085 ± 0.008``; a dash of fewer than two."""
    numbers = [v for v in values if v is not None]
    if len(numbers) < 2:
        return "-"
    digits = len(words.number(max(map(abs, numbers))).partition(".")[2])
    each = ", ".join(f"{v:+.{digits}f}" for v in numbers)
    return f"{each}; {np.mean(numbers):+.{digits}f} ± {np.std(numbers, ddof=1):.{digits}f}"
