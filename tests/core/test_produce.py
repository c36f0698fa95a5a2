import errno
import hashlib
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from attrs import evolve

import intarsia
from intarsia.core import sample
from intarsia.core.detector import Simulation
from intarsia.core.errors import RunError
from intarsia.core.plugin_file import import_file
from intarsia.core.produce import Shard, produce
from intarsia.core.store import EventFile, event_file

PLUGIN = """
import os
import numpy as np
from intarsia.core import sample
from intarsia.core.detector import Detector
from intarsia.core.streams import Axis, Column, VoxelGrid

grid = VoxelGrid(name="cubes", axes=(Axis(8, 10.0),) * 3, patch=(4, 4, 4), window=(2, 2, 2),
                 columns=(Column(name="charge", unit="MeV"),))
DETECTOR = Detector(name="mine", about="", streams=(grid,))

def make(seed, first, n, drop=3, mode=""):
    if mode == "die":
        os._exit(9)
    if mode == "stop" and first > 0:
        raise KeyboardInterrupt
    made = sample.events(DETECTOR, n, seed, first)
    return made.take(np.flatnonzero(np.arange(first, first + n) % drop > 0))
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    name = f"plugin_{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:8]}"
    path = tmp_path / f"{name}.py"
    path.write_text(PLUGIN)
    with import_file(path) as module:
        detector = evolve(
            module.DETECTOR,
            simulation=Simulation(make=f"{name}:make", options={"drop": 3, "mode": ""}),
        )
    yield detector
    sys.modules.pop(name)


def test_the_file_depends_neither_on_workers_nor_on_parts(tmp_path, toy):
    for name, workers, part in (("a", 1, 256), ("b", 1, 70), ("c", 2, 20)):
        produce(toy, 100, 5, tmp_path / name, workers=workers, part=part)
    whole = (tmp_path / "a").read_bytes()
    assert (tmp_path / "b").read_bytes() == whole
    assert (tmp_path / "c").read_bytes() == whole


def test_events_are_those_of_the_seed(tmp_path, toy):
    produced = produce(toy, 30, 5, tmp_path / "a", workers=1)
    assert (produced.events, produced.left_out) == (30, 0)
    file = EventFile(tmp_path / "a")
    np.testing.assert_array_equal(
        file.read(0, 30).truth["vertex"], sample.events(toy, 30, 5).truth["vertex"]
    )
    provenance = file.provenance
    assert len(provenance.pop("configuration")) == 64
    assert provenance == {
        "simulation": "sample",
        "version": intarsia.__version__,
        "seed": 5,
        "options": {},
        "asked": 30,
        "left_out": 0,
    }


def test_a_plugin_file_makes_events_in_workers_and_what_it_leaves_out_is_counted(tmp_path, mine):
    seen = []
    produced = produce(
        mine,
        60,
        5,
        tmp_path / "a",
        workers=2,
        options={"drop": 2},
        progress=lambda done, total: seen.append((done, total)),
        part=16,
    )
    assert (produced.events, produced.left_out) == (30, 30)
    assert seen == [(0, 60), (16, 60), (32, 60), (48, 60), (60, 60)]
    file = EventFile(tmp_path / "a")
    assert file.keys == tuple(f"5/{i}" for i in range(1, 60, 2))
    assert file.provenance["left_out"] == 30
    assert file.provenance["simulation"] == "fast"
    assert file.provenance["options"] == {"drop": 2, "mode": ""}


def test_wrong_options_are_named_all_at_once(tmp_path, mine):
    with pytest.raises(RunError) as caught:
        produce(mine, 3, 1, tmp_path / "a", options={"dorp": 2, "drop": "x"})
    assert str(caught.value) == (
        "simulation of 'mine': there is no option 'dorp'; did you mean 'drop'? "
        "(it has: drop, mode)\n"
        "simulation of 'mine': option 'drop' must be a whole number, like 3, not 'x'"
    )


def test_a_detector_without_simulation_has_no_options(tmp_path, toy):
    with pytest.raises(RunError) as caught:
        produce(toy, 3, 1, tmp_path / "a", options={"drop": 2})
    assert str(caught.value) == "simulation of 'toy': there is no option 'drop' (it has none)"


def test_if_all_are_left_out_there_is_no_file(tmp_path, mine):
    with pytest.raises(RunError, match=r"^mine: all of the 10 events were left out$"):
        produce(mine, 10, 1, tmp_path / "out" / "a", workers=1, options={"drop": 1})
    assert list((tmp_path / "out").iterdir()) == []


def test_a_worker_that_dies_is_one_clear_message(tmp_path, mine):
    with pytest.raises(RunError, match="a worker process died, perhaps out of memory"):
        produce(mine, 64, 1, tmp_path / "out" / "a", workers=2, part=32, options={"mode": "die"})
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_a_simulation_that_is_not_there_is_named(tmp_path, toy, workers):
    gone = evolve(toy, simulation=Simulation(make="intarsia.core.sample:nothing"))
    message = r"^simulation of 'toy': there is no intarsia.core.sample:nothing \("
    with pytest.raises(RunError, match=message):
        produce(gone, 3, 1, tmp_path / "out" / "a", workers=workers, part=2)
    assert list((tmp_path / "out").iterdir()) == []


def test_ctrl_c_leaves_nothing_half_written(tmp_path, mine):
    with pytest.raises(KeyboardInterrupt):
        produce(mine, 100, 1, tmp_path / "out" / "a", workers=1, options={"mode": "stop"})
    assert list((tmp_path / "out").iterdir()) == []


def test_shards_one_after_the_other_are_the_whole(tmp_path, mine):
    produce(mine, 100, 5, tmp_path / "whole", workers=1)
    for i in (1, 2, 3):
        produce(mine, 100, 5, tmp_path / f"{i}.h5", workers=1, shard=Shard(i, 3), part=8)
    whole, shards = EventFile(tmp_path / "whole"), event_file([tmp_path / "?.h5"])
    assert shards.keys == whole.keys
    read = [f.read(0, len(f)).streams["cubes"] for f in (whole, shards)]
    assert read[0]["charge"].tobytes() == read[1]["charge"].tobytes()
    assert [f.provenance["shard"] for f in shards.files] == ["1/3", "2/3", "3/3"]
    counts = [len(f) + f.provenance["left_out"] for f in shards.files]
    assert counts == [33, 33, 34]


def test_there_is_no_shard_zero_nor_one_more():
    for number in (0, 4):
        with pytest.raises(
            RunError, match=f"there is no shard {number}/3: the first of 3 is number 1"
        ):
            Shard(number, 3)
    assert [Shard(i, 8).range(3) for i in (1, 8)] == [(0, 0), (2, 3)]


class KilledError(Exception):
    pass


def killed_after(n):
    def progress(done, total):
        if done > n:
            raise KilledError

    return progress


def test_an_interrupted_production_goes_on_and_ends_in_the_same_bytes(tmp_path, mine):
    seen = []
    produce(mine, 100, 5, tmp_path / "whole", workers=1)
    out, how = tmp_path / "out" / "a", {"workers": 1, "part": 10}
    for stop in (50, 60):
        with pytest.raises(KilledError):
            produce(mine, 100, 5, out, progress=killed_after(stop), resume=True, **how)
    assert [p.name for p in out.parent.iterdir()] == [".a.parts"]
    with pytest.raises(RunError, match=r"has been begun; go on with --resume, or remove .*parts"):
        produce(mine, 100, 5, out, **how)
    with pytest.raises(RunError, match=r"another sample has been begun"):
        produce(mine, 100, 6, out, resume=True, **how)
    produced = produce(
        mine, 100, 5, out, progress=lambda done, _: seen.append(done), resume=True, **how
    )
    assert seen == list(range(0, 101, 10))
    assert produced.left_out == 34
    assert produced.new == 30
    assert out.read_bytes() == (tmp_path / "whole").read_bytes()
    assert [p.name for p in out.parent.iterdir()] == ["a"]


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize(
    ("n", "seed", "shard", "how"),
    [
        (90, 5, Shard(1, 1), "asked: 90 here, 100 there"),
        (100, 6, Shard(1, 1), "seed: 6 here, 5 there"),
        (100, 5, Shard(2, 2), "shard: '2/2' here, None there"),
    ],
)
def test_parts_of_another_sample_are_not_lost(tmp_path, mine, resume, n, seed, shard, how):
    out, folder = tmp_path / "a", tmp_path / ".a.parts"
    with pytest.raises(KilledError):
        produce(mine, 100, 5, out, workers=1, part=20, progress=killed_after(50))
    with pytest.raises(RunError) as caught:
        produce(mine, n, seed, out, workers=1, part=20, shard=shard, resume=resume)
    assert str(caught.value) == (
        f"{out}: another sample has been begun ({how}); "
        f"ask for that one with --resume, or remove {folder} to begin this one"
    )
    made = produce(mine, 100, 5, out, workers=1, part=20, resume=True)
    assert made.new == 40
    assert EventFile(out).provenance["seed"] == 5
    assert [p.name for p in tmp_path.iterdir() if p.suffix != ".py"] == ["a"]


def test_a_folder_without_any_whole_part_is_begun_anew(tmp_path, mine):
    folder = tmp_path / "out" / ".a.parts"
    folder.mkdir(parents=True)
    for name in ("sample.json", ".0.h5.17.part", ".a.17.part", "lock"):
        (folder / name).write_text("{")
    produce(mine, 9, 6, tmp_path / "out" / "a", workers=1)
    assert [p.name for p in folder.parent.iterdir()] == ["a"]


def test_a_folder_cannot_be_the_file(tmp_path, mine):
    (tmp_path / "out" / "a").mkdir(parents=True)
    with pytest.raises(RunError) as caught:
        produce(mine, 9, 6, tmp_path / "out" / "a", options={"mode": "die"}, workers=1)
    assert str(caught.value) == f"{tmp_path / 'out' / 'a'}: is a folder; name the file to write"
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["a"]


@pytest.mark.parametrize("shard", [Shard(1, 2), Shard(2, 2)])
def test_one_file_is_made_by_one_process_at_a_time(tmp_path, mine, shard):
    out, said = tmp_path / "a", []

    def another(done, _):
        if done == 20:
            with pytest.raises(RunError) as caught:
                produce(mine, 100, 5, out, workers=1, part=20, shard=shard, resume=True)
            said.append(str(caught.value))

    how = {"workers": 1, "part": 20, "shard": Shard(1, 2), "progress": another}
    assert produce(mine, 100, 5, out, **how).new == 50
    assert said == [f"{out}: another process is making it now; give this one another file to write"]
    assert [p.name for p in tmp_path.iterdir() if p.suffix != ".py"] == ["a"]


def test_where_a_file_system_has_no_locks_a_file_is_made_all_the_same(tmp_path, mine, monkeypatch):
    def flock(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", flock)
    assert produce(mine, 9, 5, tmp_path / "out" / "a", workers=1).events == 6
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["a"]


HELD = """
import time
from pathlib import Path
from intarsia.core import sample
from intarsia.core.detector import Detector, Simulation
from intarsia.core.hookspecs import hookimpl
from intarsia.core.streams import Axis, Column, VoxelGrid

