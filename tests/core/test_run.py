"""A recipe from events to report, on a toy detector."""

import csv
import json
import shutil

import numpy as np
import pytest
import toy
import toy_run
from attrs import evolve
from toy_run import StopError, stopping

from intarsia.core.card import read_card
from intarsia.core.checkpoint import digest, load
from intarsia.core.errors import EventError, RunError
from intarsia.core.manifest import read_manifest
from intarsia.core.produce import produce
from intarsia.core.recipe_load import dump
from intarsia.core.report import over_seeds, tables
from intarsia.core.run import prepared
from intarsia.core.store import EventFile, EventWriter
from intarsia.core.store_predictions import read_predictions

STAGES = ("mae", "mae_rel", "finetune/scratch", "finetune/mae", "finetune/mae_rel")
STARTS = ("scratch", "mae", "mae_rel")


def metrics(out):
    return json.loads((out / "metrics.json").read_text())


def same_predictions(ours, theirs):
    names = {p.name for p in (ours / "predictions").iterdir()}
    assert names == {p.name for p in (theirs / "predictions").iterdir()}
    for name in names:
        here, there = (read_predictions(o / "predictions" / name) for o in (ours, theirs))
        assert here.attrs == there.attrs
        assert here.columns.keys() == there.columns.keys()
        for column, values in here.columns.items():
            np.testing.assert_array_equal(values, there.columns[column], err_msg=name)


def is_interval(value):
    return len(value) == 3 and value[1] <= value[0] <= value[2]


def test_a_run_leaves_its_files(finished):
    files = {str(p.relative_to(finished)) for p in finished.rglob("*") if p.is_file()}
    weights = ("best.safetensors", "last.safetensors", "last.resume.safetensors", "log.csv")
    assert {f"{stage}/{name}" for stage in STAGES for name in weights} <= files
    starts = (
        *STARTS,
        "probe-random",
        "probe-mae",
        "probe-mae_rel",
        "hand_features",
        "boosted_trees",
    )
    assert {f"predictions/{start}.h5" for start in starts} <= files
    more = ("recipe.yaml", "run.json", "data/events.h5", "metrics.json", "report.html")
    assert set(more) <= files
    assert not [f for f in files if f.rpartition("/")[2].startswith(".")]
    assert len([f for f in files if f.startswith("figures/")]) > 3
    assert len([f for f in files if f.startswith("pictures/")]) == 2


def test_metrics_have_the_entries_of_the_design(finished):
    found = metrics(finished)
    assert found.keys() >= {"starts", "random", "n_train", "n_test", "seeds"}
    assert tuple(found["starts"]) == STARTS
    for start, values in found["starts"].items():
        assert is_interval(values["flavour"]["auc_macro"])
        assert values["flavour"]["auc"].keys() == {"e", "mu", "tau"}
        assert all(map(is_interval, values["flavour"]["auc"].values()))
        assert np.shape(values["flavour"]["confusion"]["matrix"]) == (3, 3)
        assert values["vertex_mm"].keys() >= {"mean", "median"}
        assert is_interval(values["vertex_mm"]["mean"])
        assert is_interval(values["vertex_mm"]["median"])
        assert ("probe" in values) == (start != "scratch")
    for values in (found["random"], found["starts"]["mae"], found["starts"]["mae_rel"]):
        assert is_interval(values["probe"]["auc_macro"])
        assert is_interval(values["probe"]["vertex_mm"])
    for yardstick in ("hand_features", "boosted_trees"):
        assert is_interval(found[yardstick]["flavour"]["auc_macro"])
        assert is_interval(found[yardstick]["vertex_mm"]["median"])


def test_metrics_tell_the_numbers_of_events_and_seeds(finished):
    found = metrics(finished)
    assert found["n_train"] == 64
    assert found["n_test"] == len(EventFile(finished / "data" / "events.h5").select("test"))
    assert found["seeds"] == [0]
    assert found["simulation"] == "sample"


def test_predictions_are_of_the_test_split_with_its_truth(finished):
    file = EventFile(finished / "data" / "events.h5")
    test = file.select("test")
    for path in (finished / "predictions").iterdir():
        found = read_predictions(path).columns
        assert list(found["keys"]) == [file.keys[i] for i in test]
        np.testing.assert_array_equal(found["flavour/truth"], file.truth["flavour"][test])
        np.testing.assert_array_equal(found["vertex/truth"], file.truth["vertex"][test])
        assert found["flavour/scores"].shape == (len(test), 3)
        np.testing.assert_allclose(found["flavour/scores"].sum(1), 1, rtol=1e-5)
        assert found["vertex/prediction"].shape == (len(test), 3)
        assert np.isfinite(found["vertex/prediction"]).all()
        np.testing.assert_array_equal(found["weight"], 1)


