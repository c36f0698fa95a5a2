import numpy as np

from intarsia.core.report import figures
from intarsia.core.store_predictions import Predictions


def predictions(**columns):
    return {"scratch": Predictions(columns, {})}


def test_a_class_that_every_event_has_draws_without_complaint():
    """As "no charm" in a small sample: there are no others to accept, also in float32."""
    scores = np.full((5, 2), 0.5, np.float32)
    given = {
        "charm/scores": scores,
        "charm/truth": np.zeros(5, np.int8),
        "weight": np.ones(5, np.float32),
    }
    figure = figures.roc(predictions(**given), "charm", ("none", "some"))
    (line,) = [x for x in figure.axes[0].lines if x.get_label() == "from scratch"]
    assert line.get_ydata()[-1] == 1
    assert np.isfinite(line.get_xdata()).all()


def test_residuals_of_momenta_have_a_panel_for_each_quantity():
    truth = np.random.default_rng(0).normal(size=(50, 3, 3))
    given = {"kinematics/truth": truth, "kinematics/prediction": truth * 0.5}
    figure = figures.residuals(predictions(**given), "kinematics")
    assert [a.get_title(loc="left") or a.get_title() for a in figure.axes] == [
        "visible energy",
        "missing transverse momentum",
        "lepton momentum",
        "jet momentum",
    ]
    for axes in figure.axes:  # every residual is 0.5
        (stairs,) = axes.patches
        values, edges, _ = stairs.get_data()
        assert values.sum() == 1
        assert edges[values.argmax()] <= 0.5 <= edges[values.argmax() + 1]


def test_no_momenta_give_no_figure():
    none = np.zeros((0, 3, 3))
    given = {"kinematics/truth": none, "kinematics/prediction": none}
    assert figures.residuals(predictions(**given), "kinematics") is None
    assert figures.residuals(predictions(other=none), "kinematics") is None
