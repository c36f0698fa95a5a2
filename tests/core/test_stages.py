"""From a stage of a recipe to a network that learns: what its starts share and where they differ."""

import shutil

import numpy as np
import pytest
import torch
import toy
import toy_run
from attrs import evolve

from intarsia.core import stages
from intarsia.core.batch import GridPlan
from intarsia.core.checkpoint import load
from intarsia.core.errors import CheckpointError, RunError
from intarsia.core.network import views_of
from intarsia.core.plan import patches
from intarsia.core.stages import labels_wanted, learn, lengthened, trained
from intarsia.core.train import Trained

STARTS = ("finetune/scratch", "finetune/mae", "finetune/mae_rel")


@pytest.fixture
def bench(finished, tmp_path):
    """What the stages of a copy of the finished run share."""
    out = shutil.copytree(finished, tmp_path / "run", ignore=shutil.ignore_patterns("figures"))
    return toy_run.bench(toy_run.recipe(tmp_path), out)


@pytest.fixture
def begun(bench, monkeypatch):
    """Network and setup of each stage as training would begin: what `learn` hands to `train`."""
    found = {}

    def keep(network, setup, folder, card, what, notify):
        state = {k: v.clone() for k, v in network.state_dict().items()}
        found[what] = state, setup, card, folder
        return Trained(best=folder / "best.safetensors", last=folder / "last.safetensors")

    monkeypatch.setattr(stages, "train", keep)
    monkeypatch.setattr(stages, "finished", lambda folder: 0)
    for name, stage in bench.recipe.stages.items():
        learn(bench, name, stage, 0)
    return found


def part(state, prefix):
    return {k: v for k, v in state.items() if k.startswith(prefix)}


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(v, b[k]) for k, v in a.items())


def test_the_starts_begin_with_the_same_heads(begun):
    states = [begun[name][0] for name in STARTS]
    for prefix in ("tasks.", "weights."):
        first = part(states[0], prefix)
        assert first
        assert all(equal(first, part(s, prefix)) for s in states[1:])


def test_the_starts_begin_with_the_encoders_they_are_named_for(begun, finished):
    scratch, mae, mae_rel = (part(begun[name][0], "encoder.") for name in STARTS)
    assert equal(mae, part(load(finished / "mae" / "best.safetensors")[0], "encoder."))
    assert equal(mae_rel, part(load(finished / "mae_rel" / "best.safetensors")[0], "encoder."))
    assert not equal(mae, mae_rel)
    assert not equal(scratch, mae)
    assert equal(scratch, part(begun["mae"][0], "encoder."))  # as pre-training began itself


def test_a_task_that_both_stages_have_goes_on(begun, finished):
    before = part(load(finished / "mae" / "best.safetensors")[0], "tasks.mae.")
    assert before
    assert equal(part(begun["mae_rel"][0], "tasks.mae."), before)
    assert part(begun["mae_rel"][0], "tasks.relational.")


