"""Runs that are killed or interrupted, as processes of their own."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import toy_run

from intarsia.core.checkpoint import load
from intarsia.core.store_predictions import read_predictions

PLUGIN = """
import toy
from intarsia.core.hookspecs import hookimpl

@hookimpl
def intarsia_detectors():
    return [toy.GRID]
"""

# One core, so that what others do on this machine cannot slow the threads of a process; and Ctrl-C as
# in a terminal, also where these tests run in the background, which has it ignored.
COMMAND = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
from intarsia.core.cli import main
print("ready", flush=True)
raise SystemExit(main())
"""

LONG = ["stages.mae.epochs=30", "stages.mae_rel.epochs=20", "stages.finetune.epochs=30"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no choice of cores"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("killed")
    (made / "toys.py").write_text(PLUGIN)
    (made / "three.yaml").write_text(toy_run.RECIPE)
    return made


def start(folder, out, *more, changes=LONG):
    """An ``intarsia run`` under way."""
    words = ["run", "three.yaml", *changes, "--plugin", "toys.py", "--out", out, *more]
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(process, there, seconds=120):
    """Until `there()`; the process must still be at work."""
    end = time.monotonic() + seconds
    while not there():
        assert process.poll() is None, process.communicate()
        if time.monotonic() > end:
            os.killpg(process.pid, signal.SIGKILL)
            pytest.fail(f"it did not come so far: {process.communicate()}")
        time.sleep(0.005)


def finish(process):
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    return out, err


@pytest.fixture(scope="module")
def whole(folder):
    """The run in one go."""
    finish(start(folder, "whole", "--workers", "1"))
    return folder / "whole"


def test_a_run_killed_in_every_stage_and_resumed_equals_one_in_one_go(folder, whole):
    out = folder / "killed"
    for stage in ("mae", "mae_rel", "finetune/scratch", "finetune/mae_rel"):
        process = start(folder, "killed", "--workers", "1", "--resume")
        state = out / stage / "last.resume.safetensors"
        wait_for(process, state.exists)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert not (out / "metrics.json").exists()
    finish(start(folder, "killed", "--workers", "1", "--resume"))
    ours, theirs = (json.loads((o / "metrics.json").read_text()) for o in (out, whole))
    assert ours == theirs
    for path in (whole / "predictions").iterdir():
        here, there = (
            read_predictions(o / "predictions" / path.name).columns for o in (out, whole)
        )
        for name, values in there.items():
            np.testing.assert_array_equal(here[name], values, err_msg=path.name)


def test_a_run_killed_while_events_are_made_goes_on(folder):
    events = folder / "early" / "data" / "events.h5"
    process = start(folder, "early", "--workers", "1", changes=["data.events=20000"])
    wait_for(process, events.parent.exists)
    process.kill()
    process.communicate()
    assert not events.exists()
    words = ("--workers", "1", "--resume", "--stage", "finetune/scratch")
    finish(start(folder, "early", *words, changes=["data.events=20000"]))
    assert events.exists()
    assert (folder / "early" / "finetune" / "scratch" / "best.safetensors").exists()


@pytest.mark.parametrize(
    ("send", "number", "workers"),
    [
        (os.kill, signal.SIGINT, "1"),
        (os.kill, signal.SIGINT, "2"),
        (os.killpg, signal.SIGINT, "2"),  # as a terminal does, and
        (os.killpg, signal.SIGTERM, "2"),  # a batch system: loader workers get it, too
    ],
)
@pytest.mark.parametrize("where", ["data", "mae/last.resume.safetensors", "predictions"])
def test_a_signal_exits_130_and_leaves_no_half_written_file(folder, where, send, number, workers):
    out = folder / f"{send.__name__}-{number}-{where.partition('/')[0]}-{workers}"
    changes = {"data": ["data.events=20000", "stages.mae.epochs=50"], "predictions": []}
    process = start(folder, out.name, "--workers", workers, changes=changes.get(where, LONG))
    wait_for(process, (out / where).exists)
    send(process.pid, number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert err.splitlines()[-1] == "interrupted"
    assert "Traceback" not in err
    files = [p for p in out.rglob("*") if p.is_file()]
    assert not [p for p in files if p.name.startswith(".")]
    for path in out.rglob("best.safetensors"):
        load(path)
    for path in out.rglob("*.json"):
        json.loads(path.read_text())
    assert (out / "data" / "events.h5").exists() == (where != "data")
    assert not (out / "report.html").exists()
