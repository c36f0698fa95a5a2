"""Numbers of voxels, against torchmetrics and by hand."""

import numpy as np
import pytest
import torch

from intarsia.core.voxel_metrics import segmentation


def of(counts, names="abcd", resamples=50):
    return segmentation(counts, names[: counts.shape[1]], np.random.default_rng(0), resamples)


def test_f1_and_iou_by_hand():
    counts = np.array([[[3, 1], [0, 0]], [[1, 0], [2, 5]]])  # pooled: [[4, 1], [2, 5]]
    found = of(counts)
    assert found["f1"]["a"][0] == pytest.approx(8 / 11)
    assert found["f1"]["b"][0] == pytest.approx(10 / 13)
    assert found["f1_macro"][0] == pytest.approx((8 / 11 + 10 / 13) / 2)
    assert found["iou"]["a"][0] == pytest.approx(4 / 7)
    assert found["accuracy"] == pytest.approx(9 / 12)
    assert found["confusion_highest"]["matrix"] == [[0.8, 0.2], [2 / 7, 5 / 7]]


def test_macro_f1_is_that_of_torchmetrics():
    f1 = pytest.importorskip("torchmetrics").F1Score
    rng = np.random.default_rng(1)
    for present in (4, 3):  # the last class may be neither true nor predicted
        true, predicted = rng.integers(0, present, (2, 5, 200))
        counts = np.zeros((5, 4, 4), int)
        for event in range(5):
            np.add.at(counts[event], (true[event], predicted[event]), 1)
        theirs = f1(task="multiclass", num_classes=4, average="macro")
        want = theirs(torch.from_numpy(predicted.ravel()), torch.from_numpy(true.ravel()))
        assert of(counts)["f1_macro"][0] == pytest.approx(float(want), abs=1e-6)


def test_intervals_hold_the_value_and_empty_events_give_none():
    rng = np.random.default_rng(2)
    counts = rng.integers(0, 50, (40, 3, 3))
    value, low, high = of(counts, resamples=200)["f1_macro"]
    assert low < value < high
    nothing = of(np.zeros((3, 2, 2), int))
    assert np.isnan(nothing["f1_macro"][0])
    assert np.isnan(nothing["accuracy"])
