import os
import pickle
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import h5py
import numpy as np
import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_sample import same

from intarsia.core.detector import Detector, declaration
from intarsia.core.errors import EventError
from intarsia.core.events import Events, Table
from intarsia.core.sample import events
from intarsia.core.split import splits_of
from intarsia.core.store import EventFile, EventWriter
from intarsia.core.store_predictions import read_predictions, write_predictions

N = 150


@pytest.fixture(scope="module")
def sample(toy):
    return events(toy, N, seed=9)


@pytest.fixture(scope="module")
def path(tmp_path_factory, toy, sample):
    return written(tmp_path_factory.mktemp("store") / "events.h5", toy, sample)


def written(path, detector, *parts, **more):
    return written_of(path, detector, parts, **more)


def written_of(path, detector, parts, **more):
    with EventWriter(path, detector, {"simulation": "sample"}, **more) as file:
        for part in parts:
            file.append(part)
    return path


def without_labels(sample, detector):
    streams = {}
    for stream in detector.streams:
        table = sample.streams[stream.name]
        labels = {label.name for label in stream.labels}
        kept = {k: v for k, v in table.columns.items() if k not in labels}
        streams[stream.name] = evolve(table, columns=kept)
    return evolve(sample, streams=streams, truth={})


def test_what_is_read_is_what_was_written(path, toy, sample):
    file = EventFile(path)
    same(file.read(0, N), sample)
    assert len(file) == N
    assert file.keys == sample.keys
    assert file.detector == "toy"
    assert file.declaration == declaration(toy)
    assert file.provenance == {"simulation": "sample"}
    assert file.label_names == ("cubes.ghost", "cubes.kind", "cloud.ghost")
    assert file.truth_names == ("flavour", "vertex", "energy")
    np.testing.assert_array_equal(file.splits, splits_of(sample.keys))
    np.testing.assert_array_equal(file.rows("cubes"), sample.streams["cubes"].counts)
    np.testing.assert_array_equal(file.truth["vertex"], sample.truth["vertex"])


@given(st.integers(0, N), st.integers(0, N))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_block_is_a_slice(path, sample, first, last):
    first, last = sorted((first, last))
    same(EventFile(path).read(first, last), sample.slice(first, last))


@given(st.lists(st.integers(0, N - 1), max_size=30))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_events_in_any_order_are_those_events(path, sample, indices):
    same(EventFile(path).take(indices), sample.take(np.array(indices, np.int64)))


def test_without_labels_only_measured_columns_and_truth_are_read(path, toy, sample):
    for found, expected in (
        (EventFile(path).read(3, 9, labels=False), sample.slice(3, 9)),
        (EventFile(path).take([8, 3], labels=False), sample.take([8, 3])),
    ):
        same(found, evolve(without_labels(expected, toy), truth=expected.truth))


def test_splits_select_their_events(path):
    file = EventFile(path)
    parts = [file.select(name) for name in ("train", "val", "test")]
    assert sorted(np.concatenate(parts)) == list(range(N))
    with pytest.raises(
        EventError, match=r"^there is no split 'vla' \(there are: train, val, test\)$"
    ):
        file.select("vla")


@pytest.mark.parametrize("compression", [None, "lzf"])
def test_the_same_events_give_the_same_bytes(tmp_path, toy, sample, compression):
    parts = (
        [sample],
        list(sample),
        [sample.slice(0, 70), sample.slice(70, 71), sample.slice(71, N)],
    )
    files = [
        written(tmp_path / f"{i}.h5", toy, *part, compression=compression)
        for i, part in enumerate(parts)
    ]
    time.sleep(1.1)  # HDF5 keeps times, if any, to a second
    files.append(written(tmp_path / "later.h5", toy, sample, compression=compression))
    assert len({file.read_bytes() for file in files}) == 1


def test_many_chunks_give_the_same_bytes(tmp_path, toy, sample, monkeypatch):
    monkeypatch.setattr("intarsia.core.store_write._CHUNK", 32)
    a = written(tmp_path / "a.h5", toy, sample)
    b = written(tmp_path / "b.h5", toy, *sample)
    assert a.read_bytes() == b.read_bytes()
    same(EventFile(a).read(0, N), sample)


def test_real_data_without_labels_and_truth_is_a_whole_file(tmp_path, toy, sample):
    real = without_labels(sample, toy)
    file = EventFile(written(tmp_path / "real.h5", toy, real))
    same(file.read(0, N), real)
    assert file.label_names == file.truth_names == ()
    assert file.truth == {}
    file.matches(toy)


def test_a_file_of_no_events(tmp_path, toy):
    file = EventFile(written(tmp_path / "none.h5", toy))
    same(file.read(0, 0), events(toy, 0, 1))
    same(file.take([]), events(toy, 0, 1))


def test_after_an_exception_nothing_is_left(tmp_path, toy, sample):
    def parts():
        yield sample
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        written_of(tmp_path / "x" / "a.h5", toy, parts())
    with pytest.raises(ZeroDivisionError), EventWriter(tmp_path / "x" / "a.h5", toy, {}):
        raise ZeroDivisionError
    assert list((tmp_path / "x").iterdir()) == []


