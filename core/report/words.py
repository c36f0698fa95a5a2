"""Sentences about numbers: what they show, and where they show nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from attrs import frozen

from .style import title


@frozen
class Measured:
    """A number of one start: value, interval bounds (NaN if unknown) and the value of each seed."""

    value: float
    low: float = math.nan
    high: float = math.nan
    seeds: tuple[float, ...] = ()

    @classmethod
    def of(cls, interval: Sequence[float | None] | None, seeds: Any = ()) -> Measured | None:
        """From an entry of ``metrics.json``; None if it holds no value."""
        if not interval or interval[0] is None:
            return None
        numbers = [math.nan if v is None else float(v) for v in interval]
        value, low, high = (*numbers, math.nan, math.nan)[:3]
        return cls(value, low, high, tuple(float(s) for s in seeds or () if s is not None))

    @property
    def half(self) -> float:
        """Half the width of the interval, 0 if unknown."""
        width = (self.high - self.low) / 2
        return width if math.isfinite(width) else 0.0

    @property
    def spread(self) -> float:
        """Standard deviation over seeds, 0 for a single one."""
        return float(np.std(self.seeds, ddof=1)) if len(self.seeds) > 1 else 0.0


def margin(a: Measured, b: Measured) -> float:
    """What a difference of `a` and `b` must exceed to count.

    The larger of both intervals' half widths and both spreads over seeds, each added in quadrature.
    """
    return max(math.hypot(a.half, b.half), math.hypot(a.spread, b.spread))


def verdict(a: Measured, b: Measured, larger_is_better: bool) -> str:
    """``better``, ``worse`` or ``not resolved``: `a` compared with `b`."""
    difference = (a.value - b.value) * (1 if larger_is_better else -1)
    if abs(difference) <= margin(a, b):
        return "not resolved"
    return "better" if difference > 0 else "worse"


def comparison(
    a: tuple[str, Measured],
    b: tuple[str, Measured],
    larger_is_better: bool,
    unit: str = "",
) -> str:
    """One sentence that compares start `a` with start `b`."""
    (name_a, x), (name_b, y) = a, b
    found = verdict(x, y, larger_is_better)
    tail = f" {unit}" if unit else ""
    one, two = number(x.value), number(y.value)
    digits = max(len(n.partition(".")[2]) for n in (one, two))
    gap, width = (f"{v:.{digits}f}" for v in (abs(x.value - y.value), margin(x, y)))
    heads = f"{name_a} {one}{tail}, {name_b} {two}{tail}"
    if found == "not resolved":
        return f"{heads}: not resolved (differ by {gap}{tail}, chance allows {width})."
    if margin(x, y) == 0:
        return f"{heads}: {found}, but without interval and second seed it may be chance."
    return f"{heads}: {found} by {gap}{tail} (chance allows {width})."


def comparisons(rows: Sequence[Mapping[str, Any]], measure: str, **how: Any) -> list[str]:
    """Sentences on all pairs worth comparing of the `rows` of the overview.

    Each pre-trained start with scratch, mae_rel with mae, each encoder's probe with the random
    one, and the best fine-tuned start with what was learned from hand-made features.
    """
    found: dict[tuple[str, str], Measured] = {}
    for row in rows:
        if read := Measured.of(row.get(measure), row.get(f"{measure} seeds")):
            found[row["group"], row["start"]] = read
    pairs = [
        (("fine-tuned", s), ("fine-tuned", "scratch"))
        for g, s in found
        if g == "fine-tuned" and s != "scratch"
    ]
    pairs.append((("fine-tuned", "mae_rel"), ("fine-tuned", "mae")))
    pairs += [
        (("probe", s), ("probe", "random")) for g, s in found if g == "probe" and s != "random"
    ]
    fine = [k for k in found if k[0] == "fine-tuned"]
    if fine:
        sign = 1 if how.get("larger_is_better") else -1
        best = max(fine, key=lambda k: sign * found[k].value)
        pairs += [(best, k) for k in found if k[0] == "yardstick"]
    return [
        comparison((_named(a), found[a]), (_named(b), found[b]), **how)
        for a, b in pairs
        if a in found and b in found
    ]


def _named(key: tuple[str, str]) -> str:
    group, start = key
    return f"probe of {title(start)}" if group == "probe" else title(start)


def number(value: float | None) -> str:
    """`value` with three digits, never in exponential form for usual sizes."""
    if value is None or not math.isfinite(value):
        return "-"
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{min(digits, 3)}f}"


def with_interval(interval: Sequence[float | None] | None) -> str:
    """``0.79 [0.77, 0.81]``, or a dash."""
    if not interval or interval[0] is None:
        return "-"
    if len(interval) < 3 or interval[1] is None or interval[2] is None:
        return number(interval[0])
    return f"{number(interval[0])} [{number(interval[1])}, {number(interval[2])}]"


def quantity(name: str) -> str:
    """What a regressed quantity is called in tables; its own name if it has no other."""
    known = {
        "E_vis": "visible energy",
        "p_miss_T": "missing transverse momentum",
        "p_lepton": "lepton momentum",
        "p_jet": "jet momentum",
    }
    return known.get(name, name.replace("_", " "))


def origin(simulation: str) -> str:
    """One honest sentence on where the events come from."""
    return {
        "fast": "All events come from a fast simulation, not from GEANT4: compare the starts with "
        "each other, not these numbers with published ones.",
        "sample": "The events were drawn at random from the detector's declaration: there is no "
        "physics in them, they only show that the machinery works.",
        "": "It is not recorded how these events came about.",
    }.get(simulation, f"How the events came about, as their file says: {simulation}.")
