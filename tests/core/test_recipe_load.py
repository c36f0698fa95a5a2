"""Recipes: assembly, strictness, faults word for word, and the way back."""

import json
from pathlib import Path

import pytest
from attrs import Factory, evolve, field, frozen
from attrs.validators import ge
from cubes import grid

from intarsia.core.detector import Augmentation, Detector, Simulation
from intarsia.core.errors import RecipeError
from intarsia.core.hookspecs import hookimpl
from intarsia.core.plugins import Registry, Source
from intarsia.core.recipe import Instance, budget_of
from intarsia.core.recipe_load import dump, dump_yaml, load, load_every, restore
from intarsia.core.streams import Label
from intarsia.core.task import Needs, TaskKind, View


@frozen(kw_only=True)
class Hide:
    view: View = Factory(View)
    rank: int = field(default=8, validator=ge(1))
    about: str | None = None
    sizes: tuple[int, ...] = ()


@frozen(kw_only=True)
class Guess:
    truth: str = "particle"
    label: str = ""


def cube():
    return Detector(
        name="cube",
        about="a cube",
        streams=[grid(labels=(Label(name="ghost", classes=("real", "ghost")),))],
        truth=[Label(name="particle", classes=("e", "mu"))],
        simulation=Simulation(make="cube:make", options={"light": 10.0, "mode": "fast"}),
        augmentations=[Augmentation(kind="smear", streams=("cubes",), size=0.1)],
    )


class Plugin:
    @hookimpl
    def intarsia_detectors(self):
        return [cube()]

    @hookimpl
    def intarsia_tasks(self):
        def needs(options, detector):
            return Needs(truth=(options.truth,), labels=tuple(filter(None, (options.label,))))

        return [
            TaskKind(name="hide", about="x", options=Hide, build="no:No"),
            TaskKind(name="guess", about="x", options=Guess, build="no:No", needs=needs),
        ]


@pytest.fixture
def registry(tmp_path):
    made = Registry()
    made.add(Plugin(), "cube", Source("cube.py"))
    return made


