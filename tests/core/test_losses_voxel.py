"""The losses of voxels against calculations cell by cell, and at their limits."""

import itertools
from math import exp, log

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck
from torch.utils.flop_counter import FlopCounterMode

from intarsia.core.losses import occupancy, regression
from intarsia.core.losses_voxel import around, chamfer, charge, deposits, distance, focal

PATCH = (4, 3, 5)
P = 60
CELLS = list(itertools.product(*map(range, PATCH)))
seeds = st.integers(0, 2**31)


def apart(a, b):
    """Chebyshev distance of two cells, by their numbers."""
    return max(abs(x - y) for x, y in zip(CELLS[a], CELLS[b], strict=True))


def drawn(seed, h=3, f=2):
    """Logits, columns, occupied cells with their true columns; some patch may be empty."""
    rng = np.random.default_rng(seed)
    occupied = np.flatnonzero(rng.random(h * P) < rng.choice([0.02, 0.1, 0.5]))
    logits, values = rng.normal(-1, 2, (h, P)), rng.normal(0, 1, (h, f, P))
    return logits, values, rng.permutation(occupied), rng.normal(0.5, 1, (len(occupied), f))


def nearest(occupied, h, reach):
    """Distance of each cell to the nearest occupied one, by looking at every pair."""
    found = np.full((h, P), float(reach))
    for flat in occupied:
        for c in range(P):
            found[flat // P, c] = min(found[flat // P, c], apart(flat % P, c))
    return found


def tensors(*arrays):
    return tuple(torch.from_numpy(np.asarray(a)) for a in arrays)


def sigmoid(z):
    return 1 / (1 + exp(-z))


@pytest.fixture(autouse=True)
def _double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@given(seeds, st.integers(1, 6))
@settings(max_examples=25, deadline=None)
def test_distances_are_those_to_the_nearest_of_all_occupied_cells(seed, reach):
    _, _, occupied, _ = drawn(seed)
    found = distance(torch.from_numpy(occupied), 3, PATCH, reach)
    np.testing.assert_array_equal(found, nearest(occupied, 3, reach))


def test_an_empty_patch_is_out_of_reach_and_does_not_see_its_neighbour():
    found = distance(torch.tensor([P]), 3, PATCH, 9)
    assert (found[[0, 2]] == 9).all()
    assert found[1].max() == 4
    assert distance(torch.zeros(0, dtype=torch.int64), 0, PATCH, 2).shape == (0, P)


@given(seeds, st.sampled_from([0.0, 1.0, 1.5, 3.0]), st.integers(0, 3), st.floats(0, 2))
@settings(max_examples=25, deadline=None)
def test_focal_is_the_weighted_cross_entropy_cell_by_cell(seed, gamma, border, balance):
    logits, _, occupied, _ = drawn(seed)
    away = nearest(occupied, 3, 5)
    far = int((away > border).sum())
    total = 0.0
    for z, d in zip(logits.reshape(-1), away.reshape(-1), strict=True):
        p = sigmoid(z)
        if d == 0:
            total -= (1 - p) ** gamma * log(p)
        else:
            weight = balance * len(occupied) / far if border and d > border else 1.0
            total -= weight * p**gamma * log(1 - p)
    found = focal(*tensors(logits, occupied, away), gamma, border, balance)
    assert float(found) == pytest.approx(total / max(1, len(occupied)), rel=1e-9)


def test_focal_without_exponent_and_border_is_plain_cross_entropy():
    logits, _, occupied, _ = drawn(1)
    away = nearest(occupied, 3, 5)
    found = focal(*tensors(logits, occupied, away), 0.0, 0, 0.5)
    torch.testing.assert_close(found, occupancy(*tensors(logits, occupied)))


def test_far_cells_count_as_draws_of_them_would_on_average():
    logits, _, occupied, _ = drawn(2)
    away = nearest(occupied, 3, 5)
    far = np.flatnonzero(away > 1)
    number, rng = 2 * len(occupied), np.random.default_rng(0)
    costs = [
        np.log1p(np.exp(logits.reshape(-1)[rng.choice(far, number)])).sum() for _ in range(4000)
    ]
    without = focal(*tensors(logits, occupied, away), 0.0, 1, 0.0)
    found = focal(*tensors(logits, occupied, away), 0.0, 1, 2.0) - without
    spread = np.std(costs) / np.sqrt(len(costs)) / len(occupied)
    assert float(found) == pytest.approx(np.mean(costs) / len(occupied), abs=5 * spread)


def expected_chamfer(logits, occupied, reach):
    """Both expectations from their definitions, one cell and one radius at a time."""
    p = 1 / (1 + np.exp(-logits))
    away = nearest(occupied, len(logits), reach)
    there = (p * away).sum() / p.sum()
    back = 0.0
    for flat in occupied:
        for r in range(reach):
            nothing = 1.0
            for c in range(P):
                if apart(flat % P, c) <= r:
                    nothing *= 1 - p[flat // P, c]
            back += nothing
    return there + back / max(1, len(occupied))


@given(seeds, st.integers(1, 6))
@settings(max_examples=15, deadline=None)
def test_chamfer_is_the_expectation_cell_by_cell(seed, reach):
    logits, _, occupied, _ = drawn(seed)
    away = nearest(occupied, 3, reach)
    found = chamfer(*tensors(logits, occupied, away), PATCH, reach)
    assert float(found) == pytest.approx(expected_chamfer(logits, occupied, reach), rel=1e-9)


def certain(cells, h=1):
    """Logits of a prediction without doubt."""
    logits = torch.full((h * P,), -60.0)
    logits[torch.as_tensor(cells, dtype=torch.int64)] = 60.0
    return logits.reshape(h, P)


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_chamfer_of_a_certain_prediction_is_the_distance_of_two_sets(seed):
    rng = np.random.default_rng(seed)
    true, seen = (rng.choice(P, int(rng.integers(1, 8)), replace=False) for _ in range(2))
    pairs = np.array([[apart(a, b) for b in true] for a in seen])
    wanted = pairs.min(1).mean() + pairs.min(0).mean()
    occupied = torch.from_numpy(true)
    found = chamfer(certain(seen), occupied, distance(occupied, 1, PATCH, 9), PATCH, 9)
    assert float(found) == pytest.approx(wanted, abs=1e-9)


def test_chamfer_counts_a_truth_that_is_out_of_reach_as_reach():
    occupied = torch.tensor([0])
    away = distance(occupied, 1, PATCH, 3)
    assert float(chamfer(certain([]), occupied, away, PATCH, 3)) == pytest.approx(3, abs=1e-6)
    assert float(chamfer(certain([P - 1]), occupied, away, PATCH, 3)) == pytest.approx(6)


def test_chamfer_of_patches_with_nothing_to_find_is_the_reach_where_something_is_predicted():
    none = torch.zeros(0, dtype=torch.int64)
    away = distance(none, 2, PATCH, 4)
    assert float(chamfer(certain([3, 70], 2), none, away, PATCH, 4)) == pytest.approx(4)
    assert float(chamfer(certain([], 2), none, away, PATCH, 4)) == pytest.approx(0, abs=1e-9)


@given(seeds, st.integers(1, 5))
@settings(max_examples=15, deadline=None)
def test_sums_around_cells_are_those_of_cubes_cut_at_the_patch(seed, reach):
    logits, _, occupied, _ = drawn(seed)
    found = around(*tensors(logits, occupied), PATCH, reach)
    for row, flat in zip(found, occupied, strict=True):
        for r in range(reach):
            inside = [c for c in range(P) if apart(flat % P, c) <= r]
            assert float(row[r]) == pytest.approx(logits[flat // P, inside].sum(), abs=1e-9)


@given(seeds, st.floats(0, 3))
@settings(max_examples=25, deadline=None)
def test_charge_is_the_weighted_smooth_l1_loss_entry_by_entry(seed, weight):
    rng = np.random.default_rng(seed)
    predicted, true = rng.normal(0, 2, (2, 7, 2))
    true[rng.random((7, 2)) < 0.3] = np.nan
    total, weights = 0.0, 0.0
    for (_, f), t in np.ndenumerate(true):
        if np.isfinite(t):
            d = abs(predicted[_, f] - t)
            w = 1 + (weight, 0.0)[f] * abs(t)
            total += w * (0.5 * d * d if d < 1 else d - 0.5)
            weights += w
    found = charge(*tensors(predicted, true, np.array([weight, 0.0])))
    assert float(found) == pytest.approx(total / max(1, weights), rel=1e-9, abs=1e-12)


def test_charge_without_weight_is_plain_regression():
    predicted, true = torch.randn(2, 5, 3)
    torch.testing.assert_close(charge(predicted, true, torch.zeros(3)), regression(predicted, true))


@given(seeds, st.integers(1, 6))
@settings(max_examples=25, deadline=None)
def test_deposits_are_compared_cell_by_cell(seed, reach):
    logits, values, occupied, true = drawn(seed)
    away = nearest(occupied, 3, reach)
    wanted = dict(zip(occupied.tolist(), true, strict=True))
    total = 0.0
    for h, c in itertools.product(range(3), range(P)):
        held = sigmoid(logits[h, c]) * values[h, :, c]
        if h * P + c in wanted:
            total += np.abs(held - wanted[h * P + c]).sum()
        else:
            total += np.abs(held).sum() * away[h, c] / reach
    found = deposits(*tensors(logits, values, occupied, true, away), reach)
    assert float(found) == pytest.approx(total / max(1, len(occupied)), rel=1e-9)


def hybrid(logits, values, occupied, true, h=1, reach=5):
    """Every term for the same prediction, by name."""
    away = distance(occupied, h, PATCH, reach)
    at = values.transpose(1, 2).flatten(0, 1)[occupied]
    return {
        "focal": focal(logits, occupied, away, 1.5, 2, 0.5),
        "chamfer": chamfer(logits, occupied, away, PATCH, reach),
        "charge": charge(at, true, torch.ones(1)),
        "deposits": deposits(logits, values, occupied, true, away, reach),
    }


TERMS = ("focal", "chamfer", "charge", "deposits")


@pytest.mark.parametrize("term", TERMS)
def test_a_perfect_prediction_costs_nothing(term):
    occupied, true = torch.tensor([0, 17, 42]), torch.tensor([[0.5], [1.0], [2.0]])
    values = torch.zeros(1, 1, P)
    values[0, 0, occupied] = true[:, 0]
    found = hybrid(certain(occupied), values, occupied, true)[term]
    assert float(found) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("term", ["chamfer", "deposits"])
def test_the_farther_from_the_truth_the_more_it_costs(term):
    occupied, true = torch.tensor([0]), torch.tensor([[1.0]])
    costs = []
    for z in range(5):  # cell number z is z cells away from cell 0
        found = hybrid(certain([z]), torch.ones(1, 1, P), occupied, true)
        costs.append(float(found[term]))
    assert costs == sorted(set(costs))


def test_one_cell_away_is_cheaper_than_five_also_in_a_patch_of_the_detector():
    patch = (12, 12, 10)
    occupied, costs = torch.tensor([0]), []
    for z in (0, 1, 5):
        logits = torch.full((1, 1440), -60.0)
        logits[0, z] = 60.0
        costs.append(float(chamfer(logits, occupied, distance(occupied, 1, patch, 5), patch, 5)))
    assert costs == pytest.approx([0, 2, 10])


def test_a_border_makes_a_miss_next_to_a_hit_cost_more_than_one_far_away():
    """As the reference implementation has it: the edge is learned cell by cell, the rest by samples."""
    occupied = torch.tensor([0])
    away = distance(occupied, 1, PATCH, 5)
    near, far = (certain([0, c]) for c in (1, 4))
    assert focal(near, occupied, away, 1.5, 2, 0.5) > focal(far, occupied, away, 1.5, 2, 0.5)


@pytest.mark.parametrize("term", TERMS)
def test_the_order_of_patches_and_of_hits_does_not_matter(term):
    logits, values, occupied, true = tensors(*drawn(3, f=1))
    order, hits = torch.tensor([2, 0, 1]), torch.randperm(len(occupied))
    place = torch.argsort(order)
    moved = (place[occupied // P] * P + occupied % P)[hits]
    ours = hybrid(logits, values, occupied, true, 3)[term]
    theirs = hybrid(logits[order], values[order], moved, true[hits], 3)[term]
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("term", TERMS)
def test_no_patches_cost_nothing_and_have_a_gradient(term):
    logits = torch.zeros(0, P, requires_grad=True)
    values = torch.zeros(0, 1, P, requires_grad=True)
    none = torch.zeros(0, dtype=torch.int64)
    found = hybrid(logits, values, none, torch.zeros(0, 1), 0)[term]
    assert float(found.detach()) == 0
    found.backward()
    assert all(g is None or g.shape[0] == 0 for g in (logits.grad, values.grad))


@pytest.mark.parametrize("term", TERMS)
def test_gradients_are_right(term):
    logits, values, occupied, true = tensors(*drawn(0, h=1, f=1))
    logits.requires_grad_()
    values.requires_grad_()
    assert len(occupied) > 3
    assert gradcheck(lambda x, v: hybrid(x, v, occupied, true)[term], (logits, values))


@pytest.mark.parametrize("term", TERMS)
def test_sure_predictions_have_finite_gradients_in_single_precision(term):
    logits = (200 * (torch.arange(P) % 2) - 100).float().reshape(1, P).requires_grad_()
    values = torch.ones(1, 1, P, dtype=torch.float32, requires_grad=True)
    occupied, true = torch.tensor([0, 1, 30]), torch.ones(3, 1, dtype=torch.float32)
    found = hybrid(logits, values, occupied, true)[term]
    assert torch.isfinite(found)
    found.backward()
    assert all(g is None or torch.isfinite(g).all() for g in (logits.grad, values.grad))


def test_columns_that_are_missing_do_not_count():
    logits, values, occupied, true = tensors(*drawn(7, h=1, f=2))
    gap = true.clone()
    gap[:, 1] = torch.nan
    away = distance(occupied, 1, PATCH, 3)
    with_gap = deposits(logits, values, occupied, gap, away, 3)
    p = logits.sigmoid()
    stray = (p * values[:, 1].abs() * away).sum() / 3 / len(occupied)
    first = deposits(logits, values[:, :1], occupied, true[:, :1], away, 3)
    torch.testing.assert_close(with_gap, first + stray)


def test_cost_follows_the_patches_decoded():
    def work(h):
        occupied = torch.arange(h) * P
        logits = torch.zeros(h, P, requires_grad=True)
        with FlopCounterMode(display=False) as counter:
            away = distance(occupied, h, PATCH, 5)
            chamfer(logits, occupied, away, PATCH, 5).backward()
        return counter.get_total_flops()

    assert work(8) == 2 * work(4) > 0
