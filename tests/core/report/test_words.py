import math

import pytest

from intarsia.core.report.words import (
    Measured,
    comparison,
    comparisons,
    margin,
    number,
    origin,
    verdict,
    with_interval,
)


def test_better_needs_more_than_interval_and_spread():
    a, b = Measured(0.80, 0.79, 0.81), Measured(0.78, 0.77, 0.79)
    assert margin(a, b) == pytest.approx(math.hypot(0.01, 0.01))
    assert verdict(a, b, True) == "better"
    assert verdict(b, a, True) == "worse"
    assert verdict(a, b, False) == "worse"
    spread = Measured(0.80, 0.79, 0.81, (0.77, 0.80, 0.83))
    assert margin(spread, b) == pytest.approx(0.03)
    assert verdict(spread, b, True) == "not resolved"


def test_sentences():
    a, b = Measured(0.80, 0.79, 0.81), Measured(0.7801, 0.77, 0.79)
    assert comparison(("MAE", a), ("from scratch", b), True) == (
        "MAE 0.800, from scratch 0.780: better by 0.020 (chance allows 0.014)."
    )
    assert comparison(("MAE", a), ("MAE + Rel", a), True) == (
        "MAE 0.800, MAE + Rel 0.800: not resolved (differ by 0.000, chance allows 0.014)."
    )
    alone = comparison(("MAE", Measured(91)), ("from scratch", Measured(122)), False, "mm")
    assert alone == (
        "MAE 91.0 mm, from scratch 122 mm: better, but without interval and second seed it may be "
        "chance."
    )


def test_pairs_that_are_compared():
    rows = [
        {"start": s, "group": g, "flavour": [v, v - 0.01, v + 0.01]}
        for g, s, v in (
            ("fine-tuned", "scratch", 0.74),
            ("fine-tuned", "mae", 0.79),
            ("fine-tuned", "mae_rel", 0.80),
            ("probe", "random", 0.55),
            ("probe", "mae", 0.78),
            ("yardstick", "hand_features", 0.79),
            ("yardstick", "boosted_trees", 0.77),
        )
    ]
    said = comparisons(rows, "flavour", larger_is_better=True)
    assert [s[: s.index(" ", s.index(":") + 2)] for s in said] == [
        "MAE 0.790, from scratch 0.740: better",
        "MAE + Rel 0.800, from scratch 0.740: better",
        "MAE + Rel 0.800, MAE 0.790: not",
        "probe of MAE 0.780, probe of random encoder 0.550: better",
        "MAE + Rel 0.800, hand-made features (linear) 0.790: not",
        "MAE + Rel 0.800, hand-made features (boosted trees) 0.770: better",
    ]
    assert comparisons([], "flavour", larger_is_better=True) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.7864, "0.786"), (91.234, "91.2"), (1234.5, "1234"), (0, "0"), (None, "-"), (math.nan, "-")],
)
def test_numbers(value, text):
    assert number(value) == text


def test_intervals():
    assert with_interval([0.7864, 0.7, 0.8123]) == "0.786 [0.700, 0.812]"
    assert with_interval([0.7864, None, None]) == "0.786"
    assert with_interval(None) == with_interval([None] * 3) == "-"


def test_the_origin_of_events_is_said():
    assert "not from GEANT4" in origin("fast")
    assert "no physics" in origin("sample")
    assert origin("test beam 2026").endswith("as their file says: test beam 2026.")
