"""Files of PILArNet that are not quite as they should be: read rightly, or named."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from writers import pilarnet as writer

from intarsia.core.errors import EventError
from intarsia.core.events import checked
from intarsia.core.inputs import opened
from intarsia.core.reading import larcv
from intarsia.detectors.pilarnet import PILARNET, PILARNET_EVENT

EVENTS = writer.drawn(1)


def read(detector, path, **options):
    _, records = opened(path, detector.readers, options)
    with records:
        return checked(records.read(), detector)


def table(file, name, **columns):
    """Change columns of a table of an open file."""
    values = file[name][:]
    for column, value in columns.items():
        values[column] = value
    file[name][...] = values


@pytest.fixture
def renamed(larcv3):
    """A file whose products have other producers."""
    with h5py.File(larcv3, "r+") as file:
        for old, new in (
            ("sparse3d_data", "sparse3d_pcluster"),
            ("sparse3d_fivetypes", "sparse3d_semantics"),
            ("cluster3d_mcst", "cluster3d_g4"),
            ("particle_mcst", "particle_g4"),
        ):
            file.move(f"Data/{old}_group", f"Data/{new}_group")
    return larcv3


HAS = "it has: cluster3d_g4, particle_g4, sparse3d_pcluster, sparse3d_semantics"
ORDER = (
    "give order=fivetypes (hip, mip, shower, delta, michel) or order=semantic (shower, track, "
    "michel, delta, low_energy, ghost, unknown)"
)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, f"sparse3d_data: not in the file; did you mean 'sparse3d_semantics'? ({HAS}); energies=PRODUCER names another"),
        ({"energies": "pcluster"}, f"sparse3d_fivetypes: not in the file ({HAS}); labels=PRODUCER names another, labels=none does without"),
        ({"energies": "pcluster", "labels": "semantic"}, f"sparse3d_semantic: not in the file; did you mean 'sparse3d_semantics'? ({HAS}); labels=PRODUCER names another, labels=none does without"),
        ({"energies": "pcluster", "labels": "semantics"}, f"sparse3d_semantics: the file does not tell the order of its classes; {ORDER}"),
        ({"energies": "pcluster", "labels": "none"}, f"cluster3d_mcst: not in the file; did you mean 'cluster3d_g4'? ({HAS}); clusters=PRODUCER names another, clusters=none does without"),
        ({"energies": "pcluster", "labels": "none", "clusters": "g4"}, f"particle_mcst: not in the file; did you mean 'particle_g4'? ({HAS}); particles=PRODUCER names another"),
    ],
)  # fmt: skip
def test_products_of_other_producers_are_not_passed_over(renamed, options, message):
    with pytest.raises(EventError) as caught:
        read(PILARNET_EVENT, renamed, **options)
    assert str(caught.value) == f"{renamed}, event 0: {message}"


def test_products_of_other_producers_are_read_by_name(renamed, tmp_path):
    writer.write_larcv3(tmp_path / "b.h5", EVENTS)
    names = {"energies": "pcluster", "labels": "semantics", "clusters": "g4", "particles": "g4"}
    for detector in (PILARNET, PILARNET_EVENT):
        found = read(detector, renamed, **names, order="fivetypes").streams["tpc"]
        known = read(detector, tmp_path / "b.h5").streams["tpc"]
        assert set(found.columns) == set(known.columns)
        for name, values in known.columns.items():
            np.testing.assert_array_equal(found[name], values)
    bare = read(PILARNET_EVENT, renamed, energies="pcluster", labels="none", clusters="none")
    assert set(bare.streams["tpc"].columns) == {"index", "energy"}


def test_an_order_of_classes_that_is_said_is_taken(larcv3):
    with h5py.File(larcv3, "r+") as file:
        name = "Data/sparse3d_fivetypes_group/voxels"
        rows = np.arange(len(file[name]))
        table(file, name, value=rows % 7)
        counts = file["Data/sparse3d_fivetypes_group/voxel_extents"]["N"]
    tpc = read(PILARNET_EVENT, larcv3, order="semantic").streams["tpc"]
    assert "fivetypes" not in tpc.columns
    # ghost and unknown of larcv's order say nothing; voxels are in the file's order
    assert tpc.counts.tolist() == counts.tolist()
    known = rows % 7 < 5
    assert (np.isnan(tpc["semantic"][:, 0]) == ~known).all()
    assert (tpc["semantic"][known].argmax(1) == (rows % 7)[known]).all()
    with pytest.raises(EventError, match="order: must be fivetypes or semantic, not 'M'"):
        read(PILARNET_EVENT, larcv3, order="M")
    with pytest.raises(EventError, match=r"from 0 to 6, not 0 to 4 \(hip, mip, shower, delta, mic"):
        read(PILARNET_EVENT, larcv3)


@pytest.mark.parametrize("which", ["no image", "no grid", "no voxels"])
def test_an_event_of_nothing_is_an_event_without_voxels(tmp_path, which):
    nothing = {k: v[:0] if k not in ("event", "side") else v for k, v in EVENTS[1].items()}
    writer.write_larcv3(tmp_path / "a.h5", [EVENTS[0], nothing, EVENTS[2]])
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        for product in ("sparse3d_data", "sparse3d_fivetypes", "cluster3d_mcst"):
            group = file[f"Data/{product}_group"]
            if which == "no grid":  # as larcv leaves one that was never set
                meta = group["image_meta"][:]
                meta[1] = 0
                group["image_meta"][...] = meta
            if which == "no image":
                table(group, "extents", first=[0, 1, 1], N=[1, 0, 1])
                cluster = product.startswith("cluster")
                for name in ("image_meta", "projection_extents" if cluster else "voxel_extents"):
                    rows = group[name][:]
                    del group[name]
                    group[name] = np.delete(rows, 1)
    events = read(PILARNET_EVENT, tmp_path / "a.h5")
    assert (events.streams["tpc"].counts > 0).tolist() == [True, False, True]
    assert events.truth["particles"].tolist() == [4, 0, 4]
    assert {k.split("/")[1] for k in read(PILARNET, tmp_path / "a.h5", least=1).keys} == {"1", "3"}


@pytest.mark.parametrize("product", ["sparse3d_fivetypes", "cluster3d_mcst"])
def test_products_on_another_grid_are_named(larcv3, product):
    with h5py.File(larcv3, "r+") as file:
        group = file[f"Data/{product}_group"]
        table(group, "image_meta", number_of_voxels=192, image_sizes=57.6)
    with pytest.raises(EventError) as caught:
        read(PILARNET_EVENT, larcv3)
    said = f"{product}: has none of the event's voxels, so it is on another grid"
    assert str(caught.value) == f"{larcv3}, event 0: {said}"


@pytest.mark.parametrize("step", [1, 2, 100])
@pytest.mark.parametrize(
    ("detector", "name", "change", "message"),
    [
        (PILARNET_EVENT, "sparse3d_data_group/voxel_extents", {"first": 0}, "rows from 0 on belong to two entries"),
        (PILARNET_EVENT, "sparse3d_data_group/voxel_extents", {"N": [80, 2, 1]}, r"has 83 of the \d+ rows of Data/sparse3d_data_group/voxels"),
        (PILARNET, "cluster3d_mcst_group/cluster_extents", {"N": 9}, r"has 135 of the \d+ rows of Data/cluster3d_mcst_group/voxels"),
        (PILARNET, "cluster3d_mcst_group/projection_extents", {"N": 4}, "has 12 of the 15 rows of Data/cluster3d_mcst_group/cluster_ext"),
        (PILARNET, "particle_mcst_group/extents", {"first": 8}, "rows from 8 on belong to two entries"),
    ],
)  # fmt: skip
def test_rows_of_two_events_or_of_none_are_named(
    larcv3, monkeypatch, step, detector, name, change, message
):
    monkeypatch.setattr(larcv, "_STEP", step)
    with h5py.File(larcv3, "r+") as file:
        table(file, f"Data/{name}", **change)
    _, records = opened(larcv3, detector.readers, {})
    with records, pytest.raises(EventError, match=f"event 0: Data/{name}: {message}"):
        records.read(0, 1)  # which by itself is whole


def test_entries_in_another_order_are_read(larcv3):
    known = read(PILARNET_EVENT, larcv3)
    with h5py.File(larcv3, "r+") as file:
        group = file["Data/sparse3d_data_group"]
        rows, extents = group["voxels"][:], group["voxel_extents"][:]
        last = extents["first"][2]
        group["voxels"][...] = np.concatenate([rows[last:], rows[:last]])
        extents["first"] = [len(rows) - last, extents["first"][1] + len(rows) - last, 0]
        group["voxel_extents"][...] = extents
    found = read(PILARNET_EVENT, larcv3)
    np.testing.assert_array_equal(found.streams["tpc"]["energy"], known.streams["tpc"]["energy"])


def test_a_grid_of_no_pixels_with_voxels_in_it_is_named(larcv3):
    with h5py.File(larcv3, "r+") as file:
        table(file, "Data/sparse3d_data_group/image_meta", number_of_voxels=[[96, 0, 96]])
    with pytest.raises(EventError, match=r"image_meta\.number_of_voxels: \(96, 0, 96\) pixels"):
        read(PILARNET_EVENT, larcv3)


@pytest.mark.parametrize(
    ("product", "detector"), [("sparse3d_data", PILARNET_EVENT), ("cluster3d_mcst", PILARNET)]
)
def test_energies_that_are_no_numbers_are_named(larcv3, product, detector):
    with h5py.File(larcv3, "r+") as file:
        name = f"Data/{product}_group/voxels"
        table(file, name, value=np.where(np.arange(len(file[name])) == 2, np.nan, 1))
    with pytest.raises(EventError, match=rf"event 0: {product}\.value: 1 values are not finite"):
        read(detector, larcv3)


def test_events_whose_numbers_repeat_go_by_their_rows(larcv3):
    with h5py.File(larcv3, "r+") as file:
        table(file, "Events/event_id", run=0, event=0)
    assert read(PILARNET_EVENT, larcv3).keys == ("0.0/0",) * 3
    assert read(PILARNET_EVENT, larcv3, keys="row").keys == ("a/0", "a/1", "a/2")
    with pytest.raises(EventError, match="keys: must be event or row, not 'rows'"):
        read(PILARNET_EVENT, larcv3, keys="rows")


def changed(path, name, width, change):
    """Change each event's rows of a dataset of rows of variable length."""
    with h5py.File(path, "r+") as file:
        for i, flat in enumerate(file[name][:]):
            rows = flat.reshape(-1, width)
            change(rows)
            file[name][i] = rows.reshape(-1)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        (3, -0.5, r"point\.energy: \d+ values are negative"),
        (2, 768, r"point\.xyz: \d+ not from 0 to 767, e\.g\. \[\d+, \d+, 768\]"),
        (0, -1, r"point\.xyz: \d+ not from 0 to 767, e\.g\. \[-1, \d+, \d+\]"),
    ],
)
def test_points_that_cannot_be_are_not_left_out(m, column, value, message):
    changed(m, "point", 8, lambda rows: rows[:, column].fill(value))
    for detector in (PILARNET, PILARNET_EVENT):
        with pytest.raises(EventError, match=f"event 0: {message}"):
            read(detector, m)


