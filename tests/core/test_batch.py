import pickle

import numpy as np
import pytest
import torch
import toy
from attrs import evolve

from intarsia.core.batch import GridPlan, Rows
from intarsia.core.events import Events, Table
from intarsia.core.normalise import scaled, unit_normalisation
from intarsia.core.planner import Planner
from intarsia.core.task import View

EVERYTHING = View()
MASKED = View(mask_ratio=0.75, drop=0.3, decode=0.5)


@pytest.fixture(scope="module")
def events():
    return toy.events(toy.DETECTOR, 30, seed=4)


def tensors(record):
    found = []
    record.each(lambda x: found.append(x) or x)
    return found


def identical(a, b):
    ours, theirs = tensors(a), tensors(b)
    assert len(ours) == len(theirs)
    for x, y in zip(ours, theirs, strict=True):
        assert x.dtype == y.dtype
        assert torch.equal(x.nan_to_num(), y.nan_to_num())


def test_the_same_generator_gives_the_same_batch(events):
    identical(
        toy.batch(toy.DETECTOR, events, MASKED, EVERYTHING, seed=3),
        toy.batch(toy.DETECTOR, events, MASKED, EVERYTHING, seed=3),
    )


def test_a_batch_has_truth_and_keys_of_its_events(events):
    batch = toy.batch(toy.DETECTOR, events, EVERYTHING)
    assert len(batch) == 30
    assert batch.keys == events.keys
    for name, values in events.truth.items():
        np.testing.assert_array_equal(batch.truth[name].numpy(), values)


def test_visible_and_hidden_patches_are_all_patches_once(events):
    view = View(mask_ratio=0.6)
    whole = toy.batch(toy.DETECTOR, events, EVERYTHING).plans[EVERYTHING].streams["cubes"]
    part = toy.batch(toy.DETECTOR, events, view).plans[view].streams["cubes"]
    table = events.streams["cubes"]
    assert len(part.values) + len(part.asked.values) == len(table["index"]) == len(whole.values)
    assert len(part.event) + len(part.asked.window) == len(whole.event)
    every = torch.cat([part.values, part.asked.values]).flatten().sort().values
    torch.testing.assert_close(every, whole.values.flatten().sort().values)


def test_values_are_scaled_as_declared_and_not_centred(events):
    plan = toy.batch(toy.DETECTOR, events, EVERYTHING).plans[EVERYTHING].streams["plates"]
    scale = toy.normalisation(toy.DETECTOR)["streams"]["plates"]
    table = events.streams["plates"]
    wanted = np.concatenate(
        [
            scaled(c, table[c.name]).reshape(-1, c.width) / scale[c.name]["rms"]
            for c in toy.PLATES.columns
        ],
        1,
    )
    there = np.sort(plan.values.numpy(), 0)
    np.testing.assert_allclose(there, np.sort(wanted, 0), rtol=1e-5)
    assert plan.values.dtype == torch.float32


def test_labels_go_with_their_rows(events):
    charge = events.streams["cubes"]["charge"]
    table = events.streams["cubes"]
    kinds = np.stack([charge, charge + 1, charge + 2], 1).astype(np.float16)
    changed = Table(table.offsets, {**table.columns, "kind": kinds})
    marked = evolve(events, streams={**events.streams, "cubes": changed})
    plan = toy.batch(toy.DETECTOR, marked, MASKED).plans[MASKED].streams["cubes"]
    rms = toy.normalisation(toy.DETECTOR)["streams"]["cubes"]["charge"]["rms"]
    np.testing.assert_allclose(
        np.expm1(plan.values[:, 0].numpy() * rms), plan.labels["kind"][:, 0].numpy(), rtol=2e-3
    )
    assert set(plan.labels) == {"ghost", "origin", "kind"}


def test_labels_that_a_file_lacks_are_absent(events):
    table = events.streams["cubes"]
    plain = {k: v for k, v in table.columns.items() if k in ("index", "charge")}
    bare = evolve(events, streams={**events.streams, "cubes": Table(table.offsets, plain)})
    assert not toy.batch(toy.DETECTOR, bare, MASKED).plans[MASKED].streams["cubes"].labels


def test_only_a_share_of_the_hidden_patches_is_asked_for():
    many = toy.events(toy.GRID, 200, seed=1)
    numbers = []
    for decode in (1.0, 0.3):
        view = View(mask_ratio=0.75, decode=decode)
        plan = toy.batch(toy.GRID, many, view).plans[view].streams["cubes"]
        numbers.append(len(plan.asked.window))
    assert abs(numbers[1] / numbers[0] - 0.3) < 5 * (0.21 / numbers[0]) ** 0.5


