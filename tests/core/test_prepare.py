"""Foreign files to one event file, whatever the files do to the process that reads them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from attrs import evolve
from toy_foreign import DETECTOR

from intarsia.core.cli import main
from intarsia.core.errors import EventError, RunError
from intarsia.core.prepare import GO_ON, How, prepare
from intarsia.core.prepare_parts import Parts
from intarsia.core.split import splits_of
from intarsia.core.store import EventFile

QUICK = How(timeout=20.0)


def write(path: Path, whats, first=0, mark=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(mark + "".join(f"{first + i} {w}\n" for i, w in enumerate(whats)))
    return path


def read(path):
    file = EventFile(path)
    return file, file.read(0, len(file))


def test_files_folders_and_patterns_become_one_file(tmp_path):
    write(tmp_path / "in" / "deep" / "a.toy", range(40))
    write(tmp_path / "in" / "b.toy", [7, 0, 3])
    write(tmp_path / "in" / "notes.txt", [1])
    write(tmp_path / "c1.toy", [2])
    write(tmp_path / "c2.TOY", [4])
    inputs = [tmp_path / "in", tmp_path / "c*", tmp_path / "in" / "b.toy"]
    made = prepare(DETECTOR, inputs, tmp_path / "out.h5", QUICK)
    file, events = read(tmp_path / "out.h5")
    keys = ["b/0", "b/1", "b/2", *(f"a/{i}" for i in range(40)), "c1/0", "c2/0"]
    assert (made.events, made.files, made.left_out, made.listed) == (45, 4, (), None)
    assert list(file.keys) == keys
    assert events.streams["cubes"].counts.tolist() == [7, 0, 3, *range(40), 2, 4]
    np.testing.assert_array_equal(events.truth["energy"], 0.5 * events.streams["cubes"].counts)
    np.testing.assert_array_equal(file.splits, splits_of(keys))
    assert made.splits == dict(zip(("train", "val", "test"), np.bincount(file.splits, minlength=3).tolist(), strict=True))  # fmt: skip
    assert not list(tmp_path.glob(".out.h5*"))
    assert file.provenance["prepared"] == ["lines"]
    assert file.provenance["first_files"] == ["b.toy", "a.toy", "c1.toy", "c2.TOY"]


def test_the_bytes_do_not_depend_on_the_workers(tmp_path):
    files = [write(tmp_path / f"{n}.toy", [n + i % 5 for i in range(n * 37)]) for n in range(1, 5)]
    for workers in (1, 3):
        prepare(DETECTOR, files, tmp_path / f"{workers}.h5", evolve(QUICK, workers=workers))
    assert (tmp_path / "1.h5").read_bytes() == (tmp_path / "3.h5").read_bytes()


BROKEN = {
    "crash": "reading it crashed (SIGSEGV), the file is damaged or hostile",
    "exit": "reading it ended the process (exit code 3), the file is damaged or hostile",
    "bug": "ZeroDivisionError: division by zero",
    "wrong": "hits: are wrong",
    "beyond": "stream 'cubes': 4488 cells outside the grid (8, 8, 8), the first at [0, 0, 8]",
    "key": "key '43' is not run/event or run/event/particle",
    "memory": "MemoryError: Unable to allocate 1.00 TiB for an array with shape (1099511627776,) and data type uint8",
}  # fmt: skip


def test_whatever_goes_wrong_with_an_event_costs_that_event(tmp_path):
    whats = [1] * 33
    for what in BROKEN:
        whats += [what, 2]
    path = write(tmp_path / "a.toy", whats)
    how = evolve(QUICK, skip_broken=True)
    made = prepare(DETECTOR, [path], tmp_path / "out.h5", how)
    assert list(made.left_out) == [
        f"{path}, event {33 + 2 * i}: {said}" for i, said in enumerate(BROKEN.values())
    ]
    assert (made.events, made.records_left_out) == (33 + len(BROKEN), len(BROKEN))
    assert made.listed.read_text() == "".join(f"{line}\n" for line in made.left_out)
    file, events = read(tmp_path / "out.h5")
    assert events.streams["cubes"].counts.tolist() == [1] * 33 + [2] * len(BROKEN)
    assert file.provenance["left_out"] == len(BROKEN)
    made = prepare(DETECTOR, [write(tmp_path / "b.toy", [1])], tmp_path / "out.h5", how)
    assert made.listed is None
    assert not list(tmp_path.glob("*left_out*"))  # of the file that was there before


def test_the_first_broken_event_stops_it_and_what_came_before_is_kept(tmp_path):
    path = write(tmp_path / "a.toy", [1] * 33 + ["wrong"] + [2] * 10)
    with pytest.raises(EventError) as caught:
        prepare(DETECTOR, [path], tmp_path / "out.h5", QUICK)
    hint = f"; {GO_ON}"
    assert str(caught.value) == f"{path}, event 33: hits: are wrong{hint}"
    assert not (tmp_path / "out.h5").exists()
    how = evolve(QUICK, skip_broken=True, resume=True)
    assert prepare(DETECTOR, [path], tmp_path / "out.h5", how).events == 43


def test_an_event_that_hangs_is_stopped(tmp_path):
    path = write(tmp_path / "a.toy", [1, "hang", 2])
    made = prepare(DETECTOR, [path], tmp_path / "out.h5", How(timeout=2, skip_broken=True))
    assert made.left_out == (f"{path}, event 1: not read after 2 s, the file may be damaged",)
    assert made.events == 2


def test_a_file_that_keeps_crashing_is_given_up_and_others_are_read(tmp_path):
    bad = write(tmp_path / "a.toy", [1, "crash", 1, "crash", "crash"] + [1] * 95)
    whole = write(tmp_path / "crash.toy", [1])
    text = tmp_path / "text.toy"
    text.write_bytes(b"\xff")
    empty = write(tmp_path / "empty.toy", [])
    good = write(tmp_path / "z.toy", [1] * 3)
    files = [bad, whole, text, empty, good]
    made = prepare(DETECTOR, files, tmp_path / "out.h5", evolve(QUICK, skip_broken=True, workers=2))
    said = "the file is damaged or hostile"
    assert list(made.left_out) == [
        *(f"{bad}, event {i}: reading it crashed (SIGSEGV), {said}" for i in (1, 3, 4)),
        f"{bad}: given up after 3 crashes, without events 5 to 100",
        f"{whole}: reading it crashed (SIGABRT), {said}",
        f"{text}: UnicodeDecodeError: 'ascii' codec can't decode byte 0xff in position 0: ordinal not in range(128)",
    ]  # fmt: skip
    assert (made.events, made.records_left_out) == (5, 3 + 95 + 1 + 1)


def test_without_any_event_there_is_no_file(tmp_path):
    path = write(tmp_path / "a.toy", ["wrong"])
    with pytest.raises(EventError) as caught:
        prepare(DETECTOR, [path], tmp_path / "out.h5", evolve(QUICK, skip_broken=True))
    assert str(caught.value) == (
        f"{tmp_path}/out.h5: not written: no event in 1 files, the first as follows\n"
        f"{path}, event 0: hits: are wrong"
    )
    assert [p.name for p in tmp_path.iterdir()] == ["a.toy"]


def test_files_without_labels_may_stand_beside_files_with_them(tmp_path):
    bare, full = write(tmp_path / "bare.toy", [2, 3]), write(tmp_path / "full.toy", [4])
    prepare(DETECTOR, [bare, full], tmp_path / "both.h5", QUICK)
    file, events = read(tmp_path / "both.h5")
    assert file.truth_names == ("energy",)  # nobody knows the flavour of any event
    assert events.streams["cubes"]["kind"].tolist() == [-1] * 5 + [0, 1, 0, 1]
    np.testing.assert_array_equal(events.truth["energy"], [np.nan, np.nan, 2.0])
    prepare(DETECTOR, [bare], tmp_path / "bare.h5", QUICK)
    assert EventFile(tmp_path / "bare.h5").truth_names == ()
    assert EventFile(tmp_path / "bare.h5").label_names == ()


def test_keys_that_repeat_are_told_or_begin_with_the_file(tmp_path):
    a, b = write(tmp_path / "r-1.toy", [1, 2]), write(tmp_path / "r-2.toy", [3, 4, 5], first=1)
    with pytest.raises(EventError) as caught:
        prepare(DETECTOR, [a, b], tmp_path / "out.h5", QUICK)
    said = f"{b}, events 0 to 3: key 'r/1' has come before in {a} (where numbers repeat from file to file: --by-file)"  # fmt: skip
    assert str(caught.value) == f"{said}; {GO_ON}"
    how = evolve(QUICK, skip_broken=True, resume=True)
    made = prepare(DETECTOR, [a, b], tmp_path / "out.h5", how)
    assert EventFile(tmp_path / "out.h5").keys == ("r/0", "r/1", "r/2", "r/3")
    assert made.left_out[0].replace(f" in {a}", "") == said.replace(f" in {a}", "")
    prepare(DETECTOR, [a, b], tmp_path / "out.h5", evolve(QUICK, by_file=True))
    assert EventFile(tmp_path / "out.h5").keys[1:3] == ("r-1:r/1", "r-2:r/1")


def test_of_keys_that_repeat_it_is_said_what_helps(tmp_path):
    one, two = (write(tmp_path / folder / "a.toy", [1]) for folder in ("x", "y"))
    same = tmp_path / "b.toy"
    same.write_text("0 1\n0 2\n")
    how = evolve(QUICK, skip_broken=True, by_file=True)
    made = prepare(DETECTOR, [one, two, same], tmp_path / "out.h5", how)
    assert made.left_out == (
        f"{two}, event 0: key 'a:a/0' has come before in {one} (files of one name: give one of them another)",
        f"{same}, events 0 to 2: key 'b:b/0' has come before in {same} (where numbers repeat within a file: keys=row, of readers that have it)",
    )  # fmt: skip


def test_published_splits_are_kept(tmp_path):
    files = [write(tmp_path / "test1.toy", [1] * 3), write(tmp_path / "a.toy", [1] * 3)]
    prepare(DETECTOR, files, tmp_path / "out.h5", QUICK)
    file = EventFile(tmp_path / "out.h5")
    assert file.splits.tolist() == [2, 2, 2, *splits_of(["a/0", "a/1", "a/2"])]
    prepare(DETECTOR, files, tmp_path / "out.h5", evolve(QUICK, split="val"))
    assert EventFile(tmp_path / "out.h5").splits.tolist() == [1] * 6


def test_the_reader_is_found_by_content_or_named(tmp_path):
    at, star = write(tmp_path / "a.toy", [1], mark="@"), write(tmp_path / "s.toy", [1], mark="*")
    prepare(DETECTOR, [at], tmp_path / "out.h5", QUICK)
    assert EventFile(tmp_path / "out.h5").provenance["prepared"] == ["other"]
    with pytest.raises(EventError) as caught:
        prepare(DETECTOR, [star], tmp_path / "out.h5", QUICK)
    assert str(caught.value).startswith(f"{star}: lines, other could all read it: say which with --reader;")  # fmt: skip
    how = evolve(QUICK, reader="lines", options={"scale": 3})
    prepare(DETECTOR, [star], tmp_path / "out.h5", how)
    assert read(tmp_path / "out.h5")[1].streams["cubes"]["charge"].tolist() == [3.0]
    unknown = write(tmp_path / "x.else", [1])
    with pytest.raises(EventError) as caught:
        prepare(DETECTOR, [unknown], tmp_path / "out.h5", QUICK)
    assert str(caught.value).startswith(
        f"{unknown}: no reader knows what is in it (not other: it does not begin with @);"
    )


@pytest.mark.parametrize(
    ("how", "inputs", "message"),
    [
        ({}, ["no.toy", "none*"], "{0}/no.toy: there is no such file\n{0}/none*: there is no such file"),
        ({}, ["a.txt"], "{0}/a.txt: no reader is for such a file (known: .toy by lines, .toy .else by other)"),
        ({}, ["folder"], "{0}/folder: has no file that ends in .toy or .else"),
        ({"reader": "line"}, [], "detector 'foreign' has no reader 'line'; did you mean 'lines'? (it has: lines, other)"),
        ({"options": {"scael": 1}}, [], "reader lines, other: there is no option 'scael'; did you mean 'scale'? (it has: scale)"),
        ({"options": {"scale": "x"}}, [], "reader lines, other: option 'scale' must be a number, like 1.0, not 'x'"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_named(tmp_path, how, inputs, message):
    write(tmp_path / "a.txt", [1])
    (tmp_path / "folder").mkdir()
    with pytest.raises(RunError) as caught:
        prepare(DETECTOR, [tmp_path / i for i in inputs], tmp_path / "out.h5", evolve(QUICK, **how))
    assert str(caught.value) == message.format(tmp_path)


def test_a_file_whose_name_cannot_be_written_down_is_named(tmp_path):
    write(tmp_path / os.fsdecode(b"a\xff.toy"), [1])
    write(tmp_path / "\u00fc [1].toy", [1])
    with pytest.raises(RunError) as caught:
        prepare(DETECTOR, [tmp_path], tmp_path / "out.h5", QUICK)
    assert str(caught.value) == (
        f"'{tmp_path}/a\\udcff.toy': the name is no text in UTF-8; give the file another"
    )


def test_no_input_is_written_over(tmp_path):
    path = write(tmp_path / "a.toy", [1])
    os.link(path, tmp_path / "b.toy")
    for name in ("a.toy", "b.toy"):
        with pytest.raises(RunError) as caught:
            prepare(DETECTOR, [path], tmp_path / name, QUICK)
        assert str(caught.value) == (
            f"{tmp_path / name}: is one of the files to read; give what is written another name"
        )
    with pytest.raises(RunError, match="is a folder; name the file to write"):
        prepare(DETECTOR, [path], tmp_path, QUICK)
    assert path.read_text() == "0 1\n"


def test_an_interrupted_run_goes_on_and_gives_the_same_bytes(tmp_path):
    files = [write(tmp_path / f"{n}.toy", [1 + i % 3 for i in range(50)]) for n in range(4)]
    prepare(DETECTOR, files, tmp_path / "whole.h5", QUICK)

    def stop(step):
        if step.done >= 120:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(DETECTOR, files, tmp_path / "out.h5", QUICK, stop)
    assert not (tmp_path / "out.h5").exists()
    with pytest.raises(RunError, match=r"out\.h5: has been begun; go on with --resume, or remove"):
        prepare(DETECTOR, files, tmp_path / "out.h5", QUICK)
    with pytest.raises(RunError, match="has been begun with other files or options"):
        prepare(DETECTOR, files[:1], tmp_path / "out.h5", evolve(QUICK, resume=True))
    steps = []
    prepare(DETECTOR, files, tmp_path / "out.h5", evolve(QUICK, resume=True), steps.append)
    assert steps[0].done > 120
    assert (tmp_path / "out.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()
    assert not list(tmp_path.glob(".out.h5*"))


def test_parts_of_other_work_are_dropped_without_resume(tmp_path):
    files = [write(tmp_path / "a.toy", [1, 2, "wrong"])]
    with pytest.raises(EventError):
        prepare(DETECTOR, files, tmp_path / "out.h5", QUICK)
    assert Parts(tmp_path / "out.h5", DETECTOR, {"another": 1}, resume=False).notes == []
    write(tmp_path / "a.toy", [1, 2, 3, 4])
    assert prepare(DETECTOR, files, tmp_path / "out.h5", QUICK).events == 4


PLUGIN = """
from toy_foreign import DETECTOR
from intarsia.core.hookspecs import hookimpl

