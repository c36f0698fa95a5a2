"""The folder of a run and the facts kept in it."""

import json
import time

import pytest
import toy_run

from intarsia.core.errors import RunError
from intarsia.core.recipe_load import load
from intarsia.core.run_folder import Folder, cores, hardware, versions


@pytest.fixture
def recipe(tmp_path):
    return toy_run.recipe(tmp_path)


def test_a_new_folder_is_made_with_all_above_it(recipe, tmp_path):
    path = tmp_path / "a" / "b" / "run"
    Folder.open(path, recipe, resume=False)
    assert {p.name for p in path.iterdir()} == {"recipe.yaml", "run.json"}


def test_an_empty_folder_will_do(recipe, tmp_path):
    (tmp_path / "run").mkdir()
    Folder.open(tmp_path / "run", recipe, resume=False)
    assert (tmp_path / "run" / "run.json").exists()


def test_the_recipe_in_the_folder_is_resolved_and_loads_alike(recipe, tmp_path):
    Folder.open(tmp_path / "run", recipe, resume=False)
    assert load(tmp_path / "run" / "recipe.yaml", toy_run.registry()) == recipe


def test_a_file_in_its_place_is_refused(recipe, tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(RunError) as error:
        Folder.open(tmp_path / "run", recipe, resume=True)
    assert str(error.value) == f"{tmp_path / 'run'} is a file; a run needs a folder"


def test_the_same_recipe_goes_on_only_when_asked_to(recipe, tmp_path):
    Folder.open(tmp_path / "run", recipe, resume=False).note(moved={"a": "1 copied"})
    with pytest.raises(RunError, match="is not empty; go on with its run by --resume"):
        Folder.open(tmp_path / "run", recipe, resume=False)
    assert Folder.open(tmp_path / "run", recipe, resume=True).facts["moved"] == {"a": "1 copied"}


def test_another_recipe_does_not_go_on(recipe, tmp_path):
    Folder.open(tmp_path / "run", recipe, resume=False)
    other = toy_run.recipe(tmp_path, "stages.mae.optim.lr=0.03")
    with pytest.raises(RunError, match="holds the run of a recipe that differs from this one"):
        Folder.open(tmp_path / "run", other, resume=True)
    assert load(tmp_path / "run" / "recipe.yaml", toy_run.registry()) == recipe


def test_the_same_recipe_written_otherwise_goes_on(recipe, tmp_path):
    Folder.open(tmp_path / "run", recipe, resume=False)
    text = toy_run.RECIPE.replace("epochs: 2", "epochs: 2\n    check_every: 1")
    Folder.open(tmp_path / "run", toy_run.recipe(tmp_path, text=text), resume=True)


def test_facts_are_on_disk_as_soon_as_they_are_noted(recipe, tmp_path):
    folder = Folder.open(tmp_path / "run", recipe, resume=False)
    folder.note(events={"written": 3})
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert facts["events"] == {"written": 3}
    assert facts.keys() >= {"recipe", "versions", "hardware"}
    assert not [p for p in (tmp_path / "run").iterdir() if p.name.startswith(".")]


def test_seconds_of_several_attempts_add_up(recipe, tmp_path):
    for _ in range(2):
        folder = Folder.open(tmp_path / "run", recipe, resume=True)
        with folder.timed("mae"):
            time.sleep(0.02)
    assert 0.04 <= folder.facts["seconds"]["mae"] < 2
    with folder.timed("mae_rel"):
        pass
    assert list(folder.facts["seconds"]) == ["mae", "mae_rel"]


def test_folders_of_the_first_seed_have_the_plain_names(tmp_path):
    folder = Folder(tmp_path)
    assert folder.stage("finetune/mae", 3, 3) == tmp_path / "finetune" / "mae"
    assert folder.stage("finetune/mae", 4, 3) == tmp_path / "finetune" / "mae-seed4"
    assert folder.predictions("mae", 3, 3) == tmp_path / "predictions" / "mae.h5"
    assert folder.predictions("mae", 4, 3) == tmp_path / "predictions" / "mae-seed4.h5"
    assert (tmp_path / "predictions").is_dir()


def test_versions_and_hardware_are_plain_json():
    assert versions().keys() >= {"python", "intarsia", "torch", "numpy"}
    assert hardware()["cores"] == cores() >= 1
    json.dumps([versions(), hardware()])
