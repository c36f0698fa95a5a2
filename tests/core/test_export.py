"""Events and predictions for other programs, read back by those programs' libraries."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import uproot

from intarsia.core import sample
from intarsia.core.cli import main
from intarsia.core.errors import EventError, RunError
from intarsia.core.export import export
from intarsia.core.store import EventFile, EventWriter
from intarsia.core.store_predictions import write_predictions


@pytest.fixture(scope="module")
def file(toy, tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "events.h5"
    with EventWriter(path, toy, {"seed": 1}) as writer:
        writer.append(sample.events(toy, 300, 1))
    return path


def flat(column):
    """The numbers of a list column of any depth, and the offsets of its outer lists."""
    whole = column.combine_chunks()
    rows = whole.flatten()
    offsets = np.concatenate([[0], np.cumsum(whole.value_lengths().to_numpy())])
    while rows.type.num_fields:
        rows = rows.flatten()
    return rows.to_numpy(zero_copy_only=False), offsets


def test_parquet_holds_every_number_exactly(file, toy, tmp_path):
    out = tmp_path / "events.parquet"
    assert export(file, out) == 300
    source = EventFile(file)
    events, table = source.read(0, 300), pq.read_table(out)
    assert table["key"].to_pylist() == list(events.keys)
    np.testing.assert_array_equal(table["group"], events.group)
    np.testing.assert_array_equal(table["split"], source.splits)
    for name, values in events.truth.items():
        found = table[f"truth.{name}"]
        found = found.to_numpy() if values.ndim == 1 else flat(found)[0].reshape(values.shape)
        assert found.dtype == values.dtype
        np.testing.assert_array_equal(found, values)
    for stream, rows in events.streams.items():
        for column, values in rows.columns.items():
            found, offsets = flat(table[f"{stream}.{column}"])
            np.testing.assert_array_equal(found.reshape(values.shape), values)
            assert found.dtype == values.dtype
            if values.ndim == 1:
                np.testing.assert_array_equal(offsets, rows.offsets)
    assert table.schema.field("cubes.charge").metadata == {b"unit": b"MeV"}
    assert table.schema.field("truth.vertex").metadata == {b"unit": b"mm"}
    about = json.loads(table.schema.metadata[b"intarsia"])
    assert about["provenance"] == {"seed": 1}
    assert about["declaration"] == source.declaration


def test_root_holds_every_number_exactly(file, toy, tmp_path):
    out = tmp_path / "events.root"
    assert export(file, out) == 300
    events = EventFile(file).read(0, 300)
    with uproot.open({out: None}) as root:
        tree = root["events"]
        assert tree.num_entries == 300
        assert tree["key"].array().tolist() == list(events.keys)
        for name, values in events.truth.items():
            np.testing.assert_array_equal(tree[f"truth_{name}"].array(library="np"), values)
        for stream, rows in events.streams.items():
            np.testing.assert_array_equal(tree[f"n{stream}"].array(), rows.counts)
            for column, values in rows.columns.items():
                parts = values.reshape(len(values), -1)
                names = [
                    k
                    for k in tree.keys(recursive=False)
                    if k == f"{stream}_{column}" or k.startswith(f"{stream}_{column}_")
                ]
                assert len(names) == (parts.shape[1] or len(names)), (stream, column)
                for name, part in zip(names, parts.T, strict=True):
                    found = np.concatenate(tree[name].array(library="np"))
                    np.testing.assert_array_equal(found, part)
        assert json.loads(root["about"])["provenance"] == {"seed": 1}
        assert json.loads(root["units"])["cubes.charge"] == "MeV"
        assert "cubes_index_x" in tree


@pytest.mark.parametrize("suffix", [".parquet", ".root"])
def test_predictions_are_exported(tmp_path, suffix):
    scores = np.linspace(0, 1, 12, dtype=np.float32).reshape(4, 3)
    keys = np.array(["1/1", "1/2", "1/3", "22/4"])
    columns = {"keys": keys, "weight": np.ones(4), "flavour/scores": scores}
    write_predictions(tmp_path / "p.h5", columns, {"flavour": ["a", "b", "c"]})
    out = tmp_path / f"p{suffix}"
    assert export(tmp_path / "p.h5", out) == 4
    if suffix == ".parquet":
        table = pq.read_table(out)
        assert table["keys"].to_pylist() == keys.tolist()
        assert table["flavour.scores"].to_pylist() == scores.tolist()
        assert b'"flavour": ["a", "b", "c"]' in table.schema.metadata[b"intarsia"]
    else:
        with uproot.open({out: None}) as root:
            assert root["events/keys"].array().tolist() == keys.tolist()
            np.testing.assert_array_equal(root["events/flavour_scores"].array(), scores)


def test_what_cannot_be_exported_is_named(file, toy, tmp_path, monkeypatch, capsys):
    with pytest.raises(RunError) as caught:
        export(file, tmp_path / "a.txt")
    assert str(caught.value) == f"{tmp_path}/a.txt: is to end in .parquet, .root or .csv"
    with EventWriter(tmp_path / "none.h5", toy, {}):
        pass
    with pytest.raises(EventError, match=r"none\.h5: has no events to export"):
        export(tmp_path / "none.h5", tmp_path / "a.root")
    same = tmp_path / "events.root"
    same.write_bytes(file.read_bytes())
    with pytest.raises(RunError, match=r"events\.root: is the file to export; give what is "):
        export(same, same)
    assert same.read_bytes() == file.read_bytes()
    (tmp_path / "text.h5").write_text("no")
    assert main(["export", str(tmp_path / "text.h5"), "-o", str(tmp_path / "a.root")]) == 2
    assert "not an HDF5 file" in capsys.readouterr().err
    monkeypatch.setitem(__import__("sys").modules, "uproot", None)
    monkeypatch.delitem(__import__("sys").modules, "intarsia.core.export_root", raising=False)
    with pytest.raises(RunError) as caught:
        export(file, tmp_path / "a.root")
    needs = "needs uproot, which is not installed: pip install 'intarsia[root]'"
    assert str(caught.value) == f"{tmp_path}/a.root: {needs}"
    assert not (tmp_path / "a.root").exists()


def test_the_command_says_what_it_wrote(file, tmp_path, capsys):
    out = tmp_path / "events.parquet"
    assert main(["export", str(file), "-o", str(out)]) == 0
    size = out.stat().st_size / 1e6
    assert capsys.readouterr().out == f"{out}: 300 entries of {file}, {size:.1f} MB\n"