def test_a_file_can_grow_under_a_given_name(tmp_path, toy, sample):
    (tmp_path / "x").mkdir()
    with EventWriter(tmp_path / "a.h5", toy, {}, half=tmp_path / "x" / "b") as file:
        file.append(sample)
        assert [p.name for p in tmp_path.iterdir()] == ["x"]
        assert [p.name for p in (tmp_path / "x").iterdir()] == ["b"]
    assert list((tmp_path / "x").iterdir()) == []
    assert len(EventFile(tmp_path / "a.h5")) == N


def test_an_older_file_stays_until_the_new_one_is_whole(tmp_path, toy, sample):
    path = written(tmp_path / "a.h5", toy, sample.slice(0, 3))
    with pytest.raises(ZeroDivisionError), EventWriter(path, toy, {}):
        raise ZeroDivisionError
    assert len(EventFile(path)) == 3
    written(path, toy, sample.slice(0, 4))
    assert len(EventFile(path)) == 4
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]


def test_a_key_that_comes_twice_is_refused(tmp_path, toy, sample):
    path = tmp_path / "a.h5"
    with pytest.raises(EventError) as caught:
        written(path, toy, sample.slice(0, 3), sample.slice(2, 5))
    assert str(caught.value) == f"{path}: two events have the key '9/2'"
    assert list(tmp_path.iterdir()) == []


def test_events_that_differ_in_truth_are_refused(tmp_path, toy, sample):
    path = tmp_path / "a.h5"
    other = evolve(sample.slice(3, 5), truth={})
    with pytest.raises(EventError) as caught:
        written(path, toy, sample.slice(0, 3), other)
    names = "truth energy, truth flavour, truth vertex"
    assert str(caught.value) == f"{path}: only some events have {names}"


def test_events_that_are_not_as_declared_are_refused(tmp_path, toy, sample):
    path = tmp_path / "a.h5"
    wrong = evolve(sample, truth={"flavor": sample.truth["flavour"]})
    with pytest.raises(EventError) as caught:
        written(path, toy, wrong)
    assert str(caught.value) == f"{path}: truth 'flavor' is not declared; did you mean 'flavour'?"


def test_a_published_split_overrides_the_hash(tmp_path, toy, sample):
    with EventWriter(tmp_path / "a.h5", toy, {}) as file:
        file.append(sample.slice(0, 3), splits=np.array([2, 1, 0], np.uint8))
    assert EventFile(tmp_path / "a.h5").splits.tolist() == [2, 1, 0]


def test_a_number_that_is_not_there(path):
    with pytest.raises(EventError) as caught:
        EventFile(path).read(0, N + 1)
    assert str(caught.value) == f"{path}: has 150 events, not 0 to 151"
    with pytest.raises(EventError) as caught:
        EventFile(path).take([3, -1])
    assert str(caught.value) == f"{path}: has 150 events, there is no number -1"


def test_another_declaration_is_named(path, toy):
    file = EventFile(path)
    file.matches(toy)
    cubes = toy.stream("cubes")
    axes = (*cubes.axes[:2], evolve(cubes.axes[2], pitch=12.0))
    other = evolve(toy, streams=(evolve(cubes, axes=axes), *toy.streams[1:]))
    with pytest.raises(EventError) as caught:
        file.matches(other)
    assert str(caught.value) == (
        f"{path}: written for another declaration of 'toy' (here: the plugin's, there: the "
        "file's): streams.cubes.axes.2.pitch: 12.0 here, 10.0 there"
    )
    file.matches(evolve(toy, about="other words"))


def first_vertex(file):
    return file.read(0, 1).truth["vertex"]


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_an_open_file_goes_to_other_processes(path, sample, method):
    file = EventFile(path)
    file.read(0, 1)
    with ProcessPoolExecutor(2, get_context(method)) as pool:
        for vertex in pool.map(first_vertex, [file, file]):
            np.testing.assert_array_equal(vertex, sample.truth["vertex"][:1])
    same(pickle.loads(pickle.dumps(file)).read(0, N), sample)


def faulty(path):
    with pytest.raises(EventError) as caught:
        EventFile(path).read(0, 1)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


def test_files_that_are_not_event_files(tmp_path):
    assert faulty(tmp_path / "gone.h5") == "there is no such file"
    (tmp_path / "text.h5").write_text("hello")
    assert faulty(tmp_path / "text.h5") == "not an HDF5 file"
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    assert faulty(tmp_path / "other.h5") == "an HDF5 file, but not an event file of intarsia"


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.6, 0.99])
def test_a_file_that_is_cut_off(tmp_path, path, share):
    whole = path.read_bytes()
    (tmp_path / "cut.h5").write_bytes(whole[: int(share * len(whole))])
    assert faulty(tmp_path / "cut.h5")


