import json

import numpy as np
import pytest

from intarsia.core.evaluate_metrics import dumps, metrics, read_folder
from intarsia.core.metrics import distance, one_vs_rest
from intarsia.core.store_predictions import Predictions, write_predictions
from intarsia.core.streams import Label

LABELS = {
    "flavour": Label(name="flavour", classes=("e", "mu", "tau")),
    "vertex": Label(name="vertex", unit="mm", width=3, moves="point"),
    "energy": Label(name="energy", unit="GeV"),
}


def predicted(seed, n=80, **more):
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % 3
    scores = rng.dirichlet([1] * 3, n) + 0.3 * np.eye(3)[truth]
    columns = {
        "keys": np.array([f"1/{i}" for i in range(n)]),
        "weight": rng.random(n) + 0.5,
        "flavour/scores": scores / scores.sum(1, keepdims=True),
        "flavour/truth": truth.astype(np.int8),
        "vertex/prediction": rng.normal(size=(n, 3)),
        "vertex/truth": np.zeros((n, 3)),
        "energy/prediction": rng.normal(10, 1, (n, 1)),
        "energy/truth": np.full(n, 10.0),
    }
    return Predictions({**columns, **more}, {"seed": seed})


@pytest.fixture(scope="module")
def found():
    return metrics(
        {
            "scratch": {0: predicted(0), 1: predicted(1)},
            "probe-random": {0: predicted(2)},
            "probe-mae": {0: predicted(3)},
            "hand_features": {0: predicted(4)},
        },
        LABELS,
        20,
        n_train=300,
        simulation="fast",
    )


def test_the_layout_is_that_of_the_decision(found):
    assert set(found) == {
        "starts", "random", "hand_features", "n_test", "seeds", "n_train", "simulation",
    }  # fmt: skip
    assert set(found["starts"]) == {"scratch", "mae"}
    scratch = found["starts"]["scratch"]
    assert set(scratch) == {"flavour", "vertex_mm", "kinematics"}
    assert set(scratch["flavour"]["auc"]) == {"e", "mu", "tau"}
    assert len(scratch["flavour"]["confusion"]["matrix"]) == 3
    assert set(scratch["kinematics"]["energy"]) == {"sigma_mad", "median", "per_seed", "spread"}
    probe = found["starts"]["mae"]["probe"]
    assert len(probe["auc_macro"]) == len(probe["vertex_mm"]) == 3
    assert set(found["random"]) == {"probe"}
    assert set(found["hand_features"]) == {"flavour", "vertex_mm", "kinematics"}
    assert (found["n_test"], found["n_train"], found["seeds"]) == (80, 300, [0, 1])
    assert json.loads(dumps(found)) == found


def test_a_value_is_the_mean_over_seeds_and_its_interval_moves_along(found):
    each = []
    for seed in (0, 1):
        p = predicted(seed).columns
        area = one_vs_rest(p["flavour/scores"], p["flavour/truth"], p["weight"][None])
        each.append(area.mean())
    flavour = found["starts"]["scratch"]["flavour"]
    assert flavour["per_seed"]["auc_macro"] == pytest.approx(each)
    value, low, high = flavour["auc_macro"]
    assert value == pytest.approx(np.mean(each))
    assert low < value < high
    alone = metrics({"scratch": {0: predicted(0)}}, LABELS, 20)["starts"]["scratch"]
    first = alone["flavour"]["auc_macro"]
    assert high - low == pytest.approx(first[2] - first[1])
    assert flavour["confusion"] == alone["flavour"]["confusion"]


def test_distances_are_means_and_medians(found):
    gaps = [distance(p["vertex/prediction"], p["vertex/truth"]) for p in (predicted(0).columns,)]
    alone = metrics({"scratch": {0: predicted(0)}}, LABELS, 20)["starts"]["scratch"]
    assert alone["vertex_mm"]["mean"][0] == pytest.approx(gaps[0].mean())
    assert alone["vertex_mm"]["median"][0] == pytest.approx(np.median(gaps[0]))
    probe = found["starts"]["mae"]["probe"]
    again = metrics({"x": {0: predicted(3)}}, LABELS, 20)["starts"]["x"]
    assert probe["vertex_mm"] == again["vertex_mm"]["median"]


def test_the_same_predictions_give_the_same_file():
    given = {"scratch": {0: predicted(0)}}
    assert dumps(metrics(given, LABELS, 20)) == dumps(metrics(given, LABELS, 20))


def test_momenta_become_the_quantities_of_the_decision():
    rng = np.random.default_rng(1)
    truth = rng.normal(size=(80, 3, 3))
    each = {s: predicted(s, **momenta(truth, s)) for s in (0, 1)}
    found = metrics({"x": each}, LABELS, 20)["starts"]["x"]["kinematics"]
    assert set(found) == {"E_vis", "p_miss_T", "p_lepton", "p_jet", "energy"}
    for quantity, row in {"E_vis": 0, "p_jet": 1, "p_lepton": 2}.items():
        size = np.linalg.norm(truth[:, row], axis=1)
        reco = [
            np.linalg.norm(momenta(truth, s)["kinematics/prediction"][:, row], axis=1) for s in each
        ]
        medians = [np.median((size - r) / size) for r in reco]
        assert found[quantity]["per_seed"]["median"] == pytest.approx(medians)
        assert found[quantity]["median"][0] == pytest.approx(np.mean(medians))
        assert set(found[quantity]) == {"sigma_mad", "median", "angle_mrad", "per_seed", "spread"}