def test_a_second_revision_without_cluster_extra_is_said_to_be_one(m):
    with h5py.File(m, "r+") as file:
        del file["cluster_extra"]
    with pytest.raises(EventError, match=r"read as v1 \(if it is v2: revision=v2\)$"):
        read(PILARNET_EVENT, m)
    assert "pid" in read(PILARNET_EVENT, m, revision="v2").streams["tpc"].columns


def test_points_without_clusters_are_events_without_labels(m):
    known = read(PILARNET_EVENT, m).streams["tpc"]
    with h5py.File(m, "r+") as file:
        del file["cluster"], file["cluster_extra"]
    events = read(PILARNET_EVENT, m)
    assert events.truth == {}
    assert set(events.streams["tpc"].columns) == {"index", "energy"}
    np.testing.assert_array_equal(events.streams["tpc"]["energy"], known["energy"])
    with pytest.raises(EventError, match="clusters: the file does not say which voxel belongs to"):
        read(PILARNET, m)


def test_the_split_of_a_release_does_not_depend_on_where_we_are(m, tmp_path, monkeypatch):
    (tmp_path / "val").mkdir()
    m.rename(tmp_path / "val" / "m.h5")
    monkeypatch.chdir(tmp_path / "val")
    _, records = opened(Path("m.h5"), PILARNET.readers, {})
    with records:
        assert records.splits == ("val",)


def test_an_option_of_another_format_is_an_error(larcv3):
    with pytest.raises(EventError, match="reader larcv3: there is no option 'threshold'"):
        read(PILARNET_EVENT, larcv3, threshold=0.13)
