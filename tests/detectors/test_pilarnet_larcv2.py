"""larcv2's ROOT files: what ROOT itself wrote is read as the HDF5 file of the same events is."""

import os
from pathlib import Path

import numpy as np
import pytest
from writers.larcv2 import FILE, products, vectors, written
from writers.pilarnet import drawn, write_larcv3
from writers.trees import write_trees

from intarsia.core.errors import EventError
from intarsia.core.events import checked
from intarsia.core.inputs import opened
from intarsia.core.reading.larcv_root import LarcvRoot
from intarsia.detectors.pilarnet import PILARNET, PILARNET_EVENT

DATA = Path(os.environ.get("INTARSIA_TEST_DATA", "/nowhere"))
real = pytest.mark.skipif(not DATA.is_dir(), reason="INTARSIA_TEST_DATA names no folder")
EVENTS = drawn(1)


def read(detector, path, **options):
    _, records = opened(path, detector.readers, options)
    with records:
        return checked(records.read(), detector)


def same(a, b):
    assert (a.keys, a.group.tolist()) == (b.keys, b.group.tolist())
    pairs = [(a.truth, b.truth)]
    pairs += [(a.streams[n].columns, b.streams[n].columns) for n in a.streams]
    for mine, other in pairs:
        assert set(mine) == set(other)
        for name, values in mine.items():
            np.testing.assert_allclose(values, other[name], rtol=1e-5, err_msg=name)


@pytest.mark.parametrize("detector", [PILARNET, PILARNET_EVENT], ids=lambda d: d.name)
def test_a_file_that_root_wrote_is_read_as_the_same_events_in_hdf5(detector, tmp_path):
    write_larcv3(tmp_path / "a.h5", written())
    events = read(detector, FILE)
    assert len(events)
    same(events, read(detector, tmp_path / "a.h5"))


def test_primaries_are_told_by_the_process(tmp_path):
    primary = sum(int(e["primary"].sum()) for e in written())
    assert 0 < primary < len(read(PILARNET, FILE, least=1))
    assert len(read(PILARNET, FILE, least=1, primaries=1)) == primary


def test_what_uproot_writes_in_the_same_branches_is_read_alike(tmp_path):
    found = read(PILARNET_EVENT, write_trees(tmp_path / "a.root", products(written())))
    events = read(PILARNET_EVENT, FILE)
    for name in ("index", "energy", "pid", "cluster"):
        np.testing.assert_allclose(
            found.streams["tpc"][name], events.streams["tpc"][name], rtol=1e-5
        )


@real
def test_a_genuine_larcv2_file():
    file = LarcvRoot(DATA / "larcv2_root" / "electron.root")
    assert file.products == ("image2d_data", "particle_mctruth")
    assert len(file) == 10
    assert file.keys(0, 2) == ["1.0/1", "1.0/2"]
    counts, table = file.particles("particle_mctruth", 0, 10, ("pdg", "px", "process"))
    assert counts.tolist() == [1] * 10
    assert set(table["pdg"].tolist()) == {11}
    assert set(table["process"].tolist()) == {b"primary"}
    assert table["px"][:3].round().tolist() == [635, -471, 243]
    file.close()
    with pytest.raises(EventError, match="sparse3d_data: not in the file"):
        read(PILARNET_EVENT, DATA / "larcv2_root" / "electron.root")
    with pytest.raises(EventError, match="cluster3d_mcst: not in the file"):
        read(PILARNET, DATA / "larcv2_root" / "electron.root")


