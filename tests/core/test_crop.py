"""Crops around particles, against their definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intarsia.core.crop import context, describe, inside, start
from intarsia.core.streams import Axis, Column

AXES = (Axis(50, 2.0, -50.0), Axis(40, 2.0, -40.0), Axis(30, 2.0, -30.0))
SHAPE = (8, 6, 10)
CHARGE = Column(name="charge", unit="MeV")


def hits(seed, n, spread):
    rng = np.random.default_rng(seed)
    index = np.unique(rng.integers(0, spread, (n, 3)), axis=0)
    return index.astype(np.int16), rng.random(len(index)).astype(np.float32)


@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(1, 6))
def test_hits_that_fit_are_all_inside_and_in_the_middle(seed, n, spread):
    index, charge = hits(seed, n, spread)
    first = start(index, charge, SHAPE)
    assert inside(index, first, SHAPE).all()
    below, above = index.min(0) - first, first + SHAPE - 1 - index.max(0)
    assert (np.abs(below - above) <= 1).all()


@given(st.integers(0, 10_000), st.integers(1, 60))
def test_no_other_crop_holds_more_charge_along_an_axis(seed, n):
    index, charge = hits(seed, n, 30)
    first = start(index, charge, SHAPE)
    for axis, size in enumerate(SHAPE):
        cell = index[:, axis]
        held = [charge[(cell >= f) & (cell < f + size)].sum() for f in range(-size, 31)]
        mine = charge[(cell >= first[axis]) & (cell < first[axis] + size)].sum()
        assert mine == pytest.approx(max(held), rel=1e-5)


def test_a_crop_moves_with_its_hits():
    index, charge = hits(3, 50, 30)
    shift = np.array([5, -7, 11])
    np.testing.assert_array_equal(
        start(index + shift, charge, SHAPE), start(index, charge, SHAPE) + shift
    )


def test_the_description_is_that_of_the_hits():
    index = np.array([[10, 20, 2], [13, 20, 5], [10, 20, 29]], np.int16)
    charge = np.array([3.0, 4.0, 1.0], np.float32)
    first = start(index, charge, SHAPE)
    # x fits: cells 10 and 13 leave 8 - 4 = 4 free, two on each side; z does not
    assert first.tolist() == [8, 17, 2]
    row = describe(index, charge, first, SHAPE, AXES)
    assert row["centre"].tolist() == [[-50 + 2 * 12, -40 + 2 * 20, -30 + 2 * 7]]
    assert row["extent"].tolist() == [[8.0, 2.0, 56.0]]
    assert row["clearance"].tolist() == [[20.0, 38.0, 0.0]]
    assert (row["hits"][0], row["total"][0]) == (3.0, 8.0)
    assert row["outside"][0] == 0.125
    layout = context("context", CHARGE).layout
    assert {k: (v.dtype.name, v.shape[1:]) for k, v in row.items()} == layout


def test_without_hits_there_is_no_row():
    nothing = np.zeros((0, 3), np.int16)
    row = describe(nothing, np.zeros(0), start(nothing, np.zeros(0), SHAPE), SHAPE, AXES)
    layout = context("context", CHARGE).layout
    assert {k: (v.dtype.name, v.shape) for k, v in row.items()} == {
        k: (dtype, (0, *shape)) for k, (dtype, shape) in layout.items()
    }
