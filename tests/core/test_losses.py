from math import exp, log

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

from intarsia.core.losses import Weights, classes, occupancy, regression, shares

seeds = st.integers(0, 2**31)


def rng_of(seed):
    return np.random.default_rng(seed)


def double(values):
    return torch.from_numpy(np.asarray(values, np.float64))


@given(seeds, st.integers(1, 6), st.integers(1, 20))
@settings(max_examples=40, deadline=None)
def test_occupancy_is_the_cross_entropy_of_all_cells_per_occupied_one(seed, h, p):
    rng = rng_of(seed)
    logits = rng.normal(0, 3, (h, p))
    occupied = rng.permutation(h * p)[: int(rng.integers(1, h * p + 1))]
    total = 0.0
    for i, z in enumerate(logits.reshape(-1)):
        likely = 1 / (1 + exp(-z))
        total -= log(likely) if i in set(occupied.tolist()) else log(1 - likely)
    found = occupancy(double(logits), torch.from_numpy(occupied))
    assert float(found) == pytest.approx(total / len(occupied), rel=1e-9)


def test_occupancy_of_a_perfect_prediction_is_zero():
    logits = torch.full((2, 3), -50.0)
    logits.view(-1)[[1, 5]] = 50.0
    assert float(occupancy(logits, torch.tensor([1, 5]))) == pytest.approx(0, abs=1e-12)


def test_occupancy_does_not_depend_on_how_numbers_lie_in_memory():
    logits = torch.randn(4, 5, dtype=torch.float64)
    occupied = torch.tensor([0, 7, 13])
    wanted = occupancy(logits, occupied)
    torch.testing.assert_close(occupancy(logits.T.contiguous().T, occupied), wanted)
    both = torch.stack([logits, logits], 1)
    torch.testing.assert_close(occupancy(both[:, 0], occupied), wanted)
    torch.testing.assert_close(
        occupancy(both.transpose(0, 2).contiguous().transpose(0, 2)[:, 0], occupied), wanted
    )


@given(seeds, st.integers(1, 8), st.integers(1, 4), st.sampled_from([None, 1.0, 0.1, 3.0]))
@settings(max_examples=40, deadline=None)
def test_regression_is_the_smooth_l1_loss_over_finite_targets(seed, b, f, beta):
    rng = rng_of(seed)
    predicted, true = rng.normal(0, 2, (2, b, f))
    true[rng.random((b, f)) < 0.3] = np.nan
    terms = []
    for p, t in zip(predicted.reshape(-1), true.reshape(-1), strict=True):
        if np.isfinite(t):
            d = abs(p - t)
            w = beta or 1.0
            terms.append(0.5 * d * d / w if d < w else d - 0.5 * w)
    options = {} if beta is None else {"beta": beta}
    found = float(regression(double(predicted), double(true), **options))
    assert found == pytest.approx(sum(terms) / max(1, len(terms)), abs=1e-12)


@given(seeds, st.integers(1, 8), st.integers(2, 6), st.floats(0, 0.5))
@settings(max_examples=40, deadline=None)
def test_classes_is_the_smoothed_cross_entropy_over_known_classes(seed, b, c, smoothing):
    rng = rng_of(seed)
    logits, true = rng.normal(0, 2, (b, c)), rng.integers(-1, c, b)
    terms = []
    for row, k in zip(logits, true, strict=True):
        if k >= 0:
            logp = row - np.log(np.exp(row).sum())
            target = np.full(c, smoothing / c)
            target[k] += 1 - smoothing
            terms.append(-(target * logp).sum())
    found = float(classes(double(logits), torch.from_numpy(true.astype(np.int8)), smoothing))
    assert found == pytest.approx(sum(terms) / max(1, len(terms)), rel=1e-9, abs=1e-12)


@given(seeds, st.integers(1, 8), st.integers(2, 6), st.floats(0, 0.5))
@settings(max_examples=40, deadline=None)
def test_shares_is_the_cross_entropy_with_soft_targets(seed, v, c, smoothing):
    rng = rng_of(seed)
    logits, true = rng.normal(0, 2, (v, c)), rng.dirichlet(np.ones(c), v)
    true[rng.random(v) < 0.3] = np.nan
    terms = []
    for row, t in zip(logits, true, strict=True):
        if np.isfinite(t).all():
            logp = row - np.log(np.exp(row).sum())
            terms.append(-((t * (1 - smoothing) + smoothing / c) * logp).sum())
    found = float(shares(double(logits), double(true), smoothing))
    assert found == pytest.approx(sum(terms) / max(1, len(terms)), rel=1e-9, abs=1e-12)


def test_hard_shares_cost_as_much_as_classes():
    logits, true = torch.randn(9, 4), torch.randint(0, 4, (9,))
    onehot = torch.nn.functional.one_hot(true, 4).half()
    torch.testing.assert_close(shares(logits, onehot, 0.1), classes(logits, true, 0.1))


