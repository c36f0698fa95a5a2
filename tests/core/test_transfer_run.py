"""A run whose starts come from another detector's checkpoint."""

import json

import pytest
import toy
import toy_run

from intarsia.core.card import Card, read_card
from intarsia.core.checkpoint import digest, save
from intarsia.core.detector import declaration
from intarsia.core.errors import CheckpointError, RecipeError, RunError
from intarsia.core.recipe import Transfer
from intarsia.core.recipe_load import dump, dump_yaml, load, restore

MODEL = {"dim": 24, "heads": 2, "mlp": 2, "depth": 1, "summaries": 1, "rounds": 1, "row": 16}
RECIPE = """\
name: carried
about: Flavour from two starts
detector: toygrid
data: {events: 240, block: 16, buffer: 2}
model: {dim: 24, heads: 2, mlp: 2, depth: 1, summaries: 1, rounds: 1, row: 16}
report: {probe: 64, bootstrap: 5, pictures: 0}
stages:
  finetune:
    labels: 64
    epochs: 1
    optim: {lr: 0.02, ema: 0.9}
    tasks: {flavour: {}}
    starts:
      scratch: {}
      transferred: {transfer: {from: SOURCE, streams: {cubes: plates}}}
"""


@pytest.fixture
def source(tmp_path):
    """A checkpoint of the toy with two grids, never trained."""
    path = tmp_path / "source.safetensors"
    model = toy_run.recipe(tmp_path).model
    card = Card(
        detector="toy",
        declaration=declaration(toy.DETECTOR),
        recipe={"name": "other", "model": MODEL},
        stage="mae",
    )
    save(path, toy.built(toy.DETECTOR, toy.stage("mae"), 3, model).state_dict(), card)
    return path


def recipe(tmp_path, source, *overrides):
    return toy_run.recipe(tmp_path, *overrides, text=RECIPE.replace("SOURCE", str(source)))


def test_a_recipe_says_where_weights_come_from_and_is_written_as_it_was_read(tmp_path, source):
    made = recipe(tmp_path, source)
    stage = made.stages["finetune/transferred"]
    assert stage.transfer == Transfer(checkpoint=str(source), streams={"cubes": "plates"})
    assert dump(made)["stages"]["finetune/transferred"]["transfer"]["from"] == str(source)
    assert restore(dump(made), toy_run.registry()) == made
    (tmp_path / "whole.yaml").write_text(dump_yaml(made))
    assert load(tmp_path / "whole.yaml", toy_run.registry()) == made


def test_a_run_starts_from_it_and_its_report_and_cards_tell(tmp_path, source):
    out = tmp_path / "out"
    page = toy_run.run(recipe(tmp_path, source), out).read_text()
    facts = json.loads((out / "run.json").read_text())
    card = facts["transfer"]["finetune/transferred"]
    assert (card["source"]["detector"], card["streams"]) == ("toy", {"cubes": "plates"})
    assert card["reused"] == 1.0
    best = read_card(out / "finetune" / "transferred" / "best.safetensors")
    assert best.transfer == card
    assert best.parents == (digest(source),)
    assert read_card(out / "finetune" / "scratch" / "best.safetensors").transfer == {}
    assert "<h2>Transfer: where the weights of finetune/transferred come from</h2>" in page
    assert "100.0% of the core is reused (plates plays cubes)" in page
    found = json.loads((out / "metrics.json").read_text())
    assert set(found["starts"]) == {"scratch", "transferred"}
    assert (
        found["starts"]["transferred"]["probe"]["auc_macro"]
        != found["random"]["probe"]["auc_macro"]
    )


def test_a_checkpoint_that_is_not_there_or_does_not_fit_is_told_before_training(tmp_path, source):
    out = tmp_path / "out"
    with pytest.raises(RunError) as error:
        toy_run.run(recipe(tmp_path, tmp_path / "no.safetensors"), out)
    assert str(error.value) == (
        f"stage 'finetune/transferred' starts from {tmp_path / 'no.safetensors'}, which is not there; "
        "make it first, or go without by stages.finetune.starts.transferred=false"
    )
    without = recipe(tmp_path, "no", "stages.finetune.starts.transferred=false")
    assert list(without.stages) == ["finetune/scratch"]
    assert not out.exists()
    with pytest.raises(CheckpointError, match="heads 4 here, 2 in the checkpoint"):
        toy_run.run(recipe(tmp_path, source, "model.heads=4"), out)
    assert not (out / "finetune").exists()


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("{take: [windows]}", "transfer.from: missing"),
        (
            "{from: a, takes: []}",
            "transfer.takes: unknown key; did you mean 'take'? (known here: from,",
        ),
        ("{checkpoint: a}", "transfer.checkpoint: unknown key; did you mean 'from'?"),
        ("{from: 3}", "transfer.from: must be text, not 3"),
        (
            "{from: a, take: [window]}",
            "must be one of windows, query, fusion, norm, patches, not 'window'",
        ),
        (
            "{from: a, streams: {cbues: x}}",
            "toygrid has no voxel stream 'cbues'; did you mean 'cubes'?",
        ),
        ("{from: a}, start: mae", "transfer: a stage has either a start or a transfer"),
    ],
)
def test_what_is_wrong_with_a_transfer_is_told(tmp_path, value, said):
    text = toy_run.RECIPE.replace("scratch: {}", f"scratch: {{transfer: {value}}}")
    with pytest.raises(RecipeError) as error:
        toy_run.recipe(tmp_path, text=text)
    assert said in str(error.value)
    assert len(str(error.value).splitlines()) == 1
