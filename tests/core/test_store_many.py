"""Several event files read as one equal one file of all their events."""

import pickle
from itertools import pairwise

import numpy as np
import pytest
from attrs import evolve

from intarsia.core import sample
from intarsia.core.errors import EventError
from intarsia.core.events import Events
from intarsia.core.store import EventFile, EventFiles, EventWriter, event_file


def write(path, detector, events):
    with EventWriter(path, detector, {"simulation": "sample", "name": path.stem}) as file:
        file.append(events)
    return path


def same(a: Events, b: Events) -> None:
    assert a.keys == b.keys
    assert (a.group == b.group).all()
    for name, table in a.streams.items():
        np.testing.assert_array_equal(table.offsets, b.streams[name].offsets)
        for column, values in table.columns.items():
            np.testing.assert_array_equal(values, b.streams[name][column])
    assert a.truth.keys() == b.truth.keys()
    for name, values in a.truth.items():
        np.testing.assert_array_equal(values, b.truth[name])


@pytest.fixture
def files(tmp_path, toy):
    events = sample.events(toy, 50, seed=3)
    whole = EventFile(write(tmp_path / "whole.h5", toy, events))
    cuts = (0, 20, 20, 41, 50)
    for i, (a, b) in enumerate(pairwise(cuts)):
        write(tmp_path / f"part{i}.h5", toy, events.slice(a, b))
    return whole, event_file([tmp_path / "part*.h5"])


def test_they_say_what_the_whole_says(files):
    whole, parts = files
    assert isinstance(parts, EventFiles)
    assert len(parts) == len(whole) == 50
    assert (parts.detector, parts.keys) == (whole.detector, whole.keys)
    for split in ("train", "val", "test"):
        np.testing.assert_array_equal(parts.select(split), whole.select(split))
    for stream in whole.declaration["streams"]:
        np.testing.assert_array_equal(parts.rows(stream["name"]), whole.rows(stream["name"]))
    assert parts.provenance == {"simulation": "sample", "files": 4}


@pytest.mark.parametrize(
    "span", [(0, 50), (3, 19), (15, 45), (20, 41), (41, 50), (20, 20), (50, 50)]
)
def test_blocks_are_the_same_wherever_files_end(files, span):
    same(files[1].read(*span), files[0].read(*span))


def test_single_events_are_the_same_in_any_order(files):
    wanted = np.random.default_rng(1).permutation(50)[:30]
    for labels in (True, False):
        same(files[1].take(wanted, labels), files[0].take(wanted, labels))
    same(files[1].take([]), files[0].take([]))


def test_they_can_be_sent_to_a_worker(files):
    same(pickle.loads(pickle.dumps(files[1])).read(10, 30), files[0].read(10, 30))


def test_one_file_is_itself(files):
    assert type(event_file([files[0].path])) is EventFile


def test_what_does_not_go_together_is_named(tmp_path, toy, files):
    events = sample.events(toy, 5, seed=3)
    part = tmp_path / "part0.h5"
    with pytest.raises(
        EventError, match=rf"again.h5: event {events.keys[0]!r} is in .*part0.h5 too"
    ):
        event_file([part, write(tmp_path / "again.h5", toy, events)])
    bare = evolve(sample.events(toy, 5, seed=4), truth={})
    with pytest.raises(EventError, match=r"bare.h5: does not go with .*only one has truth"):
        event_file([part, write(tmp_path / "bare.h5", toy, bare)])
    with pytest.raises(EventError, match=r"none\*.h5: no file is called so"):
        event_file([tmp_path / "none*.h5"])
    with pytest.raises(EventError, match="no event file is named"):
        event_file([])
