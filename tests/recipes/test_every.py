"""What holds for every recipe that ships, at every scale."""

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
import toy_run
from attrs import evolve

import intarsia
from intarsia.core.manifest import find_manifest, read_manifest
from intarsia.core.network import network, views_of
from intarsia.core.normalise import unit_normalisation
from intarsia.core.planner import Planner
from intarsia.core.plugins import registry
from intarsia.core.produce import produce
from intarsia.core.recipe import DecoderSize, Recipe
from intarsia.core.recipe_load import dump, dump_yaml, load, load_every, restore
from intarsia.core.run import run
from intarsia.core.store import EventFile

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
# Shrunk, a recipe is all but the same at any scale, and so are these among each other.
SLOW = {
    ("superfgd_transfer", ""),
    ("pilarnet_single", ""),
    ("pilarnet_single", "demo"),
    ("pilarnet_multi", ""),
    ("pilarnet_multi", "demo"),
    ("pilarnet_multi", "public"),
    ("pilarnet_segmentation", ""),
}
runs = pytest.mark.parametrize(
    "recipe",
    [pytest.param(r, marks=[pytest.mark.slow] * (k in SLOW)) for k, r in RECIPES.items()],
    ids=["-".join(filter(None, k)) for k in RECIPES],
)
PAPER = RECIPES["fasercal_mae_rel", ""]
DETECTOR = REGISTRY.detector(PAPER.detector)


def test_recipes_that_ship_are_found_by_name():
    targets = {"superfgd_transfer", "pilarnet_single", "pilarnet_multi", "pilarnet_segmentation"}
    assert {name for name, _ in RECIPES} == {"fasercal_mae_rel", "mae"} | targets
    assert all((name, "demo") in RECIPES for name in targets)
    assert ("fasercal_mae_rel", "demo") in RECIPES
    for (name, scale), recipe in RECIPES.items():
        assert load(name, REGISTRY, scale=scale or None) == recipe


@every
def test_it_is_called_as_its_file_and_says_what_it_is(recipe):
    assert (recipe.name, "") in RECIPES
    assert recipe.about
    assert not recipe.about.endswith(".")


def test_published_numbers_are_those_of_the_paper():
    """Tables I and II of arXiv:2604.07037: means of the diagonal, and what is quoted in the text."""
    confusion = RECIPES["superfgd_transfer", "demo"].published["pid"].confusion
    assert np.allclose([np.sum(c, 1) for c in confusion.values()], 1, atol=2e-3)
    diagonals = [np.diag(c).mean() for c in confusion.values()]
    assert diagonals == pytest.approx([0.729, 0.698, 0.689, 0.706, 0.772], abs=6e-4)
    for name, accuracies in (("single", (0.8798, 0.9154)), ("multi", (0.9333, 0.9662))):
        rows = RECIPES[f"pilarnet_{name}", ""].published["pid"].rows
        assert (
            tuple(rows[f"{k} of the paper"].accuracy for k in ("Scratch", "MAE+Rel")) == accuracies
        )


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


# Table III of arXiv:2604.07037, word for word, hardware aside. Columns: phase 1, phase 2, fine-tuning
# of a pre-trained encoder, scratch; None where the table has a dash.
COLUMNS = {
    "mae": 0,
    "mae_rel": 1,
    "finetune/scratch": 3,
    "finetune/mae": 2,
    "finetune/mae_rel": 2,
}
TABLE_III = {
    "epochs": (400, 100, 20, 40),
    "batch size (per GPU)": (512, 512, 1024, 1024),
    "base learning rate": (1e-4, 1e-4, 5e-4, 1e-3),
    "warm-up epochs": (40, 40, 5, 5),
    "cosine-annealing epochs": (360, 360, 15, 35),
    "weight decay": (0.05, 0.05, 0.05, 0.05),
    "beta1, beta2": ((0.9, 0.95), (0.9, 0.95), (0.9, 0.999), (0.9, 0.999)),
    "label smoothing": (0.02, 0.02, 0.02, 0.02),
    "hit charge preprocessing": ("log", "log", "log", "log"),
    "mask ratio": (0.75, 0.75, None, None),
    "relational pass probability": (0.0, 0.5, None, None),
    "relational mask ratio": (None, 0.25, None, None),
    "reconstruction loss mode": ("hybrid", "hybrid", None, None),
    "layer-wise learning-rate decay": (None, None, 0.75, 1.0),
    "exponential moving average decay": (None, None, 0.9999, 0.9999),
    "drop-path rate": (0.0, 0.0, 0.2, 0.2),
    "head init scale": (None, None, 2e-5, 2e-5),
}
# Where the recipe departs from it, and why.
DEPARTURES = {
    ("mae_rel", "warm-up epochs"): 5,  # 40 and 360 do not fit into phase 2's 100 epochs
    ("mae_rel", "cosine-annealing epochs"): 95,
    # Its only labels are cells that are hit or not, where a perfect prediction is to cost nothing.
    ("mae", "label smoothing"): None,
}
GPUS = {"mae": 8, "mae_rel": 8}  # the learning rate is scaled by the batch of all of them


