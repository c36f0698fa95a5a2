"""How results grow with labels: which numbers belong where, and what scratch needs for the same."""

import pytest

from intarsia.core.report import label_curve
from intarsia.core.report.label_curve import curves, measures, saved, table
from intarsia.core.report.words import Measured


def scores(value, *seeds):
    each = list(seeds) or [value]
    return {"auc_macro": [value, value - 0.01, value + 0.01], "per_seed": {"auc_macro": each}}


def far(value):
    return {"median": [value, value - 1.0, value + 1.0], "per_seed": {"median": [value]}}


def momenta(value):
    return {"p_jet": {"sigma_mad": [value] * 3, "per_seed": {"sigma_mad": [value]}}}


def group(scratch, mae, probe):
    return {
        "starts": {
            "scratch": {"flavour": scores(*scratch), "vertex_mm": far(100 * (1 - scratch[0]) ** 2)},
            "mae": {
                "flavour": scores(*mae),
                "kinematics": momenta(0.5),
                "probe": {**scores(probe), "per_seed": {"auc_macro": [probe]}},
            },
        },
        "boosted_trees": {"flavour": scores(0.7)},
        "hand_features": {"flavour": scores(0.75)},
    }


FOUND = {
    **group((0.70, 0.69, 0.71), (0.76, 0.75, 0.77), 0.74),
    "n_train": 1000,
    "n_probe": 300,
    "budgets": {
        "100": group((0.60, 0.59, 0.61), (0.66, 0.65, 0.67), 0.70),
        "10000": group((0.80, 0.79, 0.81), (0.81, 0.80, 0.82), 0.78),
    },
}


@pytest.fixture
def every():
    return measures(FOUND)


def test_each_model_has_its_own_number_of_labels(every):
    flavour, vertex, jet = every
    assert (flavour.text, flavour.up) == ("flavour: macro AUROC", True)
    assert (vertex.text, vertex.up) == ("vertex: median distance [mm]", False)
    assert (jet.text, jet.up) == ("jet momentum: sigma_MAD", False)
    values = {m: {n: v.value for n, v in c.items()} for m, c in flavour.curves.items()}
    assert values == {
        ("fine-tuned", "scratch"): {100: 0.60, 1000: 0.70, 10000: 0.80},
        ("fine-tuned", "mae"): {100: 0.66, 1000: 0.76, 10000: 0.81},
        ("probe", "mae"): {100: 0.70, 300: 0.74, 10000: 0.78},
        ("yardstick", "hand_features"): {100: 0.75, 300: 0.75, 10000: 0.75},
        ("yardstick", "boosted_trees"): {100: 0.7, 1000: 0.7, 10000: 0.7},
    }
    assert list(jet.curves) == [("fine-tuned", "mae")]


def test_the_table_has_spreads_over_seeds_or_intervals(every):
    made = table(every)
    assert made.heads == ["labelled events", "100", "300", "1,000", "10,000"]
    rows = {row[0]: row[1:] for row in made.rows}
    assert rows["flavour: macro AUROC, from scratch"] == [
        "0.600 ± 0.014",
        "-",
        "0.700 ± 0.014",
        "0.800 ± 0.014",
    ]
    probe = rows["flavour: macro AUROC, MAE, frozen probe"]
    assert probe == ["0.700 [0.690, 0.710]", "0.740 [0.730, 0.750]", "-", "0.780 [0.770, 0.790]"]


def test_what_scratch_needs_is_read_off_its_line(every):
    """Ours by hand: scratch gains 0.1 for ten times the labels, so 0.06 are a factor 10^0.6 = 4.0."""
    made = saved(every)
    assert made.heads == ["labelled events", "100", "1,000", "10,000"]
    assert made.rows == [["flavour: macro AUROC, MAE", "400", "4,000", "> 10,000"]]


@pytest.mark.parametrize(
    ("value", "up", "labels"),
    [
        (0.5, True, "< 100"),
        (0.6, True, "100"),
        (0.9, True, "> 10,000"),
        (0.7, True, "320"),  # sqrt(100 x 1000), the first crossing before the line falls again
        (0.5, False, "> 10,000"),
        (0.65, False, "100"),
    ],
)
def test_what_scratch_needs_at_the_ends_of_its_line(value, up, labels):
    points = {100: 0.6, 1000: 0.8, 10000: 0.65} if up else {100: 0.65, 1000: 0.64, 10000: 0.6}
    scratch = {n: Measured(v) for n, v in points.items()}
    assert label_curve._needed(value, scratch, up) == labels


def test_without_budgets_there_is_nothing():
    alone = {k: v for k, v in FOUND.items() if k != "budgets"}
    assert measures(alone) == []
    assert (curves([]), table([]), saved([])) == (None, None, None)


def test_the_figure_has_a_panel_for_each_measure_and_one_legend(every):
    figure = curves(every)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == [m.text for m in every]
    (legend,) = figure.legends
    assert [t.get_text() for t in legend.get_texts()] == [
        "from scratch",
        "MAE",
        "MAE, frozen probe",
        "hand-made features (linear)",
        "hand-made features (boosted trees)",
    ]
    assert figure.axes[0].get_xscale() == "log"
    assert [axes.get_yscale() for axes in figure.axes] == ["linear", "log", "linear"]
