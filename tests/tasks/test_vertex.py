import numpy as np
import pytest
import torch
import toy
from attrs import evolve

from intarsia.core.task import View
from intarsia.tasks.vertex import Vertex

VIEW = View()
MEAN, STD = 100.0, 80.0  # of toy.normalisation


@pytest.fixture(scope="module")
def events():
    return toy.events(toy.DETECTOR, 10, seed=1)


def worked(events, rough=True, **options):
    return toy.worked("vertex", events, toy.DETECTOR, rough, **options)


def smooth(d, beta):
    """Equation 3 of arXiv:1504.08083, quadratic below `beta`."""
    return np.where(np.abs(d) < beta, 0.5 * d**2 / beta, np.abs(d) - 0.5 * beta)


@pytest.mark.parametrize("options", [{}, {"beta": 50.0}, {"unit": 20.0, "beta": 5.0}])
def test_the_loss_is_smooth_in_mm_over_known_vertices(events, options):
    vertex = events.truth["vertex"].copy()
    vertex[[2, 7]] = np.nan
    losses, _, out, *_ = worked(evolve(events, truth={**events.truth, "vertex": vertex}), **options)
    d = out["position"].double().numpy() - vertex
    beta, unit = options.get("beta", 10.0), options.get("unit", 100.0)
    assert (np.abs(d) > beta).any()
    wanted = np.nanmean(smooth(d, beta)) / unit
    assert float(losses["position"]) == pytest.approx(wanted, rel=1e-5)


def test_predictions_are_in_mm(events):
    _, predictions, out, *_ = worked(events)
    np.testing.assert_array_equal(predictions["prediction"], out["position"])
    assert 0.1 * STD < np.abs(predictions["prediction"].numpy() - MEAN).mean() < 10 * STD


def test_at_the_start_every_vertex_is_at_the_mean(events):
    _, predictions, *_ = worked(events, rough=False)
    torch.testing.assert_close(
        predictions["prediction"], torch.full((10, 3), MEAN), atol=0.1, rtol=0
    )


def test_mean_and_spread_travel_with_the_weights():
    made = toy.built(toy.DETECTOR, toy.stage("vertex"))
    state = made.tasks["vertex"].state_dict()
    assert state["mean"].tolist() == [MEAN] * 3
    assert state["std"].tolist() == [STD] * 3


def test_a_single_number_may_be_learned(events):
    losses, predictions, *_ = worked(events, truth="energy")
    assert np.isfinite(float(losses["position"]))
    assert predictions["prediction"].shape in ((10,), (10, 1))
    d = predictions["prediction"].numpy().reshape(-1) - events.truth["energy"]
    assert float(losses["position"]) == pytest.approx(smooth(d, 10).mean() / 100, rel=1e-4)


def test_it_needs_the_point_it_is_to_find():
    kind = toy.registry().task("vertex")
    assert kind.needs(Vertex(), toy.DETECTOR).truth == ("vertex",)
    assert kind.needs(Vertex(truth="decay"), toy.DETECTOR).truth == ("decay",)
