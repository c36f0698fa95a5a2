"""A trained network at work on a split."""

import numpy as np
import pytest
import torch
import toy
from attrs import evolve

from intarsia.core.evaluate import features, predictions
from intarsia.core.events import Events
from intarsia.core.progress import silent
from intarsia.core.store import EventFile, EventWriter
from intarsia.core.streams import Label
from intarsia.core.task import View

VIEW = View()


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return toy.written(tmp_path_factory.mktemp("evaluate") / "e.h5", toy.DETECTOR, 30, seed=2)


@pytest.fixture(scope="module")
def network():
    return toy.roughened(toy.built(toy.DETECTOR, toy.stage("flavour", "vertex")))


def sample_of(file, **settings):
    return toy.sample_of(file, toy.DETECTOR, (VIEW,), shuffle=False, **settings)


def test_predictions_are_those_of_the_network_event_by_event(file, network):
    chosen = np.array([3, 4, 11, 17, 18, 19, 20, 25, 29])
    found = predictions(network, sample_of(file, events=chosen), 0, "predict", silent)
    batch = toy.batch(toy.DETECTOR, file.take(chosen), VIEW)
    with torch.no_grad():
        wanted = network.eval().predict(batch)
    assert found["keys"].tolist() == [file.keys[i].encode() for i in chosen]
    np.testing.assert_allclose(found["flavour/scores"], wanted["flavour/scores"], atol=1e-5)
    np.testing.assert_allclose(found["vertex/prediction"], wanted["vertex/prediction"], rtol=1e-3)


def test_the_truth_of_each_task_stands_beside_its_predictions(file, network):
    found = predictions(network, sample_of(file), 0, "predict", silent)
    assert set(found) == {
        "keys",
        "weight",
        "flavour/scores",
        "flavour/truth",
        "vertex/prediction",
        "vertex/truth",
    }
    np.testing.assert_array_equal(found["flavour/truth"], file.truth["flavour"])
    np.testing.assert_array_equal(found["vertex/truth"], file.truth["vertex"])
    np.testing.assert_array_equal(found["weight"], np.ones(30))


def test_the_size_of_batches_changes_nothing(file, network):
    ours, theirs = (
        predictions(network, sample_of(file, batch=n), 0, "predict", silent) for n in (1, 30)
    )
    assert ours["keys"].tolist() == theirs["keys"].tolist()
    np.testing.assert_allclose(ours["flavour/scores"], theirs["flavour/scores"], atol=1e-5)


def test_a_loader_process_gives_the_same(file, network):
    ours, theirs = (predictions(network, sample_of(file), n, "predict", silent) for n in (0, 1))
    for name, values in ours.items():
        np.testing.assert_array_equal(values, theirs[name])


def test_events_of_real_data_are_predicted_without_truth(file, network, tmp_path):
    events = file.take(np.arange(10))
    with EventWriter(tmp_path / "real.h5", toy.DETECTOR, {}) as out:
        out.append(Events(events.streams, {}, events.keys, events.group))
    found = predictions(network, sample_of(EventFile(tmp_path / "real.h5")), 0, "p", silent)
    assert set(found) == {"keys", "weight", "flavour/scores", "vertex/prediction"}
    assert len(found["keys"]) == 10


def test_weights_of_events_are_kept(tmp_path, network):
    weighted = evolve(toy.DETECTOR, truth=(*toy.TRUTH, Label(name="weight", unit="1")))
    file = toy.written(tmp_path / "w.h5", weighted, 12, seed=1)
    found = predictions(network, sample_of(file), 0, "predict", silent)
    np.testing.assert_array_equal(found["weight"], file.truth["weight"])
    assert len(set(found["weight"])) > 1


def test_features_are_the_pooled_latents(file, network):
    found = features(network, sample_of(file), 0, "features", silent)
    with torch.no_grad():
        plan = toy.batch(toy.DETECTOR, file.take(np.arange(30)), VIEW).plans[VIEW]
        wanted = network.eval().encoder(plan).pooled().numpy()
    assert found.shape == (30, 2 * toy.MODEL.dim)
    np.testing.assert_allclose(found, wanted, atol=1e-4 * np.abs(wanted).max())


def test_evaluation_skips_no_block_and_learns_nothing(file):
    made = toy.built(toy.DETECTOR, toy.stage("flavour", drop_path=0.5)).train()
    before = {k: v.clone() for k, v in made.state_dict().items()}
    first, second = (features(made, sample_of(file), 0, "features", silent) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert all(torch.equal(v, before[k]) for k, v in made.state_dict().items())
    assert all(p.grad is None for p in made.parameters())


def test_progress_is_told_in_events(file, network):
    told = []
    predictions(network, sample_of(file), 0, "predict mae", told.append)
    assert [(p.what, p.done, p.total) for p in told] == [
        ("predict mae", done, 30) for done in (8, 16, 24, 30)
    ]
