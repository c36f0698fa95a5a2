"""What holds for every recipe that ships, at every scale."""

from pathlib import Path

import pytest
import toy_run
from attrs import evolve

import intarsia
from intarsia.core.plugins import registry
from intarsia.core.produce import produce
from intarsia.core.recipe import DecoderSize, Recipe
from intarsia.core.recipe_load import dump, dump_yaml, load, load_every, restore
from intarsia.core.run import run

REGISTRY = registry()
FOLDER = Path(intarsia.__file__).parent / "recipes"
RECIPES = {
    (path.stem, scale): recipe
    for path in sorted(FOLDER.glob("*.yaml"))
    for scale, recipe in load_every(path, REGISTRY).items()
}
every = pytest.mark.parametrize(
    "recipe", RECIPES.values(), ids=["-".join(filter(None, k)) for k in RECIPES]
)
PAPER = RECIPES["fasercal_mae_rel", ""]


def test_recipes_that_ship_are_found_by_name():
    assert {name for name, _ in RECIPES} == {"fasercal_mae_rel", "mae"}
    assert ("fasercal_mae_rel", "demo") in RECIPES
    for (name, scale), recipe in RECIPES.items():
        assert load(name, REGISTRY, scale=scale or None) == recipe


@every
def test_it_is_called_as_its_file_and_says_what_it_is(recipe):
    assert (recipe.name, "") in RECIPES
    assert recipe.about
    assert not recipe.about.endswith(".")


@every
def test_written_out_in_full_it_is_the_same(recipe, tmp_path):
    path = tmp_path / "whole.yaml"
    path.write_text(dump_yaml(recipe))
    assert load(path, REGISTRY) == recipe
    assert restore(dump(recipe), REGISTRY) == recipe


@every
def test_starts_are_given_the_same_tasks_and_events(recipe):
    by_stage = {}
    for name, stage in recipe.stages.items():
        by_stage.setdefault(name.partition("/")[0], []).append(stage)
    for first, *others in by_stage.values():
        for other in others:
            same = ("tasks", "labels", "batch", "drop_path")
            assert [getattr(other, k) for k in same] == [getattr(first, k) for k in same]


def test_below_the_size_of_the_paper_all_starts_take_the_same_steps():
    """A comparison of starts on few labels must not be one of training times."""
    for (_, scale), recipe in RECIPES.items():
        epochs = {s.epochs for n, s in recipe.stages.items() if n.startswith("finetune/")}
        assert not scale or len(epochs) <= 1


# Table III of arXiv:2604.07037, hardware aside: epochs, batch of all GPUs, learning rate, epochs of
# warm-up and of the cosine, second beta.
PHASES = {
    "mae": (400, 8 * 512, 1e-4, 40, 360, 0.95),
    "mae_rel": (100, 8 * 512, 1e-4, 5, 95, 0.95),  # the paper's 40 and 360 do not fit into 100
    "finetune/scratch": (40, 1024, 1e-3, 5, 35, 0.999),
    "finetune/mae": (20, 1024, 5e-4, 5, 15, 0.999),
    "finetune/mae_rel": (20, 1024, 5e-4, 5, 15, 0.999),
}


@pytest.mark.parametrize("name", PHASES)
def test_the_schedule_is_that_of_the_paper(name):
    stage, optim = PAPER.stages[name], PAPER.stages[name].optim
    cosine = optim.decay_epochs or stage.epochs - optim.warmup_epochs
    found = (stage.epochs, stage.batch, optim.lr, optim.warmup_epochs, cosine, optim.betas[1])
    assert found == PHASES[name]
    assert (optim.weight_decay, optim.betas[0]) == (0.05, 0.9)


def test_stages_are_those_of_the_paper():
    assert list(PAPER.stages) == list(PHASES)
    assert {name: s.start for name, s in PAPER.stages.items()} == {
        "mae": None,
        "mae_rel": "mae",
        "finetune/scratch": None,
        "finetune/mae": "mae",
        "finetune/mae_rel": "mae_rel",
    }
    assert all(s.labels is None for s in PAPER.stages.values())