def momenta(truth, seed):
    noise = np.random.default_rng(10 + seed).normal(size=truth.shape)
    return {"kinematics/prediction": truth + 0.1 * noise, "kinematics/truth": truth}


def test_the_probe_of_a_second_class_stands_under_its_name():
    p = predicted(3)
    more = {f"charm/{k}": p.columns[f"flavour/{k}"][::-1] for k in ("scores", "truth")}
    found = metrics({"probe-mae": {0: predicted(3, **more)}}, LABELS, 5)["starts"]["mae"]["probe"]
    whole = metrics({"x": {0: predicted(3, **more)}}, LABELS, 5)["starts"]["x"]
    assert found["auc_macro"] == whole["flavour"]["auc_macro"]
    assert found["charm"] == whole["charm"]["auc_macro"]


def test_what_cannot_be_computed_is_null():
    none = predicted(0, **{"flavour/truth": np.full(80, -1, np.int8)})
    flavour = metrics({"x": {0: none}}, LABELS, 5)["starts"]["x"]["flavour"]
    assert flavour["auc_macro"] == [None, None, None]
    assert flavour["absent"] == ["e", "mu", "tau"]
    assert flavour["accuracy"] is None


def test_real_data_without_truth_give_nothing():
    p = predicted(0)
    kept = {k: v for k, v in p.columns.items() if not k.endswith("/truth")}
    assert metrics({"x": {0: Predictions(kept, {})}}, LABELS, 5)["starts"] == {"x": {}}
    assert metrics({}, LABELS)["starts"] == {}


def test_unknown_tasks_have_numbered_classes():
    found = metrics({"x": {0: predicted(0)}}, {}, 5)["starts"]["x"]
    assert list(found["flavour"]["auc"]) == ["0", "1", "2"]


def test_a_folder_is_read_by_start_and_seed(tmp_path):
    for name in ("mae.h5", "mae-seed10.h5", "mae-seed2.h5", "probe-random.h5"):
        write_predictions(tmp_path / name, {"keys": np.array(["1/1"])}, {})
    found = read_folder(tmp_path)
    assert {start: sorted(seeds) for start, seeds in found.items()} == {
        "mae": [0, 2, 10],
        "probe-random": [0],
    }
    assert next(iter(found["mae"])) == 0
    assert read_folder(tmp_path / "none") == {}


def test_budgets_stand_by_their_labels_as_if_they_were_alone():
    own = {"scratch": {0: predicted(0)}, "probe-mae": {0: predicted(1)}}
    few = {"scratch": {0: predicted(2), 1: predicted(3)}, "boosted_trees": {0: predicted(4)}}
    more = {"mae": {0: predicted(5)}, "probe-random": {0: predicted(6)}}
    groups = {"": own, "@1000": more, "@30": few}
    every = {f"{name}{n}": p for n, group in groups.items() for name, p in group.items()}
    found = metrics(every, LABELS, 5, n_train=300)
    budgets = found.pop("budgets")
    assert list(budgets) == ["30", "1000"]
    assert budgets == {"30": metrics(few, LABELS, 5), "1000": metrics(more, LABELS, 5)}
    assert found == metrics(own, LABELS, 5, n_train=300)


def test_starts_are_compared_with_scratch_seed_by_seed():
    """Ours by hand: differences of the values of single seeds, and their spreads."""
    starts = {
        "scratch": {0: predicted(0), 1: predicted(1), 2: predicted(5)},
        "mae": {0: predicted(6), 1: predicted(7), 2: predicted(8)},
        "few": {0: predicted(6)},
    }
    found = metrics(starts, LABELS, 5)["starts"]
    alone = {
        (s, seed): metrics({s: {seed: p}}, LABELS, 5)["starts"][s]
        for s, seeds in starts.items()
        for seed, p in seeds.items()
    }
    for task, name in (("flavour", "auc_macro"), ("vertex_mm", "median"), ("vertex_mm", "mean")):
        each = {s: [alone[s, i][task][name][0] for i in range(3)] for s in ("scratch", "mae")}
        differences = np.subtract(each["mae"], each["scratch"])
        ours = found["mae"][task]
        np.testing.assert_allclose(ours["against_scratch"][name], differences)
        assert ours["spread"][name] == pytest.approx(np.std(each["mae"], ddof=1))
        assert "against_scratch" not in found["scratch"][task]
        assert not {"against_scratch", "spread"} & set(found["few"][task])
    assert "median" in found["mae"]["kinematics"]["energy"]["against_scratch"]