def test_shares_of_a_perfect_prediction_are_their_entropy():
    true = torch.tensor([[0.5, 0.25, 0.25], [1.0, 0.0, 0.0]], dtype=torch.float64)
    entropy = -(true * true.clamp(min=1e-300).log()).sum(1).mean()
    found = shares(true.clamp(min=1e-30).log(), true)
    torch.testing.assert_close(found, entropy)


EMPTY = {
    "occupancy": lambda x: occupancy(x, torch.zeros(0, dtype=torch.int64)),
    "regression": lambda x: regression(x, torch.zeros_like(x)),
    "classes": lambda x: classes(x, torch.zeros(0, dtype=torch.int8), 0.1),
    "shares": lambda x: shares(x, torch.zeros(0, 3, dtype=torch.float16), 0.1),
}
UNKNOWN = {
    "regression": lambda x: regression(x, torch.full_like(x, torch.nan)),
    "classes": lambda x: classes(x, torch.full((len(x),), -1, dtype=torch.int8), 0.1),
    "shares": lambda x: shares(x, torch.full((len(x), 3), torch.nan, dtype=torch.float16), 0.1),
}


@pytest.mark.parametrize("loss", EMPTY)
def test_nothing_costs_nothing(loss):
    x = torch.zeros(0, 3, requires_grad=True)
    value = EMPTY[loss](x)
    assert float(value.detach()) == 0
    value.backward()
    assert x.grad.shape == (0, 3)


@pytest.mark.parametrize("loss", UNKNOWN)
def test_missing_truth_costs_nothing_and_pulls_at_nothing(loss):
    x = torch.randn(4, 3, requires_grad=True)
    value = UNKNOWN[loss](x)
    assert float(value.detach()) == 0
    value.backward()
    assert (x.grad == 0).all()


@pytest.mark.parametrize("loss", UNKNOWN)
def test_events_without_truth_do_not_change_the_loss_of_the_others(loss):
    x = torch.randn(5, 3)
    known = {
        "regression": torch.randn(5, 3),
        "classes": torch.tensor([0, 1, 2, 0, 1]),
        "shares": torch.tensor([[0.2, 0.3, 0.5]] * 5),
    }[loss]
    gap = known.clone()
    gap[3:] = -1 if loss == "classes" else torch.nan
    function = {"regression": regression, "classes": classes, "shares": shares}[loss]
    torch.testing.assert_close(function(x, gap), function(x[:3], known[:3]))


def test_gradients_are_right():
    x = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda y: occupancy(y, torch.tensor([0, 5, 7])), (x,))
    true = torch.randn(4, 3, dtype=torch.float64)
    true[1, 2] = torch.nan
    assert gradcheck(lambda y: regression(y, true), (x,))
    assert gradcheck(lambda y: classes(y, torch.tensor([0, -1, 2, 1]), 0.1), (x,))
    soft = torch.tensor([[0.2, 0.3, 0.5]] * 4, dtype=torch.float64)
    soft[2] = torch.nan
    assert gradcheck(lambda y: shares(y, soft, 0.1), (x,))


@given(st.lists(st.tuples(st.floats(-2, 2), st.floats(0, 10)), min_size=1, max_size=5))
@settings(max_examples=30, deadline=None)
def test_weights_follow_the_formula(pairs):
    names = [f"t.{i}" for i in range(len(pairs))]
    weights = Weights(names).double()
    with torch.no_grad():
        for s, (value, _) in zip(weights.log_variance.values(), pairs, strict=True):
            s.fill_(value)
    total = weights({n: double(v) for n, (_, v) in zip(names, pairs, strict=True)})
    assert float(total.detach()) == pytest.approx(
        sum(exp(-s) * v + 0.5 * s for s, v in pairs), abs=1e-12
    )


def test_weights_start_as_a_plain_sum():
    weights = Weights(["a.x", "b.y"])
    total = weights({"a.x": torch.tensor(2.0), "b.y": torch.tensor(3.0)})
    assert float(total.detach()) == 5


def test_a_loss_that_is_absent_takes_no_part():
    weights = Weights(["a", "b"])
    with torch.no_grad():
        for s in weights.log_variance.values():
            s.fill_(1.0)
    total = weights({"b": torch.tensor(2.0)})
    assert float(total.detach()) == pytest.approx(2 * exp(-1) + 0.5)
    total.backward()
    assert weights.log_variance["a"].grad is None


def test_the_weight_that_costs_least_is_twice_the_loss():
    """exp(-s) L + s / 2 is least at s = log 2 L: the noise that the residuals show."""
    loss, weights = torch.tensor(0.7), Weights(["a"])
    (s,) = weights.log_variance.values()
    with torch.no_grad():
        s.fill_(log(2 * 0.7))
    weights({"a": loss}).backward()
    assert abs(float(s.grad)) < 1e-6


def test_terms_that_differ_only_by_where_the_dot_stands_have_weights_of_their_own():
    weights = Weights(["a.b_c", "a_b.c"])
    assert len(list(weights.parameters())) == 2