def test_unset_numbers_and_empty_events_are_no_faults(tmp_path):
    trees = products(EVENTS)
    unset, none = np.full(3, 2**64 - 1, "u8"), np.array([96, 2**64 - 1, 96], "u8")
    for tree in trees.values():
        tree |= {"_event": unset} | {f"_meta._{axis}num": none for axis in "xyz"}
    for name, kind in (("_voxel_v._id", "u8"), ("_voxel_v._value", "f4")):
        trees["sparse3d_data_tree"][name][1] = np.zeros(0, kind)
    trees["cluster3d_mcst_tree"]["_voxel_vv._id"][1] = np.zeros(0, "u2")
    trees["cluster3d_mcst_tree"]["_voxel_vv._voxel_v"][1] = vectors([], [])
    events = read(PILARNET_EVENT, write_trees(tmp_path / "a.root", trees))
    assert events.keys == ("a/0", "a/1", "a/2")
    assert (events.streams["tpc"].counts > 0).tolist() == [True, False, True]


def damaged(name, value, tree="cluster3d_mcst_tree"):
    trees = products(EVENTS)
    trees[tree] = trees[tree] | {name: value}
    return trees


VOXELS = products(EVENTS)["cluster3d_mcst_tree"]["_voxel_vv._voxel_v"]


@pytest.mark.parametrize(
    ("trees", "message"),
    [
        (damaged("_event", np.array([1, 2, 4], "u8"), "sparse3d_data_tree"),
         r"event 2: sparse3d_data\._event: run, subrun and event \(1, 0, 4\), in cluster3d_mcst \(1, 0, 3\)"),
        (damaged("_meta._xnum", np.array([96, 0, 96], "u8")),
         r"event 1: cluster3d_mcst\._meta: \(0, 96, 96\) voxels along the axes"),
        (damaged("_meta._xnum", np.array([2, 96, 96], "u8"), "sparse3d_data_tree"),
         r"event 0: sparse3d_data\._voxel_v\._id: \d+ voxel ids outside the grid \(2, 96, 96\)"),
        (damaged("_meta._ylen", np.full(3, 4.0), "sparse3d_data_tree"),
         r"event 0: sparse3d_data: voxels of 4\.0, not 3\.0 mm"),
        (damaged("_voxel_vv._voxel_v", [v[:9] for v in VOXELS]),
         r"event 0: cluster3d_mcst\._voxel_vv\._voxel_v: cut off"),
        (damaged("_voxel_vv._voxel_v", [v[:-1] for v in VOXELS]),
         r"event 0: cluster3d_mcst\._voxel_vv\._voxel_v: not written member by member"),
        (damaged("_voxel_vv._voxel_v", [vectors([], [], 7)] * 3),
         r"event 0: cluster3d_mcst\._voxel_vv\._voxel_v: larcv::Voxel has other members than _id and _value"),
        (damaged("_voxel_vv._id", [np.arange(2, dtype="u2")] * 3),
         r"event 0: cluster3d_mcst\._voxel_vv\._voxel_v: \d+ bytes more than 2 clusters need"),
        (damaged("_voxel_vv._id", [np.arange(9, dtype="u2")] * 3),
         r"event 0: cluster3d_mcst\._voxel_vv\._voxel_v: -1 voxels of a cluster are not all there"),
        (damaged("_part_v._pdg", [np.array([13], "i4")] * 3, "particle_mcst_tree"),
         r"event 0: cluster3d_mcst: 5 clusters for 1 particles"),
    ],
)  # fmt: skip
def test_faults_are_named(tmp_path, trees, message):
    path = write_trees(tmp_path / "a.root", trees)
    with pytest.raises(EventError, match=message):
        read(PILARNET_EVENT, path)


def test_trees_of_other_lengths_are_named(tmp_path):
    trees = products(EVENTS)
    trees["sparse3d_data_tree"] = products(EVENTS[:2])["sparse3d_data_tree"]
    with pytest.raises(EventError, match="sparse3d_data: 2 entries for 3 events"):
        read(PILARNET_EVENT, write_trees(tmp_path / "a.root", trees))
    path = write_trees(tmp_path / "b.root", {"other": {"x": np.arange(3.0)}})
    with pytest.raises(EventError, match="not larcv2: it has no tree called KIND_PRODUCER_tree"):
        read(PILARNET_EVENT, path)
