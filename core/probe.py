"""Models of fixed numbers: linear ones of a frozen encoder, and those of hand-made features."""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge

from .events import Array

# Regularisation strengths that are tried on a part of the training events that is held out.
_C = (1e-3, 1e-2, 1e-1, 1.0)
_ALPHA = (1.0, 10.0, 100.0, 1e3, 1e4)
_HELD_OUT = 0.25
_FEWEST = 40  # events of which a tree makes two leaves


def linear_probe(x_train: Array, y_train: Array, x_test: Array, classes: int = 0) -> Array:
    """Predictions for `x_test` of a linear model of `x_train`, both (events, F).

    With `classes`: logistic regression of y (B,) int, gives probabilities (events, classes).
    Without: ridge regression of y (B,) or (B, k), gives (events, k). Features are standardised;
    the regularisation is the best on every fourth training event, then all are used. Events of
    unknown y do not count; without any known, all classes are as likely and predictions are NaN.
    """
    y = y_train if classes else y_train.reshape(len(y_train), -1).astype(np.float64)
    known = y >= 0 if classes else np.isfinite(y).all(1)
    x, new = _standardised(x_train[known], x_test)
    if classes:
        return _classifier(x, y[known].astype(np.int64), new, classes)
    return _regression(x, y[known], new)


def boosted(x_train: Array, y_train: Array, x_test: Array, classes: int = 0) -> Array:
    """What `linear_probe` gives, by gradient-boosted trees (scikit-learn's, with its own settings).

    They stop early where there are more than 10,000 training events.
    """
    y = y_train if classes else y_train.reshape(len(y_train), -1).astype(np.float64)
    known = y >= 0 if classes else np.isfinite(y).all(1)
    x, y = x_train[known], y[known]
    if len(x) < _FEWEST or not len(x_test) or (classes and len(np.unique(y)) < 2):
        return linear_probe(x_train, y_train, x_test, classes)
    if not classes:
        models = (HistGradientBoostingRegressor(random_state=0).fit(x, column) for column in y.T)
        return np.stack([m.predict(x_test) for m in models], 1)
    model = HistGradientBoostingClassifier(random_state=0).fit(x, y.astype(np.int64))
    scores = np.zeros((len(x_test), classes))
    scores[:, model.classes_] = model.predict_proba(x_test)
    return scores


def _standardised(train: Array, test: Array) -> tuple[Array, Array]:
    train, test = train.astype(np.float64), test.astype(np.float64)
    if not len(train):
        return train, test
    width = train.std(0)
    width[width < 1e-9 * np.abs(train).max(0)] = 0
    scale = np.where(width > 0, width, 1.0)
    # A feature that is constant in training says nothing, however much it varies later.
    centred = (test - train.mean(0)) / scale * (width > 0)
    return (train - train.mean(0)) / scale, np.clip(centred, -10, 10)


def _classifier(x: Array, y: Array, new: Array, classes: int) -> Array:
    present = np.unique(y)
    if len(present) < 2:
        shares = np.zeros(classes) if len(present) else np.full(classes, 1 / classes)
        shares[present] = 1.0
        return np.tile(shares, (len(new), 1))
    fit, held = _parts(len(x))
    strength = _C[1]
    if len(np.unique(y[fit])) == len(present) and held.any():
        losses = [_nll(_probabilities(x[fit], y[fit], x[held], classes, c), y[held]) for c in _C]
        strength = _C[int(np.argmin(losses))]
    return _probabilities(x, y, new, classes, strength)


def _probabilities(x: Array, y: Array, new: Array, classes: int, strength: float) -> Array:
    model = LogisticRegression(C=strength, max_iter=5000).fit(x, y)
    scores = np.zeros((len(new), classes))
    if len(new):
        scores[:, model.classes_] = model.predict_proba(new)
    return scores


def _nll(scores: Array, y: Array) -> float:
    return float(-np.log(np.clip(scores[np.arange(len(y)), y], 1e-9, 1)).mean())


def _regression(x: Array, y: Array, new: Array) -> Array:
    if not len(x):
        return np.full((len(new), y.shape[1]), np.nan)
    if not len(new):
        return np.zeros((0, y.shape[1]))
    middle, scale = y.mean(0), np.where(y.std(0) > 0, y.std(0), 1.0)
    target = (y - middle) / scale
    fit, held = _parts(len(x))
    strength = _ALPHA[0]
    if held.any():
        models = [Ridge(alpha=a).fit(x[fit], target[fit]) for a in _ALPHA]
        losses = [
            ((m.predict(x[held]).reshape(-1, y.shape[1]) - target[held]) ** 2).mean()
            for m in models
        ]
        strength = _ALPHA[int(np.argmin(losses))]
    found = Ridge(alpha=strength).fit(x, target).predict(new)
    result: Array = found.reshape(len(new), -1) * scale + middle
    return result


def _parts(n: int) -> tuple[Array, Array]:
    """Which of `n` events are fitted and which held out, as two masks."""
    held = np.arange(n) % round(1 / _HELD_OUT) == 0
    return (~held, held) if n >= 8 else (np.ones(n, bool), np.zeros(n, bool))
