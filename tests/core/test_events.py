import numpy as np
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from test_sample import same

from intarsia.core.detector import Detector
from intarsia.core.errors import EventError
from intarsia.core.events import Events, Table, checked, cumulated, faults
from intarsia.core.sample import events
from intarsia.core.streams import Axis, Column, VoxelGrid


def table_of(counts):
    offsets = cumulated(np.array(counts, np.int64))
    return Table(offsets, {"x": np.arange(offsets[-1]), "y": np.ones((offsets[-1], 2))})


tables = st.lists(st.integers(0, 5), max_size=8).map(table_of)


@pytest.fixture(scope="module")
def sample(toy):
    return events(toy, 20, seed=2)


@given(tables, st.data())
def test_taking_events_is_slicing_and_joining(table, data):
    numbers = data.draw(
        st.lists(st.integers(0, len(table) - 1), max_size=6) if len(table) else st.just([])
    )
    taken = table.take(np.array(numbers, np.int64))
    expected = [table.slice(i, i + 1) for i in numbers]
    assert len(taken) == len(numbers)
    np.testing.assert_array_equal(taken.counts, [len(t["x"]) for t in expected])
    np.testing.assert_array_equal(taken["x"], np.concatenate([[], *(t["x"] for t in expected)]))


@given(tables)
def test_a_table_is_its_events_end_to_end(table):
    if len(table):
        back = Table.concat([table.slice(i, i + 1) for i in range(len(table))])
        np.testing.assert_array_equal(back.offsets, table.offsets)
        np.testing.assert_array_equal(back["x"], table["x"])
    np.testing.assert_array_equal(np.bincount(table.event, minlength=len(table)), table.counts)


@given(tables, st.data())
def test_kept_rows_stay_with_their_event(table, data):
    rows = data.draw(hnp.arrays(bool, len(table["x"])))
    kept = table.keep(rows)
    np.testing.assert_array_equal(kept["x"], table["x"][rows])
    np.testing.assert_array_equal(kept.event, table.event[rows])


def test_an_event_is_a_batch_of_one(sample):
    same(Events.collate(list(sample)), sample)
    assert len(sample[3]) == 1
    assert sample[3].keys == ("2/3",)


def test_slices_share_memory(sample):
    part = sample.slice(2, 9).streams["cubes"]["charge"]
    assert np.shares_memory(part, sample.streams["cubes"]["charge"])


def test_events_of_different_truth_do_not_join(sample):
    with pytest.raises(EventError) as caught:
        Events.collate([sample, evolve(sample, truth={})])
    assert str(caught.value) == (
        "events of different truth: ['energy', 'flavour', 'vertex'] and []"
    )


def test_good_events_pass_with_and_without_labels(toy, sample):
    assert checked(sample, toy) is sample
    cubes = sample.streams["cubes"]
    bare = {k: v for k, v in cubes.columns.items() if k not in ("ghost", "kind")}
    streams = {**sample.streams, "cubes": evolve(cubes, columns=bare)}
    checked(evolve(sample, streams=streams, truth={}), toy)


def replaced(sample, stream, **columns):
    table = sample.streams[stream]
    new = {k: v for k, v in {**table.columns, **columns}.items() if v is not None}
    return evolve(sample, streams={**sample.streams, stream: evolve(table, columns=new)})


def test_every_fault_is_named(toy, sample):
    wrong = replaced(sample, "cubes", charge=None, chrage=sample.streams["cubes"]["charge"])
    wrong = replaced(wrong, "calo", charge=sample.streams["calo"]["charge"].astype(complex))
    streams = {**wrong.streams, "cluod": wrong.streams["cloud"]}
    del streams["cloud"]
    wrong = evolve(wrong, streams=streams, truth={"energy": np.zeros(3)}, group=np.zeros(2, int))
    with pytest.raises(EventError) as caught:
        checked(wrong, toy, "file.h5")
    assert str(caught.value).splitlines() == [
        "file.h5: stream 'cluod' is not declared; did you mean 'cloud'?",
        "file.h5: stream 'cubes': column 'chrage' is not declared; did you mean 'charge'?",
        "file.h5: stream 'cubes': column 'charge' is missing",
        "file.h5: stream 'calo': column 'charge' is complex128, not float32",
        "file.h5: stream 'cloud' is missing",
        "file.h5: truth 'energy' has shape (3,), not (20,)",
        "file.h5: group has 2 entries for 20 events",
    ]


def test_voxels_must_lie_in_the_grid_once_and_be_finite(toy, sample):
    index, charge = (sample.streams["cubes"][c] for c in ("index", "charge"))
    outside = index.copy()
    outside[3] = (8, 0, 0)
    twice = index.copy()
    twice[1] = twice[0]
    bad = charge.copy()
    bad[0] = np.nan
    messages = {
        "1 cells outside the grid (8, 8, 12), the first at [8, 0, 0]": {"index": outside},
        "1 cells come twice in one event": {"index": twice},
        "column 'charge' has values that are not finite": {"charge": bad},
    }
    for message, columns in messages.items():
        with pytest.raises(EventError) as caught:
            checked(replaced(sample, "cubes", **columns), toy)
        assert str(caught.value) == f"events: stream 'cubes': {message}"


CELLS = VoxelGrid(
    name="cells",
    axes=(Axis(2, 1.0),) * 3,
    patch=(1, 1, 1),
    window=(2, 2, 2),
    columns=(Column(name="charge", unit="MeV"),),
)


@given(st.lists(st.lists(st.tuples(*[st.integers(0, 1)] * 3), max_size=4), max_size=4))
def test_cells_come_twice_only_if_they_do_in_one_event(cells):
    twice = sum(len(event) - len(set(event)) for event in cells)
    index = np.array([c for event in cells for c in event], np.int16).reshape(-1, 3)
    table = Table(
        cumulated(np.array([len(event) for event in cells], int)),
        {"index": index, "charge": np.ones(len(index), np.float32)},
    )
    of = Events({"cells": table}, keys=tuple("abcd"[: len(cells)]), group=np.arange(len(cells)))
    told = list(faults(of, Detector(name="one", about="", streams=(CELLS,))))
    wanted = [f"stream 'cells': {twice} cells come twice in one event"] if twice else []
    assert told == wanted


def test_a_dense_array_has_at_most_one_row(toy, sample):
    calo = sample.streams["calo"]
    one = int(np.flatnonzero(calo.counts == 1)[0])
    with pytest.raises(EventError) as caught:
        checked(
            evolve(
                sample,
                streams={**sample.streams, "calo": evolve(calo, offsets=_moved(calo.offsets, one))},
            ),
            toy,
        )
    assert str(caught.value) == "events: stream 'calo': a dense array has at most one row per event"


def _moved(offsets, event):
    """Give `event` the row of its successor too."""
    moved = offsets.copy()
    moved[event + 1] += 1
    moved[event + 2 :] = np.maximum(moved[event + 2 :], moved[event + 1])
    return moved


def test_offsets_must_rise_from_zero(toy, sample):
    table = sample.streams["cubes"]
    for wrong in (table.offsets[::-1], table.offsets + 1):
        streams = {**sample.streams, "cubes": evolve(table, offsets=wrong)}
        with pytest.raises(EventError, match="offsets must start at 0 and never fall"):
            checked(evolve(sample, streams=streams), toy)
