import os
from multiprocessing import active_children

import numpy as np
import pytest
import torch
import toy
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from test_batch import identical

from intarsia.core.data import CACHED, Order, draws, loader
from intarsia.core.detector import Augmentation
from intarsia.core.signals import ENDING
from intarsia.core.store import EventFile, EventWriter
from intarsia.core.task import View

ALL = View()
MASKED = View(mask_ratio=0.5)
SOMETIMES = View(mask_ratio=0.25, probability=0.5)

orders = st.builds(
    Order,
    batch=st.integers(1, 20),
    block=st.integers(1, 16),
    buffer=st.integers(1, 4),
    lanes=st.integers(1, 4),
)
selections = st.builds(
    lambda n, seed: np.sort(np.random.default_rng(seed).choice(300, n, replace=False)),
    st.integers(0, 150),
    st.integers(0, 2**31),
)


@given(orders, selections, st.integers(0, 2**31))
@settings(max_examples=200, deadline=None)
def test_a_shuffled_epoch_has_every_event_at_most_once(order, events, seed):
    batches = order.batches(events, np.random.default_rng(seed))
    found = np.concatenate([*batches, np.zeros(0)])
    assert len(np.unique(found)) == len(found)
    assert set(found) <= set(events)
    if len(events) < order.batch:
        assert len(batches) == min(1, len(events))
    else:
        assert {len(b) for b in batches} == {order.batch}


@given(orders, selections)
@settings(max_examples=200, deadline=None)
def test_every_epoch_has_the_same_number_of_batches(order, events):
    numbers = {len(order.batches(events, np.random.default_rng(s))) for s in range(6)}
    assert len(numbers) == 1


@given(orders, selections)
@settings(max_examples=200, deadline=None)
def test_a_shuffled_epoch_leaves_out_less_than_a_batch_a_lane(order, events):
    batches = order.batches(events, np.random.default_rng(0))
    left = len(events) - sum(map(len, batches))
    assert left < order.batch * order.lanes


@given(orders, selections)
@settings(max_examples=50, deadline=None)
def test_an_unshuffled_epoch_has_all_events_in_order(order, events):
    plain = evolve(order, shuffle=False)
    batches = plain.batches(events, np.random.default_rng(0))
    np.testing.assert_array_equal(np.concatenate([*batches, np.zeros(0, np.int64)]), events)
    assert all(len(b) == order.batch for b in batches[:-1])


