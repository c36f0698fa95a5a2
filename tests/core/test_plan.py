import numpy as np
import pytest
import toy
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from intarsia.core import plan
from intarsia.core.events import Table, cumulated
from intarsia.core.plan import ABSENT, Patches
from intarsia.core.task import View

WINDOWS = int(np.prod(toy.CUBES.windows))


@st.composite
def tables(draw, grid=toy.CUBES):
    """Tables of up to five events with up to forty different cells each."""
    counts = draw(st.lists(st.integers(0, 40), min_size=0, max_size=5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    cells = [rng.choice(int(np.prod(grid.shape)), n, replace=False) for n in counts]
    flat = np.concatenate([*cells, np.zeros(0)]).astype(np.int64)
    index = np.stack(np.unravel_index(flat, grid.shape), 1).astype(np.int16)
    charge = rng.random(len(flat)).astype(np.float32)
    return Table(cumulated(np.array(counts, np.int64)), {"index": index, "charge": charge})


@given(tables())
@settings(max_examples=50, deadline=None)
def test_patches_group_every_row_once_by_event_and_patch(table):
    grid, found = toy.CUBES, plan.patches(table, toy.CUBES)
    assert sorted(found.rows) == list(range(len(table["index"])))
    assert (np.diff(found.first) > 0).all()
    seen = set()
    for t in range(len(found.event)):
        rows = found.rows[found.first[t] : found.first[t + 1]]
        where = table["index"][rows] // np.array(grid.patch)
        assert len(np.unique(where, axis=0)) == 1
        assert (table.event[rows] == found.event[t]).all()
        assert found.patch[t] == np.ravel_multi_index(tuple(where[0]), grid.patches)
        seen.add((found.event[t], found.patch[t]))
    assert len(seen) == len(found.event)
    assert (np.diff(found.event * np.prod(grid.patches) + found.patch) > 0).all()


@given(tables())
@settings(max_examples=50, deadline=None)
def test_cell_index_gives_back_the_cells(table):
    found = plan.patches(table, toy.CUBES)
    token = np.repeat(np.arange(len(found.event)), np.diff(found.first))
    index = plan.cell_index(toy.CUBES, found.window[token], found.place[token], found.cell)
    np.testing.assert_array_equal(index, table["index"][found.rows])


@given(tables(toy.PLATES))
@settings(max_examples=20, deadline=None)
def test_cell_index_gives_back_the_cells_of_a_grid_with_uneven_windows(table):
    found = plan.patches(table, toy.PLATES)
    token = np.repeat(np.arange(len(found.event)), np.diff(found.first))
    index = plan.cell_index(toy.PLATES, found.window[token], found.place[token], found.cell)
    np.testing.assert_array_equal(index, table["index"][found.rows])


def test_without_rows_there_are_no_patches():
    found = plan.patches(Table.empty(toy.CUBES.layout, 3), toy.CUBES)
    assert len(found.event) == len(found.rows) == 0
    assert found.first.tolist() == [0]
    assert len(plan.mask(found, WINDOWS, View(mask_ratio=0.5), np.random.default_rng(0))) == 0


def in_windows(*sizes: int) -> Patches:
    """Patches of one event, so many in each window."""
    window = np.repeat(np.arange(len(sizes)), sizes)
    n = len(window)
    zero = np.zeros(n, np.int64)
    return Patches(np.arange(n), np.arange(n + 1), zero, zero, np.arange(n), window, zero)


@pytest.mark.parametrize("ratio", [0.25, 0.5, 0.75, 0.9])
@pytest.mark.parametrize("size", [5, 8, 15])
def test_the_share_kept_is_right_on_average(ratio, size):
    found, rng = in_windows(*[size] * 4000), np.random.default_rng(1)
    kept = plan.mask(found, 4000, View(mask_ratio=ratio), rng).reshape(4000, size)
    number = kept.sum(1)
    wanted = size * (1 - ratio)
    assert number.min() >= max(1, np.floor(wanted))
    assert number.max() <= min(size - 1, np.ceil(wanted))
    if 1 <= wanted <= size - 1:
        spread = np.sqrt(max(1e-12, (wanted % 1) * (1 - wanted % 1) / 4000))
        assert abs(number.mean() - wanted) < 5 * spread + 1e-9
    share = kept.mean(0)  # no place inside the window is preferred
    assert np.abs(share - share.mean()).max() < 5 * np.sqrt(0.25 / 4000)


@given(st.lists(st.integers(2, 12), min_size=1, max_size=8), st.floats(0.01, 0.99), st.integers(0))
@settings(max_examples=100, deadline=None)
def test_a_window_of_two_or_more_keeps_one_and_hides_one(sizes, ratio, seed):
    found = in_windows(*sizes)
    kept = plan.mask(found, len(sizes), View(mask_ratio=ratio), np.random.default_rng(seed))
    for w in range(len(sizes)):
        inside = kept[found.window == w]
        assert inside.any()
        assert not inside.all()


# Of a window of so many patches, how often so many are kept: the share 1 - ratio rounded up or down,
# but at least one and not all.
KEPT = {
    (2, 0.75): {1: 1.0},
    (2, 0.1): {1: 1.0},
    (3, 0.75): {1: 1.0},
    (3, 0.25): {2: 1.0},
    (4, 0.75): {1: 1.0},
    (5, 0.75): {1: 0.75, 2: 0.25},
    (6, 0.75): {1: 0.5, 2: 0.5},
    (8, 0.75): {2: 1.0},
    (7, 0.25): {5: 0.75, 6: 0.25},
    (32, 0.75): {8: 1.0},
}


@pytest.mark.parametrize(("size", "ratio"), KEPT)
def test_of_small_windows_as_many_are_kept_as_reckoned_by_hand(size, ratio):
    n = 4000
    kept = plan.mask(in_windows(*[size] * n), n, View(mask_ratio=ratio), np.random.default_rng(2))
    number, times = np.unique(kept.reshape(n, size).sum(1), return_counts=True)
    assert set(number.tolist()) == set(KEPT[size, ratio])
    for k, found in zip(number.tolist(), times / n, strict=True):
        likely = KEPT[size, ratio][k]
        assert abs(found - likely) <= 5 * np.sqrt(likely * (1 - likely) / n)


def test_every_choice_of_as_many_patches_is_as_likely():
    n = 6000
    found = in_windows(*[8] * n)
    kept = plan.mask(found, n, View(mask_ratio=0.75), np.random.default_rng(3)).reshape(n, 8)
    first, last = np.nonzero(kept)[1].reshape(n, 2).T  # two of eight: 28 pairs
    times = np.bincount(8 * first + last, minlength=64)
    times = times[times > 0]
    assert len(times) == 28
    assert np.abs(times - n / 28).max() < 5 * np.sqrt(n / 28)


def test_how_a_window_is_masked_does_not_depend_on_how_full_the_others_are():
    """The share kept of a window of five, beside empty windows and beside full ones."""
    n, view = 3000, View(mask_ratio=0.75)
    for others in ((), (1,), (2, 32)):
        sizes = (5, *others) * n
        found = in_windows(*sizes)
        kept = plan.mask(found, len(sizes), view, np.random.default_rng(4))
        number = np.bincount(found.window[kept], minlength=len(sizes))[:: 1 + len(others)]
        assert abs(number.mean() - 1.25) < 5 * np.sqrt(0.25 * 0.75 / n)


def test_a_window_of_one_patch_keeps_it():
    found = in_windows(1, 1, 1)
    assert plan.mask(found, 3, View(mask_ratio=0.9), np.random.default_rng(0)).all()


def test_nothing_is_hidden_at_ratio_zero_and_no_random_number_is_used():
    rng = np.random.default_rng(3)
    assert plan.mask(in_windows(4, 5), 2, View(), rng).all()
    assert rng.random() == np.random.default_rng(3).random()


def test_windows_of_different_events_are_masked_apart():
    one = in_windows(*[2] * 50)
    two = evolve(one, event=np.arange(100) % 2, window=np.zeros(100, np.int64))
    kept = plan.mask(two, 1, View(mask_ratio=0.5), np.random.default_rng(0))
    assert kept[::2].sum() == kept[1::2].sum() == 25


def test_the_mask_follows_from_the_generator():
    found, view = in_windows(7, 3, 9, 2), View(mask_ratio=0.6)
    masks = [plan.mask(found, 4, view, np.random.default_rng(s)) for s in (5, 5, 6)]
    np.testing.assert_array_equal(masks[0], masks[1])
    assert (masks[0] != masks[2]).any()


@given(st.lists(st.integers(1, 6), min_size=1, max_size=12), st.integers(0))
@settings(max_examples=50, deadline=None)
def test_ragged_lists_the_rows_of_each_chosen_patch(counts, seed):
    first = cumulated(np.array(counts))
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(counts))[: int(rng.integers(0, len(counts) + 1))]
    rows, offsets = plan.ragged(first, chosen)
    assert len(offsets) == len(chosen) + 1
    for i, patch in enumerate(chosen):
        expected = np.arange(first[patch], first[patch + 1])
        np.testing.assert_array_equal(rows[offsets[i] : offsets[i + 1]], expected)
    assert offsets[-1] == len(rows)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), max_size=20),
    st.integers(1, 16),
)
@settings(max_examples=100, deadline=None)
def test_packed_items_have_a_slot_each_and_groups_share_no_document(counts, length):
    groups = [np.repeat(np.arange(len(counts)), [c[kind] for c in counts]) for kind in (0, 1)]
    layout = plan.pack(groups, length)
    group = np.concatenate(groups)
    rows, slots = layout.document.shape
    assert len(np.unique(layout.slot)) == len(group)
    np.testing.assert_array_equal(layout.document.reshape(-1)[layout.slot], group)
    assert (layout.document == ABSENT).sum() == rows * slots - len(group)
    row = layout.slot // slots
    for g in np.unique(group):
        assert len(np.unique(row[group == g])) == 1
    assert slots == max(length, int(np.bincount(group).max()) if len(group) else 1)


