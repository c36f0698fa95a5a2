import pytest
import torch
import toy

from intarsia.core.card import Card
from intarsia.core.checkpoint import save
from intarsia.core.errors import CheckpointError
from intarsia.core.recipe import Model
from intarsia.core.transfer import Fate, Moved, go_on

CARD = Card(detector="toy", declaration={}, recipe={}, stage="mae")


@pytest.fixture
def checkpoint(tmp_path):
    return tmp_path / "mae.safetensors"


def saved(path, *tasks, detector=toy.DETECTOR, seed=0, model=toy.MODEL):
    made = toy.roughened(toy.built(detector, toy.stage(*tasks), seed, model))
    save(path, made.state_dict(), CARD)
    return made


def test_all_of_the_encoder_goes_on(checkpoint):
    source = saved(checkpoint, "mae")
    target = toy.built(toy.DETECTOR, toy.stage("flavour"), 5)
    first = {k: v.clone() for k, v in target.state_dict().items()}
    moved = go_on(target, checkpoint)
    for name, value in target.state_dict().items():
        if name.startswith("encoder."):
            assert torch.equal(value, source.state_dict()[name]), name
        else:
            assert torch.equal(value, first[name]), name
    assert set(moved.names("copied")) == {n for n in first if n.startswith("encoder.")}
    assert set(moved.names("fresh")) == {n for n in first if not n.startswith("encoder.")}
    assert set(moved.names("unused")) == {
        n for n in source.state_dict() if n.startswith(("tasks.", "weights."))
    }


def test_tasks_of_both_stages_go_on_too(checkpoint):
    source = saved(checkpoint, "mae")
    target = toy.built(toy.DETECTOR, toy.stage("mae", "relational"), 5)
    first = {k: v.clone() for k, v in target.state_dict().items()}
    moved = go_on(target, checkpoint)
    assert all(
        torch.equal(v, source.tasks["mae"].state_dict()[k])
        for k, v in target.tasks["mae"].state_dict().items()
    )
    assert all(
        torch.equal(v, first[f"tasks.relational.{k}"])
        for k, v in target.tasks["relational"].state_dict().items()
    )
    assert {n.split(".")[1] for n in moved.names("copied") if n.startswith("tasks.")} == {"mae"}


def test_three_starts_share_their_heads_bit_for_bit(tmp_path):
    stage = toy.stage("flavour", "vertex")
    one, two = tmp_path / "mae.safetensors", tmp_path / "mae_rel.safetensors"
    saved(one, "mae", seed=1)
    saved(two, "mae", "relational", seed=2)
    scratch, mae, mae_rel = (toy.built(toy.DETECTOR, stage, seed=0) for _ in range(3))
    go_on(mae, one)
    go_on(mae_rel, two)
    for name, value in scratch.state_dict().items():
        equal = [torch.equal(value, other.state_dict()[name]) for other in (mae, mae_rel)]
        assert equal == ([False] * 2 if name.startswith("encoder.") else [True] * 2), name


def test_what_does_not_fit_is_listed_and_nothing_is_copied(checkpoint):
    source = saved(checkpoint, "mae")
    tensors = dict(source.state_dict())
    del tensors["encoder.shared.query"]
    tensors["encoder.shared.norm.weight"] = torch.zeros(7)
    save(checkpoint, tensors, CARD)
    target = toy.built(toy.DETECTOR, toy.stage("flavour"), 5)
    first = {k: v.clone() for k, v in target.state_dict().items()}
    with pytest.raises(CheckpointError) as error:
        go_on(target, checkpoint)
    assert str(error.value) == (
        f"{checkpoint} does not fit:\n"
        "  encoder.shared.query: not in the checkpoint\n"
        "  encoder.shared.norm.weight: (24,) here, (7,) in the checkpoint"
    )
    assert all(torch.equal(v, first[k]) for k, v in target.state_dict().items())


def test_an_encoder_of_another_size_does_not_fit(checkpoint):
    saved(checkpoint, "mae")
    target = toy.built(
        toy.DETECTOR, toy.stage("mae"), model=Model(dim=12, heads=2, mlp=2, depth=2, rounds=2)
    )
    with pytest.raises(CheckpointError) as error:
        go_on(target, checkpoint)
    assert "encoder.shared.query: (1, 12) here, (1, 24) in the checkpoint" in str(error.value)


def test_an_account_is_short_in_words():
    fates = ("copied", "copied", "fresh")
    tensors = tuple(Fate(name=f"{i}", fate=f, shape=(2,)) for i, f in enumerate(fates))
    assert str(Moved(tensors=tensors, streams={}, card=CARD)) == "2 copied, 1 fresh, 0 unused"


def test_weights_stay_leaves_that_learn(checkpoint):
    saved(checkpoint, "mae")
    target = toy.built(toy.DETECTOR, toy.stage("mae"), 5)
    go_on(target, checkpoint)
    assert all(p.is_leaf and p.requires_grad for p in target.parameters())
