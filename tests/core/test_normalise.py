import json

import numpy as np
import pytest
from attrs import evolve

from intarsia.core import normalise
from intarsia.core.events import Table
from intarsia.core.normalise import normalisation, scaled
from intarsia.core.sample import events
from intarsia.core.store import EventFile, EventWriter
from intarsia.core.streams import Column


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


def test_a_large_file_is_read_in_part(tmp_path, toy, monkeypatch):
    file = written(tmp_path / "e.h5", toy, events(toy, 500, seed=4))
    monkeypatch.setattr(normalise, "MOST", 128)
    assert normalisation(file, toy)["events"] <= 128
