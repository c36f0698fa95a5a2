import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from intarsia.core.errors import EventError
from intarsia.core.reading import (
    cells_of_ids,
    cells_of_points,
    cross,
    integers,
    look_up,
    merge,
    numbers,
    shares,
    sparse,
)
from intarsia.core.streams import Axis

SHAPE = (3, 5, 7)
AXES = (Axis(4, 10.0, -20.0), Axis(6, 5.0, 3.0), Axis(6, 10.0, 0.0, (7.0, 0.0)))
seeds = st.integers(0, 10_000)


def test_ids_count_the_last_axis_fastest_or_the_first():
    for x in range(3):
        for y in range(5):
            for z in range(7):
                larcv3, larcv2 = (x * 5 + y) * 7 + z, z * 3 * 5 + y * 3 + x
                assert cells_of_ids(np.array([larcv3]), SHAPE, "C").tolist() == [[x, y, z]]
                assert cells_of_ids(np.array([larcv2]), SHAPE, "F").tolist() == [[x, y, z]]
    assert cells_of_ids(np.zeros(0, np.uint64), SHAPE, "C").shape == (0, 3)


@pytest.mark.parametrize("wrong", [105, -1, 2**62])
def test_an_id_outside_the_grid_is_named(wrong):
    with pytest.raises(EventError) as caught:
        cells_of_ids(np.array([0, wrong]), SHAPE, "C", "hits.id")
    said = f"hits.id: 1 voxel ids outside the grid (3, 5, 7), e.g. {wrong}"
    assert str(caught.value) == said


def test_an_id_that_is_no_whole_number_is_not_rounded():
    assert cells_of_ids(np.array([8.0]), SHAPE, "C").tolist() == [[0, 1, 1]]
    for wrong in (8.5, np.nan):
        with pytest.raises(EventError, match=rf"hits\.id: 1 are no whole numbers, e\.g\. {wrong}"):
            cells_of_ids(np.array([0.0, wrong]), SHAPE, "C", "hits.id")


@given(seeds)
def test_the_middle_of_every_cell_is_in_it_and_gaps_are_in_none(seed):
    rng = np.random.default_rng(seed)
    cells = np.stack([rng.integers(0, a.n, 50) for a in AXES], axis=1)
    middles = np.stack([a.centres[i] for a, i in zip(AXES, cells.T, strict=True)], axis=1)
    found, inside = cells_of_points(middles, AXES)
    assert inside.all()
    np.testing.assert_array_equal(found, cells)
    lower = np.stack([a.lower[i] for a, i in zip(AXES, cells.T, strict=True)], axis=1)
    np.testing.assert_array_equal(cells_of_points(lower, AXES)[0], cells)
    outside = middles.copy()
    outside[:, 2] = rng.choice([-0.1, 23.0, 67.1, np.nan], 50)
    assert not cells_of_points(outside, AXES)[1].any()


@given(seeds)
def test_merging_conserves_charge_and_gives_each_cell_once(seed):
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 30, 4)
    index = np.stack([rng.integers(0, n, counts.sum()) for n in SHAPE], axis=1)
    charge, kind = rng.exponential(1, len(index)), rng.integers(-1, 3, len(index))
    merged = merge(counts, index, SHAPE)
    event = np.repeat(np.arange(4), counts)
    expected: dict = {}
    for e, cell, q, k in zip(event, map(tuple, index.tolist()), charge, kind, strict=True):
        expected.setdefault((e, *cell), []).append((q, k))
    keys = np.repeat(np.arange(4), merged.counts).tolist()
    assert [(e, *c) for e, c in zip(keys, merged.index.tolist(), strict=True)] == sorted(expected)
    found = merged.total(charge), merged.shares(kind, charge, 3), merged.heaviest(kind, charge)
    for total, share, heaviest, key in zip(*found, sorted(expected), strict=True):
        pairs = expected[key]
        assert total == pytest.approx(sum(q for q, _ in pairs))
        assert heaviest == max(pairs, key=lambda p: p[0])[1]
        known = sum(q for q, k in pairs if k >= 0)
        for k in range(3):
            own = sum(q for q, found in pairs if found == k)
            assert share[k] == pytest.approx(own / known if known else np.nan, nan_ok=True)
    assert merged.total(charge).sum() == pytest.approx(charge.sum())


def test_a_cell_outside_the_grid_is_named():
    with pytest.raises(
        EventError, match=r"1 cells outside the grid \(3, 5, 7\), e\.g\. \[0, 5, 0\]"
    ):
        merge(np.array([2]), np.array([[0, 0, 0], [0, 5, 0]]), SHAPE)