def values(name: str) -> dict:
    """The rows of table III as the recipe has them."""
    stage, optim = PAPER.stages[name], PAPER.stages[name].optim
    options = {k: t.options for k, t in stage.tasks.items()}
    masked, relational = options.get("mae"), options.get("relational")
    smoothing = {o.smoothing for k, o in options.items() if k in ("relational", "flavour", "charm")}
    scales = {o.head_scale for o in options.values() if hasattr(o, "head_scale")}
    pre_training = masked is not None
    charges = {c.scale for s in DETECTOR.streams for c in s.columns if c.unit == "MeV"}
    return {
        "epochs": stage.epochs,
        "batch size (per GPU)": stage.batch // GPUS.get(name, 1),
        "base learning rate": optim.lr,
        "warm-up epochs": optim.warmup_epochs,
        "cosine-annealing epochs": optim.decay_epochs or stage.epochs - optim.warmup_epochs,
        "weight decay": optim.weight_decay,
        "beta1, beta2": optim.betas,
        "label smoothing": smoothing.pop() if len(smoothing) == 1 else smoothing or None,
        "hit charge preprocessing": {frozenset({"log1p"}): "log"}.get(frozenset(charges)),
        "mask ratio": masked.view.mask_ratio if masked else None,
        "relational pass probability": (relational.view.probability if relational else 0.0)
        if pre_training
        else None,
        "relational mask ratio": relational.view.mask_ratio if relational else None,
        "reconstruction loss mode": _mode(masked.hybrid) if masked else None,
        "layer-wise learning-rate decay": None
        if pre_training and optim.layer_decay == 1
        else optim.layer_decay,
        "exponential moving average decay": optim.ema or None,
        "drop-path rate": stage.drop_path,
        "head init scale": scales.pop() if len(scales) == 1 else scales or None,
    }


def _mode(loss) -> str:
    """Section IV C: soft-chamfer and distance-weighted terms beside those of single voxels."""
    return "hybrid" if loss.chamfer and loss.distance else "plain"


@pytest.mark.parametrize("name", COLUMNS)
def test_the_values_are_those_of_table_iii(name):
    found = values(name)
    assert found.keys() == TABLE_III.keys()
    for row, columns in TABLE_III.items():
        assert found[row] == DEPARTURES.get((name, row), columns[COLUMNS[name]]), row


def test_stages_are_those_of_the_paper():
    assert list(PAPER.stages) == list(COLUMNS)
    assert {name: s.start for name, s in PAPER.stages.items()} == {
        "mae": None,
        "mae_rel": "mae",
        "finetune/scratch": None,
        "finetune/mae": "mae",
        "finetune/mae_rel": "mae_rel",
    }
    assert all(s.labels is None for s in PAPER.stages.values())


def test_tasks_are_those_of_the_paper():
    """Section IV C and D: the last four are fine-tuned jointly, with a token each."""
    joint = {"flavour", "charm", "kinematics", "vertex"}
    wanted = {"mae": {"mae"}, "mae_rel": {"mae", "relational"}}
    for name, stage in PAPER.stages.items():
        assert set(stage.tasks) == wanted.get(name, joint)
        if name not in wanted:
            assert {t.options.head for t in stage.tasks.values()} == {"tokens"}
    assert PAPER.stages["mae_rel"].tasks["mae"].options.view.probability == 1.0


@pytest.mark.parametrize("task", ["flavour", "charm", "kinematics", "vertex"])
def test_each_task_of_fine_tuning_can_be_switched_off(task):
    recipe = load("fasercal_mae_rel", REGISTRY, [f"stages.finetune.tasks.{task}=false"])
    for name, stage in recipe.stages.items():
        assert task not in stage.tasks
        if name.startswith("finetune/"):
            assert len(stage.tasks) == 3


