"""Splits by a list: what it says is done, what it cannot mean is named."""

import io
from pathlib import Path

import numpy as np
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from toy_foreign import DETECTOR

from intarsia.core.errors import EventError
from intarsia.core.export import export
from intarsia.core.manifest import find_manifest, read_manifest, write_manifest
from intarsia.core.prepare import GO_ON, How, prepare
from intarsia.core.split import NAMES, splits_of
from intarsia.core.store import EventFile

QUICK = How(timeout=20.0)


def write(path, text):
    path.write_text(text)
    return path


@given(
    st.dictionaries(
        st.from_regex(r"[a-z0-9,\"':. ]{0,5}[a-z]/[0-9]{1,4}", fullmatch=True),
        st.integers(0, 2),
        min_size=1,
    )
)
def test_a_manifest_gives_back_the_splits_it_was_written_of(tmp_path_factory, splits):
    splits = {key.strip(): split for key, split in splits.items()}
    text = io.StringIO()
    values = np.array(list(splits.values()), np.uint8)
    particles = [f"{key}/{i}" for key in splits for i in range(2)]
    assert write_manifest(text, particles, np.repeat(values, 2)) == len(splits)
    found = read_manifest(write(tmp_path_factory.mktemp("m") / "m.csv", text.getvalue()))
    assert found.splits == splits
    assert found.splits_of([*particles, "no/1"], Path("a")).tolist() == [*np.repeat(values, 2), -1]


def test_either_column_comes_first_and_comments_do_not_count(tmp_path):
    text = "# ours\n\nsplit,file\ntrain, a.toy\ntest,b.toy\n"
    manifest = read_manifest(write(tmp_path / "m.csv", text))
    assert (manifest.by, manifest.splits) == ("file", {"a.toy": 0, "b.toy": 2})
    assert manifest.splits_of(["1/1", "1/2"], Path("x/b.toy")).tolist() == [2, 2]
    assert manifest.missing([], [Path("y/a.toy")]) == ["b.toy"]


def test_a_share_of_a_file_may_be_of_another_split_as_the_published_rule_has_it(tmp_path):
    text = "file,split\na.toy,train+val:0.05\nb.toy,test+val:0.5\n"
    manifest = read_manifest(write(tmp_path / "m.csv", text))
    keys = [f"1/{i}" for i in range(2000)]
    a, b = (manifest.splits_of(keys, Path(name)) for name in ("a.toy", "b.toy"))
    np.testing.assert_array_equal(a, splits_of(keys, ("train", "val")))
    assert set(b) == {1, 2}
    assert 0.45 < np.mean(b == 1) < 0.55
    assert manifest.splits_of([keys[0]] * 2, Path("c.toy")).tolist() == [-1, -1]


def test_a_manifest_is_found_by_its_path_or_by_name_among_the_installed(tmp_path):
    (tmp_path / "splits").mkdir()
    ours = write(tmp_path / "splits" / "ours.csv", "event,split\n1/1,train\n")
    assert find_manifest("ours.csv", [tmp_path]) == ours
    assert find_manifest(ours, []) == ours
    for name, said in (
        ("urs.csv", "'urs.csv'; did you mean 'ours.csv'? (no such file here; installed: ours.csv)"),
        ("../splits/ours.csv", "(no such file here; installed: ours.csv)"),
    ):
        with pytest.raises(EventError) as caught:
            find_manifest(name, [tmp_path])
        assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("", ["line 1: must be event,split or file,split, not nothing"]),
        ("\nkey,split\n", ["line 2: must be event,split or file,split, not key,split"]),
        ("event,split\n", ["lists no event"]),
        (
            "event,split\n1/1,train\n1/2,tset\n3,val\n1/1,test\n1/4\n1/1/7,train\n",
            [
                "line 3: there is no split 'tset'; did you mean 'test'? (there are: train, val, test)",
                "line 4: event '3' is not run/event",
                "line 5: event '1/1' is in train further up",
                "line 6: must be one event and one split, not 1/4",
            ],
        ),
        (
            "event,split\n1/1,train+val:0.05\n",
            ["line 2: 'train+val:0.05' is no split; only a file may have one like train+val:0.05"],
        ),
        (
            "file,split\na,train+vl:0.1\nb,train+val:5\nc,train+val\nd,train\nd,train+val:0.1\n",
            [
                "line 2: there is no split 'vl'; did you mean 'val'? (there are: train, val, test)",
                "line 3: 'train+val:5' is no split; only a file may have one like train+val:0.05",
                "line 4: 'train+val' is no split; only a file may have one like train+val:0.05",
                "line 6: file 'd' is in train further up",
            ],
        ),
    ],
)
def test_all_that_is_wrong_with_a_manifest_is_told_at_once(tmp_path, text, faults):
    path = write(tmp_path / "m.csv", text)
    with pytest.raises(EventError) as caught:
        read_manifest(path)
    told = [f"{path}: {f}" if f.startswith("lists") else f"{path}, {f}" for f in faults]
    assert str(caught.value).splitlines() == told
    with pytest.raises(EventError, match=r"none\.csv: cannot be read"):
        read_manifest(tmp_path / "none.csv")


def test_events_are_split_as_the_manifest_says(tmp_path):
    data = write(tmp_path / "a.toy", "".join(f"{i} {1 + i % 3}\n" for i in range(40)))
    prepare(DETECTOR, [data], tmp_path / "hash.h5", QUICK)
    assert export(tmp_path / "hash.h5", tmp_path / "m.csv") == 40
    how = evolve(QUICK, manifest=tmp_path / "m.csv")
    prepare(DETECTOR, [data], tmp_path / "same.h5", how)
    first, same = EventFile(tmp_path / "hash.h5"), EventFile(tmp_path / "same.h5")
    np.testing.assert_array_equal(same.splits, first.splits)
    np.testing.assert_array_equal(same.splits, splits_of(first.keys))
    manifest = read_manifest(tmp_path / "m.csv")
    assert same.provenance["manifest"] == {"name": "m.csv", "sha256": manifest.digest}
    assert "manifest" not in first.provenance


def test_what_is_not_listed_is_a_fault_and_what_is_not_there_is_told(tmp_path):
    data = write(tmp_path / "a.toy", "0 1\n1 2\n2 3\n")
    path = write(tmp_path / "m.csv", "event,split\na/0,test\na/2,val\na/9,train\n")
    how = evolve(QUICK, manifest=path)
    said = f"{data}, events 0 to 3: key 'a/1': event 'a/1' is not in the manifest {path}"
    with pytest.raises(EventError) as caught:
        prepare(DETECTOR, [data], tmp_path / "out.h5", how)
    assert str(caught.value) == f"{said}; {GO_ON}"
    made = prepare(DETECTOR, [data], tmp_path / "out.h5", evolve(how, skip_broken=True))
    assert (made.left_out, made.records_left_out, made.missing) == ((said,), 1, ("a/9",))
    file = EventFile(tmp_path / "out.h5")
    assert dict(zip(file.keys, file.splits.tolist(), strict=True)) == {"a/0": 2, "a/2": 1}
    assert made.splits == dict(zip(NAMES, (0, 1, 1), strict=True))
    by_file = write(tmp_path / "f.csv", "file,split\nb.toy,test\n")
    with pytest.raises(EventError, match=r"key 'a/0': file 'a\.toy' is not in the manifest"):
        prepare(DETECTOR, [data], tmp_path / "f.h5", evolve(QUICK, manifest=by_file))
