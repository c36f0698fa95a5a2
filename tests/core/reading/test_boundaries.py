import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intarsia.core.errors import EventError
from intarsia.core.reading import Ranges

counts = st.lists(st.integers(0, 5), max_size=12).map(lambda n: np.array(n, np.int64))


def lists(ranges, rows):
    """The rows of each event, by plain Python."""
    table = np.arange(rows)
    pairs = zip(ranges.first.tolist(), ranges.counts.tolist(), strict=True)
    return [table[a : a + n].tolist() for a, n in pairs]


@settings(max_examples=40)
@given(counts)
def test_every_scheme_of_the_same_events_gives_the_same_rows(n):
    rows, ends = int(n.sum()), np.cumsum(n)
    starts = ends - n
    keys = np.repeat(np.arange(len(n)) * 7 + 3, n)
    schemes = [
        Ranges.of_counts(n, rows, "f"),
        Ranges.of_extents(starts, n.astype(np.uint32), rows, "f"),
        Ranges.of_starts(starts, rows, "f"),
        Ranges.of_ends(ends, rows, "f"),
        Ranges.of_ends(ends - 1, rows, "f", inclusive=True),
        Ranges.of_keys(keys, np.arange(len(n)) * 7 + 3, "f")[0],
    ]
    if not len(n):
        schemes.pop(2)  # nobody owns a row: nothing to compare
    expected = np.split(np.arange(rows), ends)[:-1]
    for ranges in schemes:
        assert lists(ranges, rows) == [e.tolist() for e in expected]
        assert ranges.rows.tolist() == list(range(rows))


@settings(max_examples=40)
@given(counts, st.randoms(use_true_random=False))
def test_extents_may_stand_in_any_order_and_leave_rows_out(n, random):
    order = list(range(len(n)))
    random.shuffle(order)
    first = (np.cumsum(n + 1) - n)[order]  # a row before each event is nobody's
    n = n[order]
    ranges = Ranges.of_extents(first, n, int((n + 1).sum()), "f")
    expected = [row for a, k in zip(first, n, strict=True) for row in range(a, a + k)]
    assert ranges.rows.tolist() == expected


@settings(max_examples=40)
@given(counts, st.randoms(use_true_random=False))
def test_rows_that_name_their_event_are_put_together_in_their_order(n, random):
    events = np.array(random.sample(range(1000), len(n)), np.int64)
    keys = np.repeat(events, n)
    shuffled = np.array(random.sample(keys.tolist(), len(keys)), np.int64)
    ranges, order = Ranges.of_keys(shuffled, events, "f")
    assert ranges.counts.tolist() == n.tolist()
    assert shuffled[order].tolist() == keys.tolist()
    for event, a, k in zip(events, ranges.first, ranges.counts, strict=True):
        assert order[a : a + k].tolist() == np.flatnonzero(shuffled == event).tolist()


@given(st.lists(st.lists(st.integers(0, 4), max_size=4), max_size=6))
def test_ranges_of_ranges_count_the_inner_rows_of_each_event(nested):
    outer = np.array([len(inner) for inner in nested], np.int64)
    inner = np.array([n for part in nested for n in part], np.int64)
    ranges = Ranges.of_counts(outer, len(inner), "f")
    assert ranges.total(inner[ranges.rows]).tolist() == [sum(part) for part in nested]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Ranges.of_extents([0, 3], [3, 4], 6, "hits"), "hits: 4 rows from row 3 on, there are 6"),
        (lambda: Ranges.of_extents([2**63], [1], 6, "hits"), "hits: 9223372036854775808 is too large"),
        (lambda: Ranges.of_extents([2**62], [2**62], 6, "hits"), "hits: 4611686018427387904 rows from row 4611686018427387904 on, there are 6"),
        (lambda: Ranges.of_extents([0, -1], [3, 1], 6, "hits"), "hits: 1 rows from row -1 on, there are 6"),
        (lambda: Ranges.of_extents([0], [-1], 6, "hits"), "hits: -1 rows from row 0 on, there are 6"),
        (lambda: Ranges.of_extents([0, 2], [3, 2], 6, "hits"), "hits: rows from 2 on belong to two entries"),
        (lambda: Ranges.of_extents([0], [3, 2], 6, "hits"), "hits: 1 first rows for 2 numbers of rows"),
        (lambda: Ranges.of_counts([2, 3], 6, "hits"), "hits: the counts add up to 5, there are 6 rows"),
        (lambda: Ranges.of_counts([-1, 7], 6, "hits"), "hits: -1 rows"),
        (lambda: Ranges.of_counts([2**62] * 4 + [6], 6, "hits"), "hits: the counts add up to 18446744073709551622, there are 6 rows"),
        (lambda: Ranges.of_starts([0, 4, 3], 6, "hits"), "hits: falls from 4 to 3"),
        (lambda: Ranges.of_starts([0, 7], 6, "hits"), "hits: falls from 7 to 6"),
        (lambda: Ranges.of_starts([1, 4], 6, "hits"), "hits: begins at row 1, not 0"),
        (lambda: Ranges.of_ends([3, 5], 6, "hits"), "hits: ends at row 5, there are 6 rows"),
        (lambda: Ranges.of_ends([3, 2, 6], 6, "hits"), "hits: falls from 3 to 2"),
        (lambda: Ranges.of_keys(np.array([1, 2]), np.array([1, 3]), "id"), "id: 1 rows are of no event, e.g. of 2"),
        (lambda: Ranges.of_keys(np.array([1]), np.array([1, 1]), "id"), "id: event 1 is listed twice"),
        (lambda: Ranges.of_starts([0.0, np.nan], 6, "hits"), "hits: 1 are no whole numbers, e.g. nan"),
        (lambda: Ranges.of_starts(["a"], 6, "hits"), "hits: is <U1, not numbers"),
    ],
)  # fmt: skip
def test_boundaries_that_cannot_be_are_named(make, message):
    with pytest.raises(EventError) as caught:
        make()
    assert str(caught.value) == message


def test_an_empty_event_may_begin_anywhere():
    ranges = Ranges.of_extents([0, 99, 2], [2, 0, 1], 3, "hits")
    assert ranges.rows.tolist() == [0, 1, 2]
    assert Ranges.of_extents([], [], 0, "hits").rows.tolist() == []
