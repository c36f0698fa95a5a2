"""What holds for every registered detector, and for the toys that stand for others to come."""

import pickle

import numpy as np
import pytest
import torch
import toy
from attrs import evolve

from intarsia.core import sample
from intarsia.core.augment import augmented, mirrored
from intarsia.core.conformance import check_plugin, encoded, small
from intarsia.core.crop import describe, inside, start
from intarsia.core.detector import Augmentation, declaration, difference
from intarsia.core.dotted import load
from intarsia.core.events import Events, Table, checked, cumulated
from intarsia.core.plugins import registry
from intarsia.core.streams import PointCloud, VoxelGrid

REGISTRY = registry()
TOYS = (toy.DETECTOR, toy.GRID, toy.PLAIN)
DETECTORS = [*map(REGISTRY.detector, REGISTRY.names("detectors")), *TOYS]

every = pytest.mark.parametrize("detector", DETECTORS, ids=lambda d: d.name)


def pooled(detector, *events):
    encoder, planner = small(REGISTRY, detector)
    encoder.eval()
    with torch.no_grad():
        return [encoded(encoder, planner, e).pooled() for e in events]


def close(a, b):
    torch.testing.assert_close(a, b, atol=2e-5, rtol=1e-4)


@every
def test_readers_are_there_under_the_names_declared(detector):
    for reader in detector.readers:
        assert callable(load(reader.open))
        assert not reader.claims or callable(load(reader.claims))
        assert all(suffix.startswith(".") for suffix in reader.suffixes)
        assert reader.about


def test_detectors_that_ship_are_found():
    assert not REGISTRY.broken
    assert len(set(REGISTRY.names("detectors"))) == len(DETECTORS) - len(TOYS)


@every
def test_the_declaration_is_consistent(detector):
    assert detector.about
    assert not detector.about.endswith(".")
    names = [s.name for s in detector.streams]
    assert len(set(names)) == len(names)
    truth = [t.name for t in detector.truth]
    assert len(set(truth)) == len(truth)
    for stream in detector.streams:
        columns = [c.name for c in (*stream.columns, *getattr(stream, "points", ()))]
        labels = [label.name for label in stream.labels]
        assert len(set(columns + labels)) == len(columns + labels)
        assert set(columns + labels) <= set(stream.layout)
        if isinstance(stream, VoxelGrid):
            patch, window, shape = map(np.array, (stream.patch, stream.window, stream.shape))
            np.testing.assert_array_equal(np.array(stream.windows) * window * patch, shape)
            for axis in stream.axes:
                assert (np.diff(axis.lower) >= axis.pitch * (1 - 1e-9)).all()
    assert difference(declaration(detector), declaration(detector)) == ""


@every
def test_augmented_events_are_events_of_the_detector(detector):
    """Shapes, types, ranges, keys and groups are kept; what is given is not touched."""
    events = sample.events(detector, 12, seed=7)
    before = pickle.dumps(events)
    for seed in range(3):
        now = augmented(events, detector, detector.augmentations, np.random.default_rng(seed))
        checked(now, detector)
        assert now.keys == events.keys
        np.testing.assert_array_equal(now.group, events.group)
        for name, table in now.streams.items():
            kinds = {k: v.dtype for k, v in table.columns.items()}
            assert kinds == {k: v.dtype for k, v in events.streams[name].columns.items()}
    assert pickle.dumps(events) == before


@every
def test_mirrors_turn_every_column_that_is_declared_to_move(detector):
    events = sample.events(detector, 12, seed=8)
    for mirror in (a for a in detector.augmentations if a.kind == "mirror"):
        now = mirrored(events, detector, mirror.axis, np.ones(12, bool))
        again = mirrored(now, detector, mirror.axis, np.ones(12, bool))
        a = "xyz".index(mirror.axis)
        for stream in detector.streams:
            table, seen = events.streams[stream.name], now.streams[stream.name]
            for c in (*stream.columns, *getattr(stream, "points", ()), *stream.labels):
                if c.moves == "vector":
                    np.testing.assert_array_equal(seen[c.name][..., a], -table[c.name][..., a])
                turned = again.streams[stream.name][c.name]
                np.testing.assert_allclose(turned, table[c.name], rtol=1e-5, atol=1e-3)


