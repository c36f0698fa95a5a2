import numpy as np
import pytest

from intarsia.core.probe import boosted, linear_probe

each = pytest.mark.parametrize("model", [linear_probe, boosted])


def made(n, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 5)) * [1, 10, 100, 1, 1] + [0, 5, 0, 0, 0]
    x[:, 4] = 3.0  # says nothing
    return x


def test_a_linear_rule_is_found():
    x, new = made(300, 1), made(200, 2)
    scores = linear_probe(x, (x[:, 2] > 0).astype(int), new, classes=2)
    assert ((scores[:, 1] > 0.5) == (new[:, 2] > 0)).mean() > 0.97
    np.testing.assert_allclose(scores.sum(1), 1.0)
    rule = np.array([[1.0, 0.0], [0.3, 0.0], [0.0, 2.0], [0, 0], [0, 0]])
    np.testing.assert_allclose(linear_probe(x, x @ rule, new), new @ rule, atol=3.0)


@each
def test_one_number_has_one_column(model):
    x = made(50, 1)
    assert model(x, x[:, 0], x[:7]).shape == (7, 1)
    assert model(x, x[:, 0], x[:0]).shape == (0, 1)


@each
def test_unknown_truth_does_not_count(model):
    x, new = made(100, 1), made(20, 2)
    y = (x[:, 0] > 0).astype(np.int8)
    partly = np.concatenate([y, np.full(50, -1, np.int8)])
    np.testing.assert_allclose(
        model(np.vstack([x, made(50, 3)]), partly, new, classes=2),
        model(x, y, new, classes=2),
    )
    target = np.concatenate([x[:, 0], np.full(50, np.nan)])
    np.testing.assert_allclose(
        model(np.vstack([x, made(50, 3)]), target, new), model(x, x[:, 0], new)
    )


@each
def test_absent_classes_score_zero(model):
    x = made(60, 1)
    scores = model(x, 2 * (x[:, 0] > 0).astype(int), x, classes=4)
    assert (scores[:, [1, 3]] == 0).all()
    assert model(x, np.full(60, 3), x, classes=4)[0].tolist() == [0, 0, 0, 1]


@each
def test_nothing_known_is_said_to_be_unknown(model):
    x = made(10, 1)
    assert (model(x, np.full(10, -1), x, classes=4) == 0.25).all()
    assert np.isnan(model(x, np.full((10, 3), np.nan), x)).all()
    assert model(x[:0], np.zeros(0, int), x, classes=2).shape == (10, 2)


def test_a_feature_constant_in_training_is_ignored():
    x, new = made(80, 1), made(20, 2)
    wild = new.copy()
    wild[:, 4] = 1e6
    y = (x[:, 0] > 0).astype(int)
    np.testing.assert_allclose(linear_probe(x, y, wild, 2), linear_probe(x, y, new, 2))


def test_trees_find_a_rule_that_is_not_linear():
    x, new = made(600, 1), made(300, 2)
    inside, truth = (np.abs(v[:, 0]) < 0.7 for v in (x, new))
    scores = boosted(x, inside.astype(int), new, classes=2)
    assert ((scores[:, 1] > 0.5) == truth).mean() > 0.9
    both = boosted(x, np.stack([inside, ~inside], 1).astype(float), new)
    assert ((both[:, 0] > both[:, 1]) == truth).mean() > 0.9
