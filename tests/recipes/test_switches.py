"""Each ingredient of pre-training can be switched off from the command line."""

from operator import attrgetter

import pytest

from intarsia.core.errors import IntarsiaError
from intarsia.core.plugins import registry
from intarsia.core.recipe_load import load

REGISTRY = registry()
MAE, RELATIONAL = "stages.mae.tasks.mae", "stages.mae_rel.tasks.relational"
SWITCHES = {
    **{f"{MAE}.hybrid.{k}": 0 for k in ("focal", "border", "charge", "chamfer", "distance")},
    f"{MAE}.view.drop": 0,  # arrays and tracks are always seen
    f"{MAE}.view.decode": 1,  # every hidden patch is decoded
    f"{MAE}.view.visible": 0,  # no visible one is
    f"{MAE}.view.empty": 0,  # nor any that holds nothing
    f"{RELATIONAL}.view.probability": 0,  # the relational pass never takes part
    f"{RELATIONAL}.smoothing": 0,
    "stages.mae.optim.ema": 0,
}


def value(recipe, key):
    """What stands at a dotted key; a task's options are reached through the task."""
    _, stage, *rest = key.split(".")
    found = recipe.stages[stage]
    if rest[0] == "tasks":
        found, rest = found.tasks[rest[1]].options, rest[2:]
    return attrgetter(".".join(rest))(found)


@pytest.mark.parametrize("key", SWITCHES)
@pytest.mark.parametrize("scale", [None, "demo"])
def test_a_change_on_the_command_line_switches_it_off(key, scale):
    recipe = load("fasercal_mae_rel", REGISTRY, [f"{key}={SWITCHES[key]}"], scale=scale)
    assert value(recipe, key) == SWITCHES[key]


@pytest.mark.parametrize("off", ["", "null"])
@pytest.mark.parametrize("task", ["flavour", "kinematics"])
def test_a_task_can_be_kept_from_looking_around(task, off):
    key = f"stages.finetune.tasks.{task}.seen_from"
    changed = load("fasercal_mae_rel", REGISTRY, [f"{key}={off}"], scale="gpu").stages
    before = load("fasercal_mae_rel", REGISTRY, scale="gpu").stages
    for name in ("finetune/scratch", "finetune/mae", "finetune/mae_rel"):
        assert before[name].tasks[task].options.seen_from == "vertex"
        assert changed[name].tasks[task].options.seen_from is None


def test_the_paper_has_the_hybrid_loss_on():
    recipe = load("fasercal_mae_rel", REGISTRY)
    for stage in ("mae", "mae_rel"):
        use = recipe.stages[stage].tasks["mae"].options.hybrid
        assert min(use.focal, use.border, use.charge, use.chamfer, use.distance) > 0


def test_a_term_that_is_misspelt_is_named():
    with pytest.raises(IntarsiaError, match="did you mean 'chamfer'"):
        load("fasercal_mae_rel", REGISTRY, [f"{MAE}.hybrid.chamfre=0"])