def places(plan):
    """Event, window and place of the visible patches and of those asked for."""
    asked = plan.asked
    event = asked.rows.slot // asked.rows.mask.shape[1]
    both = (plan.event, plan.window, plan.place), (event, asked.window, asked.place)
    return [list(zip(*(x.tolist() for x in columns), strict=True)) for columns in both]


def test_no_visible_patch_is_asked_for_unless_a_view_says_so():
    many = toy.events(toy.GRID, 30, seed=1)
    for ratio in (0.0, 0.75):
        view = View(mask_ratio=ratio)
        plan = toy.batch(toy.GRID, many, view).plans[view].streams["cubes"]
        visible, asked = places(plan)
        assert not set(visible) & set(asked)
        assert bool(asked) == bool(ratio)


@pytest.mark.parametrize("decode", [1.0, 0.4])
def test_a_share_of_the_visible_patches_is_asked_for_too(decode):
    many = toy.events(toy.GRID, 300, seed=1)
    view = View(mask_ratio=0.5, decode=decode, visible=0.3)
    plan = toy.batch(toy.GRID, many, view).plans[view].streams["cubes"]
    visible, asked = places(plan)
    assert len(set(asked)) == len(asked)
    known = len(set(visible) & set(asked))
    assert abs(known / len(visible) - 0.3) < 5 * (0.21 / len(visible)) ** 0.5
    whole = toy.batch(toy.GRID, many, EVERYTHING).plans[EVERYTHING].streams["cubes"]
    hidden = len(whole.event) - len(visible)
    spread = 5 * (decode * (1 - decode) / hidden) ** 0.5
    assert abs((len(asked) - known) / hidden - decode) <= spread


def test_all_patches_may_be_asked_for_with_all_their_rows(events):
    view = View(mask_ratio=0.5, visible=1.0)
    plan = toy.batch(toy.DETECTOR, events, view).plans[view].streams["cubes"]
    whole = toy.batch(toy.DETECTOR, events, EVERYTHING).plans[EVERYTHING].streams["cubes"]
    assert sorted(places(plan)[1]) == sorted(places(whole)[0])
    assert torch.equal(plan.asked.values, whole.values)
    assert torch.equal(plan.asked.cell, whole.cell)
    assert torch.equal(plan.asked.token, whole.token)


def test_patches_that_hold_nothing_are_asked_for_in_events_that_have_hits_and_that_have_none():
    many = toy.events(toy.GRID, 300, seed=1)
    view, more = View(mask_ratio=0.75), View(mask_ratio=0.75, empty=0.5)
    plain = toy.batch(toy.GRID, many, view).plans[view].streams["cubes"]
    plan = toy.batch(toy.GRID, many, more).plans[more].streams["cubes"]
    occupied = len(plain.asked.window)
    assert torch.equal(plan.asked.token, plain.asked.token)  # rows of the occupied ones alone
    _, asked = places(plan)
    assert asked[:occupied] == places(plain)[1]
    empty = asked[occupied:]
    whole = toy.batch(toy.GRID, many, EVERYTHING).plans[EVERYTHING].streams["cubes"]
    assert not set(empty) & set(places(whole)[0])
    assert len(set(empty)) == len(empty)
    per_event = np.bincount([a[0] for a in asked[:occupied]], minlength=300)
    drawn = np.bincount([e[0] for e in empty], minlength=300)
    assert (drawn <= 0.5 * np.maximum(per_event, 1) + 1).all()
    without = many.streams["cubes"].counts == 0
    assert without.any()
    assert abs(drawn[without].mean() - 0.5) < 5 * 0.5 / without.sum() ** 0.5
    windows, fill = np.prod(toy.GRID.streams[0].windows), np.prod(toy.GRID.streams[0].window)
    assert {w for _, w, _ in empty} <= set(range(windows))
    assert {p for _, _, p in empty} <= set(range(fill))


def test_what_is_visible_does_not_depend_on_what_is_asked_for(events):
    plans = []
    for view in (View(mask_ratio=0.5), View(mask_ratio=0.5, decode=0.2, visible=0.7, empty=1)):
        plans.append(toy.batch(toy.DETECTOR, events, view).plans[view].streams["cubes"])
    assert torch.equal(plans[0].patch, plans[1].patch)
    assert torch.equal(plans[0].values, plans[1].values)


