import csv
import signal
from math import isfinite

import numpy as np
import pytest
import torch
import toy
from attrs import evolve

from intarsia.core.card import Card, read_card
from intarsia.core.checkpoint import load, load_state
from intarsia.core.data import Sample
from intarsia.core.errors import CheckpointError, RunError
from intarsia.core.network import views_of
from intarsia.core.progress import silent
from intarsia.core.recipe import Optim
from intarsia.core.signals import ENDING
from intarsia.core.train import finished, loaders, share_cores, train
from intarsia.core.train_callbacks import Stop
from intarsia.core.train_module import Setup
from intarsia.core.train_state import keep

CARD = Card(detector="toygrid", declaration={}, recipe={}, stage="mae")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return toy.written(tmp_path_factory.mktemp("train") / "e.h5", toy.GRID, 72, seed=2)


def setup_of(file, stage, done=0, **settings):
    views = tuple(dict.fromkeys(views_of(stage).values()))
    learn = toy.sample_of(file, toy.GRID, views, events=np.arange(48), **settings)
    check = toy.sample_of(
        file, toy.GRID, views, events=np.arange(48, 72), shuffle=False, **settings
    )
    return Setup(stage=stage, train=learn, val=check, workers=0, done=done)


def trained(file, folder, stage, notify=silent, network=None, **settings):
    """Train, or go on, as `stages.learn` does."""
    made = network or toy.built(toy.GRID, stage)
    setup = setup_of(file, stage, finished(folder), **settings)
    return train(made, setup, folder, CARD, "mae", notify), made


def rows(folder, split):
    with (folder / "log.csv").open() as f:
        return [r for r in csv.DictReader(f) if r["split"] == split]


def same_file(a, b):
    ours, theirs = load(a)[0], load(b)[0]
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name


@pytest.fixture(scope="module")
def whole(file, tmp_path_factory):
    """A stage of four epochs in one go, with everything random switched on."""
    folder = tmp_path_factory.mktemp("whole")
    told = []
    files, network = trained(file, folder, LONG, told.append)
    return folder, files, network, told


LONG = toy.stage(
    "mae",
    "relational",
    epochs=4,
    drop_path=0.1,
    optim=Optim(lr=0.4, warmup_epochs=0.5, layer_decay=0.8, ema=0.9),
)


def test_the_loss_falls(whole):
    folder, *_ = whole
    losses = [float(r["loss"]) for r in rows(folder, "val")]
    assert len(losses) == 4
    assert losses[-1] < 0.95 * losses[0]


def test_a_stage_leaves_its_files(whole):
    folder, files, _, _ = whole
    assert {p.name for p in folder.iterdir()} == {
        "best.safetensors",
        "last.safetensors",
        "last.resume.safetensors",
        "log.csv",
    }
    assert files.best == folder / "best.safetensors"
    assert files.last == folder / "last.safetensors"


def test_the_card_tells_epoch_step_and_losses(whole):
    folder, files, network, _ = whole
    card = read_card(files.last)
    assert (card.epoch, card.step, card.stage) == (4, 24, "mae")
    assert card.metrics.keys() == {"loss", *network.terms}
    assert card.metrics["loss"] == pytest.approx(float(rows(folder, "val")[-1]["loss"]))


def test_best_is_the_validation_with_the_least_loss(whole):
    folder, files, _, _ = whole
    losses = [float(r["loss"]) for r in rows(folder, "val")]
    assert read_card(files.best).metrics["loss"] == pytest.approx(min(losses))
    assert load_state(folder / "last.resume.safetensors")[1]["best"] == pytest.approx(min(losses))


def test_the_log_has_a_column_for_every_term(whole):
    folder, _, network, _ = whole
    first, last = rows(folder, "train")
    assert list(last) == ["epoch", "step", "split", "seconds", "lr", "loss", *network.terms]
    assert (first["step"], last["step"]) == ("1", "24")
    assert [r["epoch"] for r in rows(folder, "val")] == ["0", "1", "2", "3"]
    assert [r["step"] for r in rows(folder, "val")] == ["6", "12", "18", "24"]
    assert all(isfinite(float(last[k])) for k in list(last)[3:])


def test_progress_is_told_in_events(whole):
    told = whole[3]
    assert [p.done for p in told] == [8 * i for i in range(1, 25)]
    assert {(p.what, p.total, p.unit) for p in told} == {("mae", 192, "events")}
    assert told[0].note.startswith("loss ")


