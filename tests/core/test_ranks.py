"""One run in several processes."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import toy_run
from test_run_killed import PLUGIN

from intarsia.core.errors import RunError
from intarsia.core.ranks import Ranks
from intarsia.core.recipe_load import load

PLACE = {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4"}


def test_without_words_of_torchrun_there_is_one_process():
    for environment in ({}, {"RANK": "1"}, {"WORLD_SIZE": "4", "SLURM_NTASKS": "4"}):
        assert Ranks.of(environment) == Ranks(rank=0, world=1, local=1)
    assert Ranks().first


def test_one_process_waits_for_nobody():
    Ranks().wait()


def test_a_process_knows_its_place_among_machines():
    found = Ranks.of(PLACE)
    assert (found.rank, found.world, found.local, found.first) == (5, 8, 4, False)
    assert Ranks.of(PLACE | {"RANK": "0"}).first


@pytest.mark.parametrize(
    "wrong",
    [
        {"RANK": "8"},
        {"RANK": "-1"},
        {"RANK": "one"},
        {"LOCAL_WORLD_SIZE": "3"},
        {"WORLD_SIZE": "0"},
    ],
)
def test_a_place_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(RunError, match="no place among processes; start them by torchrun") as error:
        Ranks.of(PLACE | wrong)
    for name, value in wrong.items():
        assert f"{name}={value}" in str(error.value)


def intarsia(folder, recipe, out, processes):
    """``intarsia run`` in so many processes; what it prints."""
    alone = [sys.executable, "-m", "intarsia"]
    many = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    many += ["--nproc-per-node", str(processes), "-m", "intarsia"]
    words = ["run", recipe, "--plugin", "toys.py", "--out", out, "--workers", "1"]
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [*(many if processes > 1 else alone), *words],
        check=False,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("ranks")
    (made / "toys.py").write_text(PLUGIN)
    (made / "three.yaml").write_text(toy_run.RECIPE)
    (made / "sure.yaml").write_text(SURE)
    return made


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


# Nothing is hidden or dropped at random, so every process's gradient is its share of the whole one.
SURE = """\
name: sure
about: One start
detector: toygrid
data: {events: 240, block: 16, buffer: 2}
model: {dim: 24, heads: 2, mlp: 2, depth: 1, summaries: 1, rounds: 1, row: 16}
report: {probe: 64, bootstrap: 20, pictures: 0}
stages:
  finetune:
    epochs: 3
    batch: 16
    optim: {lr: 0.02, ema: 0.9}
    tasks: {flavour: {head_scale: 0.02}, vertex: {head_scale: 0.02}}
    starts:
      scratch: {}
"""


@pytest.mark.slow
def test_two_processes_learn_what_one_does(folder):
    one = intarsia(folder, "sure.yaml", "one", processes=1)
    two = intarsia(folder, "sure.yaml", "two", processes=2)
    assert two.replace("two", "one") == one  # one of them speaks
    alone, shared = (rows(folder / n / "finetune" / "scratch" / "log.csv") for n in ("one", "two"))
    assert [r["step"] for r in shared] == [r["step"] for r in alone]
    for ours, theirs in zip(shared, alone, strict=True):
        if ours["split"] == "val":
            terms = [name for name in ours if name.startswith(("loss", "flavour.", "vertex."))]
            assert len(terms) == 3
            for name in terms:
                assert float(ours[name]) == pytest.approx(float(theirs[name]), rel=1e-3)
    facts = [json.loads((folder / n / "run.json").read_text()) for n in ("one", "two")]
    assert facts[0]["events"] == facts[1]["events"]
    assert (folder / "one/data/events.h5").read_bytes() == (
        folder / "two/data/events.h5"
    ).read_bytes()
    assert (folder / "two" / "report.html").exists()


@pytest.mark.slow
def test_two_processes_go_through_a_whole_recipe(folder):
    intarsia(folder, "three.yaml", "whole", processes=2)
    out = folder / "whole"
    for stage in load(folder / "three.yaml", toy_run.registry()).stages:
        assert (out / stage / "best.safetensors").exists()
    first, *_, last = rows(out / "mae" / "log.csv")
    assert float(last["loss"]) < float(first["loss"])
    assert {"scratch", "mae", "mae_rel"} <= set(
        json.loads((out / "metrics.json").read_text())["starts"]
    )
    assert (out / "report.html").exists()