def test_pre_training_masks_as_in_the_paper():
    for name in ("mae", "mae_rel"):
        view = PAPER.stages[name].tasks["mae"].options.view
        assert (view.mask_ratio, view.probability) == (0.75, 1.0)
        assert PAPER.stages[name].drop_path == 0.0
    assert set(PAPER.stages["mae"].tasks) == {"mae"}
    assert set(PAPER.stages["mae_rel"].tasks) == {"mae", "relational"}
    relational = PAPER.stages["mae_rel"].tasks["relational"].options
    assert (relational.view.mask_ratio, relational.view.probability) == (0.25, 0.5)
    assert relational.smoothing == 0.02


@pytest.mark.parametrize(
    ("name", "layer_decay"),
    [("finetune/scratch", 1.0), ("finetune/mae", 0.75), ("finetune/mae_rel", 0.75)],
)
def test_fine_tuning_is_regularised_as_in_the_paper(name, layer_decay):
    stage = PAPER.stages[name]
    assert stage.optim.layer_decay == layer_decay
    assert stage.optim.ema == 0.9999
    assert stage.drop_path == 0.2
    assert stage.tasks["flavour"].options.smoothing == 0.02
    assert {t.options.head_scale for t in stage.tasks.values()} == {2e-5}


def test_charges_enter_as_logarithms_as_in_the_paper():
    detector = REGISTRY.detector(PAPER.detector)
    charges = [c for s in detector.streams for c in s.columns if c.unit == "MeV"]
    assert charges
    assert {c.scale for c in charges} == {"log1p"}


def test_the_encoder_has_the_size_of_the_paper():
    model = PAPER.model
    assert (model.dim, model.heads, model.mlp, model.depth) == (384, 12, 4, 4)
    assert (dict(model.depths), model.summaries, model.rounds) == ({"ahcal": 2}, 2, 4)
    for stage in ("mae", "mae_rel"):
        decoder = PAPER.stages[stage].tasks["mae"].options.decoder
        assert decoder == DecoderSize(width=256, heads=8, depth=4)


def shrunk(recipe: Recipe, path: Path) -> Recipe:
    """`recipe`, all of it, but narrow, short and on the events in the file `path`."""
    stages = {}
    for name, stage in recipe.stages.items():
        tasks = {}
        for key, task in stage.tasks.items():
            small = {"decoder": DecoderSize(width=8, heads=2, depth=1), "modes": 2}
            found = {k: v for k, v in small.items() if hasattr(task.options, k)}
            tasks[key] = evolve(task, options=evolve(task.options, **found))
        labels = None if stage.labels is None else 32
        stages[name] = evolve(stage, tasks=tasks, labels=labels, batch=16, epochs=1)
    model = evolve(recipe.model, dim=8, heads=2, mlp=1, depth=1, depths={}, summaries=1, rounds=1)
    return evolve(
        recipe,
        stages=stages,
        model=model,
        data=evolve(recipe.data, files=(str(path),)),
        report=evolve(recipe.report, probe=32, bootstrap=5, pictures=1),
    )


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    """A file of few events of each detector that a recipe names, simulated."""
    made = {}

    def events(name):
        if name not in made:
            made[name] = tmp_path_factory.mktemp("events") / f"{name}.h5"
            produce(REGISTRY.detector(name), 90, 3, made[name], workers=1)
        return made[name]

    return events


@every
def test_it_runs_from_events_to_report(recipe, events, tmp_path, one_thread):
    small = shrunk(recipe, events(recipe.detector))
    page = run(small, REGISTRY, tmp_path / "run", workers=1)
    assert page.is_file()
    for name in recipe.stages:
        assert (tmp_path / "run" / name / "best.safetensors").is_file()
    starts = {n.partition("/")[2] for n in recipe.stages if "/" in n}
    files = {p.stem for p in (tmp_path / "run").glob("predictions/*.h5")}
    assert starts <= files
    assert (tmp_path / "run" / "metrics.json").exists() == bool(starts)


def test_pre_training_runs_on_any_detector(tmp_path, one_thread):
    """As the recipe says of itself."""
    for name in toy_run.registry().names("detectors"):
        recipe = load(FOLDER / "mae.yaml", toy_run.registry(), [f"detector={name}"])
        produce(toy_run.registry().detector(name), 60, 0, tmp_path / f"{name}.h5", workers=1)
        small = shrunk(recipe, tmp_path / f"{name}.h5")
        assert run(small, toy_run.registry(), tmp_path / name, workers=1).is_file()