GOOD = """name: good
about: everything a recipe can say
detector: cube
data: {options: {light: 3}}
stages:
  one:
    epochs: 4
    tasks: {hide: {view: {mask_ratio: 0.5}}}
  two:
    start: one
    epochs: 2
    optim: {lr: 1e-3, warmup_epochs: 1}
    tasks:
      first: {kind: guess}
      hide:
    starts:
      fresh: {start: null, optim: {lr: 2e-3}}
      tuned:
  three: {epochs: 1, start: two/tuned, tasks: {guess: {}}}
scales:
  small: {model: {dim: 48}, stages: {two: {epochs: 1}}}
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(text, name="x.yaml"):
        Path(name).write_text(text)
        return name

    return write


def faults(name, registry, *overrides, scale=None):
    with pytest.raises(RecipeError) as caught:
        load(name, registry, overrides, scale)
    return str(caught.value).splitlines()


def test_a_recipe_becomes_objects_with_its_stages_in_order(write, registry):
    recipe = load(write(GOOD), registry)
    assert list(recipe.stages) == ["one", "two/fresh", "two/tuned", "three"]
    fresh, tuned = recipe.stages["two/fresh"], recipe.stages["two/tuned"]
    assert (fresh.start, tuned.start) == (None, "one")
    assert (fresh.optim.lr, tuned.optim.lr, fresh.optim.warmup_epochs) == (2e-3, 1e-3, 1.0)
    assert fresh.tasks == {
        "first": Instance(kind="guess", options=Guess()),
        "hide": Instance(kind="hide", options=Hide()),
    }
    assert recipe.stages["one"].tasks["hide"].options.view.mask_ratio == 0.5
    assert not fresh.starts
    assert recipe.data.options == {"light": 3}


def test_scale_and_overrides_are_laid_over_and_the_last_wins(write, registry):
    name = write(GOOD)
    recipe = load(
        name,
        registry,
        ["model.dim=96", "model.dim=72", "seeds=[1, 2]", "stages.one.tasks.hide.rank=3"],
        scale="small",
    )
    assert (recipe.model.dim, recipe.seeds, recipe.seed) == (72, (1, 2), 1)
    assert recipe.stages["two/fresh"].epochs == 1
    assert recipe.stages["one"].tasks["hide"].options.rank == 3
    assert load(name, registry, scale="small").model.dim == 48
    assert load(name, registry).model.dim == 384


def test_new_keys_may_be_given_where_any_are_allowed(write, registry):
    recipe = load(
        write(GOOD), registry, ["data.options.mode=slow", "stages.one.tasks.more={kind: guess}"]
    )
    assert recipe.data.options == {"light": 3, "mode": "slow"}
    assert recipe.stages["one"].tasks["more"].kind == "guess"


def test_a_task_set_to_false_is_switched_off(write, registry):
    name = write(GOOD)
    more = "stages.one.tasks.more={kind: guess}"
    recipe = load(name, registry, [more, "stages.one.tasks.hide=false"])
    assert set(recipe.stages["one"].tasks) == {"more"}
    assert load(name, registry, ["stages.one.tasks.hide=false", "stages.one.tasks.hide={}"])
    both = ["stages.one.tasks.more=false", "stages.one.tasks.hide={}"]
    assert load(name, registry, both) == load(name, registry, ["stages.one.tasks.hide={}"])
    assert restore(dump(recipe), registry) == recipe
    off = faults(name, registry, "stages.one.tasks.hide=false")
    assert [line.rpartition("stages.")[2] for line in off] == ["one: has no tasks"]
    wrong = faults(name, registry, "stages.one.tasks.hide=true")
    assert wrong[0].endswith("stages.one.tasks.hide: must be a mapping, not true")


def test_augmentations_are_switched_and_sized_stage_by_stage(write, registry):
    recipe = load(
        write(GOOD), registry, ["stages.one.augment=true", "stages.two.augment.smear=0.2"]
    )
    assert recipe.stages["one"].augment is True
    assert (
        recipe.stages["two/fresh"].augment == recipe.stages["two/tuned"].augment == {"smear": 0.2}
    )
    assert recipe.stages["three"].augment is False
    assert restore(dump(recipe), registry) == recipe
    off = ["stages.two.augment.smear=0.2", "stages.two.augment=false"]
    assert load("x.yaml", registry, off).stages["two/fresh"].augment is False


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (
            "{semar: 0.1}",
            "semar: cube declares no augmentation 'semar'; did you mean 'smear'? (it has: smear)",
        ),
        ("{mirror: 0.1}", "mirror: cube declares no augmentation 'mirror' (it has: smear)"),
        ("{smear: -1}", "smear: must be a size of at least 0, not -1"),
        ("{smear: 1.5}", "smear: size must be at most 1, not 1.5"),
        ("{smear: much}", " must be true or false or a mapping of numbers, not a mapping"),
        ("all", " must be true or false or a mapping of numbers, not 'all'"),
    ],
)
def test_augmentations_that_are_not_there_are_named(write, registry, value, said):
    name = write(GOOD)
    told = f"command line, stages.one.augment={value}: stages.one.augment"
    colon = "" if said.startswith(" ") else "."
    (line,) = faults(name, registry, f"stages.one.augment={value}")
    assert line == f"{told}{colon or ':'}{said}"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("{gess: {source: x}}", ".gess: no stage has this task; did you mean 'guess'? (it has: "),
        ("{guess: {}}", ".guess.source: missing"),
        (
            "{guess: {source: x, rows: {A: {acuracy: 1}}}}",
            ".guess.rows.A.acuracy: unknown key; did you mean 'accuracy'? (known here: accuracy, ",
        ),
        ("{guess: {source: x, rows: {A: {accuracy: 2}}}}", ".guess.rows.A.accuracy: "),
        (
            "{guess: {source: x, confusion: {A: [[1, 0]]}}}",
            ".guess.confusion.A: must be 2 rows of 2 shares, as task 'guess' has classes",
        ),
        ("{guess: {source: x, confusion: {A: [[1, 0], [2, 0]]}}}", ".guess.confusion"),
    ],
)
def test_published_numbers_that_make_no_sense_are_named(write, registry, value, said):
    (line,) = faults(write(GOOD), registry, f"published={value}")
    assert line.startswith(f"command line, published={value}: published{said}")


def test_published_numbers_are_kept(write, registry):
    text = "{guess: {source: x, rows: {A: {accuracy: 0.5}}, confusion: {B: [[1, 0], [0.5, 0.5]]}}}"
    found = load(write(GOOD), registry, [f"published={text}"]).published["guess"]
    assert found.rows["A"].accuracy == 0.5
    assert found.confusion["B"] == ((1.0, 0.0), (0.5, 0.5))


def test_one_start_is_overridden_by_the_name_of_its_stage(write, registry):
    recipe = load(write(GOOD), registry, ["stages.two/fresh.epochs=9"])
    assert (recipe.stages["two/fresh"].epochs, recipe.stages["two/tuned"].epochs) == (9, 2)
    assert faults("x.yaml", registry, "stages.two/fresh.epochs=a") == [
        (
            "command line, stages.two/fresh.epochs=a: stages.two/fresh.epochs: "
            "must be a whole number, not 'a'"
        )
    ]


BUDGETS = "stages.two.budgets=[100, 1000]"


def test_every_start_is_there_with_each_of_its_budgets(write, registry):
    words = [BUDGETS, "stages.two.labels=300", "stages.two/tuned.budgets=[20]"]
    recipe = load(write(GOOD), registry, words)
    names = ["two/fresh", "two/fresh@100", "two/fresh@1000", "two/tuned", "two/tuned@20"]
    assert list(recipe.stages) == ["one", *names, "three"]
    assert [recipe.stages[n].labels for n in names] == [300, 100, 1000, 300, 20]
    for name in names:
        alike = recipe.stages[budget_of(name)[0]]
        assert evolve(recipe.stages[name], labels=300) == alike
        assert not alike.budgets
    assert recipe.chosen("two/tuned") == ["two/tuned", "two/tuned@20"]
    assert recipe.chosen("two") == names
    assert recipe.chosen("one") == ["one"]
    assert recipe.chosen("tuned") == []
    assert recipe.chosen(None) == list(recipe.stages)


def test_the_name_of_a_budget_says_its_labels():
    assert budget_of("two/fresh@100") == ("two/fresh", 100)
    for name in (
        "fresh",
        "two/fresh",
        "fresh@",
        "fresh@many",
    ):  # also of files that others lay there
        assert budget_of(name) == (name, None)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("stages.two.budgets=[100, 100]", "stages.two.budgets: 100 labels are there twice"),
        ("stages.two.budgets=[300]", "stages.two.budgets: 300 labels are there twice"),
        ("stages.two.budgets=[0]", "stages.two.budgets: must be >= 1, not [0]"),
        ("stages.two.budgets=many", "stages.two.budgets: must be a list, not 'many'"),
        (
            "stages.one.budgets=[9]",
            "stages.one.budgets: only a stage with starts has budgets of labels",
        ),
    ],
)
def test_budgets_that_make_no_sense_are_named(write, registry, override, said):
    (line,) = faults(write(GOOD), registry, "stages.two.labels=300", override)
    assert line == f"command line, {override}: {said}"


def test_extends_is_relative_to_the_file_and_merges_key_by_key(write, registry, tmp_path):
    (tmp_path / "sub").mkdir()
    write(GOOD)
    write("extends: ../x.yaml\nname: other\nmodel: {heads: 4}\n", "sub/y.yaml")
    write("extends: y.yaml\nmodel: {dim: 8}\n", "sub/z.yaml")
    recipe = load("sub/z.yaml", registry)
    assert (recipe.name, recipe.model.dim, recipe.model.heads) == ("other", 8, 4)


def test_a_circle_of_extends_is_refused(write, registry):
    write("extends: b.yaml\n", "a.yaml")
    write("\nextends: a.yaml\n", "b.yaml")
    assert faults("a.yaml", registry) == [
        "b.yaml:2: extends: goes round in a circle: a.yaml -> b.yaml -> a.yaml"
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "extends: goood.yaml\n",
            "extends: there is no file 'goood.yaml'; did you mean 'good.yaml'?",
        ),
        ("extends: [a]\n", "extends: must be the name of a file, not ['a']"),
        ("scales: [a]\n", "scales: must be a mapping of names"),
        ("scales: {a: 1}\n", "scales.a: must be a mapping of changes"),
    ],
)
def test_what_extends_and_scales_must_be(write, registry, text, message):
    write(GOOD, "good.yaml")
    assert faults(write(text), registry) == [f"x.yaml:1: {message}"]


def test_a_manifest_must_be_there_and_have_files_to_split(write, registry):
    lines = faults(write(GOOD), registry, "data.manifest=nowhere.csv")
    at = "command line, data.manifest=nowhere.csv: data.manifest: "
    assert lines == [
        f"{at}splits the events of data.files; those that are simulated go by the hash of their key",
        f"{at}there is no manifest 'nowhere.csv' (no such file here; installed: none)",
    ]


def test_an_unknown_scale_is_named_with_the_nearest(write, registry):
    assert faults(write(GOOD), registry, scale="smal") == [
        "x.yaml: there is no scale 'smal'; did you mean 'small'? (it has: small)"
    ]


BAD = """extends: base.yaml
name: x
about: y
detector: cubr
data: {files: a.h5}
seeds: no
stages:
  mae:
    epochs: 400.5
    batch: 0
    optim: {learning_rate: 1e-4, betas: [0.9], layer_decay: 2}
    task: {}
  rel:
    epoch: 3
    start: mea
    precision: bfloat61
    tasks: {hied: {}, hide: {mask_ration: 0.5, rank: 0, view: {drop: x}, sizes: [1, b]}, guess: 3}