def cropped(detector, n, seed):
    """Random events whose crops and contexts are those of hits, every third too long for its crop.

    Also the hits of each that lie outside, index (m, 3) in the whole detector and charge (m,).
    """
    crop, rng = detector.crop, np.random.default_rng(seed)
    grid, context = detector.stream(crop.stream), detector.stream(crop.context)
    charge, cells = grid.columns[0].name, np.array([a.n for a in crop.axes])
    rows = {k: [] for k in ("index", charge, *context.layout)}
    counts, outside = [], []
    for b in range(n):
        size = np.where([b % 3 == 2, False, False], grid.shape[0] + 30, 20)
        index = np.unique(rng.integers(cells - size) + rng.integers(0, size, (60, 3)), axis=0)
        light = rng.exponential(5.0, len(index)).astype(np.float32)
        first = start(index, light, grid.shape)
        kept = inside(index, first, grid.shape)
        counts.append(kept.sum())
        outside.append((index[~kept], light[~kept]))
        row = {"index": (index - first)[kept], charge: light[kept]}
        for name, values in (row | describe(index, light, first, grid.shape, crop.axes)).items():
            rows[name].append(values)
    made = {k: np.concatenate(v) for k, v in rows.items()}
    table = Table(cumulated(counts), {k: made[k] for k in ("index", charge)})
    where = Table(np.arange(n + 1), {k: made[k] for k in context.layout})
    drawn = sample.events(detector, n, seed)
    return evolve(drawn, streams={**drawn.streams, grid.name: table, context.name: where}), outside


@every
def test_the_context_of_a_crop_follows_its_hits(detector):
    """Augmented, then described, is described, then augmented."""
    if (crop := detector.crop) is None:
        pytest.skip("shows whole events")
    grid = detector.stream(crop.stream)
    before, outside = cropped(detector, 12, seed=4)
    noise = Augmentation(kind="noise", streams=(grid.name,), size=0.002)
    own = (*(a for a in detector.augmentations if a.kind != "mirror"), noise)
    for steps in ((*detector.augmentations, noise), *((a,) for a in own)):
        now = augmented(before, detector, steps, np.random.default_rng(5))
        pitch, corner = (np.array([getattr(a, k) for a in crop.axes]) for k in ("pitch", "start"))
        for event, old, (index, light) in zip(now, before, outside, strict=True):
            found = event.streams[crop.context].columns
            first = (found["centre"][0] - corner) / pitch - 0.5 * np.array(grid.shape)
            hits = event.streams[grid.name]
            places = np.rint(first).astype(np.int64) + hits["index"]
            charge = hits[grid.columns[0].name]
            if len(index) and steps[0].kind in ("mirror", "charge_scale"):
                continue  # these change the hits outside as well
            whole = np.concatenate([places, index]), np.concatenate([charge, light])
            expected = describe(*whole, np.rint(first).astype(int), grid.shape, crop.axes)
            for name, value in expected.items():
                if len(index) and name in ("extent", "clearance"):
                    value = old.streams[crop.context][name]
                np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-6, err_msg=name)
    assert any(len(index) for index, _ in outside)


@every
def test_events_of_the_declaration_pass_every_check(detector):
    for seed in range(3):
        checked(sample.events(detector, 12, seed), detector)


@every
def test_the_conformance_kit_finds_no_fault(detector):
    if detector in TOYS:
        pytest.skip("not registered; tests/core/test_conformance.py checks it")
    assert len(list(check_plugin(REGISTRY, [detector.name]))) == 4


@every
def test_encodings_are_finite_and_tell_events_apart(detector):
    events = sample.events(detector, 8, seed=1)
    (out,) = pooled(detector, events)
    assert torch.isfinite(out).all()
    assert len(torch.unique(out.round(decimals=5), dim=0)) == 8


@every
def test_an_event_alone_encodes_as_in_a_batch(detector):
    events = sample.events(detector, 8, seed=2)
    together, *alone = pooled(detector, events, *events)
    close(together, torch.cat(alone))


@every
def test_the_order_of_rows_does_not_matter(detector):
    if any(isinstance(s, PointCloud) for s in detector.streams):
        pytest.skip("the groups of a point cloud may depend on the order of its rows")
    events = sample.events(detector, 6, seed=3)
    close(*pooled(detector, events, toy.shuffled_rows(events)))


@every
def test_empty_and_one_hit_events_encode_as_in_a_batch(detector):
    events = sample.events(detector, 3, seed=4)
    names = [s.name for s in detector.streams]
    parts = [
        events[0],
        checked(toy.no_rows(events[1], detector, *names), detector),
        checked(toy.one_row(events[2]), detector),
    ]
    together, *alone = pooled(detector, Events.collate(parts), *parts)
    assert torch.isfinite(together).all()
    close(together, torch.cat(alone))


@every
def test_each_stream_may_be_absent_and_leaves_the_other_events_as_they_are(detector):
    events = sample.events(detector, 4, seed=5)
    (whole,) = pooled(detector, events)
    for stream in detector.streams:
        gone = checked(toy.no_rows(events[0], detector, stream.name), detector)
        mixed = Events.collate([gone, events.slice(1, 4)])
        everywhere = toy.no_rows(events, detector, stream.name)
        out, alone, none = pooled(detector, mixed, gone, everywhere)
        assert torch.isfinite(none).all()
        close(out[1:], whole[1:])
        close(out[:1], alone)
        close(none[:1], alone)
        if events.streams[stream.name].counts[0]:
            assert not torch.allclose(out[0], whole[0], atol=1e-6), stream.name