def test_the_report_compares_the_starts(finished):
    html = (finished / "report.html").read_text()
    for word in ("three", *STARTS, "hand"):
        assert word in html


def test_the_facts_of_a_run_are_kept(finished, tmp_path):
    facts = json.loads((finished / "run.json").read_text())
    assert facts["recipe"] == json.loads(json.dumps(dump(toy_run.recipe(tmp_path))))
    assert facts["events"] == {"written": 240, "left_out": 0}
    assert set(facts["seconds"]) == {"events", *STAGES, "evaluate", "report"}
    assert all(s >= 0 for s in facts["seconds"].values())
    assert set(facts["moved"]) == {"mae_rel", "finetune/mae", "finetune/mae_rel"}
    assert facts["versions"]["torch"]
    assert facts["hardware"]["cores"] >= 1


def test_checkpoints_name_their_parents(finished):
    def best(stage):
        return finished / stage / "best.safetensors"

    for stage, parent in (("mae_rel", "mae"), ("finetune/mae_rel", "mae_rel")):
        card = read_card(best(stage))
        assert card.parents == (digest(best(parent)),)
        assert card.stage == stage
        tensors = card.transfer["tensors"]
        now, before = (set(load(best(s))[0]) for s in (stage, parent))
        assert {t["name"] for t in tensors if t["fate"] != "unused"} == now
        assert {t.get("source", t["name"]) for t in tensors if t["fate"] != "fresh"} == before
        assert card.transfer["reused"] == 1.0
    assert read_card(best("finetune/scratch")).parents == ()


def test_the_same_seed_gives_the_same_metrics(finished, tmp_path):
    toy_run.run(toy_run.recipe(tmp_path), tmp_path / "out")
    assert metrics(tmp_path / "out") == metrics(finished)
    same_predictions(tmp_path / "out", finished)


@pytest.mark.usefixtures("no_report")
def test_another_seed_gives_other_events_and_predictions(finished, tmp_path):
    toy_run.run(toy_run.recipe(tmp_path, "seeds=[1]"), tmp_path / "out")
    here, there = (EventFile(o / "data" / "events.h5") for o in (tmp_path / "out", finished))
    assert here.keys != there.keys
    scores = [
        read_predictions(o / "predictions" / "mae.h5").columns["vertex/prediction"].mean()
        for o in (tmp_path / "out", finished)
    ]
    assert scores[0] != scores[1]


@pytest.mark.usefixtures("no_report")
@pytest.mark.parametrize(
    ("what", "done"),
    [
        ("draw events", 100),
        ("mae", 250),
        ("mae_rel", 100),
        ("finetune/mae", 90),
        ("predict mae", 1),
        ("features by hand", 1),
    ],
)
def test_an_interrupted_run_resumed_equals_one_in_one_go(finished, tmp_path, what, done):
    recipe, out = toy_run.recipe(tmp_path), tmp_path / "out"
    with pytest.raises(StopError):
        toy_run.run(recipe, out, notify=stopping(what, done))
    assert not (out / "metrics.json").exists()
    toy_run.run(recipe, out, resume=True)
    same_predictions(out, finished)
    for stage in STAGES:
        for name in ("best.safetensors", "last.resume.safetensors"):
            ours, theirs = (o / stage / name for o in (out, finished))
            assert digest(ours) == digest(theirs), (stage, name)


@pytest.mark.usefixtures("no_report")
def test_the_log_of_an_interrupted_run_has_every_step_once(finished, tmp_path):
    recipe, out = toy_run.recipe(tmp_path, "stages.mae.epochs=6"), tmp_path / "out"
    with pytest.raises(StopError):
        toy_run.run(recipe, out, stage="mae", notify=stopping("mae", 27 * 32))  # epoch 4 of 6
    toy_run.run(recipe, out, stage="mae")
    with (out / "mae" / "log.csv").open() as file:
        rows = [(r["split"], int(r["step"])) for r in csv.DictReader(file)]
    assert ("train", 25) in rows
    assert len(set(rows)) == len(rows)
    assert [step for _, step in rows] == sorted(step for _, step in rows)