"""
OPTIM = "method, lr, weight_decay, betas, warmup_epochs, decay_epochs, layer_decay, ema, clip"
MODEL = "dim, heads, mlp, depth, depths, summaries, rounds, row"


def test_every_fault_is_told_at_once_with_its_place(write, registry):
    write("model:\n  dim: 385\n  hedas: 3\n", "base.yaml")
    lines = faults(write(BAD, "bad.yaml"), registry, "model.dpth=3", "report.probe=0")
    stage = "epochs, batch, tasks, optim, start, transfer, starts, labels, "
    assert [line.partition(stage)[0] for line in lines] == [
        "bad.yaml:4: detector: there is no detector 'cubr'; did you mean 'cube'? (registered: cube)",
        "bad.yaml:5: data.files: must be a list, not 'a.h5'",
        "bad.yaml:6: seeds: must be a list, not 'no'",
        "bad.yaml:9: stages.mae.epochs: must be a whole number, not 400.5",
        "bad.yaml:10: stages.mae.batch: must be >= 1, not 0",
        (
            "bad.yaml:11: stages.mae.optim.learning_rate: unknown key; did you mean 'lr'? "
            f"(known here: {OPTIM})"
        ),
        "bad.yaml:11: stages.mae.optim.betas: must be a list of 2, not [0.9]",
        "bad.yaml:11: stages.mae.optim.layer_decay: must be <= 1, not 2",
        "bad.yaml:12: stages.mae.task: unknown key; did you mean 'tasks'? (known here: ",
        "bad.yaml:14: stages.rel.epoch: unknown key; did you mean 'epochs'? (known here: ",
        (
            "bad.yaml:15: stages.rel.start: there is no stage 'mea'; did you mean 'mae'? "
            "(earlier stages: mae)"
        ),
        (
            "bad.yaml:16: stages.rel.precision: must be one of auto, float32, bfloat16, "
            "not 'bfloat61'; did you mean 'bfloat16'?"
        ),
        (
            "bad.yaml:17: stages.rel.tasks.hied: there is no task 'hied'; did you mean 'hide'? "
            "(registered: guess, hide)"
        ),
        (
            "bad.yaml:17: stages.rel.tasks.hide.mask_ration: unknown key; "
            "did you mean 'view.mask_ratio'? (known here: view, rank, about, sizes, kind)"
        ),
        "bad.yaml:17: stages.rel.tasks.hide.view.drop: must be a number, not 'x'",
        "bad.yaml:17: stages.rel.tasks.hide.rank: must be >= 1, not 0",
        "bad.yaml:17: stages.rel.tasks.hide.sizes.1: must be a whole number, not 'b'",
        "bad.yaml:17: stages.rel.tasks.guess: must be a mapping, not 3",
        "base.yaml:2: model.dim: dim 385 is not a multiple of heads 12",
        f"base.yaml:3: model.hedas: unknown key; did you mean 'heads'? (known here: {MODEL})",
        (
            "command line, model.dpth=3: model.dpth: unknown key; did you mean 'depth'? "
            f"(known here: {MODEL})"
        ),
        "command line, report.probe=0: report.probe: must be >= 1, not 0",
    ]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.dim=385", "model.dim: dim 385 is not a multiple of heads 12"),
        ("model.dim=yes", "model.dim: must be a whole number, not 'yes'"),
        ("model.dim=", "model.dim: must be a whole number, not empty"),
        ("model.dim=true", "model.dim: must be a whole number, not true"),
        ("model=3", "model: must be a mapping, not 3"),
        ("name=a/b", "name: must match \\w[\\w.-]*, not 'a/b'"),
        ("about=3", "about: must be text, not 3"),
        ("seeds=[]", "seeds: length must be >= 1"),
        ("data.options=[]", "data.options: must be a mapping, not []"),
        ("data.events=1e3", "data.events: must be a whole number, not 1000.0"),
        (
            "data.options.lihgt=1",
            (
                "data.options.lihgt: the simulation of cube has no option 'lihgt'; "
                "did you mean 'light'? (it has: light, mode)"
            ),
        ),
        ("data.options.light=x", "data.options.light: must be a number, not 'x'"),
        (
            "model.depths.cubs=1",
            (
                "model.depths.cubs: cube has no voxel stream 'cubs'; did you mean 'cubes'? "
                "(it has: cubes)"
            ),
        ),
        (
            "stages.one.start=three",
            "stages.one.start: stage 'three' does not come earlier (stages run as written)",
        ),
        ("stages.one.tasks=", "stages.one.tasks: must be a mapping, not empty"),
        (
            "stages.one.tasks.guess.truth=flavour",
            "stages.one.tasks.guess: task 'guess' needs event truth 'flavour'; cube has: particle",
        ),
        (
            "stages.one.tasks.guess.label=cubes.kind",
            (
                "stages.one.tasks.guess: task 'guess' needs label 'kind' of stream 'cubes'; "
                "cube has: ghost"
            ),
        ),
        (
            "stages.one.tasks.guess.label=calo.kind",
            "stages.one.tasks.guess: task 'guess' needs stream 'calo'; cube has: cubes",
        ),
        (
            "stages.one.tasks.x.kind=gues",
            (
                "stages.one.tasks.x.kind: there is no task 'gues'; did you mean 'guess'? "
                "(registered: guess, hide)"
            ),
        ),
        (
            "stages.two.epochs=[",
            "'[' is not a YAML value",
        ),
        (
            "stages.tow.epochs=3",
            (
                "stages: there is no stage 'tow'; did you mean 'two'? "
                "(there are: one, two, two/fresh, two/tuned, three)"
            ),
        ),
    ],
)
def test_a_wrong_override_is_quoted(write, registry, override, message):
    found = faults(write(GOOD), registry, override)
    assert [line.replace(f"command line, {override}: ", "", 1) for line in found][:1] == [message]


def test_a_stage_must_have_a_task(write, registry):
    text = GOOD.replace("    tasks: {hide: {view: {mask_ratio: 0.5}}}\n", "")
    assert faults(write(text), registry) == ["x.yaml:6: stages.one: has no tasks"]


def test_what_is_not_an_override_is_refused(write, registry):
    assert faults(write(GOOD), registry, "model.dim", "a..b=1") == [
        "command line: 'model.dim' is not key=value or key.sub=value",
        "command line: 'a..b=1' is not key=value or key.sub=value",
    ]


def test_a_missing_key_is_told_where_it_should_be(write, registry):
    assert faults(write("name: x\nstages:\n  a: {tasks: {guess: {}}}\n"), registry) == [
        "x.yaml:1: about: missing",
        "x.yaml:1: detector: missing",
        "x.yaml:3: stages.a.epochs: missing",
    ]


def test_a_fault_in_a_start_is_placed_in_the_start_and_told_once(write, registry):
    text = GOOD.replace("lr: 2e-3", "lr: -1").replace("warmup_epochs: 1", "warmup_epochs: -1")
    assert faults(write(text), registry) == [
        "x.yaml:12: stages.two.optim.warmup_epochs: must be >= 0, not -1",
        "x.yaml:17: stages.two.starts.fresh.optim.lr: must be > 0, not -1",
    ]


def test_every_scale_is_checked(write, registry):
    every = load_every(write(GOOD), registry)
    assert {k: r.model.dim for k, r in every.items()} == {"": 384, "small": 48}
    text = GOOD.replace("dim: 48", "dim: 49, dpeth: 1")
    with pytest.raises(RecipeError) as caught:
        load_every(write(text), registry)
    assert str(caught.value).splitlines() == [
        (
            "x.yaml:21: scales.small.model.dpeth: unknown key; did you mean 'depth'? "
            f"(known here: {MODEL})"
        ),
        "x.yaml:21: scales.small.model.dim: dim 49 is not a multiple of heads 12",
    ]
    assert load("x.yaml", registry).model.dim == 384  # without the scale, its faults do not matter


def test_a_recipe_is_found_by_name_among_installed_folders(write, registry, tmp_path):
    folder = tmp_path / "installed" / "recipes"
    folder.mkdir(parents=True)
    (folder / "good.yaml").write_text(GOOD)
    shipping = type("P", (), {"intarsia_recipes": hookimpl(lambda self: [folder])})
    shipping.intarsia_recipes.__name__ = "intarsia_recipes"
    registry.add(shipping(), "shipping", Source("y.py"))
    write("")
    for name in ("good", "good.yaml", "recipes/good.yaml"):
        assert load(name, registry).name == "good"
    assert faults("godo", registry) == [
        "there is no recipe 'godo'; did you mean 'good'? (no such file here; installed: good)"
    ]
    assert load(write("extends: good\nname: mine\n", "mine.yaml"), registry).name == "mine"


@pytest.mark.parametrize("scale", [None, "small"])
def test_a_dumped_recipe_loads_again_to_an_equal_one(write, registry, scale):
    recipe = load(write(GOOD), registry, ["stages.one.labels=300", BUDGETS], scale)
    again = load(write(dump_yaml(recipe), "again.yaml"), registry)
    assert again == recipe
    plain = json.loads(json.dumps(dump(recipe)))
    assert plain == dump(recipe)
    assert restore(plain, registry) == recipe
    assert list(plain["stages"]) == list(recipe.stages)


def test_a_recipe_of_a_card_that_fits_no_more_is_refused(write, registry):
    plain = dump(load(write(GOOD), registry))
    plain["detector"] = "gone"
    with pytest.raises(RecipeError, match=r"^x.safetensors: detector: there is no detector 'gone'"):
        restore(plain, registry, "x.safetensors")
