import json

import numpy as np
import pytest
from attrs import evolve

from intarsia.core import normalise
from intarsia.core.events import Table, cumulated
from intarsia.core.normalise import logarithmic, normalisation, scaled, unit_normalisation
from intarsia.core.sample import events
from intarsia.core.store import EventFile, EventWriter
from intarsia.core.streams import Column, Label


def written(path, detector, sample):
    with EventWriter(path, detector, {}) as file:
        file.append(sample)
    return EventFile(path)


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        ("identity", [-3.0, 0.0, 8.0]),
        ("log1p", [-np.log(4), 0.0, np.log(9)]),
        ("sqrt", [-np.sqrt(3), 0.0, np.sqrt(8)]),
    ],
)
def test_scales_keep_the_sign(scale, expected):
    column = Column(name="q", unit="1", scale=scale)
    np.testing.assert_allclose(scaled(column, np.array([-3.0, 0.0, 8.0])), expected, rtol=1e-12)
    assert np.isnan(scaled(column, np.array([np.nan])))[0]


def test_numbers_are_those_of_the_training_split(tmp_path, toy):
    sample = events(toy, 300, seed=4)
    file = written(tmp_path / "e.h5", toy, sample)
    result = normalisation(file, toy)
    train = sample.take(np.flatnonzero(file.splits == 0))
    assert result["events"] == len(train)
    charge = np.log1p(train.streams["cubes"]["charge"].astype(float))
    expected = {"mean": charge.mean(), "std": charge.std(), "rms": np.sqrt((charge**2).mean())}
    assert result["streams"]["cubes"]["charge"] == pytest.approx(expected, rel=1e-9)
    hit = train.streams["muon"]["hit"].reshape(-1, 3).astype(float)
    np.testing.assert_allclose(result["streams"]["muon"]["hit"]["mean"], np.nanmean(hit, 0))
    np.testing.assert_allclose(result["streams"]["muon"]["hit"]["std"], np.nanstd(hit, 0))
    vertex = train.truth["vertex"].astype(float)
    np.testing.assert_allclose(result["truth"]["vertex"]["median"], np.median(vertex, 0))
    assert set(result["truth"]) == {"vertex", "energy"}
    assert isinstance(result["truth"]["energy"]["std"], float)


def test_numbers_survive_json(tmp_path, toy):
    result = normalisation(written(tmp_path / "e.h5", toy, events(toy, 30, seed=4)), toy)
    assert json.loads(json.dumps(result)) == result


def test_nothing_gives_mean_zero_and_width_one(tmp_path, toy):
    sample = events(toy, 20, seed=4)
    empty = {s.name: Table.empty(s.layout, 20) for s in toy.streams}
    unknown = {**sample.truth, "energy": np.full(20, np.nan, np.float32)}
    file = written(tmp_path / "e.h5", toy, evolve(sample, streams=empty, truth=unknown))
    result = normalisation(file, toy)
    assert result["streams"]["cubes"]["charge"] == {"mean": 0.0, "std": 1.0, "rms": 1.0}
    assert result["truth"]["energy"] == {"mean": 0.0, "std": 1.0, "median": 0.0}


def test_a_constant_column_has_width_one(tmp_path, toy):
    sample = events(toy, 20, seed=4)
    table = sample.streams["cubes"]
    constant = {**table.columns, "charge": np.full(len(table["charge"]), 0.3, np.float32)}
    streams = {**sample.streams, "cubes": evolve(table, columns=constant)}
    result = normalisation(written(tmp_path / "e.h5", toy, evolve(sample, streams=streams)), toy)
    assert result["streams"]["cubes"]["charge"]["std"] == 1.0


def test_real_data_without_truth_has_no_truth_numbers(tmp_path, toy):
    sample = evolve(events(toy, 20, seed=4), truth={})
    assert normalisation(written(tmp_path / "e.h5", toy, sample), toy)["truth"] == {}


def test_other_splits_have_no_influence(tmp_path, toy):
    sample = events(toy, 200, seed=4)
    file = written(tmp_path / "one.h5", toy, sample)
    train = file.splits == 0
    changed = {}
    for name, table in sample.streams.items():
        other = ~train[table.event]
        columns = dict(table.columns)
        for column in (*toy.stream(name).columns, *getattr(toy.stream(name), "points", ())):
            columns[column.name] = columns[column.name].copy()
            columns[column.name][other] = 1e6
        changed[name] = evolve(table, columns=columns)
    truth = {k: v.copy() for k, v in sample.truth.items()}
    for values in truth.values():
        values[~train] = 1 if values.dtype == np.int8 else 1e6
    other = written(tmp_path / "two.h5", toy, evolve(sample, streams=changed, truth=truth))
    assert (other.splits == file.splits).all()
    assert 0 < train.sum() < 200
    assert normalisation(other, toy) == normalisation(file, toy)


