import time

import numpy as np
import pytest
from attrs import evolve, frozen
from sklearn.linear_model import LogisticRegression

from intarsia.core.detector import Detector
from intarsia.core.events import Events, checked
from intarsia.core.sample import events
from intarsia.core.streams import Column


def same(a: Events, b: Events) -> None:
    assert a.keys == b.keys
    np.testing.assert_array_equal(a.group, b.group)
    assert a.streams.keys() == b.streams.keys()
    assert a.truth.keys() == b.truth.keys()
    for name, values in a.truth.items():
        assert values.dtype == b.truth[name].dtype
        np.testing.assert_array_equal(values, b.truth[name])
    for name, table in a.streams.items():
        np.testing.assert_array_equal(table.offsets, b.streams[name].offsets)
        assert table.columns.keys() == b.streams[name].columns.keys()
        for column, values in table.columns.items():
            assert values.dtype == b.streams[name][column].dtype
            np.testing.assert_array_equal(values, b.streams[name][column])


@pytest.fixture(scope="module")
def many(toy):
    return events(toy, 1000, seed=1)


def test_events_are_what_the_detector_declares(toy, many):
    checked(many, toy)
    for stream in toy.streams:
        for name, (dtype, _) in stream.layout.items():
            assert many.streams[stream.name][name].dtype == dtype


def test_an_event_depends_on_the_seed_and_its_number_alone(toy, many):
    same(events(toy, 5, seed=1, first=17), many.slice(17, 22))
    assert not np.array_equal(events(toy, 5, seed=2).truth["vertex"], many.truth["vertex"][:5])


def test_no_events_are_no_events(toy):
    none = events(toy, 0, seed=1)
    checked(none, toy)
    assert len(none) == 0


def test_rare_but_legal_events_come(many):
    hits = many.streams["cubes"].counts
    assert (hits == 0).any()
    assert (hits == 1).any()
    assert set(many.streams["calo"].counts) == {0, 1}
    assert set(many.streams["muon"].counts) == {0, 1, 2, 3}
    assert np.isnan(many.streams["muon"]["hit"]).any()


def test_soft_labels_sum_to_one_or_are_unknown(many):
    shares = many.streams["cubes"]["kind"].astype(float).sum(1)
    known = np.isfinite(shares)
    np.testing.assert_allclose(shares[known], 1.0, atol=2e-3)
    assert 0 < (~known).mean() < 0.2


def test_the_class_shows_in_the_events(many):
    table = many.streams["cubes"]
    charge = np.bincount(table.event, table["charge"], minlength=len(many))
    x = np.log1p(np.stack([charge, table.counts], axis=1))
    truth = many.truth["flavour"]
    model = LogisticRegression().fit(x[:700], truth[:700])
    assert model.score(x[700:], truth[700:]) > 0.5  # a third by chance


def test_the_start_lies_among_the_hits(toy, many):
    table, grid = many.streams["cubes"], toy.stream("cubes")
    full = np.flatnonzero(table.counts > 5)
    at = np.stack([a.centres[i] for a, i in zip(grid.axes, table["index"].T, strict=True)], axis=1)
    for b in full[:100]:
        rows = at[table.offsets[b] : table.offsets[b + 1]]
        nearest = np.linalg.norm(rows - many.truth["vertex"][b], axis=1).min()
        assert nearest < 15.0  # the half diagonal of a cube, and of the gap


def test_a_detector_without_truth_or_grid_has_events_too(toy):
    bare = Detector(name="bare", about="", streams=(evolve(toy.stream("cloud"), labels=()),))
    checked(events(bare, 20, seed=3), bare)


def test_five_hundred_events_a_second_and_more(toy):
    small = Detector(name="small", about="", streams=(toy.stream("cubes"),), truth=toy.truth)
    started = time.process_time()
    events(small, 300, seed=1)
    assert 300 / (time.process_time() - started) > 500


@frozen(kw_only=True)
class Waveform:
    name: str
    columns: tuple[Column, ...]

    @property
    def layout(self):
        return {"samples": ("int32", (5,))}


def test_a_kind_of_stream_that_a_plugin_adds_has_rows(toy):
    wave = Waveform(name="pmt", columns=(Column(name="samples", unit="ADC", width=5),))
    made = events(evolve(toy, streams=(wave,)), 50, seed=1)
    assert made.streams["pmt"]["samples"].shape == (made.streams["pmt"].offsets[-1], 5)
    assert made.streams["pmt"]["samples"].dtype == np.int32
