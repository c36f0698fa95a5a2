"""Files of PILArNet: known contents of real ones, and round trips of ones like them."""

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from writers import larcv2
from writers import pilarnet as writer

from intarsia.core.errors import EventError
from intarsia.core.events import checked
from intarsia.core.inputs import opened
from intarsia.core.reading.larcv import Larcv3
from intarsia.detectors.pilarnet import FIVETYPES, PARTICLES, PILARNET, PILARNET_EVENT, SEMANTIC
from intarsia.detectors.pilarnet.voxels import classes_of, semantic_of

DATA = Path(os.environ.get("INTARSIA_TEST_DATA", "/nowhere"))
real = pytest.mark.skipif(not DATA.is_dir(), reason="INTARSIA_TEST_DATA names no folder")

EVENTS = writer.drawn(1)
OFFSET = (768 - 96) // 2


def read(detector, path, **options):
    _, records = opened(path, detector.readers, options)
    with records:
        return checked(records.read(), detector)


def cells(tpc, event, offset=0):
    """Energies of one event by cell."""
    mine = tpc.slice(event, event + 1)
    where = map(tuple, (mine["index"] - offset).tolist())
    return dict(zip(where, mine["energy"].tolist(), strict=True))


@real
def test_event_48_of_the_original_release():
    events = read(PILARNET_EVENT, DATA / "pilarnet" / "larcv3_dlprod192_event48.h5")
    tpc = events.streams["tpc"]
    assert len(tpc["energy"]) == 5180
    assert tpc["energy"].sum() == pytest.approx(572, abs=0.5)
    assert np.bincount(tpc["fivetypes"]).tolist() == [1545, 1367, 1563, 241, 464]
    # showers, tracks (heavily and minimum ionising), Michel, delta, low-energy
    assert tpc["semantic"].astype(int).sum(0).tolist() == [1563, 2912, 464, 241, 0]
    original = np.load(DATA / "pilarnet" / "pilarnet_dlprod192_event48.npz")
    known = dict(
        zip(map(tuple, original["voxels"].tolist()), original["energy"].tolist(), strict=True)
    )
    found = cells(tpc, 0, (768 - 192) // 2)
    assert found.keys() == known.keys()
    assert all(found[c] == pytest.approx(known[c], rel=1e-6) for c in known)


@real
def test_a_genuine_larcv3_file():
    file = Larcv3(DATA / "larcv3" / "cosmic_tagging_light.h5")
    assert len(file) == 5
    images = file.sparse("sparse2d_sbndwire", 0, 5)
    assert images.counts.tolist() == [3] * 5
    assert images.projection.tolist() == [0, 1, 2] * 5
    assert (images.shape == [2048, 1280]).all()
    assert len(images.value) == images.voxels.sum() == 276_764
    labels = file.sparse("sparse2d_sbnd_cosmicseg", 0, 5)
    assert (labels.index == images.index).all()
    assert set(labels.value.tolist()) == {0.0, 1.0, 2.0}
    clusters = file.clusters("cluster2d_sbndsegmerged", 0, 5)
    assert clusters.clusters[::3].tolist() == [1357, 1189, 1304, 851, 1128]
    assert clusters.voxels.sum() == len(clusters.index) == 136_546
    counts, particles = file.particles("particle_sbndneutrino", 0, 5, ("pdg", "process"))
    assert counts.sum() == 33
    assert particles["pdg"][:2].tolist() == [14, 13]
    # a block that begins later holds the same
    last = file.sparse("sparse2d_sbndwire", 3, 5)
    assert last.value.tobytes() == images.value[images.event[images.image] >= 3].tobytes()
    with pytest.raises(EventError, match="sparse2d_wire: not in the file"):
        file.sparse("sparse2d_wire", 0, 1)


@real
def test_a_panda_event_of_pilarnet_m():
    path = DATA / "pilarnet" / "pilarnetM_v2" / "test" / "generic_v2_1_v2.h5"
    _, records = opened(path, PILARNET_EVENT.readers, {"threshold": 0.13})
    assert records.splits == ("test",)
    events = checked(records.read(), PILARNET_EVENT)
    tpc = events.streams["tpc"]
    assert len(tpc["energy"]) == 1390
    assert tpc["energy"].min() > 0.13
    original = np.load(DATA / "pilarnet" / "pilarnetM_v2_test_event7675_panda.npz")
    order = np.lexsort(original["voxels"].T[::-1])
    np.testing.assert_array_equal(tpc["index"], original["voxels"][order])
    np.testing.assert_allclose(tpc["energy"], original["energy_MeV"][order], rtol=1e-6)
    np.testing.assert_array_equal(tpc["semantic"].argmax(1), original["motif"][order])
    pid = original["pid"][order]
    np.testing.assert_array_equal(np.isnan(tpc["pid"][:, 0]), pid == 5)
    np.testing.assert_array_equal(tpc["pid"][pid < 5].argmax(1), pid[pid < 5])
    single = read(PILARNET, path)
    assert (single.group == events.group[0]).all()
    assert np.bincount(single.truth["pid"], minlength=5).tolist() == [0, 1, 1, 3, 3]


@pytest.mark.parametrize("detector", [PILARNET, PILARNET_EVENT], ids=lambda d: d.name)
def test_blocks_of_any_size_are_the_same(detector, larcv3, m):
    for path in (larcv3, m, larcv2.FILE):
        _, records = opened(path, detector.readers, {})
        with records:
            whole = records.read()
            parts = [records.read(i, i + 1) for i in range(len(records))]
        assert whole.keys == tuple(k for p in parts for k in p.keys)
        for name, table in whole.streams.items():
            for column, values in table.columns.items():
                apart = np.concatenate([p.streams[name][column] for p in parts])
                np.testing.assert_array_equal(values, apart)


def test_larcv3_energies_are_those_that_were_written(larcv3):
    events = read(PILARNET_EVENT, larcv3)
    assert events.keys == tuple(f"1.0/{e['event']}" for e in EVENTS)
    for i, event in enumerate(EVENTS):
        found, known = cells(events.streams["tpc"], i, OFFSET), writer.merged(event)
        assert found.keys() == known.keys()
        for cell, energy in known.items():
            assert found[cell] == pytest.approx(energy, rel=1e-5)


def test_voxels_of_two_particles_are_shared_by_energy(larcv3):
    events = read(PILARNET_EVENT, larcv3)
    shared = 0
    for i, event in enumerate(EVENTS):
        owners: dict = {}
        kind = classes_of(event["pdg"])
        for p, (where, energy) in enumerate(zip(event["cells"], event["energy"], strict=True)):
            for cell, e in zip(map(tuple, where.tolist()), energy.tolist(), strict=True):
                owners.setdefault(cell, []).append((p if p < len(kind) else -1, e))
        tpc = events.streams["tpc"].slice(i, i + 1)
        for row, cell in enumerate(map(tuple, (tpc["index"] - OFFSET).tolist())):
            want = np.zeros(5)
            for p, e in owners[cell]:
                if p >= 0 and kind[p] >= 0:
                    want[kind[p]] += e
            got = tpc["pid"][row].astype(float)
            if want.sum():
                np.testing.assert_allclose(got, want / want.sum(), atol=1e-3)
            else:
                assert np.isnan(got).all()
            mine = [(e, p) for p, e in owners[cell] if p >= 0]
            cluster = tpc["cluster"][row]
            assert cluster == max(mine)[1] if mine else np.isnan(cluster)
            shared += len(mine) > 1
    assert shared > 10


@pytest.mark.parametrize("which", ["larcv3", "m"])
def test_particles_are_samples_of_their_own(which, request):
    events = read(PILARNET, request.getfixturevalue(which), least=5)
    offset = OFFSET if which == "larcv3" else 0
    tpc, where = events.streams["tpc"], events.streams["metadata"]
    names = {}
    for i, event in enumerate(EVENTS):
        for p in range(len(event["pdg"])):
            key = f"1.0/{event['event']}/{p}" if which == "larcv3" else f"m/{i}/{p}"
            names[key] = event, p
    assert set(events.keys) == set(names)  # the cluster of no particle is no sample
    for s, key in enumerate(events.keys):
        event, p = names[key]
        energy = event["energy"][p]
        assert where["hits"][s] == len(energy)
        assert where["total"][s] == pytest.approx(energy.sum(), rel=1e-5)
        low = (where["centre"][s] + 1152) / 3 - 0.5 * np.array([168, 168, 180]) + offset * 0
        index = tpc.slice(s, s + 1)["index"] + low.astype(int) - offset
        assert set(map(tuple, index.tolist())) == set(map(tuple, event["cells"][p].tolist()))
        pid = classes_of(event["pdg"][p : p + 1])[0]
        assert events.truth["pid"][s] == pid
        size = 1e-3 * np.linalg.norm(event["momentum"][p])
        if pid >= 0:
            assert events.truth["momentum"][s] == pytest.approx(size, rel=1e-4)
    if which == "larcv3":
        primary = [names[k][0]["primary"][names[k][1]] for k in events.keys]
        assert events.truth["origin"].tolist() == [int(x) for x in primary]
        only = read(PILARNET, request.getfixturevalue(which), least=5, primaries=1)
        assert len(only) == sum(primary)


def test_pilarnet_m_clusters_keep_their_classes(m, tmp_path):
    events = read(PILARNET_EVENT, m)
    tpc = events.streams["tpc"].slice(0, 1)
    event = EVENTS[0]
    for row, cell in enumerate(map(tuple, tpc["index"].tolist())):
        want = np.zeros(5)
        for p, where in enumerate(event["cells"]):
            hit = (where == cell).all(1)
            low = p == len(event["pdg"])
            k = 4 if low else int(semantic_of(event["five"][p : p + 1])[0])
            want[k] += float(event["energy"][p][hit].sum())
        np.testing.assert_allclose(tpc["semantic"][row].astype(float), want / want.sum(), atol=1e-3)
    writer.write_m(tmp_path / "v1.h5", EVENTS, "v1")
    older = read(PILARNET_EVENT, tmp_path / "v1.h5")
    assert "pid" not in older.streams["tpc"].columns
    assert older.streams["tpc"]["semantic"].tobytes() == events.streams["tpc"]["semantic"].tobytes()
    assert "pid" not in read(PILARNET, tmp_path / "v1.h5").truth


def test_the_two_releases_number_classes_differently():
    names = [FIVETYPES[i] for i in range(5)]
    assert names == ["hip", "mip", "shower", "delta", "michel"]
    assert [SEMANTIC[i] for i in semantic_of(np.arange(5))] == [
        "track", "track", "shower", "delta", "michel"
    ]  # fmt: skip
    assert semantic_of(np.array([-1])).tolist() == [-1]
    kinds = classes_of(np.array([22, 11, -11, -13, 211, 2212, -2212, 321, 0]))
    assert [PARTICLES[k] if k >= 0 else "" for k in kinds] == [
        "photon", "electron", "electron", "muon", "pion", "proton", "", "", ""
    ]  # fmt: skip


def test_without_clusters_whole_events_are_read_and_particles_are_not(tmp_path):
    writer.write_larcv3(tmp_path / "b.h5", EVENTS, clusters=False)
    events = read(PILARNET_EVENT, tmp_path / "b.h5")
    assert set(events.streams["tpc"].columns) == {"index", "energy", "semantic", "fivetypes"}
    with pytest.raises(EventError, match="cluster3d_mcst: not in the file"):
        read(PILARNET, tmp_path / "b.h5")
    with pytest.raises(EventError, match="cluster3d_g4: not in the file"):
        read(PILARNET, tmp_path / "b.h5", clusters="g4")
    with pytest.raises(EventError, match="sparse3d_pcluster: not in the file"):
        read(PILARNET_EVENT, tmp_path / "b.h5", energies="pcluster")


def test_faults_are_named(larcv3, m):
    with h5py.File(m, "r+") as file:
        rows = file["cluster"][1].reshape(-1, 6)
        rows[1, 0] += 1
        file["cluster"][1] = rows.reshape(-1)
    with pytest.raises(EventError, match=r"m\.h5, event 1: cluster: \d+ points in its clusters"):
        read(PILARNET_EVENT, m)
    with pytest.raises(EventError, match=r"event 0: cluster: \d+ points in its clusters"):
        read(PILARNET_EVENT, m, revision="v1")
    with h5py.File(larcv3, "r+") as file:
        table = file["Data/sparse3d_fivetypes_group/voxels"]
        values = table[:]
        values["value"][3] = 7
        table[...] = values
    with pytest.raises(EventError, match=r"event 0: sparse3d_fivetypes\.value: from 0 to 7"):
        read(PILARNET_EVENT, larcv3)
    with h5py.File(larcv3, "r+") as file:
        meta = file["Data/sparse3d_data_group/image_meta"]
        values = meta[:]
        values["image_sizes"] = 96.0
        meta[...] = values
    with pytest.raises(EventError, match=r"sparse3d_data: voxels of 1\.0, not 3\.0 mm"):
        read(PILARNET_EVENT, larcv3)
