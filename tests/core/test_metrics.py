import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import roc_auc_score

from intarsia.core.metrics import (
    angle,
    auroc,
    classification,
    confusion,
    confusion_highest,
    distance,
    entropy,
    entropy_auroc,
    interval,
    macro,
    momenta,
    one_vs_rest,
    position,
    resampled,
    resolution,
    sigma_mad,
    thresholds,
)


def rng():
    return np.random.default_rng(7)


@given(st.data(), st.integers(2, 60))
def test_areas_equal_sklearn_with_ties_and_weights(data, n):
    score = data.draw(hnp.arrays(float, n, elements=st.sampled_from([0.0, 0.1, 0.5, 0.7, 1.0])))
    positive = data.draw(hnp.arrays(bool, n))
    weights = data.draw(hnp.arrays(float, (3, n), elements=st.floats(0.1, 5)))
    found = auroc(score, positive, weights)
    if positive.all() or not positive.any():
        assert np.isnan(found).all()
    else:
        expected = [roc_auc_score(positive, score, sample_weight=w) for w in weights]
        np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_a_resample_is_the_area_of_its_events():
    score, positive = rng().normal(size=50), rng().random(50) < 0.4
    counts = resampled(50, rng(), 5)
    assert (counts.sum(1) == 50).all()
    for count, area in zip(counts, auroc(score, positive, counts), strict=True):
        rows = np.repeat(np.arange(50), count)
        assert area == pytest.approx(roc_auc_score(positive[rows], score[rows]))


def test_absent_classes_and_unknown_events_do_not_count():
    scores = rng().dirichlet([1] * 3, 40)
    truth = np.array([0, 1] * 15 + [-1] * 10)
    found = one_vs_rest(scores, truth, np.ones((1, 40)))
    expected = roc_auc_score(truth[:30] == 0, scores[:30, 0])
    assert found[0, 0] == pytest.approx(expected)
    assert np.isnan(found[0, 2])
    assert macro(found)[0] == pytest.approx(found[0, :2].mean())
    result = classification(scores, truth, np.ones(40), ["a", "b", "c"], rng(), 20)
    assert result["absent"] == ["c"]
    assert np.isnan(result["auc"]["c"]).all()
    value, low, high = result["auc_macro"]
    assert low <= value <= high


def test_no_events_give_no_numbers():
    none = np.zeros((0, 2))
    result = classification(none, np.zeros(0, int), np.zeros(0), ["a", "b"], rng(), 5)
    assert np.isnan(result["auc_macro"]).all()
    assert result["absent"] == ["a", "b"]
    assert np.isnan(position(np.zeros((0, 3)), np.zeros((0, 3)), rng(), 5)["median"]).all()
    table = confusion(none, np.zeros(0, int), np.zeros(0), ["a", "b"])
    assert table["matrix"] == [[0.0, 0.0], [0.0, 0.0]]
    assert table["thresholds"] == [None, None]
    assert np.isnan(entropy_auroc(none, np.zeros(0, int), np.zeros(0), rng(), 5)).all()


def test_two_hundred_resamples_of_two_thousand_events_take_seconds():
    scores, truth = rng().dirichlet([1] * 6, 2000), rng().integers(6, size=2000)
    started = time.process_time()
    classification(scores, truth, np.ones(2000), list("abcdef"), rng())
    assert time.process_time() - started < 3


def test_an_interval_covers_the_truth_nineteen_times_in_twenty():
    generator, covered = rng(), 0
    for _ in range(200):
        sample = generator.normal(3.0, 1.0, (60, 1))
        result = position(sample, np.zeros((60, 1)), generator, 100)["mean"]
        covered += result[1] <= 3.0 <= result[2]
    assert 0.88 <= covered / 200 <= 0.99
    assert interval(1.0, np.array([np.nan]))[0] == 1.0


def test_a_threshold_maximises_the_figure_of_merit():
    scores, truth, weight = rng().random((300, 2)), rng().integers(2, size=300), rng().random(300)
    scores[:, 1] = np.round(scores[:, 1], 1)  # ties
    for c, cut in enumerate(thresholds(scores, truth, weight)):

        def merit(t, c=c):
            passing = scores[:, c] >= t
            total = weight[passing].sum()
            signal = weight[passing & (truth == c)].sum()
            return signal / np.sqrt(total) if total else 0.0

        assert merit(cut) == pytest.approx(max(merit(t) for t in scores[:, c]))


def test_confusion_by_hand():
    scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.2, 0.8], [0.3, 0.7], [0.4, 0.05], [0.85, 0.9]])
    truth = np.array([0, 0, 1, 1, 1, 0])
    table = confusion(scores, truth, np.array([2, 2, 1, 1, 1, 1.0]), ["a", "b"])
    # a: 5 / sqrt(5) from 0.8 on; b: 2 / sqrt(3) from 0.7 on beats 3 / sqrt(8) for all.
    assert table["thresholds"] == [0.8, 0.7]
    np.testing.assert_allclose(table["matrix"], [[0.8, 0.2], [0, 1]])
    np.testing.assert_allclose(table["unselected"], [0, 1 / 3])


