import numpy as np
import pytest

from intarsia.core.detector import Detector
from intarsia.core.events import Events, Table
from intarsia.core.hand_features import Blocks, features
from intarsia.core.metrics import classification, distance
from intarsia.core.probe import boosted, linear_probe
from intarsia.core.produce import produce
from intarsia.core.sample import events
from intarsia.core.store import EventFile
from intarsia.core.streams import Column, DenseArray


def test_features_by_hand(toy):
    cubes = toy.stream("cubes")
    one = Detector(name="one", about="", streams=(cubes,))
    columns = {
        "index": np.array([[0, 0, 0], [1, 0, 0], [7, 7, 11]], np.int16),
        "charge": np.array([1.0, 3.0, 5.0], np.float32),
        "pixels": np.ones(3, np.int32),
    }
    table = Table(np.array([0, 2, 3, 3]), columns)
    sample = Events({"cubes": table}, {}, ("1/0", "1/1", "1/2"), np.arange(3))
    names, x = features(sample, one)
    found = {name: x[:, i] for i, name in enumerate(names)}
    np.testing.assert_allclose(found["cubes.log_charge"], np.log1p([4, 5, 0]))
    np.testing.assert_allclose(found["cubes.log_hits"], np.log1p([2, 1, 0]))
    # Cell centres along x: -35 and -25 mm, weighted by 1 and 3.
    np.testing.assert_allclose(found["cubes.mean_x"], [-27.5, 35.0, 0.0])
    np.testing.assert_allclose(
        found["cubes.spread_x"], [np.sqrt(0.25 * 7.5**2 + 0.75 * 2.5**2), 0, 0]
    )
    assert found["cubes.first_slab"].tolist() == [0, 1, 2]  # two rows of windows; 2 is none
    assert found["cubes.first_plane"].tolist() == [0, 11, 12]
    np.testing.assert_allclose(found["cubes.log_charge_1"], np.log1p([0, 5, 0]))


def test_features_of_every_kind_are_finite_and_those_of_the_event_alone(toy):
    sample = events(toy, 60, seed=3)
    names, x = features(sample, toy)
    assert x.shape == (60, len(names))
    assert len(set(names)) == len(names)
    assert np.isfinite(x).all()
    alone = np.concatenate([features(e, toy)[1] for e in sample])
    np.testing.assert_allclose(alone, x)
    assert features(sample.slice(0, 0), toy)[1].shape == (0, len(names))


def test_sums_and_centres_of_an_array():
    calo = DenseArray(name="calo", shape=(2, 3), columns=(Column(name="e", unit="MeV"),))
    one = Detector(name="one", about="", streams=(calo,))
    values = np.array([[[1, 0, 2], [0, 0, 1]]], np.float32)
    sample = Events(
        {"calo": Table(np.array([0, 1, 1]), {"e": values})}, {}, ("1/0", "1/1"), np.arange(2)
    )
    names, x = features(sample, one)
    found = {name: x[:, i] for i, name in enumerate(names)}
    np.testing.assert_allclose(found["calo.e_log_total"], np.log1p([4, 0]))
    np.testing.assert_allclose(found["calo.e_log_largest"], np.log1p([2, 0]))
    np.testing.assert_allclose(found["calo.e_centre_0"], [-0.25, 0])  # 3 against 1
    np.testing.assert_allclose(found["calo.e_centre_1"], [0.5, 0])  # 1, 0 and 3


def test_the_longest_track_leads(toy):
    muon = toy.stream("muon")
    one = Detector(name="one", about="", streams=(muon,))
    hit = np.full((2, 4, 3), np.nan, np.float32)
    hit[0, 1] = 1.0
    hit[1, 1:] = [[2.0] * 3, [3.0] * 3, [4.0] * 3]
    columns = {"p": np.array([[1, 1, 1], [7, 8, 9]], np.float32), "hit": hit}
    sample = Events({"muon": Table(np.array([0, 2, 2]), columns)}, {}, ("1/0", "1/1"), np.arange(2))
    names, x = features(sample, one)
    found = {name: x[:, i].tolist() for i, name in enumerate(names)}
    assert found["muon.count"] == [2, 0]
    assert found["muon.p_1"] == [8, 0]
    np.testing.assert_allclose(found["muon.p_across"], [np.hypot(7, 8), 0])
    assert found["muon.hit_first_0"] == [2, 0]
    assert found["muon.hit_last_0"] == [4, 0]


@pytest.mark.parametrize("model", [linear_probe, boosted])
def test_flavour_and_vertex_can_be_learned_from_them(toy, model):
    train, test = events(toy, 400, seed=1), events(toy, 300, seed=2)
    x, new = (features(e, toy)[1] for e in (train, test))
    names = toy.label("flavour").classes
    scores = model(x, train.truth["flavour"], new, len(names))
    np.testing.assert_allclose(scores.sum(1), 1.0)
    rng = np.random.default_rng(0)
    area = classification(scores, test.truth["flavour"], np.ones(300), names, rng, 5)
    assert area["auc_macro"][0] > 0.75
    gaps = distance(model(x, train.truth["vertex"], new), test.truth["vertex"])
    blind = distance(train.truth["vertex"].mean(0), test.truth["vertex"])
    assert np.median(gaps) < 0.6 * np.median(blind)


def test_features_of_a_file_come_in_blocks_in_order(toy, tmp_path):
    produce(toy, 60, 3, tmp_path / "e.h5", workers=1)
    file, chosen = EventFile(tmp_path / "e.h5"), np.arange(1, 60, 2)
    blocks = Blocks(file, toy, chosen, size=13)
    assert len(blocks) == 3
    found = np.concatenate([blocks[i] for i in range(len(blocks))])
    np.testing.assert_allclose(found, features(file.take(chosen), toy)[1])


def test_the_first_slab_is_not_the_fullest(toy):
    one = Detector(name="one", about="", streams=(toy.stream("cubes"),))
    columns = {
        "index": np.array([[0, 0, 5], [1, 0, 11], [7, 7, 11]], np.int16),
        "charge": np.ones(3, np.float32),
        "pixels": np.ones(3, np.int32),
    }
    sample = Events({"cubes": Table(np.array([0, 3]), columns)}, {}, ("1/0",), np.arange(1))
    names, x = features(sample, one)
    found = dict(zip(names, x[0], strict=True))
    assert (found["cubes.first_slab"], found["cubes.first_plane"]) == (0, 5)