def test_streams_of_one_token_are_dropped_at_the_rate_of_the_view():
    many = toy.events(toy.PLAIN, 2000, seed=1)
    view = View(drop=0.3)
    streams = toy.batch(toy.PLAIN, many, view).plans[view].streams
    tracks = len(streams["muon"].shown) / 2000
    arrays = len(streams["calo"].shown) / len(streams["calo"].event)
    assert abs(tracks - 0.7) < 0.05
    assert abs(arrays - 0.7) < 0.05
    assert len(streams["calo"].values) == (many.streams["calo"].counts > 0).sum()


def test_latents_are_the_query_then_summaries_and_keys_the_tokens(events):
    plan = toy.batch(toy.DETECTOR, events, EVERYTHING).plans[EVERYTHING]
    grids = [s for s in plan.streams.values() if isinstance(s, GridPlan)]
    owners = torch.cat([torch.arange(30), *(g.summary_event for g in grids)])
    length = plan.latents.mask.shape[1]
    assert torch.equal(plan.latents.slot // length, owners)
    assert torch.equal(plan.latents.slot[:30], torch.arange(30) * length)
    keys = torch.cat([s.owner for s in plan.streams.values()])
    assert torch.equal(plan.keys.slot // plan.keys.mask.shape[1], keys)


def test_missing_points_count_as_not_hit_and_missing_columns_as_average():
    events = toy.events(toy.PLAIN, 10, seed=1)
    table = events.streams["muon"]
    p = table["p"].copy()
    p[0] = np.nan
    changed = Table(table.offsets, {**table.columns, "p": p})
    gap = evolve(events, streams={**events.streams, "muon": changed})
    plan = toy.batch(toy.PLAIN, gap, EVERYTHING).plans[EVERYTHING].streams["muon"]
    np.testing.assert_array_equal(plan.hit.numpy(), np.isfinite(table["hit"]).all(-1))
    assert (plan.columns[0] == 0).all()
    assert (plan.points[~plan.hit] == 0).all()
    first = table.offsets[:-1][table.counts > 0]
    assert plan.leading.tolist() == first.tolist()


@pytest.mark.parametrize("detector", [toy.DETECTOR, toy.GRID, toy.PLAIN], ids=lambda d: d.name)
@pytest.mark.parametrize("n", [0, 1, 3])
@pytest.mark.parametrize("view", [EVERYTHING, MASKED], ids=["all", "masked"])
def test_events_without_any_row_are_planned(detector, n, view):
    streams = {s.name: Table.empty(s.layout, n) for s in detector.streams}
    keys = tuple(f"0/{i}" for i in range(n))
    bare = Events(streams, {}, keys, np.arange(n))
    batch = toy.batch(detector, bare, view)
    assert len(batch) == n
    assert batch.plans[view].latents.mask.shape == (n, 1)
    assert torch.isfinite(toy.encoder(detector)(batch.plans[view]).pooled()).all()


def test_a_batch_moves_as_a_whole(events):
    batch = toy.batch(toy.DETECTOR, events, MASKED)
    moved = batch.to("meta")
    assert all(x.is_meta for x in tensors(moved))
    assert len(tensors(moved)) == len(tensors(batch)) > 60
    assert moved.keys == batch.keys


def test_a_batch_and_its_planner_survive_pickling(events):
    batch = toy.batch(toy.DETECTOR, events, MASKED)
    identical(pickle.loads(pickle.dumps(batch)), batch)
    planner = toy.planner(toy.DETECTOR)
    again = pickle.loads(pickle.dumps(planner))
    identical(again(events, (MASKED,), np.random.default_rng(0)), batch)


def test_a_batch_is_sent_as_one_tensor_of_each_type(events):
    batch = toy.batch(toy.DETECTOR, events, MASKED)
    _, (_, sent) = batch.__reduce__()
    assert {x.dtype for x in tensors(batch)} == sent.keys()
    assert sum(map(len, sent.values())) == sum(x.numel() for x in tensors(batch))


def test_rows_of_nothing_have_one_slot_per_event():
    rows = Rows.of([np.zeros(0, np.int64)], 3)
    assert rows.mask.tolist() == [[True]] * 3
    assert len(rows.slot) == 0


def test_numbers_beside_each_other_take_a_width_each():
    model, one = toy.MODEL, unit_normalisation(toy.DETECTOR)
    planner = Planner(detector=toy.DETECTOR, model=model, normalisation=one)
    events = toy.events(toy.DETECTOR, 3)
    plan = planner.plan(events, EVERYTHING, np.random.default_rng(0))
    assert plan.streams["plates"].values.shape[1] == 4
    assert plan.streams["muon"].points.shape[1:] == (4, 3)
    assert plan.streams["calo"].values.shape[1] == 12