def test_distances_and_widths():
    a, b = np.array([[0.0, 0, 0], [1, 2, 2]]), np.array([[3.0, 4, 0], [1, 2, 2]])
    assert distance(a, b).tolist() == [5.0, 0.0]
    unknown = np.vstack([b, [[np.nan] * 3]])
    result = position(np.vstack([a, a[:1]]), unknown, rng(), 50)
    assert result["mean"][0] == 2.5
    assert result["median"][0] == 2.5
    normal = rng().normal(size=200_000)
    assert sigma_mad(normal) == pytest.approx(1.0, abs=0.01)


def test_resolutions_are_relative_to_the_truth():
    truth = np.array([1.0, 2.0, 4.0, 0.0, np.nan])
    result = resolution(truth * 0.9, truth, rng(), 20)
    assert result["median"][0] == pytest.approx(0.1)
    assert result["sigma_mad"][0] == pytest.approx(0.0, abs=1e-12)


def test_angles_are_right_also_where_they_are_tiny():
    a = np.array([[0.0, 0.0, 2.0], [1.0, 0.0, 0.0], [3.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    b = np.array([[0.0, 1e-9, 1.0], [0.0, 5.0, 0.0], [-1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    np.testing.assert_allclose(angle(a, b)[:3], [1e-6, 500 * np.pi, 1000 * np.pi], rtol=1e-12)
    assert np.isnan(angle(a, b)[3])


def test_momenta_are_judged_by_size_and_direction():
    """Against residuals written out; decision 7: no lepton in a neutral current."""
    draw = np.random.default_rng(3)
    truth = draw.normal(size=(41, 3, 3)) * 20
    truth[:, 2] = truth[:, 0] - truth[:, 1]
    truth[:10, 2] = 0
    truth[20] = np.nan
    truth[30, 0] = [1e-5, 0, 500]  # along the beam, but for rounding
    reco = truth + draw.normal(size=truth.shape)
    found = momenta(reco, truth, rng(), 20)
    assert set(found) == {"E_vis", "p_miss_T", "p_lepton", "p_jet"}
    size = lambda p: np.sqrt((p**2).sum(1))
    pairs = {
        "E_vis": (truth[:, 0], reco[:, 0]),
        "p_jet": (truth[:, 1], reco[:, 1]),
        "p_lepton": (truth[10:, 2], reco[10:, 2]),
        "p_miss_T": (truth[:, 0, :2], reco[:, 0, :2]),
    }
    for name, (t, r) in pairs.items():
        known = np.isfinite(t[:, 0]) & (size(t) > 1e-3)
        residual = ((size(t) - size(r)) / size(t))[known]
        middle = np.median(residual)
        turned = np.arccos((t * r).sum(1) / size(t) / size(r))[known]
        assert found[name]["median"][0] == pytest.approx(middle)
        width = 1.4826 * np.median(abs(residual - middle))
        assert found[name]["sigma_mad"][0] == pytest.approx(width)
        assert found[name]["angle_mrad"][0] == pytest.approx(1e3 * np.median(turned))
        assert all(low < value < high for value, low, high in found[name].values())


def test_no_momenta_give_no_numbers():
    found = momenta(np.zeros((0, 3, 3)), np.zeros((0, 3, 3)), rng(), 5)
    assert all(np.isnan(v).all() for q in found.values() for v in q.values())


def test_entropy_in_nats():
    p = np.array([[0.5, 0.5], [1.0, 0.0], [0.25, 0.75]])
    expected = [np.log(2), 0.0, -(0.25 * np.log(0.25) + 0.75 * np.log(0.75))]
    np.testing.assert_allclose(entropy(p), expected)
    truth = np.array([1, 0, 1])  # the undecided one is wrong
    assert entropy_auroc(p, truth, np.ones(3), rng(), 20)[0] == 1.0


def test_confusion_by_highest_score_counts_every_event():
    scores = np.array([[0.6, 0.4], [0.3, 0.7], [0.2, 0.8], [0.9, 0.1], [0.5, 0.5]])
    truth = np.array([0, 0, 1, 1, -1])
    table = confusion_highest(scores, truth, np.array([3.0, 1, 1, 1, 1]), ["a", "b"])
    assert table == {"classes": ["a", "b"], "matrix": [[0.75, 0.25], [0.5, 0.5]]}
    empty = confusion_highest(np.zeros((0, 2)), np.zeros(0, int), np.zeros(0), ["a", "b"])
    assert empty["matrix"] == [[0.0, 0.0], [0.0, 0.0]]


def test_accuracy_of_equal_classes_is_the_mean_of_the_diagonal():
    rng = np.random.default_rng(2)
    scores, truth = rng.random((300, 3)), np.repeat([0, 1, 2], 100)
    matrix = np.array(confusion_highest(scores, truth, np.ones(300), list("abc"))["matrix"])
    np.testing.assert_allclose(matrix.sum(1), 1)
    assert np.diag(matrix).mean() == pytest.approx((scores.argmax(1) == truth).mean())