def test_the_order_follows_from_the_generator():
    order, events = Order(batch=8, block=4, buffer=4), np.arange(200)
    a, b, c = (order.batches(events, np.random.default_rng(s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert (np.array(a) != np.array(c)).any()


def test_events_are_shuffled_across_the_blocks_of_a_buffer():
    order, events = Order(batch=32, block=16, buffer=4), np.arange(640)
    batches = order.batches(events, np.random.default_rng(0))
    blocks = [len(np.unique(b // 16)) for b in batches]
    assert all(2 <= n <= 8 for n in blocks)
    assert np.mean(blocks) > 3


def test_lanes_take_turns_and_read_blocks_of_their_own():
    order, events = Order(batch=8, block=16, buffer=2, lanes=2), np.arange(512)
    batches = order.batches(events, np.random.default_rng(0))
    blocks = [{int(b) for batch in batches[i::2] for b in batch // 16} for i in (0, 1)]
    assert len(batches) == 64
    assert len(blocks[0] & blocks[1]) <= 2


def test_draws_depend_on_every_number_and_word():
    keys = [(0, "a", 1), (0, "a", 2), (0, "b", 1), (1, "a", 1), (0, "a"), (0, "ab", 1)]
    values = {draws(*k).random() for k in keys}
    assert len(values) == len(keys)
    assert draws(0, "a", 1).random() == draws(0, "a", 1).random()


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return toy.written(tmp_path_factory.mktemp("data") / "e.h5", toy.DETECTOR, 150)


def sample(file, views=(MASKED,), **settings):
    return toy.sample_of(file, toy.DETECTOR, views, **settings)


def test_a_batch_holds_the_events_planned_for_it(file):
    epoch = sample(file).epoch(3)
    for i in range(len(epoch)):
        assert set(epoch[i].keys) == {file.keys[e] for e in epoch.batches[i]}


def test_an_unshuffled_sample_gives_its_events_in_order(file):
    events = np.array([2, 3, 5, 17, 40, 41, 90, 120, 121, 149])
    whole = sample(file, events=events, shuffle=False, batch=4)
    keys = [k for i in range(3) for k in whole.epoch(0)[i].keys]
    assert keys == [file.keys[e] for e in events]


def test_the_truth_of_a_batch_is_that_of_its_events(file):
    batch = sample(file).epoch(0)[2]
    where = [file.keys.index(k) for k in batch.keys]
    np.testing.assert_array_equal(batch.truth["vertex"], file.truth["vertex"][where])


def test_a_sample_of_some_events_gives_no_others(file):
    events = np.arange(0, 150, 3)
    epoch = sample(file, events=events).epoch(1)
    found = {file.keys.index(k) for i in range(len(epoch)) for k in epoch[i].keys}
    assert found <= set(events.tolist())
    assert len(found) == 48


def test_batches_are_the_same_however_they_are_reached(file):
    """Alone, in another order or after others: an epoch keeps blocks in memory."""
    forward, backward = sample(file).epoch(2), sample(file).epoch(2)
    ours = [forward[i] for i in range(len(forward))]
    theirs = [backward[i] for i in reversed(range(len(backward)))]
    for a, b in zip(ours, reversed(theirs), strict=True):
        assert a.keys == b.keys
        identical(a, b)


def test_epochs_differ_and_repeat(file):
    one, two, again = (sample(file).epoch(n)[0] for n in (0, 1, 0))
    assert one.keys == again.keys != two.keys
    identical(one, again)
    same_keys = sample(file, shuffle=False)
    masks = [same_keys.epoch(n)[0].plans[MASKED].streams["cubes"] for n in (0, 1)]
    assert masks[0].patch.tolist() != masks[1].patch.tolist()


def test_stages_and_seeds_differ(file):
    base = sample(file)
    keys = {s.epoch(0)[0].keys for s in (base, evolve(base, purpose="x"), evolve(base, seed=1))}
    assert len(keys) == 3


def test_ranks_share_out_the_batch_of_one(file):
    whole = sample(file).epoch(1)
    parts = [sample(file, rank=r, world=3).epoch(1) for r in range(3)]
    assert len({len(p) for p in (whole, *parts)}) == 1
    for i in range(len(whole)):
        keys = [k for p in parts for k in p[i].keys]
        assert sorted(keys) == sorted(whole[i].keys)
        assert len(set(keys)) == len(keys)


def test_ranks_mask_differently(file):
    parts = [sample(file, rank=r, world=2).epoch(1)[0] for r in range(2)]
    draws_of = [p.plans[MASKED].streams["cubes"].event.tolist() for p in parts]
    assert draws_of[0] != draws_of[1]


def test_a_view_takes_part_on_all_ranks_or_on_none(file):
    views = (MASKED, SOMETIMES)
    parts = [sample(file, views, rank=r, world=2, batch=2).epoch(0) for r in range(2)]
    drawn = [[SOMETIMES in p[i].plans for i in range(len(p))] for p in parts]
    assert drawn[0] == drawn[1]
    assert all(MASKED in parts[0][i].plans for i in range(len(parts[0])))
    assert 0.3 < np.mean(drawn[0]) < 0.7


def test_a_rank_may_have_no_event_of_the_last_batch(file):
    events = np.arange(9)
    parts = [
        sample(file, events=events, shuffle=False, batch=8, rank=r, world=2).epoch(0)
        for r in range(2)
    ]
    assert [len(p[1]) for p in parts] == [1, 0]


def test_augmented_events_are_those_of_the_same_batches(file):
    """Order and keys are the same with and without; truth and hits are not, and repeat."""
    mirror = (Augmentation(kind="mirror", axis="y"),)
    detector = evolve(toy.DETECTOR, streams=(toy.CUBES, toy.CALO), augmentations=mirror)
    planner = evolve(toy.planner(toy.DETECTOR), detector=detector)
    settings = {"planner": planner, "views": (ALL,), "augment": mirror}
    plain = toy.sample_of(file, detector, **settings | {"augment": ()}).epoch(0)
    epochs = [toy.sample_of(file, detector, **settings).epoch(n) for n in (0, 0, 1)]
    for i in range(len(plain)):
        a, b, c = plain[i], epochs[0][i], epochs[1][i]
        assert a.keys == b.keys == c.keys
        identical(b, c)
        moved = (a.truth["vertex"] != b.truth["vertex"]).numpy()
        assert moved[:, 1].any()
        assert not moved[:, [0, 2]].any()
        assert not moved.all(0)[1]
    flips = [
        {
            k: float(y)
            for i in range(len(e))
            for k, y in zip(e[i].keys, e[i].truth["vertex"][:, 1], strict=True)
        }
        for e in epochs[1:]
    ]
    assert any(flips[0][k] != flips[1].get(k, flips[0][k]) for k in flips[0])


@pytest.mark.parametrize("views", [(MASKED,), (MASKED, SOMETIMES)], ids=["one", "two"])
def test_workers_make_the_same_batches_as_the_process_itself(file, views):
    here = list(loader(sample(file, views, lanes=1).epoch(1), 0, pin=False))
    there = list(loader(sample(file, views, lanes=1).epoch(1), 1, pin=False))
    assert len(here) == len(there) == 18
    for a, b in zip(here, there, strict=True):
        assert a.keys == b.keys
        assert a.plans.keys() == b.plans.keys()
        identical(a, b)


def test_workers_leave_signals_of_the_whole_group_to_their_parent(file):
    epoch = sample(file, lanes=1).epoch(1)
    batches = iter(loader(epoch, 1, pin=False))
    next(batches)  # the worker has begun
    (worker,) = active_children()
    for number in ENDING:
        os.kill(worker.pid, number)
    assert len(list(batches)) == len(epoch) - 1


def test_an_epoch_tells_its_steps(file):
    whole = sample(file)
    assert whole.steps() == len(whole.epoch(7)) == 18


def test_voxel_labels_are_read_where_they_are_wanted(file):
    labelled, bare = sample(file).epoch(0)[0], sample(file, labels=False).epoch(0)[0]
    assert set(labelled.plans[MASKED].streams["cubes"].labels) == {"ghost", "origin", "kind"}
    assert not bare.plans[MASKED].streams["cubes"].labels
    assert set(bare.truth) == {t.name for t in toy.TRUTH}


def test_memory_of_a_large_sample_is_bounded(file, monkeypatch):
    monkeypatch.setattr("intarsia.core.data.CACHED", 100)
    epoch = sample(file).epoch(0)
    for i in range(len(epoch)):
        assert torch.isfinite(epoch[i].truth["energy"]).all()
        assert len(epoch._blocks) <= 4
    assert CACHED > 150


def particles(path, sizes):
    """A file whose samples are particles: `sizes` of them in each physical event."""
    number = np.repeat(np.arange(len(sizes)), sizes)
    some = toy.events(toy.DETECTOR, len(number), seed=0)
    keys = tuple(f"1/{n}/{i}" for i, n in enumerate(number))
    with EventWriter(path, toy.DETECTOR, {}) as file:
        file.append(evolve(some, keys=keys, group=number.astype(np.int64)))
    return EventFile(path), number


def test_particles_of_one_event_share_a_batch(tmp_path):
    sizes = np.random.default_rng(0).integers(1, 6, 40)
    file, number = particles(tmp_path / "p.h5", sizes)
    for shuffle in (True, False):
        sample = toy.sample_of(file, toy.DETECTOR, (ALL,), shuffle=shuffle)
        batches = sample.epoch(3).batches
        seen = np.concatenate(batches)
        assert len(np.unique(seen)) == len(seen)
        for batch in batches:
            for event in np.unique(number[batch]):
                assert (number[batch] == event).sum() == sizes[event]
        assert abs(np.mean([len(b) for b in batches]) - 8) < 2
        assert len(sample.epoch(4)) == sample.steps()  # as many in every epoch
        if not shuffle:
            assert seen.tolist() == list(range(len(file)))
    made = sample.epoch(0)[0]
    rows = made.together.mask.sum(1)
    assert rows.tolist() == sizes[: len(rows)].tolist()


def test_processes_share_particles_by_event(tmp_path):
    sizes = np.random.default_rng(1).integers(1, 6, 30)
    file, number = particles(tmp_path / "p.h5", sizes)
    whole = toy.sample_of(file, toy.DETECTOR, (ALL,))
    ranks = [evolve(whole, rank=r, world=2).epoch(0) for r in range(2)]
    for i, batch in enumerate(whole.epoch(0).batches):
        mine = [epoch._mine(batch) for epoch in ranks]
        assert sorted(np.concatenate(mine)) == sorted(batch)
        assert not set(number[mine[0]]) & set(number[mine[1]])
        assert len(ranks[0][i]) == len(mine[0])