def test_evaluation_uses_the_averaged_weights(whole):
    folder, files, network, _ = whole
    tensors, _ = load(files.last)
    state, _ = load_state(folder / "last.resume.safetensors")
    now = network.state_dict()
    assert all(torch.equal(v, state[f"mean.{k}"]) for k, v in tensors.items())
    assert all(torch.equal(v, state[f"now.{k}"]) for k, v in now.items())
    assert any(not torch.equal(v, now[k]) for k, v in tensors.items())


def test_validation_tells_the_loss_of_the_averaged_weights(file, whole):
    _, files, _, _ = whole
    averaged = toy.built(toy.GRID, LONG)
    averaged.load_state_dict(load(files.last)[0])
    averaged.eval()
    epoch = setup_of(file, LONG).val.epoch(0)
    with torch.no_grad():
        losses = [float(averaged(epoch[i])[0]) for i in range(len(epoch))]
    assert read_card(files.last).metrics["loss"] == pytest.approx(np.mean(losses), rel=1e-6)


def test_the_same_seed_trains_to_the_same_weights(file, whole, tmp_path):
    torch.manual_seed(99)  # what happened before must not matter
    files, _ = trained(file, tmp_path, LONG)
    same_file(files.last, whole[1].last)
    same_file(files.best, whole[1].best)


def same_stage(files, network, folder, whole):
    """Weights, averages and state of the optimiser after a stage are those of `whole`."""
    same_file(files.last, whole[1].last)
    same_file(files.best, whole[1].best)
    for name, value in network.state_dict().items():
        assert torch.equal(value, whole[2].state_dict()[name]), name
    ours, _ = load_state(folder / "last.resume.safetensors")
    theirs, _ = load_state(whole[0] / "last.resume.safetensors")
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(v, theirs[k]) for k, v in ours.items())


def interrupted(file, folder, stage, after):
    """Train a part of the epoch `after`, and stop as nobody expects."""

    class StopError(Exception):
        pass

    def stop(progress):
        if progress.done > after * 48 + 16:
            raise StopError

    with pytest.raises(StopError):
        trained(file, folder, stage, stop)
    assert finished(folder) == after


@pytest.mark.parametrize("after", [1, 3])
def test_a_stage_interrupted_and_resumed_equals_one_in_one_go(file, whole, tmp_path, after):
    interrupted(file, tmp_path, LONG, after)
    torch.manual_seed(1)
    files, network = trained(file, tmp_path, LONG)
    assert finished(tmp_path) == 4
    same_stage(files, network, tmp_path, whole)


def test_so_does_one_with_the_optimiser_muon(file, tmp_path):
    stage = evolve(LONG, epochs=2, optim=evolve(LONG.optim, method="muon"))
    whole = tmp_path / "whole", *trained(file, tmp_path / "whole", stage)
    losses = [float(r["loss"]) for r in rows(whole[0], "val")]
    assert losses[1] < losses[0]
    interrupted(file, tmp_path / "half", stage, 1)
    files, network = trained(file, tmp_path / "half", stage)
    same_stage(files, network, tmp_path / "half", whole)
    state, _ = load_state(files.last.with_name("last.resume.safetensors"))
    kinds = {k.rpartition(".")[2] for k in state if k.startswith("optimiser.")}
    assert kinds == {"momentum_buffer", "step", "exp_avg", "exp_avg_sq"}