def test_resuming_a_finished_run_trains_nothing_and_gives_the_same(finished, tmp_path):
    out = shutil.copytree(finished, tmp_path / "out")
    told = []
    page = toy_run.run(toy_run.recipe(tmp_path), out, resume=True, notify=told.append)
    assert page == out / "report.html"
    assert not {p.what for p in told} & {*STAGES, "draw events"}
    assert metrics(out) == metrics(finished)


@pytest.mark.usefixtures("no_report")
def test_resuming_with_nothing_to_resume_starts_afresh(tmp_path):
    recipe, out = toy_run.recipe(tmp_path, text=toy_run.ALONE), tmp_path / "out"
    toy_run.run(recipe, out, resume=True)
    assert (out / "mae" / "best.safetensors").exists()


def test_a_folder_that_is_not_empty_is_refused(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(RunError) as error:
        toy_run.run(toy_run.recipe(tmp_path), tmp_path / "out")
    assert str(error.value) == (
        f"{tmp_path / 'out'} is not empty; go on with its run by --resume, or choose another --out"
    )
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["notes.txt"]


def test_another_recipe_in_the_folder_is_refused(finished, tmp_path):
    other = toy_run.recipe(tmp_path, "stages.mae.epochs=3")
    before = (finished / "run.json").read_text()
    with pytest.raises(RunError) as error:
        toy_run.run(other, finished, resume=True)
    assert str(error.value) == (
        f"{finished} holds the run of a recipe that differs from this one "
        f"(compare {finished / 'recipe.yaml'}); choose another --out"
    )
    assert (finished / "run.json").read_text() == before


def test_one_stage_after_the_other_gives_the_same(finished, tmp_path):
    recipe, out = toy_run.recipe(tmp_path), tmp_path / "out"
    assert toy_run.run(recipe, out, stage="mae") == out
    assert {p.name for p in out.iterdir()} == {"recipe.yaml", "run.json", "data", "mae"}
    toy_run.run(recipe, out, stage="mae_rel")
    toy_run.run(recipe, out, stage="finetune/mae_rel")
    assert {p.name for p in (out / "finetune").iterdir()} == {"mae_rel"}
    toy_run.run(recipe, out, stage="finetune")
    assert not (out / "predictions").exists()
    for stage in STAGES:
        ours, theirs = (o / stage / "last.resume.safetensors" for o in (out, finished))
        assert digest(ours) == digest(theirs)


def test_a_stage_that_starts_from_what_is_not_there_says_what_to_do(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(RunError) as error:
        toy_run.run(toy_run.recipe(tmp_path), out, stage="mae_rel")
    assert str(error.value) == (
        f"stage 'mae_rel' starts from {out / 'mae' / 'best.safetensors'}, which is not there; "
        "run it first"
    )


def test_a_stage_that_the_recipe_lacks_is_named(tmp_path):
    with pytest.raises(RunError) as error:
        toy_run.run(toy_run.recipe(tmp_path), tmp_path / "out", stage="mea")
    assert str(error.value) == (
        f"the recipe has no stage 'mea'; did you mean 'mae'? (it has: {', '.join(STAGES)})"
    )
    assert not (tmp_path / "out").exists()


def test_two_seeds_repeat_the_fine_tuning_alone(tmp_path):
    recipe, out = toy_run.recipe(tmp_path, "seeds=[0, 7]", "report.pictures=0"), tmp_path / "out"
    toy_run.run(recipe, out)
    assert {p.name for p in (out / "finetune").iterdir()} == {
        *STARTS,
        *(f"{s}-seed7" for s in STARTS),
    }
    assert not list(out.glob("mae*-seed7"))
    found = metrics(out)
    assert found["seeds"] == [0, 7]
    for start in STARTS:
        auc = found["starts"][start]["flavour"]
        assert len(auc["per_seed"]["auc_macro"]) == 2
        spread = np.std(auc["per_seed"]["auc_macro"], ddof=1)
        assert auc["spread"]["auc_macro"] == pytest.approx(spread)
        assert auc["auc_macro"][0] == pytest.approx(np.mean(auc["per_seed"]["auc_macro"]))
    scratch, mae = (found["starts"][s]["vertex_mm"] for s in ("scratch", "mae"))
    differences = np.subtract(mae["per_seed"]["median"], scratch["per_seed"]["median"])
    np.testing.assert_allclose(mae["against_scratch"]["median"], differences)
    page = (out / "report.html").read_text()
    assert "<h2>Over seeds</h2>" in page
    assert "<h2>Against scratch, seed by seed</h2>" in page
    table = over_seeds.paired(found, tables.measures(found))
    assert [row[0] for row in table.rows] == ["MAE", "MAE + Rel"]
    assert all(cell in page for row in table.rows for cell in row)
    labels = [
        read_predictions(out / "predictions" / f"scratch{s}.h5").columns["flavour/scores"]
        for s in ("", "-seed7")
    ]
    assert (labels[0] != labels[1]).any()


def test_a_budget_is_the_run_with_so_many_labels(finished, tmp_path):
    """Every start, probe and model of hand-made features is what it is where labels are the budget."""
    few = ("stages.finetune.labels=24", "report.probe=24")
    shared = shutil.copytree(finished, tmp_path / "labels", ignore=lambda *_: ("finetune",))
    (shared / "recipe.yaml").unlink()
    out = shutil.copytree(shared, tmp_path / "budgets")
    toy_run.run(toy_run.recipe(tmp_path, *few), shared, resume=True)
    words = ("stages.finetune.budgets=[24]", "report.probe=24")
    toy_run.run(toy_run.recipe(tmp_path, *words), out, resume=True)
    found, alone = metrics(out), metrics(shared)
    assert list(found["budgets"]) == ["24", "64"]
    theirs = {p.stem for p in (shared / "predictions").iterdir()}
    linear = theirs - {
        *STARTS,
        "boosted_trees",
    }  # fitted to 24 and 64 labels, whatever is the usual
    assert {p.stem for p in (out / "predictions").iterdir()} == {
        *theirs,
        *(f"{name}@24" for name in theirs),
        *(f"{name}@64" for name in linear),
    }
    for name in theirs:
        many = f"{name}@64.h5" if name in linear else f"{name}.h5"
        for ours, folder in ((f"{name}@24.h5", shared), (many, finished)):
            here = read_predictions(out / "predictions" / ours).columns
            there = read_predictions(folder / "predictions" / f"{name}.h5").columns
            for column, values in there.items():
                if values.dtype.kind == "f":  # features are computed in other company
                    np.testing.assert_allclose(here[column], values, 1e-4, 1e-5, err_msg=ours)
                else:
                    np.testing.assert_array_equal(here[column], values, err_msg=ours)
    ours = found["budgets"]["24"]["starts"]["mae"]["flavour"]["auc_macro"]
    assert ours == pytest.approx(alone["starts"]["mae"]["flavour"]["auc_macro"])
    page = (out / "report.html").read_text()
    assert "<h2>How many labels it takes</h2>" in page
    assert "<h2>Labels that scratch needs for the same</h2>" in page
    assert (out / "figures" / "labels.png").is_file()
    assert "How many labels" not in (shared / "report.html").read_text()


@pytest.mark.usefixtures("no_report")
def test_the_first_of_two_seeds_is_the_run_with_one(finished, tmp_path):
    recipe, out = toy_run.recipe(tmp_path, "seeds=[0, 7]"), tmp_path / "out"
    toy_run.run(recipe, out)
    for path in (finished / "predictions").iterdir():
        ours, theirs = (
            read_predictions(o / "predictions" / path.name).columns for o in (out, finished)
        )
        for name, values in theirs.items():
            if values.dtype.kind == "f":  # features are computed in other company
                np.testing.assert_allclose(
                    ours[name], values, rtol=1e-5, atol=1e-6, err_msg=path.name
                )
            else:
                np.testing.assert_array_equal(ours[name], values, err_msg=path.name)


def test_a_file_of_events_is_read_where_it_lies(finished, tmp_path):
    path = finished / "data" / "events.h5"
    recipe = toy_run.recipe(tmp_path, f"data.files=[{path}]")
    toy_run.run(recipe, tmp_path / "out")
    assert not (tmp_path / "out" / "data" / "events.h5").exists()
    same_predictions(tmp_path / "out", finished)
    assert metrics(tmp_path / "out") == metrics(finished)


@pytest.mark.parametrize("pictures", [0, 2])
def test_a_file_without_labels_is_pre_trained_on(tmp_path, pictures):
    events = toy_run.unlabelled(toy.events(toy.GRID, 200, seed=3))
    path = toy_run.written(tmp_path / "real.h5", events)
    changes = (f"data.files=[{path}]", f"report.pictures={pictures}")
    recipe = toy_run.recipe(tmp_path, *changes, text=toy_run.ALONE)
    page = toy_run.run(recipe, tmp_path / "out")
    assert page.read_text().startswith("<!")
    assert (tmp_path / "out" / "mae" / "best.safetensors").exists()
    assert not (tmp_path / "out" / "predictions").exists()


def test_a_file_that_lacks_truth_is_refused_with_every_task_that_needs_it(tmp_path):
    events = toy.events(toy.GRID, 100, seed=3)
    bare = evolve(toy_run.unlabelled(events), truth={"flavour": events.truth["flavour"]})
    path = toy_run.written(tmp_path / "real.h5", bare)
    with pytest.raises(RunError) as error:
        toy_run.run(toy_run.recipe(tmp_path, f"data.files=[{path}]"), tmp_path / "out")
    lacks = [f"stage 'mae_rel': task 'relational' needs 'cubes.{name}'" for name in LABELS]
    lacks += [f"stage 'finetune/{start}': task 'vertex' needs 'vertex'" for start in STARTS]
    assert str(error.value) == "\n".join(f"{path}: {x}, which the file lacks" for x in lacks)


LABELS = [label.name for label in toy.CUBES.labels]


def test_several_files_are_read_as_one(finished, tmp_path):
    file = EventFile(finished / "data" / "events.h5")
    cut = len(file) // 3
    for name, a, b in (("1.h5", 0, cut), ("2.h5", cut, len(file))):
        with EventWriter(tmp_path / name, toy.GRID, file.provenance) as part:
            part.append(file.read(a, b))
    toy_run.run(toy_run.recipe(tmp_path, f"data.files=[{tmp_path}/*.h5]"), tmp_path / "out")
    same_predictions(tmp_path / "out", finished)
    assert metrics(tmp_path / "out") == metrics(finished)


def test_a_file_of_another_detector_is_refused(tmp_path):
    produce(toy.PLAIN, 50, 0, tmp_path / "plain.h5", workers=1)
    recipe = toy_run.recipe(tmp_path, f"data.files=[{tmp_path / 'plain.h5'}]")
    with pytest.raises(EventError, match="toyplain"):
        toy_run.run(recipe, tmp_path / "out")


def test_a_file_that_is_not_there_is_named(tmp_path):
    recipe = toy_run.recipe(tmp_path, f"data.files=[{tmp_path / 'no.h5'}]")
    with pytest.raises(EventError, match=r"no\.h5"):
        toy_run.run(recipe, tmp_path / "out")


# Of seed 28 the first event validates and the twelfth is the first that tests.
@pytest.mark.parametrize(("n", "split"), [(1, "train"), (11, "test")])
def test_too_few_events_for_a_split_are_said_so(tmp_path, n, split):
    out, few = tmp_path / "out", ["seeds=[28]", "stages.finetune.labels=5", "report.probe=5"]
    with pytest.raises(RunError) as error:
        toy_run.run(toy_run.recipe(tmp_path, f"data.events={n}", *few), out)
    assert str(error.value) == (
        f"{out / 'data' / 'events.h5'}: none of the {n} events falls into the {split} split "
        "(85/5/10 by a hash of their keys); a sample of at least 100 events has all three"
    )


def test_more_labels_than_events_are_said_so(tmp_path):
    recipe = toy_run.recipe(tmp_path, "stages.finetune.labels=1000")
    out = tmp_path / "out"
    with pytest.raises(RunError) as error:
        toy_run.run(recipe, out, stage="finetune/scratch")
    n = len(EventFile(out / "data" / "events.h5").select("train"))
    assert str(error.value) == (f"1000 labelled events asked for, but the training split has {n}")


def test_events_must_have_been_split_by_the_manifest_that_a_recipe_names(tmp_path):
    ours, path = tmp_path / "ours.csv", tmp_path / "e.h5"
    ours.write_text("event,split\n1/1,train\n")
    recipe = toy_run.recipe(tmp_path, f"data.files=[{path}]", f"data.manifest={ours}")
    about = {"name": "ours.csv", "sha256": read_manifest(ours).digest}

    def asked(provenance):
        with EventWriter(path, toy.GRID, provenance) as file:
            file.append(toy.events(toy.GRID, 40))
        return prepared(recipe, toy_run.registry(), tmp_path / "out", resume=True)

    for found, said in (
        ({}, "without a manifest"),
        ({"manifest": {**about, "name": "x.csv"}}, "by another manifest, x.csv"),
    ):
        with pytest.raises(RunError) as caught:
            asked(found)
        assert str(caught.value) == (
            f"{path}: its events were split {said}; prepare them with --manifest {ours}"
        )
    assert asked({"manifest": about}).folder.facts["manifest"] == about