@hookimpl
def intarsia_detectors():
    return [DETECTOR]
"""


@pytest.fixture
def command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    Path("mine.py").write_text(PLUGIN)
    return ["prepare", "foreign", "--plugin", "mine.py", "--workers", "1", "-o", "out.h5"]


def test_the_command_says_what_it_did(command, capsys):
    write(Path("a.toy"), [1, "wrong", 3])
    assert main([*command, "a.toy", "scale=2"]) == 2
    assert "a.toy, event 1: hits: are wrong; to go on and leave out" in capsys.readouterr().err
    assert main([*command, "a.toy", "scale=2", "--skip-broken", "--resume"]) == 0
    out, err = capsys.readouterr()
    n = EventFile("out.h5").splits
    splits = ", ".join(f"{(n == i).sum()} {s}" for i, s in enumerate(("train", "val", "test")))
    assert out.startswith(f"out.h5: 2 events of foreign ({splits}) from 1 file, ")
    assert "left out: a.toy, event 1: hits: are wrong" in err
    assert "left out: 1 faults, 1 events or files; all are listed in out.h5.left_out.txt" in err
    assert main([*command, "--split", "tset", "a.toy"]) == 2
    assert "--split is train, val or test, not 'tset'" in capsys.readouterr().err


INTERRUPTED = ["the same command with --resume goes on from what is prepared", "interrupted"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_ended_at_any_moment_it_goes_on(command, tmp_path, number):
    for n in range(6):
        write(tmp_path / f"{n}.toy", [1 + i % 3 for i in range(12000)])
    path = f"{Path(__file__).parent.parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    words = [sys.executable, "-m", "intarsia", *command]
    inputs = [f"{n}.toy" for n in range(6)]
    env = os.environ | {"PYTHONPATH": path}
    subprocess.run([*words[:-1], "whole.h5", *inputs], check=True, env=env)
    for wait in (1.0, 1.5, 2.0, 2.5, 3.0):
        process = subprocess.Popen(
            [*words, *inputs, "--resume"],
            env=env,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        time.sleep(wait)
        os.killpg(process.pid, number)
        _, err = process.communicate()
        lines = [line for line in err.splitlines() if "events in" not in line]
        if process.returncode == 130:
            assert lines == INTERRUPTED
        else:  # dead at once, by SIGTERM so early that nothing had begun; or it was done before
            assert (process.returncode, lines) in ((-number, []), (0, []))
    subprocess.run([*words, *inputs, "--resume"], check=True, env=env)
    assert Path("out.h5").read_bytes() == Path("whole.h5").read_bytes()


MEASURE = """
import resource, sys
from pathlib import Path
from toy_foreign import DETECTOR
from intarsia.core.prepare import GO_ON, How, prepare

if __name__ == "__main__":
    prepare(DETECTOR, [sys.argv[1]], Path(sys.argv[2]), How())
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    print(max(resource.getrusage(w).ru_maxrss for w in who))
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(tmp_path):
    (tmp_path / "measure.py").write_text(MEASURE)
    path = f"{Path(__file__).parent.parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    peak = []
    for n in (3000, 12_000):
        source = write(tmp_path / f"{n}.toy", [300] * n)
        words = [sys.executable, "measure.py", str(source), str(tmp_path / f"{n}.h5")]
        env = os.environ | {"PYTHONPATH": path}
        done = subprocess.run(words, check=True, env=env, cwd=tmp_path, capture_output=True)
        peak.append(int(done.stdout))
    assert (tmp_path / "12000.h5").stat().st_size > 40_000_000
    assert peak[1] < peak[0] + 20_000  # kB
