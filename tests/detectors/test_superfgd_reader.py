"""The benchmark's .pt files: round trips, where the class is, and what must not run."""

import os

import numpy as np
import pytest
import torch
from writers.superfgd import drawn, write_pt

from intarsia.core.errors import EventError
from intarsia.core.events import checked
from intarsia.detectors.superfgd import CLASSES, SUPERFGD
from intarsia.detectors.superfgd.pt_reader import particle


def read(path, **options):
    with particle(path, **options) as records:
        return checked(records.read(), SUPERFGD)


def test_hits_come_back_with_their_charge_and_true_positions(tmp_path):
    path = tmp_path / "training" / "mu-" / "17.pt"
    given = drawn(1)
    write_pt(path, given)
    e = read(path)
    assert e.keys == ("training.mu-/17",)
    assert CLASSES[e.truth["pid"][0]] == "muon"
    cubes, context = e.streams["cubes"], e.streams["context"]
    assert cubes["charge"].sum() == pytest.approx(given["reco_hits"][:, 3].sum(), rel=1e-5)
    middle = 10.0 * cubes["index"] - 595 + context["centre"]
    hits, nodes = given["reco_hits"], given["true_nodes"]
    for where, charge, node in zip(middle, cubes["charge"], cubes["node"], strict=True):
        mine = (np.abs(hits[:, :3] - where) < 1e-3).all(1)
        assert charge == pytest.approx(hits[mine, 3].sum(), rel=1e-5)
        best = nodes[mine][hits[mine, 3].argmax()]
        np.testing.assert_allclose(node + context["centre"][0], best, atol=1e-2)


@pytest.mark.parametrize(
    ("folder", "keys", "options", "name"),
    [
        ("proton", {}, {}, "proton"),
        ("13", {}, {}, "muon"),
        ("x", {"pdg": -211}, {}, "pion"),
        ("e-", {"pid": np.int64(2212)}, {}, "proton"),  # a key is nearer than the folder
        ("x", {"label": torch.tensor([1])}, {"order": "electron,muon,pion,proton"}, "muon"),
        ("x", {"what": "e+"}, {"key": "what"}, "electron"),
    ],
)
def test_the_class_is_in_a_key_or_the_folder(tmp_path, folder, keys, options, name):
    path = tmp_path / folder / "1.pt"
    write_pt(path, drawn(2, **keys))
    assert CLASSES[read(path, **options).truth["pid"][0]] == name


def test_a_class_that_cannot_be_known_is_an_error(tmp_path):
    path = tmp_path / "sample" / "1.pt"
    write_pt(path, drawn(3))
    with pytest.raises(EventError, match=r"class: neither a key \(pdg, .* nor the folder 'sample'"):
        read(path)
    assert "pid" not in read(path, unlabelled=1).truth
    with pytest.raises(EventError, match="kind: missing"):
        read(path, key="kind")
    write_pt(path, drawn(3, label=2))
    with pytest.raises(EventError, match="label: is 2, a number of a class in an order"):
        read(path)
    write_pt(path, drawn(3, pdg=321))
    with pytest.raises(EventError, match="pdg: '321' is no particle"):
        read(path)
    with pytest.raises(EventError, match="order: 'moun' is no class; did you mean 'muon'"):
        particle(path, order="proton,pion,moun,electron")


def test_splits_follow_the_folders_of_the_release(tmp_path):
    for folder, splits in (("training", ("train", "val")), ("testing", ("test",)), ("x", ())):
        path = tmp_path / folder / "p" / "1.pt"
        write_pt(path, drawn(4))
        assert particle(path).splits == splits


def test_damaged_hits_are_named(tmp_path):
    path = tmp_path / "p" / "1.pt"
    for change, said in (
        ({"reco_hits": np.zeros((3, 5))}, r"reco_hits: has shape \(3, 5\)"),
        ({"reco_hits": np.full((1, 4), np.nan)}, "reco_hits: 4 values are not finite"),
        ({"reco_hits": np.array([[0, 0, 2000.0, 1]])}, "reco_hits: 1 outside the detector"),
        ({"true_nodes": np.zeros((2, 3))}, r"true_nodes: has shape \(2, 3\), not \(30, 3\)"),
    ):
        write_pt(
            path,
            drawn(5)
            | (
                {"true_nodes": np.zeros((len(change["reco_hits"]), 3))}
                if "reco_hits" in change
                else {}
            )
            | change,
        )
        with pytest.raises(EventError, match=said):
            read(path)
    write_pt(path, {"hits": 1})
    with pytest.raises(EventError, match=r"reco_hits: missing \(it has: hits\)"):
        read(path)


class Hostile:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


def test_code_in_a_file_is_not_run(tmp_path):
    path, target = tmp_path / "p" / "1.pt", tmp_path / "made"
    write_pt(path, drawn(6, pid=Hostile(target)))
    with pytest.raises(EventError, match="mkdir"):
        read(path)
    assert not target.exists()


def test_no_hits_are_an_event_without_any(tmp_path):
    path = tmp_path / "p" / "1.pt"
    write_pt(path, {"reco_hits": np.zeros((0, 4)), "true_nodes": np.zeros((0, 3))})
    e = read(path)
    assert (len(e), e.streams["cubes"].counts[0], e.streams["context"].counts[0]) == (1, 0, 0)


def test_what_folders_say_does_not_depend_on_where_we_are(tmp_path, monkeypatch):
    path = tmp_path / "training" / "mu-" / "17.pt"
    write_pt(path, drawn(1))
    monkeypatch.chdir(path.parent)
    for given in ("17.pt", "../mu-/17.pt", path):
        assert particle(given).splits == ("train", "val")
        e = read(given)
        assert e.keys == ("training.mu-/17",)
        assert CLASSES[e.truth["pid"][0]] == "muon"