def test_the_starts_see_the_same_events_in_the_same_batches(begun):
    epochs = [begun[name][1].train.epoch(1) for name in STARTS]
    for other in epochs[1:]:
        assert len(other) == len(epochs[0]) == 2
        for ours, theirs in zip(epochs[0].batches, other.batches, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_stages_draw_batches_of_their_own(begun):
    first, second = (begun[name][1].train.epoch(0).batches for name in ("mae", "mae_rel"))
    assert any((a != b).any() for a, b in zip(first, second, strict=True))


def test_a_stage_checks_itself_on_the_whole_validation_split_unshuffled(bench, begun):
    val = bench.file.select("val")
    for _, setup, _, _ in begun.values():
        np.testing.assert_array_equal(np.concatenate(setup.val.epoch(0).batches), val)


def test_pre_training_sees_the_training_split_and_fine_tuning_the_labelled_events(bench, begun):
    train = bench.file.select("train")
    np.testing.assert_array_equal(begun["mae"][1].train.events, train)
    labelled = begun["finetune/mae"][1].train.events
    assert len(labelled) == 64
    assert set(labelled) < set(train)


def test_labelled_events_are_drawn_by_the_seed(bench):
    first, again, other = (bench.labelled(30, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert set(first) != set(other)
    for events in (first, other):
        assert (np.diff(events) > 0).all()
        assert set(events) <= set(bench.split("train"))
    every = bench.split("train")
    np.testing.assert_array_equal(bench.labelled(len(every), 3), every)


def test_a_stage_with_few_labels_is_lengthened_as_a_whole(bench):
    stage = evolve(bench.recipe.stages["finetune/mae"], epochs=4, batch=32, check_every=2)
    optim = evolve(stage.optim, warmup_epochs=0.5, decay_epochs=3.0)
    stage = evolve(stage, optim=optim, min_steps=100)
    longer = evolve(
        stage,
        epochs=12,
        check_every=6,
        optim=evolve(optim, warmup_epochs=1.5, decay_epochs=9.0),
    )
    assert lengthened(stage, 9) == longer  # 36 steps as it is written, 108 now
    assert lengthened(stage, 25) is stage
    assert lengthened(stage, 24).epochs == 8
    assert lengthened(stage, 1).epochs == lengthened(stage, 0).epochs == 100
    as_written = evolve(stage, min_steps=0)
    assert lengthened(as_written, 1) is as_written
    whole = evolve(stage, optim=evolve(optim, decay_epochs=None))
    assert lengthened(whole, 9).optim.decay_epochs is None


@pytest.mark.parametrize("labels", [7, 33, 64])
def test_a_stage_has_the_steps_it_wants_at_least(bench, monkeypatch, labels):
    found = []

    def keep(network, setup, folder, *_):
        found.append(setup)
        return Trained(best=folder, last=folder)

    monkeypatch.setattr(stages, "train", keep)
    stage = evolve(bench.recipe.stages["finetune/mae"], labels=labels, min_steps=50, batch=8)
    learn(bench, "finetune/mae", stage, 9)
    (setup,) = found
    assert setup.steps == setup.per_epoch * setup.stage.epochs >= 50
    assert setup.stage.epochs % stage.epochs == 0
    assert (setup.stage.epochs - stage.epochs) * setup.per_epoch < 50


def test_each_seed_has_heads_and_labels_of_its_own(bench, begun):
    learn(bench, "finetune/mae", bench.recipe.stages["finetune/mae"], 5)
    state, setup, _, folder = begun["finetune/mae seed 5"]
    first = begun["finetune/mae"]
    assert folder.name == "mae-seed5"
    assert equal(part(state, "encoder."), part(first[0], "encoder."))  # of one pre-training
    assert not equal(part(state, "tasks."), part(first[0], "tasks."))
    assert set(setup.train.events) != set(first[1].train.events)


def test_a_card_tells_what_the_weights_were_made_with(bench, begun):
    _, _, card, _ = begun["mae_rel"]
    assert (card.detector, card.stage) == ("toygrid", "mae_rel")
    assert card.normalisation == bench.normalisation
    assert card.recipe["stages"]["mae_rel"]["start"] == "mae"
    assert len(card.parents) == 1


def test_labels_of_voxels_are_read_only_where_a_task_needs_them(bench, begun):
    wanted = {name: labels_wanted(bench, stage) for name, stage in bench.recipe.stages.items()}
    assert wanted == {"mae": False, "mae_rel": True, **dict.fromkeys(STARTS, False)}
    for name, (_, setup, _, _) in begun.items():
        batch = setup.train.epoch(0)[0]
        labels = [bool(p.streams["cubes"].labels) for p in batch.plans.values()]
        assert all(x == wanted[name] for x in labels)


def test_a_stage_asks_for_the_visible_patches_that_its_view_says(bench):
    stage = bench.recipe.stages["mae"]
    task = stage.tasks["mae"]
    view = evolve(task.options.view, decode=1.0, visible=1.0)
    changed = evolve(stage, tasks={"mae": evolve(task, options=evolve(task.options, view=view))})
    events = bench.split("val")
    batch = bench.sample(events, tuple(views_of(changed).values()), 64).epoch(0)[0]
    plan = batch.plans[view].streams["cubes"]
    assert isinstance(plan, GridPlan)
    table = bench.file.take(events).streams["cubes"]
    assert len(plan.asked.window) == len(patches(table, toy.CUBES).event)


def test_a_trained_network_has_the_best_weights(bench, finished):
    path = finished / "finetune" / "mae" / "best.safetensors"
    made = trained(bench, bench.recipe.stages["finetune/mae"], path)
    assert equal(made.state_dict(), load(path)[0])


def test_weights_of_another_size_do_not_start_a_stage(bench):
    model = evolve(bench.recipe.model, dim=48)
    wider = evolve(bench, recipe=evolve(bench.recipe, model=model))
    with pytest.raises(CheckpointError, match="does not fit:"):
        learn(wider, "mae_rel", bench.recipe.stages["mae_rel"], 0)


def test_a_stage_trains_on_augmented_events_and_validates_on_plain_ones(bench, monkeypatch):
    found = []

    def keep(network, setup, folder, card, what, notify):
        found.append(setup)
        return Trained(best=folder / "best.safetensors", last=folder / "last.safetensors")

    monkeypatch.setattr(stages, "train", keep)
    learn(bench, "mae", evolve(bench.recipe.stages["mae"], augment={"mirror": 1.0}), 0)
    (setup,) = found
    assert [(a.kind, a.size) for a in setup.train.augment] == [("mirror", 1.0)]
    assert setup.val.augment == ()
    plain, mirrored = (
        s.epoch(0)[0].truth["vertex"] for s in (evolve(setup.train, augment=()), setup.train)
    )
    assert (plain[:, 0] != mirrored[:, 0]).all()
    assert torch.equal(plain[:, 1:], mirrored[:, 1:])


def test_an_empty_split_is_said_so(bench, monkeypatch):
    monkeypatch.setattr(type(bench.file), "select", lambda file, name: np.zeros(0, np.int64))
    with pytest.raises(
        RunError, match=r"none of the 240 events falls into the val split \(85/5/10"
    ):
        bench.split("val")