grid = VoxelGrid(name="cubes", axes=(Axis(8, 10.0),) * 3, patch=(4, 4, 4), window=(2, 2, 2),
                 columns=(Column(name="charge", unit="MeV"),))
DETECTOR = Detector(name="held", about="", streams=(grid,),
                    simulation=Simulation(make="held:make", options={"hold_at": 0}))

def make(seed, first, n, hold_at):
    while first >= hold_at and Path("hold").exists():
        Path("held").touch()
        time.sleep(0.01)
    return sample.events(DETECTOR, n, seed, first)

@hookimpl
def intarsia_detectors():
    return [DETECTOR]
"""


@pytest.fixture
def started(tmp_path):
    """``intarsia simulate`` of 600 events, held up from some event on while there is a `hold`."""
    (tmp_path / "held.py").write_text(HELD)
    processes = []

    def start(hold_at, workers, *more):
        words = ["simulate", "held", f"hold_at={hold_at}", "-n", "600", "-o", "out/a.h5"]
        words += ["--plugin", "held.py", "--workers", str(workers), *more]
        process = subprocess.Popen(
            [sys.executable, "-m", "intarsia", *words],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def stopped(process, number, *files, send=os.kill):
    """What `process`, sent signal `number` when all `files` are there, wrote to the standard error.

    Its workers have the same one, so that it ends when all of them have ended.
    """
    end = time.monotonic() + 60
    while not all(file.exists() for file in files):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.01)
    send(process.pid, number)
    return process.communicate(timeout=30)[1].splitlines()


@pytest.mark.parametrize(("workers", "send"), [(1, os.kill), (2, os.kill), (2, os.killpg)])
def test_sigterm_is_an_orderly_stop_after_which_the_file_is_the_same(
    tmp_path, started, workers, send
):
    folder = tmp_path / "out" / ".a.h5.parts"
    (tmp_path / "hold").touch()
    process = started(256, workers)
    assert stopped(process, signal.SIGTERM, folder / "0.h5", tmp_path / "held", send=send) == [
        "the same command with --resume makes 256 events per worker anew at most",
        "interrupted",
    ]
    assert process.returncode == 130
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]
    assert sorted(p.name for p in folder.iterdir()) == ["0.h5", "lock", "sample.json"]
    (tmp_path / "hold").unlink()
    out, err = started(256, workers, "--resume").communicate()
    assert out.startswith("out/a.h5: 600 events of held, "), err
    assert [p.name for p in folder.parent.iterdir()] == ["a.h5"]
    resumed = (folder.parent / "a.h5").read_bytes()
    started(256, 1).communicate()
    assert (folder.parent / "a.h5").read_bytes() == resumed


@pytest.mark.parametrize(("workers", "send"), [(1, os.kill), (2, os.kill), (2, os.killpg)])
def test_sigterm_before_the_first_part_leaves_nothing_and_says_so(tmp_path, started, workers, send):
    folder = tmp_path / "out" / ".a.h5.parts"
    (tmp_path / "hold").touch()
    process = started(0, workers)
    assert stopped(process, signal.SIGTERM, tmp_path / "held", send=send) == [
        "no events are kept: not even the first 256 were ready",
        "interrupted",
    ]
    assert process.returncode == 130
    assert list(folder.parent.iterdir()) == []


def test_workers_end_with_a_process_that_is_killed_and_nothing_of_it_stays(tmp_path, started):
    folder = tmp_path / "out" / ".a.h5.parts"
    (tmp_path / "hold").touch()
    process = started(256, 2)
    stopped(process, signal.SIGKILL, folder / "0.h5", tmp_path / "held")
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]
    (tmp_path / "hold").unlink()
    out, err = started(256, 2, "--resume").communicate()
    assert out.startswith("out/a.h5: 600 events of held, "), err
    assert [p.name for p in folder.parent.iterdir()] == ["a.h5"]


def test_nothing_here_imports_torch_or_numba():
    modules = "produce, normalise, split, sample, store, store_predictions"
    code = (
        f"import sys; from intarsia.core import {modules}; "
        "assert not {'torch', 'numba', 'lightning', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_is_in_a_file_that_an_option_names_is_part_of_the_configuration(tmp_path, mine):
    named = tmp_path / "spectrum.csv"

    def about(text):
        named.write_text(text)
        produce(mine, 6, 1, tmp_path / "a.h5", workers=1, options={"mode": str(named)})
        return EventFile(tmp_path / "a.h5").provenance

    first, second = about("1"), about("2")
    assert first["files"] == {"mode": hashlib.sha256(b"1").hexdigest()}
    assert first["configuration"] != second["configuration"]
    assert first == about("1")