def test_a_newer_format(tmp_path, path):
    copy = tmp_path / "new.h5"
    copy.write_bytes(path.read_bytes())
    with h5py.File(copy, "a") as file:
        file.attrs["format"] = 2
    assert faulty(copy) == "event file of format 2, this version reads format 1"


def test_a_column_that_lost_rows(tmp_path, path, sample):
    copy = tmp_path / "short.h5"
    copy.write_bytes(path.read_bytes())
    rows = len(sample.streams["cubes"]["charge"])
    with h5py.File(copy, "a") as file:
        file["streams/cubes/charge"].resize(rows - 1, axis=0)
    assert faulty(copy) == f"not whole: streams/cubes/charge has {rows - 1} of {rows} rows"


def test_memory_stays_flat_while_writing(tmp_path, toy):
    part = events(toy, 64, seed=1)
    with EventWriter(tmp_path / "a.h5", toy, {}) as file:
        for i in range(20):
            keys = tuple(f"{i}/{k}" for k in range(64))
            file.append(evolve(part, keys=keys))
            assert sum(map(len, file._waiting)) <= 64
    assert len(EventFile(tmp_path / "a.h5")) == 20 * 64


def test_blocks_of_fasercal_size_are_read_fast(tmp_path, toy):
    cubes = evolve(
        toy.stream("cubes"), axes=tuple(evolve(a, n=96, gaps=()) for a in toy.stream("cubes").axes)
    )
    big = Detector(name="big", about="", streams=(cubes,))
    rng = np.random.default_rng(0)
    n, rows = 128, 8400
    flat = np.concatenate([rng.choice(96**3, rows, replace=False) for _ in range(n)])
    columns = {
        "index": np.stack(np.unravel_index(flat, (96,) * 3), 1).astype(np.int16),
        "charge": rng.random(n * rows).astype(np.float32),
        "pixels": np.ones(n * rows, np.int32),
        "ghost": np.zeros(n * rows, np.int8),
        "kind": np.eye(3, dtype=np.float16)[rng.integers(3, size=n * rows)],
    }
    table = Table(np.arange(n + 1) * rows, columns)
    sample = Events({"cubes": table}, {}, tuple(f"1/{i}" for i in range(n)), np.arange(n))
    file = EventFile(written(tmp_path / "a.h5", big, sample))
    file.read(0, 1)
    started = time.process_time()
    for first in range(0, n, 64):
        file.read(first, first + 64)
    assert n / (time.process_time() - started) > 1500  # 10 000 on a quiet core
    assert os.path.getsize(file.path) < 60e6


def test_predictions_come_back(tmp_path):
    columns = {
        "keys": np.array(["1/2", "1/3"]),
        "weight": np.ones(2),
        "flavour/scores": np.array([[0.2, 0.8], [0.6, 0.4]], np.float32),
        "flavour/truth": np.array([1, -1], np.int8),
        "vertex/prediction": np.zeros((2, 3), np.float32),
    }
    path = tmp_path / "predictions" / "mae.h5"
    write_predictions(path, columns, {"flavour": {"classes": ["e", "mü"]}})
    back = read_predictions(path)
    assert back.attrs == {"flavour": {"classes": ["e", "mü"]}}
    assert list(back.columns) == list(columns)
    assert back.tasks == ("flavour", "vertex")
    assert len(back) == 2
    for name, values in columns.items():
        np.testing.assert_array_equal(back.columns[name], values)


def test_no_predictions_come_back(tmp_path):
    path = tmp_path / "p.h5"
    write_predictions(path, {"keys": np.array([], dtype=str), "x/scores": np.zeros((0, 3))}, {})
    assert len(read_predictions(path)) == 0
    assert read_predictions(path).columns["x/scores"].shape == (0, 3)


def test_wrong_files_of_predictions(tmp_path, path):
    with pytest.raises(EventError) as caught:
        write_predictions(tmp_path / "p.h5", {"keys": np.zeros(2), "x": np.zeros(3)}, {})
    assert str(caught.value).endswith("columns of different length: {'keys': 2, 'x': 3}")
    with pytest.raises(EventError, match=r"there is no such file$"):
        read_predictions(tmp_path / "p.h5")
    with pytest.raises(EventError, match=r"not a file of predictions of format 1$"):
        read_predictions(path)
    (tmp_path / "p.h5").write_text("no")
    with pytest.raises(EventError, match="not a whole file of predictions"):
        read_predictions(tmp_path / "p.h5")


def test_copied_files_are_the_events_appended(tmp_path, toy, sample):
    cuts = {"a": (0, 17), "b": (17, 17), "c": (17, N)}
    parts = [written(tmp_path / k, toy, sample.slice(*span)) for k, span in cuts.items()]
    with EventWriter(tmp_path / "d", toy, {}) as file:
        for part in parts:
            file.copy(EventFile(part))
    copied = EventFile(tmp_path / "d")
    same(copied.read(0, N), sample)
    np.testing.assert_array_equal(copied.splits, splits_of(sample.keys))