def test_no_more_than_a_block_of_events_is_held(tmp_path, toy, monkeypatch):
    file = written(tmp_path / "e.h5", toy, events(toy, 300, seed=4))
    held = []

    def take(self, numbers, labels=True, real=EventFile.take):
        held.append(len(numbers))
        assert not labels
        return real(self, numbers, labels=labels)

    monkeypatch.setattr(EventFile, "take", take)
    monkeypatch.setattr(normalise, "_BLOCK", 16)
    assert normalisation(file, toy)["events"] == sum(held)
    assert max(held) == 16


def test_the_size_of_blocks_changes_nothing_but_rounding(tmp_path, toy, monkeypatch):
    file = written(tmp_path / "e.h5", toy, events(toy, 150, seed=4))
    found = []
    for size in (1, 7, 1000):
        monkeypatch.setattr(normalise, "_BLOCK", size)
        found.append(normalisation(file, toy)["streams"])
    for stream, columns in found[0].items():
        for column, numbers in columns.items():
            for key, value in numbers.items():
                for other in found[1:]:
                    np.testing.assert_allclose(other[stream][column][key], value, rtol=1e-12)


def test_a_spread_small_against_the_mean_is_not_lost(tmp_path, toy):
    """Points of tracks lie ten metres away and are known to a tenth of a millimetre."""
    sample = events(toy, 100, seed=4)
    table = sample.streams["muon"]
    hit = np.random.default_rng(0).normal(1e4, 0.1, table["hit"].shape).astype(np.float32)
    streams = {**sample.streams, "muon": evolve(table, columns={**table.columns, "hit": hit})}
    file = written(tmp_path / "e.h5", toy, evolve(sample, streams=streams))
    train = (file.splits == 0)[table.event]
    wanted = hit[train].astype(np.float64).reshape(-1, 3).std(0)
    result = normalisation(file, toy)["streams"]["muon"]["hit"]["std"]
    np.testing.assert_allclose(result, wanted, rtol=1e-9)


def test_momenta_have_the_scales_of_their_logarithms(tmp_path, toy):
    label = Label(name="p", unit="GeV/c", width=3, moves="vector")
    detector = evolve(toy, truth=(*toy.truth, label))
    rng = np.random.default_rng(1)
    p = (rng.normal(0, 1, (80, 3)) * np.exp(rng.normal(0, 1, (80, 1)))).astype(np.float32)
    p[3] = np.nan
    sample = events(toy, 80, seed=4)
    file = written(tmp_path / "e.h5", detector, evolve(sample, truth={**sample.truth, "p": p}))
    result = normalisation(file, detector)["truth"]["p"]
    train = p[file.splits == 0].astype(np.float64)
    train = train[np.isfinite(train[:, 0])]
    sizes = {"transverse": np.sqrt(train[:, 0] ** 2 + train[:, 1] ** 2), "along": train[:, 2]}
    for part, x in sizes.items():
        k = 1.4826 * np.median(abs(x - np.median(x)))
        u = np.where(x < 0, -1, 1) * np.log(1 + abs(x) / k)
        m = np.median(u)
        wanted = {"unit": k, "median": m, "width": 1.4826 * np.median(abs(u - m))}
        assert result[part] == pytest.approx(wanted, rel=1e-9), part
    assert unit_normalisation(detector)["truth"]["p"].keys() == result.keys()


def test_logarithms_of_nothing_and_of_a_constant_have_width_one():
    assert logarithmic(np.full(3, np.nan)) == {"unit": 1.0, "median": 0.0, "width": 1.0}
    constant = logarithmic(np.full(5, 2.0))
    assert constant == {"unit": 1.0, "median": pytest.approx(np.log(3)), "width": 1.0}


def test_an_element_that_measured_nothing_counts_and_an_absent_array_does_not(tmp_path, toy):
    """Towers below threshold are zeros; an event without the array is no row at all."""
    n = 40
    charge = np.zeros((n - 10, 3, 4), np.float32)
    charge[:, 0, 0] = 9.0
    counts = np.ones(n, np.int64)
    counts[:10] = 0
    table = Table(cumulated(counts), {"charge": charge})
    sample = events(toy, n, seed=4)
    streams = {**sample.streams, "calo": table}
    file = written(tmp_path / "e.h5", toy, evolve(sample, streams=streams))
    found = normalisation(file, toy)["streams"]["calo"]["charge"]
    values = np.log([10.0] + 11 * [1.0])  # of twelve elements one has 9 MeV
    assert found["mean"] == pytest.approx(values.mean())
    assert found["std"] == pytest.approx(values.std())