def test_ctrl_c_is_passed_on(file, tmp_path):
    before = signal.getsignal(signal.SIGINT)

    def stop(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(file, tmp_path, LONG, stop)
    signal.signal(signal.SIGINT, before)  # Lightning has it ignored
    assert finished(tmp_path) == 0


@pytest.mark.parametrize("number", ENDING)
def test_so_is_a_signal_after_the_batch_in_which_it_comes(file, tmp_path, number):
    steps, before = [], signal.getsignal(number)

    def send(progress):
        steps.append(progress.done)
        signal.raise_signal(number)

    with pytest.raises(KeyboardInterrupt):
        trained(file, tmp_path, LONG, send)
    assert len(steps) == 1
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("number", ENDING)
def test_so_is_one_that_comes_after_the_last_batch(file, tmp_path, monkeypatch, number):
    def kept(*args):
        keep(*args)
        signal.raise_signal(number)

    stage, before = evolve(LONG, epochs=1), signal.getsignal(number)
    monkeypatch.setattr("intarsia.core.train_callbacks.keep", kept)
    with pytest.raises(KeyboardInterrupt):
        trained(file, tmp_path, stage)
    assert signal.getsignal(number) is before
    assert finished(tmp_path) == 1
    trained(file, tmp_path, stage)  # nothing is left to do, so nothing is interrupted


@pytest.mark.parametrize("asked", [True, False])
def test_what_fails_because_others_have_stopped_already_is_no_fault(file, tmp_path, asked):
    def closed(progress):
        if asked:
            signal.raise_signal(signal.SIGTERM)
        raise RuntimeError("Connection closed by peer")

    with pytest.raises(KeyboardInterrupt if asked else RuntimeError):
        trained(file, tmp_path, LONG, closed)


def test_lightning_does_nothing_about_signals(file, tmp_path):
    """What it does about SIGTERM, a broadcast wherever a process happens to be, can wait for ever."""
    heard = []
    trained(
        file,
        tmp_path,
        evolve(LONG, epochs=1),
        lambda _: heard.extend(signal.getsignal(number) for number in ENDING),
    )
    assert heard
    assert all(isinstance(getattr(handler, "__self__", None), Stop) for handler in heard)


def test_a_finished_stage_is_not_trained_again(file, whole):
    folder, files, *_ = whole
    before = files.last.read_bytes(), (folder / "log.csv").read_bytes()
    told = []
    again, _ = trained(file, folder, LONG, told.append)
    assert (again.last.read_bytes(), (folder / "log.csv").read_bytes()) == before
    assert not told


def test_a_state_of_another_recipe_is_refused(file, whole):
    folder, *_ = whole
    other = toy.stage("mae", epochs=5)
    with pytest.raises(CheckpointError) as error:
        trained(file, folder, other)
    assert f"{folder / 'last.resume.safetensors'} does not fit this recipe: " in str(error.value)


def test_a_loss_that_is_not_finite_names_its_term(file, tmp_path):
    stage = toy.stage("flavour", "vertex", epochs=1)
    network = toy.built(toy.GRID, stage)
    with torch.no_grad():
        network.tasks["vertex"].head.out.bias.fill_(torch.inf)
    with pytest.raises(RunError) as error:
        trained(file, tmp_path, stage, network=network)
    assert str(error.value) == (
        "the loss is not finite at epoch 0, step 0: vertex.position; "
        "a smaller learning rate may help"
    )


def test_bfloat16_trains_on_a_cpu(file, tmp_path):
    stage = toy.stage("mae", "relational", "flavour", epochs=2, precision="bfloat16")
    trained(file, tmp_path, stage)
    losses = [float(r["loss"]) for r in rows(tmp_path, "val")]
    assert isfinite(losses[-1])
    assert losses[1] < losses[0]
    assert all(
        v.dtype == torch.float32
        for v in load(tmp_path / "last.safetensors")[0].values()
        if v.is_floating_point()
    )


def test_a_task_that_sits_batches_out_trains_alone(file, tmp_path):
    stage = toy.stage("relational", epochs=2)  # takes part in half of the batches
    _, network = trained(file, tmp_path, stage)
    assert finished(tmp_path) == 2
    first = toy.built(toy.GRID, stage).state_dict()
    assert any(not torch.equal(v, first[k]) for k, v in network.state_dict().items())


def test_validation_is_as_rare_as_asked_and_falls_on_the_last_epoch(file, tmp_path):
    trained(file, tmp_path, toy.stage("flavour", epochs=4, check_every=3))
    assert [r["epoch"] for r in rows(tmp_path, "val")] == ["1", "3"]


def test_a_resumed_stage_is_validated_when_the_uninterrupted_one_is(file, tmp_path):
    stage = toy.stage("flavour", epochs=10, check_every=4)

    def stop(progress):
        if progress.done > 3 * 48:
            raise KeyError

    with pytest.raises(KeyError):
        trained(file, tmp_path, stage, stop)
    assert finished(tmp_path) == 2
    trained(file, tmp_path, stage)
    assert [r["epoch"] for r in rows(tmp_path, "val")] == ["1", "3", "5", "7", "9"]


def test_the_rate_follows_the_schedule_to_the_last_step(file, tmp_path):
    stage = toy.stage("flavour", epochs=2, optim=Optim(lr=0.1))
    trained(file, tmp_path, stage)
    *_, last = rows(tmp_path, "train")
    # The rate that the next step would have: zero, at the end of the cosine.
    assert float(last["lr"]) == pytest.approx(0, abs=0.1 * 8 / 256 * 0.02)


def test_loader_workers_are_left_a_core_each(monkeypatch):
    monkeypatch.setattr("intarsia.core.train.cores", lambda: 6)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    before = torch.get_num_threads()
    found = []
    for workers in (0, 1, 5, 9):
        share_cores(workers)
        found.append(torch.get_num_threads())
    torch.set_num_threads(before)
    assert found == [1, 5, 1, 1]


def test_a_gpu_is_fed_by_every_core_but_that_of_its_process(monkeypatch):
    monkeypatch.setattr("intarsia.core.train.cores", lambda: 16)
    for gpu, expected in ((False, [0, 3, 1, 1]), (True, [0, 3, 15, 3])):
        monkeypatch.setattr(torch.cuda, "is_available", lambda gpu=gpu: gpu)
        asked = ((1, 1), (4, 1), (None, 1), (None, 4))
        assert [loaders(workers, processes) for workers, processes in asked] == expected


def test_an_epoch_is_not_planned_anew_to_count_its_steps(file, tmp_path, monkeypatch):
    """It takes longer than a step where there are many events."""
    counted, steps = [], Sample.steps
    monkeypatch.setattr(Sample, "steps", lambda self: counted.append(1) or steps(self))
    trained(file, tmp_path, toy.stage("flavour", epochs=3))
    assert len(counted) == 1


def test_weights_in_half_precision_are_rounded_but_training_goes_on_in_full(file, tmp_path):
    stage = toy.stage("flavour", epochs=2, optim=Optim(lr=0.1, ema=0.0))
    full, network = trained(file, tmp_path / "full", stage)
    half, same = trained(file, tmp_path / "half", evolve(stage, half=True))
    assert all(map(torch.equal, network.parameters(), same.parameters()))
    exact, rounded = load(full.best)[0], load(half.best)[0]
    assert any((exact[k] != rounded[k]).any() for k in exact)
    for name, value in exact.items():
        torch.testing.assert_close(rounded[name], value, atol=1e-7, rtol=2**-11)


def test_a_recipe_without_averaging_evaluates_the_weights_themselves(file, tmp_path):
    stage = toy.stage("flavour", epochs=1, optim=Optim(lr=0.1, ema=0.0))
    files, network = trained(file, tmp_path, stage)
    now = network.state_dict()
    assert all(torch.equal(v, now[k]) for k, v in load(files.last)[0].items())


# A patch of two cells along each axis has a complete basis, so that every cell can be told apart.
FINE = evolve(
    toy.GRID,
    streams=(evolve(toy.CUBES, axes=toy.axes(8, 8, 8), patch=(2, 2, 2), window=(2, 2, 2)),),
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("detector", "tasks", "floor"),
    [
        (FINE, (("mae", {}),), {"cubes_occupancy": 0.1, "cubes_charge": 0.01}),
        (
            toy.GRID,
            (("flavour", {"smoothing": 0.0}), ("vertex", {})),
            {"class": 0.02, "position": 0.01},
        ),
        (
            toy.GRID,
            (("relational", {"smoothing": 0.0}),),
            {"ghost": 0.05, "origin": 0.1, "kind": None},
        ),
    ],
    ids=["mae", "flavour and vertex", "relational"],
)
def test_one_batch_can_be_learned_by_heart(detector, tasks, floor):
    stage = toy.stage(*tasks)
    model = evolve(toy.MODEL, dim=64, heads=4)
    network = toy.built(detector, stage, model=model)
    views = tuple(dict.fromkeys(views_of(stage).values()))
    batch = toy.batch(detector, toy.events(detector, 8, seed=3), *views, model=model)
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.0)
    for step in range(800):
        for group in optimiser.param_groups:
            group["lr"] = 2e-3 * min(1, step / 50) * (1 - step / 800)
        optimiser.zero_grad()
        _, terms = network(batch)
        sum(terms.values()).backward()
        optimiser.step()
    for name, value in terms.items():
        limit = floor[name.partition(".")[2]]
        if limit is None:  # soft shares cost their entropy even when right
            true = batch.plans[views[0]].streams["cubes"].labels["kind"].double()
            known = true[torch.isfinite(true).all(1)]
            limit = float(-torch.special.xlogy(known, known).sum(1).mean()) + 0.1
        assert float(value.detach()) < limit, name