def test_the_encoder_has_the_size_of_the_paper():
    model = PAPER.model
    assert (model.dim, model.heads, model.mlp, model.depth) == (384, 12, 4, 4)
    assert (dict(model.depths), model.summaries, model.rounds) == ({"ahcal": 2}, 2, 4)
    for stage in ("mae", "mae_rel"):
        decoder = PAPER.stages[stage].tasks["mae"].options.decoder
        assert decoder == DecoderSize(width=256, heads=8, depth=4)


def test_a_start_can_be_switched_off():
    recipe = load("pilarnet_multi", REGISTRY, ["stages.finetune.starts.transferred=false"])
    assert list(recipe.stages) == ["mae", "finetune/scratch", "finetune/mae"]


def test_what_is_transferred_fits_at_every_scale():
    """The encoder of FASERCal that the recipe names must be of the same sizes."""
    for (name, scale), recipe in RECIPES.items():
        if any(s.transfer for s in recipe.stages.values()):
            source = RECIPES.get(("fasercal_mae_rel", scale), PAPER)
            sizes = ("dim", "heads", "mlp", "depth", "summaries", "rounds")
            for size in sizes:
                assert getattr(recipe.model, size) == getattr(source.model, size), (name, scale)


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
        data=evolve(recipe.data, files=(str(path),), manifest=None),
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


@pytest.fixture(scope="module")
def encoder(events, tmp_path_factory):
    """The encoder of FASERCal that others start from, shrunk as they are."""
    recipe = load(FOLDER / "mae.yaml", REGISTRY)
    out = tmp_path_factory.mktemp("encoder") / "run"
    run(shrunk(recipe, events("fasercal")), REGISTRY, out, workers=1)
    return out / "mae" / "best.safetensors"


def test_the_split_of_the_public_pilarnet_is_80_2_18():
    recipe = RECIPES["pilarnet_multi", "public"]
    manifest = read_manifest(find_manifest(recipe.data.manifest, REGISTRY.recipes))
    assert len(manifest.splits) == 20
    keys = [f"1/{i}" for i in range(5000)]
    splits = [manifest.splits_of(keys, Path("data") / name) for name in manifest.splits]
    shares = np.bincount(np.concatenate(splits), minlength=3) / (20 * len(keys))
    assert shares == pytest.approx([0.80, 0.02, 0.18], abs=0.002)


@every
def test_a_step_neither_makes_tensors_on_the_host_nor_asks_the_device(recipe, events, monkeypatch):
    """On a device that has shapes and no numbers, such as a GPU would wait for, both are errors."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # unknown to it
    detector = REGISTRY.detector(recipe.detector)
    file = EventFile(events(recipe.detector))
    small = shrunk(recipe, file.path)
    one = unit_normalisation(detector)
    planner = Planner(detector=detector, model=small.model, normalisation=one)
    for stage in small.stages.values():
        made = network(REGISTRY, detector, small.model, stage, one, 0).to("meta")
        views = tuple(dict.fromkeys(views_of(stage).values()))
        batch = planner(file.read(0, 40), views, np.random.default_rng(0)).to("meta")
        total, _ = made(batch)
        total.backward()


def test_weights_of_the_scale_for_a_gpu_fit_into_16_mb():
    recipe = RECIPES["fasercal_mae_rel", "gpu"]
    one = unit_normalisation(DETECTOR)
    for stage in recipe.stages.values():
        assert stage.half
        made = network(REGISTRY, DETECTOR, recipe.model, stage, one, 0)
        assert 2 * sum(v.numel() for v in made.state_dict().values()) < 15.5e6  # and the card


@runs
def test_it_runs_from_events_to_report(recipe, events, tmp_path, one_thread, request):
    small = shrunk(recipe, events(recipe.detector))
    if any(s.transfer for s in recipe.stages.values()):
        lent = str(request.getfixturevalue("encoder"))
        stages = {
            n: evolve(s, transfer=s.transfer and evolve(s.transfer, checkpoint=lent))
            for n, s in small.stages.items()
            if recipe.name == "superfgd_transfer" or not n.endswith("_patches")  # once is enough
        }
        small = evolve(small, stages=stages)
    page = run(small, REGISTRY, tmp_path / "run", workers=1)
    assert page.is_file()
    for name in small.stages:
        assert (tmp_path / "run" / name / "best.safetensors").is_file()
    starts = {n.partition("/")[2] for n in small.stages if "/" in n}
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