def test_shares_of_rows_without_a_truth_are_missing():
    found = shares(np.array([0, 0, 2]), np.array([0, 1, -1]), np.array([1.0, 3.0, 1.0]), 3, 2)
    np.testing.assert_array_equal(found, [[0.25, 0.75], [np.nan] * 2, [np.nan] * 2])


@settings(deadline=None, max_examples=20)
@example(104)
@given(seeds)
def test_segments_share_their_charge_among_cells_as_many_points_would(seed):
    rng = np.random.default_rng(seed)
    low, high = np.array([-30, -5, -10]), np.array([30, 40, 80])
    start, end = rng.uniform(low, high, (2, 6, 3))
    start[:2] = np.round(start[:2])  # on the edges of cells
    end[0] = start[0] * [1, 1, 0] + [0, 0, 35.0]  # along an axis
    end[5] = start[5]  # without length
    found = cross(start, end, AXES)
    whole = np.bincount(found.segment, found.share, minlength=6) + found.outside
    np.testing.assert_allclose(whole, 1.0, atol=1e-12)
    assert (np.diff(found.segment) >= 0).all()
    steps = (np.arange(4000) + 0.5) / 4000
    for i in range(6):
        points = start[i] + steps[:, None] * (end[i] - start[i])
        cells, inside = cells_of_points(points, AXES)
        counted = np.zeros((4, 6, 6))
        np.add.at(counted, tuple(cells[inside].T), 1 / 4000)
        mine = found.segment == i
        shared = np.zeros((4, 6, 6))
        np.add.at(shared, tuple(found.index[mine].T), found.share[mine])
        np.testing.assert_allclose(shared, counted, atol=2e-3)


def test_no_segments_cross_nothing():
    none = np.zeros((0, 3))
    assert len(cross(none, none, AXES).segment) == 0


@given(seeds)
def test_sparse_images_are_the_cells_above_threshold(seed):
    rng = np.random.default_rng(seed)
    images = rng.normal(0, 1, (3, 4, 5)) * (rng.random((3, 4, 5)) < 0.5)
    counts, cells, values = sparse(images, 0.2)
    again = np.zeros_like(images)
    again[(np.repeat(np.arange(3), counts), *cells.T)] = values
    np.testing.assert_array_equal(again, np.where(images > 0.2, images, 0))
    with pytest.raises(EventError, match="image: 1 values are not finite"):
        sparse(np.array([[1.0, np.nan]]))


def test_sensors_are_looked_up_in_their_table():
    table = np.array([30, 10, 20])
    assert look_up(np.array([10, 30, 10]), table, "hit.sensor").tolist() == [1, 0, 1]
    assert look_up(np.array([10, 99]), table, "hit.sensor", missing=True).tolist() == [1, -1]
    assert look_up(np.array([5]), np.zeros(0, int), "s", missing=True).tolist() == [-1]
    with pytest.raises(EventError, match=r"^hit\.sensor: 2 are not in the table, e\.g\. 99$"):
        look_up(np.array([99, 10, 98]), table, "hit.sensor")
    with pytest.raises(EventError, match=r"^hit\.sensor: 10 comes twice in the table$"):
        look_up(np.array([10]), np.array([10, 10]), "hit.sensor")


def test_numbers_and_integers_are_checked_and_made_native():
    swapped = np.arange(3, dtype=">i4")
    assert numbers(swapped, "f").dtype == np.dtype("=i4")
    assert integers(np.array([1.0, 2.0], ">f4"), "f").tolist() == [1, 2]
    for values, message in (
        (np.array([1.5]), "f: 1 are no whole numbers, e.g. 1.5"),
        (np.array([np.inf]), "f: 1 are no whole numbers, e.g. inf"),
        (np.array([1e300]), "f: 1 are no whole numbers, e.g. 1e+300"),
        (np.array([2**63], np.uint64), "f: 9223372036854775808 is too large"),
        (np.array(["a"]), "f: is <U1, not numbers"),
        (np.zeros(2, [("a", "i4")]), "f: is a table, not numbers"),
    ):
        with pytest.raises(EventError) as caught:
            integers(values, "f")
        assert str(caught.value) == message
    with pytest.raises(EventError) as caught:
        numbers(np.zeros((2, 3)), "f", (None, 4))
    assert str(caught.value) == "f: has shape (2, 3), not (any, 4)"