def test_small_windows_fill_rows():
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(2000), rng.integers(2, 20, 2000))
    layout = plan.pack([group], 64)
    assert (layout.document != ABSENT).mean() > 0.99
    assert layout.document.shape[1] == 64


def test_a_group_larger_than_a_row_makes_rows_longer():
    layout = plan.pack([np.array([0, 0, 1, 1, 1, 1, 1, 2])], 3)
    assert layout.document.tolist() == [[1, 1, 1, 1, 1], [0, 0, 2, -1, -1]]


def test_without_items_there_is_one_empty_row():
    layout = plan.pack([np.zeros(0, np.int64)], 4)
    assert layout.document.tolist() == [[ABSENT] * 4]
    assert len(layout.slot) == 0


@given(st.lists(st.lists(st.integers(0, 5), max_size=15), max_size=3))
@settings(max_examples=100, deadline=None)
def test_rows_per_event_are_undone_by_their_slots(kinds):
    events = [np.array(k, np.int64) for k in kinds]
    slot, mask = plan.per_event(events, 6)
    event = np.concatenate([*events, np.zeros(0, np.int64)]).astype(np.int64)
    length = mask.shape[1]
    assert len(np.unique(slot)) == len(event)
    np.testing.assert_array_equal(slot // length, event)
    counts = np.bincount(event, minlength=6)
    np.testing.assert_array_equal(mask.sum(1), np.maximum(counts, 1))
    assert mask.reshape(-1)[slot].all()


def test_items_of_an_event_keep_the_order_of_their_kinds():
    slot, _ = plan.per_event([np.array([0, 1]), np.array([1, 0, 1])], 2)
    assert slot.tolist() == [0, 3, 4, 1, 5]
