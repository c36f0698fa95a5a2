"""The commands as a user meets them: output, messages and exit codes."""

import json
import os
import pty
import re
import subprocess
import sys
from contextlib import nullcontext, suppress
from pathlib import Path

import pytest
import toy_run
from cubes import PLUGIN

import intarsia
from intarsia.core.card import KEY, SEAL, Card, card_json, seal
from intarsia.core.cli import main
from intarsia.core.cli.run import plan
from intarsia.core.produce import Produced
from intarsia.core.progress import Progress

RECIPE = """name: small
about: hide and rebuild
detector: cube
model: {dim: 8, heads: 2}
stages:
  mae: {epochs: 2, tasks: {mae: {}}}
scales:
  tiny: {data: {events: 10}}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder with a plugin and a recipe, in which the commands run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    Path("mycube.py").write_text(PLUGIN)
    Path("small.yaml").write_text(RECIPE)
    return tmp_path


@pytest.fixture
def run(capsys):
    def run(*args):
        code = main(args)
        out, err = capsys.readouterr()
        return code, out.splitlines(), err.splitlines()

    return run


def process(*args, **how):
    """A real process whose output goes to a pipe."""
    return subprocess.run(
        [sys.executable, "-m", "intarsia", *args],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        **how,
    )


def test_without_a_command_the_commands_are_listed(run):
    code, out, _ = run()
    assert code == 0
    for command in ("run", "check", "simulate", "show", "plugins", "doctor"):
        assert any(line.strip().startswith(f"{command} ") for line in out)
        code, page, _ = run(command, "--help")
        assert code == 0
        assert page[-1].strip().startswith(f"Example: intarsia {command}")
        assert not any(line.endswith("...") for line in out[1:])


def test_the_version_is_that_of_the_package(run):
    assert run("--version") == (0, [f"intarsia {intarsia.__version__}"], [])


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            ["check", "nothing"],
            "there is no recipe 'nothing' (no such file here; installed: {recipes})",
        ),
        (["check", "nothing.py"], "nothing.py: there is no such file"),
        (["check", "small.yaml", "--plugin", "no.py"], "no.py: there is no such file"),
        (["simulate", "cubr", "--plugin", "mycube.py"], "there is no detector 'cubr'; did you mean 'cube'? (registered: {detectors})"),
        (["simulate", "cube", "--shard=3", "--plugin", "mycube.py"], "command line: --shard is like 1/8, not '3'"),
        (["simulate", "cube", "--shard=0/2", "--plugin", "mycube.py"], "there is no shard 0/2: the first of 2 is number 1"),
        (["simulate", "cube", "light", "--plugin", "mycube.py"], "command line: 'light' is not key=value"),
        (["show", "mycube.py"], "mycube.py: is a plugin; see 'intarsia plugins --plugin mycube.py'"),
        (["run", "small.yaml", "--plugin", "mycube.py", "--scale", "tny"], "small.yaml: there is no scale 'tny'; did you mean 'tiny'? (it has: tiny)"),
        (["run", "small.yaml", "--plugin", "mycube.py", "model.dmi=3"], "command line, model.dmi=3: model.dmi: unknown key; did you mean 'dim'? (known here: dim, heads, mlp, depth, depths, summaries, rounds, row)"),
    ],
)  # fmt: skip
def test_a_mistake_of_the_user_is_one_message_and_exit_code_2(run, args, message):
    from intarsia.core.plugins import registry

    found = registry()
    expected = message.format(
        recipes=", ".join(found.names("recipes")),
        detectors=", ".join(sorted([*found.names("detectors"), "cube"])),
    )
    assert run(*args) == (2, [], [expected])


@pytest.mark.parametrize(
    ("args", "beginning", "end"),
    [
        (["rnu"], "intarsia: No such command 'rnu'.", "(see 'intarsia --help')"),
        (["run"], "intarsia run: Missing argument 'RECIPE'", "(see 'intarsia run --help')"),
        (["run", "x", "--scael"], "intarsia run: No such option: --scael", "--help')"),
        (["run", "x", "--seed", "a"], "intarsia run: Invalid value for '--seed': ", "--help')"),
        (["check", "a=1"], "intarsia check: Invalid value: name a recipe, an", "--help')"),
    ],
)
def test_a_command_given_wrongly_is_one_line_that_points_to_the_help(run, args, beginning, end):
    code, out, err = run(*args)
    assert (code, out, len(err)) == (2, [], 1)
    assert err[0].startswith(beginning)
    assert err[0].endswith(end)


def test_debug_shows_the_traceback_of_a_mistake(run):
    code, _, err = run("check", "nothing", "--debug")
    assert code == 2
    assert any("Traceback (most recent call last):" in line for line in err)
    assert err[-1].startswith("there is no recipe 'nothing'")


def test_a_bug_is_one_line_that_asks_for_debug_and_exit_code_1(run, monkeypatch):
    monkeypatch.setattr("intarsia.core.cli.run.load", lambda *_: 1 / 0)
    code, out, err = run("run", "small.yaml")
    assert (code, out, len(err)) == (1, [], 1)
    assert err[0].startswith("this is a bug in intarsia (ZeroDivisionError: division by zero, at ")
    assert err[0].endswith("run again with --debug and report what it says")


def test_a_folder_that_cannot_be_made_is_the_users_to_mend(run):
    where = ("-o", "small.yaml/e.h5", "--plugin", "mycube.py")
    assert run("simulate", "cube", *where) == (2, [], ["small.yaml: File exists"])


def test_an_interruption_is_quiet(run, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("intarsia.core.cli.run.load", interrupt)
    assert run("run", "small.yaml") == (130, [], ["interrupted"])


def test_an_interrupted_run_says_how_to_go_on(run, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("intarsia.core.run.run", interrupt)
    rc, _, err = run("run", "small.yaml", "--plugin", "mycube.py", "--out", "first")
    assert rc == 130
    assert err == [
        "first keeps what is done: the same command with --resume goes on from there",
        "interrupted",
    ]


def test_check_sums_up_a_good_recipe_and_checks_all_scales(run):
    assert run("check", "small.yaml", "--plugin", "mycube.py") == (
        0,
        ["recipe small: 1 stage (mae), detector cube; scales: tiny"],
        [],
    )
    Path("small.yaml").write_text(RECIPE.replace("events: 10", "events: 0"))
    code, out, err = run("check", "small.yaml", "--plugin", "mycube.py")
    assert (code, out) == (2, [])
    assert err == ["small.yaml:8: scales.tiny.data.events: must be >= 1, not 0"]


def test_check_lists_every_fault_of_everything_it_is_given(run):
    Path("base.yaml").write_text("model:\n  hedas: 3\n")
    Path("bad.yaml").write_text(
        "extends: base.yaml\nname: bad\nabout: x\ndetector: cbue\nstages:\n"
        "  mae: {epoch: 1, tasks: {mea: {}}}\n"
    )
    code, out, err = run(
        "check", "bad.yaml", "small.yaml", "model.dpeth=2", "--plugin", "mycube.py"
    )
    assert (code, out) == (2, [])
    assert [line.partition(" (")[0] for line in err] == [
        "bad.yaml:4: detector: there is no detector 'cbue'; did you mean 'cube'?",
        "bad.yaml:6: stages.mae.epoch: unknown key; did you mean 'epochs'?",
        "bad.yaml:6: stages.mae.tasks.mea: there is no task 'mea'; did you mean 'mae'?",
        "base.yaml:2: model.hedas: unknown key; did you mean 'heads'?",
        "command line, model.dpeth=2: model.dpeth: unknown key; did you mean 'depth'?",
        "command line, model.dpeth=2: model.dpeth: unknown key; did you mean 'depth'?",
    ]


def test_the_shipped_recipes_are_sound(run):
    code, out, err = run("check", "recipes/fasercal_mae_rel.yaml")
    assert (code, err) == (0, [])
    assert out[0].startswith(
        "recipe fasercal_mae_rel: 5 stages (mae, mae_rel, finetune/scratch, finetune/mae, "
        "finetune/mae_rel), detector fasercal; scales: demo"
    )


def test_checking_imports_nothing_heavy():
    heavy = {"torch", "lightning", "numba", "h5py", "matplotlib", "sklearn", "scipy", "jinja2"}
    code = (
        "import sys; from intarsia.core.cli import main; code = main(sys.argv[1:]); "
        f"print(code, sorted({heavy!r} & sys.modules.keys()))"
    )
    for args in (["check", "small.yaml", "--plugin", "mycube.py"], ["plugins"], ["--help"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *args], capture_output=True, text=True, check=True
        )
        assert done.stdout.splitlines()[-1] == "0 []"


def test_a_pipe_gets_whole_lines_without_colours():
    Path("small.yaml").write_text(RECIPE.replace("hide and rebuild", "word " * 60))
    done = process("check", "nothing", "small.yaml", "--plugin", "mycube.py", env={"COLUMNS": "20"})
    assert done.returncode == 2
    assert len(done.stdout.splitlines()) == 1
    assert len(done.stderr.splitlines()) == 1
    listed = process("plugins", "--plugin", "mycube.py", env={"COLUMNS": "20", "FORCE_COLOR": "1"})
    assert listed.returncode == 0
    assert "\x1b" not in listed.stdout
    assert any(
        line.split() == ["detector", "cube", "a", "cube", "mycube.py"]
        for line in listed.stdout.splitlines()
    )


def test_a_closed_pipe_is_quiet():
    command = f"{sys.executable} -m intarsia plugins | head -0; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout in ("0\n", "141\n")  # all was written before the pipe was closed, or not


def test_a_terminal_gets_a_bar_with_rate_and_time_left():
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "intarsia", "simulate", "cube", "-n", "99"]
    command += ["--plugin", "mycube.py", "--workers", "1"]
    with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave) as running:
        os.close(slave)
        seen = b""
        with suppress(OSError):  # Linux says "input/output error" at the end of a terminal
            while block := os.read(master, 1 << 16):
                seen += block
    os.close(master)
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", seen.decode())
    assert running.returncode == 0
    assert "simulating cube" in text
    assert "99/99" in text
    assert re.search(r"\d:\d\d:\d\d", text)
    assert "events.h5: 99 events of cube, " in text


def test_events_are_simulated_checked_and_shown(run):
    made = run("simulate", "cube", "-n", "12", "-o", "e.h5", "--plugin", "mycube.py", "--workers=1")
    assert made[0] == 0
    drawn = "e.h5: 12 events of cube, drawn at random from its declaration, "
    assert re.fullmatch(re.escape(drawn) + r"\d+ events/s", made[1][0])
    assert made[2] == ["simulating cube: 12 events in 0 s"]
    plugin = ("--plugin", "mycube.py")
    assert run("check", "e.h5", *plugin) == (0, ["event file e.h5: 12 events of cube"], [])
    alone = "event file e.h5: 12 events of cube"
    alone += " (not installed: checked against the declaration in the file)"
    assert run("check", "e.h5") == (0, [alone], [])
    assert run("show", "e.h5", "-n", "12") == (
        2,
        [],
        ["e.h5: has no event 12; it has 12, from 0 on"],
    )
    code, out, err = run("show", "e.h5", "-n", "3", "-o", "e.png", *plugin)
    assert (code, err) == (0, [])
    assert out[0].startswith("e.png: event 3 of e.h5 (cube, ")
    assert {"  simulation: sample", f"  version: {intarsia.__version__}", "  seed: 0"} < set(out)
    assert any(re.fullmatch(r"  configuration: [0-9a-f]{64}", line) for line in out)
    assert Path("e.png").read_bytes().startswith(b"\x89PNG")


def test_the_rate_of_a_simulation_counts_what_was_made_now(run, monkeypatch):
    made = Produced(events=90, left_out=10, seconds=2.0, new=30)
    monkeypatch.setattr("intarsia.core.produce.produce", lambda *_, **__: made)
    _, out, _ = run("simulate", "cube", "--plugin", "mycube.py", "--resume")
    assert out[0].endswith(", 10 left out by the detector, 15 events/s")


def test_a_simulation_says_that_it_prepares(run, monkeypatch):
    steps = []
    monkeypatch.setattr("intarsia.core.cli.simulate.watch", lambda _: nullcontext(steps.append))
    assert run("simulate", "cube", "-n", "12", "--plugin", "mycube.py", "--workers=1")[0] == 0
    what, note = "simulating cube", "preparing (longer the first time)"
    assert steps == [Progress(what, 0, 12, note=note), Progress(what, 12, 12)]


def test_events_are_not_simulated_into_a_folder(run):
    Path("made").mkdir()
    found = run("simulate", "cube", "-o", "made", "--plugin", "mycube.py")
    assert found == (2, [], ["made: is a folder; name the file to write"])
    assert not Path(".made.parts").exists()


def test_a_file_of_another_declaration_is_refused(run):
    assert run("simulate", "cube", "-n", "3", "-o", "e.h5", "--plugin", "mycube.py")[0] == 0
    Path("mycube.py").write_text(PLUGIN.replace("cell = Axis(4, 10.0)", "cell = Axis(4, 20.00)"))
    code, out, err = run("check", "e.h5", "--plugin", "mycube.py")
    assert (code, out) == (2, [])
    assert err == [
        "e.h5: detector 'cube' has changed since: streams.cubes.axes.0.pitch: 10.0 here, 20.0 there"
    ]


def test_a_plugin_is_tried_out_on_drawn_events(run):
    code, out, err = run("check", "mycube.py")
    assert (code, err) == (0, [])
    assert out[0] == "plugin mycube.py: detector cube"
    assert len(out) > 1


def checkpoint(card):
    values = json.loads(card_json(card))
    text = json.dumps({**values, SEAL: seal([], values)})
    header = json.dumps({"__metadata__": {KEY: text}}).encode()
    return len(header).to_bytes(8, "little") + header


def test_a_checkpoint_is_checked_and_its_card_shown(run):
    card = Card(
        detector="gone",
        declaration={},
        recipe={"name": "small", "model": {"dim": 8}},
        stage="mae",
        epoch=2,
        metrics={"val_loss": 0.123456},
    )
    Path("w.safetensors").write_bytes(checkpoint(card))
    assert run("check", "w.safetensors") == (
        0,
        ["checkpoint w.safetensors: stage mae of small, epoch 2, detector gone"],
        [],
    )
    Path("w.safetensors").write_bytes(checkpoint(card).replace(b"small", b"smell"))
    assert run("check", "w.safetensors")[2] == [
        "w.safetensors: is damaged: it does not hold what was written"
    ]
    Path("w.safetensors").write_bytes(checkpoint(card))
    code, out, err = run("show", "w.safetensors")
    assert (code, err) == (0, [])
    shown = {line.split(maxsplit=1)[0]: line.split(maxsplit=1)[-1] for line in out}
    assert shown["stage"] == "mae"
    assert shown["metrics"] == "val_loss 0.1235"
    assert shown["model"] == "dim 8"


def test_a_file_that_is_nothing_we_know_is_named(run):
    Path("w.safetensors").write_bytes(b"PK\x03\x04 zipped")
    Path("e.h5").write_bytes(b"text")
    Path("x.bin").write_bytes(b"\x80\x02\xff")
    assert run("check", "w.safetensors", "e.h5", "x.bin") == (
        2,
        [],
        [
            "w.safetensors: is not a safetensors file",
            "e.h5: is not an HDF5 file",
            "x.bin: not YAML: it is not plain text",
        ],
    )


def test_a_recipe_is_shown_with_everything_resolved(run):
    code, out, _ = run(
        "show", "small.yaml", "--scale", "tiny", "model.depth=3", "--plugin", "mycube.py"
    )
    assert code == 0
    Path("again.yaml").write_text("\n".join(out))
    assert "  depth: 3" in out
    assert run("check", "again.yaml", "--plugin", "mycube.py")[0] == 0


def test_a_run_says_first_what_it_will_do(run):
    code, out, err = run(
        *("run", "small.yaml", "--plugin", "mycube.py", "--scale", "tiny", "--seed", "7"),
        *("--stage", "mea"),
    )
    assert code == 2
    assert out == [
        "recipe  small at scale tiny: hide and rebuild",
        "events  cube, 10 events to make, seed 7",
        "stages  ",
        "folder  runs/small",
    ]
    assert err == ["the recipe has no stage 'mea'; did you mean 'mae'? (it has: mae)"]


def test_a_plan_says_budgets_once_and_the_steps_that_are_wanted(tmp_path):
    words = ("stages.finetune.budgets=[8, 16]", "stages.finetune.min_steps=250")
    recipe = toy_run.recipe(tmp_path, *words, "stages.finetune.starts.mae_rel=false")
    long = "2 epochs, at least 250 steps"
    starts = f"finetune/scratch ({long}), finetune/mae ({long} from mae)"
    _, _, every, _ = plan(recipe, None, None, tmp_path)
    assert every == (
        f"stages  mae (2 epochs), mae_rel (1 epoch from mae), {starts}, "
        "starts also with 8, 16 labels"
    )
    _, _, one, _ = plan(recipe, None, "finetune/mae", tmp_path)
    assert one == f"stages  finetune/mae ({long} from mae), starts also with 8, 16 labels"
    _, _, alone, _ = plan(recipe, None, "finetune/mae@8", tmp_path)
    assert alone == f"stages  finetune/mae@8 ({long} from mae)"
    _, _, none, _ = plan(recipe, None, "mae", tmp_path)
    assert none == "stages  mae (2 epochs)"


def test_the_doctor_gives_a_verdict_a_line(run, monkeypatch):
    code, out, _ = run("doctor")
    assert code == 0
    assert {line.split()[0] for line in out[1:]} <= {"ok", "warning"}
    assert any("torch" in line for line in out)
    monkeypatch.setattr("intarsia.core.cli.doctor._NEEDED", ("no-such-package",))
    code, out, _ = run("doctor")
    assert code == 1
    assert any(line.split()[:2] == ["fault", "no-such-package"] for line in out)
