"""The collaboration's ROOT files: as ROOT writes them, and as far as uproot can."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from writers.fasercal import calevent, recoevent
from writers.trees import write_trees

from intarsia.core.errors import EventError
from intarsia.core.events import checked
from intarsia.core.reading import Rows
from intarsia.core.reading.root import Root, _harmless
from intarsia.detectors.fasercal import DETECTORS, DICTIONARY
from intarsia.detectors.fasercal import calevent_reader as cal
from intarsia.detectors.fasercal import recoevent_reader as reco
from intarsia.detectors.fasercal.generations import GENERATIONS, SPECTROMETER
from intarsia.detectors.fasercal.joined_reader import _labelled

GENUINE = Path(__file__).parent.parent / "genuine"


class Item:
    """What uproot makes of an object: members by name."""

    def __init__(self, **members):
        self.members = members

    def has_member(self, name):
        return name in self.members

    def member(self, name):
        return self.members[name]


def vector(x, y, z):
    return Item(fCoordinates=Item(fX=x, fY=y, fZ=z))


def read(module, path, generation="B", **pointers):
    """The events of a file, with branches of pointers that uproot cannot write put in."""
    opened = getattr(module, f"open_{generation.lower()}")(path)
    if pointers:
        tree = opened._tree
        tree._paths |= dict.fromkeys(pointers, "")
        tree.objects = lambda name, first, last: [pointers[name]] * (last - first)
    with opened:
        return checked(opened.read(), DETECTORS[generation])


def test_a_tilt_that_the_file_does_not_note_is_not_guessed(tmp_path):
    names = ("fTiltAngleY", "fFASERCal_LOS_shiftX", "fFASERCal_LOS_shiftY")
    for generation in "ABC":
        branches = {k: v for k, v in calevent(3, generation).items() if k not in names}
        path = write_trees(tmp_path / "a.root", {"calEvent": branches})
        if generation == "A":  # was never tilted
            assert len(read(cal, path, "A")) == 1
            continue
        with pytest.raises(EventError, match="event 0: fTiltAngleY: missing in geom"):
            read(cal, path, generation)


@pytest.mark.parametrize("generation", "ABC")
def test_calevent_gives_calorimeters_and_truth(tmp_path, generation):
    branches = calevent(3, generation)
    events = read(cal, write_trees(tmp_path / "a.root", {"calEvent": branches}), generation)
    assert events.keys == ("200/3",)
    geometry = GENERATIONS[generation]
    for stream, branch in (
        ("ecal", "rearcal"),
        ("hcal" if generation == "A" else "ahcal", "rearhcal"),
    ):
        table = events.streams[stream]
        energy = branches[f"{branch}.energyDeposit"][0]
        assert table["energy"].sum() == pytest.approx(energy.sum(), rel=1e-5)
        for number, e in zip(branches[f"{branch}.moduleID"][0], energy, strict=True):
            if "index" in table.columns:
                cell = [number % 1000, number // 1000 % 1000, number // 10**6]
                assert cell in table["index"].tolist()
            elif stream == "ecal":
                assert table["energy"][0, number // 5, number % 5] == np.float32(e)
            else:
                assert table["energy"][0, number] == np.float32(e)
    truth = events.truth
    place = [branches[f"prim_vx.fCoordinates.f{a}"][0] for a in "XYZ"]
    np.testing.assert_allclose(truth["vertex"][0], geometry.to_detector(np.array(place)), rtol=1e-4)
    jet = [branches[f"jetp{a}"][0] for a in "xyz"]
    np.testing.assert_allclose(truth["p_jet_beam"][0], jet, rtol=1e-6)
    assert (truth["flavour"][0], truth["charm"][0], truth["neutrino"][0]) == (1, 0, 14)
    assert events.streams["3dcal"].counts.tolist() == [0]
    for other in set("ABC") - {generation}:
        with pytest.raises(
            EventError, match=f"geom: generation {generation}, which is the detector"
        ):
            read(cal, tmp_path / "a.root", other)


def test_true_hits_are_summed_per_cube_and_labelled():
    table = read(cal, GENUINE / "calevent.root").streams["3dcal"]
    cells = {tuple(c): i for i, c in enumerate(table["index"].tolist())}
    assert set(cells) == {(5, 6, 67), (47, 0, 180), (9, 0, 0)}  # none of the silicon
    at = cells[5, 6, 67]
    assert table["charge"][at] == 4.0
    assert table["hierarchy"][at].tolist() == [0, 0.75, 0.25]
    assert table["category"][at].tolist() == [0.25, 0.75, 0]
    assert table["ghost"].tolist() == [int(i == cells[9, 0, 0]) for i in range(3)]
    assert np.isnan(table["category"][cells[9, 0, 0]]).all()


def test_what_root_wrote_of_an_event_is_read(tmp_path):
    events = read(cal, GENUINE / "calevent.root")
    assert events.keys == ("200/7",)
    ecal, ahcal = events.streams["ecal"]["energy"][0], events.streams["ahcal"]
    assert {(y, x): ecal[y, x] for y, x in np.argwhere(ecal)} == {(0, 3): 120.5, (3, 2): 60.25}
    assert ahcal["index"].tolist() == [[0, 17, 39], [7, 6, 5]]
    assert ahcal["energy"].tolist() == [0.75, 2.5]
    truth = {name: values[0] for name, values in events.truth.items()}
    assert (truth["flavour"], truth["charm"], truth["neutrino"], truth["energy"]) == (1, 0, 14, 500)
    assert truth["p_jet_beam"].tolist() == [0.5, 0, 190]
    vertex = GENERATIONS["B"].to_detector(np.array([230.5, 150.25, -400.125]))
    np.testing.assert_allclose(truth["vertex"], vertex, rtol=1e-5)


def test_hits_of_a_track_that_do_not_fit_are_named(tmp_path):
    path = write_trees(tmp_path / "a.root", {"calEvent": calevent(1)})
    track = Item(
        ftrackID=1, fparentID=0, fprimaryID=1, fPDG=13, fhitIDs=[9, 8], fEnergyDeposits=[3.0]
    )
    with pytest.raises(EventError, match="event 0: tracks: 1 energies for 2 hits of a track"):
        read(cal, path, tracks=[track])
    track.members |= {"fEnergyDeposits": [1.0, 1.0], "fhitIDs": [9, 48]}
    with pytest.raises(EventError, match=r"0: tracks\.fhitIDs: channel 48: x 48 is not in 0 to 47"):
        read(cal, path, tracks=[track])


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("rearcal.moduleID", lambda v: [v[0] + 100], r"rearcal\.moduleID: channel \d+: y \d+ is not in"),
        ("rearhcal.moduleID", lambda v: [v[0] + 0.5], r"rearhcal\.moduleID: \d+ are no whole numbers"),
        ("rearcal.energyDeposit", lambda v: [v[0] * np.nan], r"rearcal\.energyDeposit: has values that are"),
        ("rearhcal.energyDeposit", lambda v: [v[0] * np.inf], r"rearhcal\.energyDeposit: has values that"),
        ("run_number", lambda v: v + 0.5, r"run_number: 1 are no whole numbers, e\.g\. 200\.5"),
    ],
)  # fmt: skip
def test_values_that_cannot_be_are_named(tmp_path, name, change, message):
    branches = calevent(1)
    branches[name] = change(branches[name])
    path = write_trees(tmp_path / "a.root", {"calEvent": branches})
    with pytest.raises(EventError, match=f"event 0: {message}"):
        read(cal, path)


def test_a_voxel_of_no_cube_is_named(tmp_path):
    trees = recoevent(1)
    name = "PSvoxelmap.second.ID"
    trees["RecoEvent"][name] = [ids * 0 + 48 for ids in trees["RecoEvent"][name]]
    with pytest.raises(EventError, match=r"second\.ID: channel 48: x 48 is not in 0 to 47"):
        read(reco, write_trees(tmp_path / "a.root", trees))


def test_muons_are_fitted_to_the_points_in_the_stations():
    muon = read(cal, GENUINE / "calevent.root").streams["muon"]
    assert muon.counts.tolist() == [1]  # not the electron
    z = SPECTROMETER.first + SPECTROMETER.pitch * np.arange(10)
    points = np.stack([100 + 0.01 * (z - z[0]), 150 - 0.02 * (z - z[0]), z], axis=1)
    np.testing.assert_allclose(muon["position"][0], points, atol=0.6)
    assert muon["ndf"].tolist() == [15]
    direction = muon["momentum"][0] / np.linalg.norm(muon["momentum"][0])
    np.testing.assert_allclose(direction[:2], [0.01, -0.02], atol=2e-3)
    turned = GENERATIONS["B"].rotation @ muon["momentum"][0]
    np.testing.assert_allclose(muon["momentum_beam"][0], turned, rtol=1e-5)
    again = read(cal, GENUINE / "calevent.root").streams["muon"]
    np.testing.assert_array_equal(again["position"], muon["position"])


def test_a_muon_that_skips_a_station_ends_there(tmp_path):
    path = write_trees(tmp_path / "a.root", {"calEvent": calevent(1)})
    short = Item(fPDG=-13, layerID=[0, 8, 12], pos=[vector(1.0, 2.0, 3.0)] * 3)
    assert read(cal, path, mutagtracks=[short]).streams["muon"].counts.tolist() == [0]


def test_recoevent_gives_voxels_and_fitted_muons(tmp_path):
    trees = recoevent(2)
    path = write_trees(tmp_path / "Batch-TPORecevent_200_0_4.root", trees)
    events = read(reco, path)
    assert events.keys == tuple(f"200_0_4/{i}" for i in range(5))
    table, voxels = events.streams["3dcal"], trees["RecoEvent"]
    channel = np.concatenate(voxels["PSvoxelmap.second.ID"])
    x, y, z, m = channel % 1000, channel // 1000 % 1000, channel // 10**6 % 1000, channel // 10**9
    np.testing.assert_array_equal(table["index"], np.stack([x, y, 20 * m + z], axis=1))
    energy = np.concatenate(voxels["PSvoxelmap.second.RawEnergy"])
    np.testing.assert_array_equal(table["charge"], energy)
    np.testing.assert_array_equal(table["ghost"], np.concatenate(voxels["PSvoxelmap.second.ghost"]))
    muon, flat = events.streams["muon"], trees["MuonSpectrometer"]
    np.testing.assert_array_equal(muon.counts, flat["ntracks"])
    np.testing.assert_array_equal(muon["charge"], np.concatenate(flat["charge"]))
    world = np.stack([np.concatenate(flat[f"p{a}"]) for a in "xyz"], axis=1)
    np.testing.assert_allclose(muon["momentum"] @ GENERATIONS["B"].rotation.T, world, rtol=1e-4, atol=1e-4)  # fmt: skip
    np.testing.assert_allclose(muon["momentum_beam"], world, rtol=1e-6)
    assert np.isnan(muon["sigma"]).all()


def test_what_root_wrote_of_reconstructed_events_is_read():
    events = read(reco, GENUINE / "recoevent.root")
    assert events.keys == ("200/7", "200/8")
    table = events.streams["3dcal"]
    assert table.counts.tolist() == [2, 3]
    assert table["index"].tolist() == [
        [5, 6, 67],
        [47, 0, 180],
        [5, 6, 67],
        [6, 6, 67],
        [47, 0, 180],
    ]
    assert table["charge"].tolist() == [2.5, 0.5, 2.5, 2.5, 0.5]
    assert table["ghost"].tolist() == [0, 1, 0, 0, 1]
    assert events.streams["ecal"]["energy"][:, 0, 3].tolist() == [120.5, 120.5]
    simulated = read(cal, GENUINE / "calevent.root")
    assert set(events.truth) == set(simulated.truth)
    for name, values in simulated.truth.items():
        np.testing.assert_array_equal(events.truth[name][:1], values)


def joined(tmp_path, name, first=0):
    shutil.copy(GENUINE / "calevent.root", tmp_path / name)
    opened = reco.open_b(GENUINE / "recoevent.root", truth=str(tmp_path))
    with opened:
        return checked(opened.read(first, first + 1), DETECTORS["B"])


def test_reconstruction_and_simulation_of_an_event_are_joined(tmp_path):
    events = joined(tmp_path, "FASERG4-Tcalevent_200_7_numuCC.root")
    simulated = read(cal, GENUINE / "calevent.root")
    table = events.streams["3dcal"]
    assert table["charge"].tolist() == [2.5, 0.5]
    assert table["ghost"].tolist() == [0, 1]
    assert table["hierarchy"][0].tolist() == [0, 0.75, 0.25]
    assert table["category"][0].tolist() == [0.25, 0.75, 0]
    assert np.isnan(table["hierarchy"][1]).all()
    assert np.flatnonzero(events.streams["ecal"]["energy"]).tolist() == [3]  # as reconstructed
    for name in ("ahcal", "muon"):
        for column, values in simulated.streams[name].columns.items():
            np.testing.assert_array_equal(events.streams[name][column], values)
    assert (events.keys, set(events.truth)) == (("200/7",), set(simulated.truth))


def test_a_voxel_without_true_energy_is_a_ghost():
    index = np.array([[9, 0, 0], [1, 2, 3], [4, 5, 6], [0, 0, 0]])
    ones = np.ones((3, 3)) / 3
    columns = {"index": index[:3], "charge": np.array([1e-4, 5.0, 7.0])}
    true = Rows(np.array([3]), columns | {"hierarchy": ones, "category": ones})
    fields = {"index": index[::-1], "charge": np.ones(4), "ghost": np.array([0, 1, 0, 0])}
    found = _labelled(Rows(np.array([4]), fields), true).columns
    assert found["ghost"].tolist() == [1, 1, 0, 1]  # unmatched, said to be one, real, too faint
    assert np.isfinite(found["category"]).all(axis=1).tolist() == [False, False, True, False]
    none = Rows(np.array([0]), {name: values[:0] for name, values in true.columns.items()})
    assert _labelled(Rows(np.array([4]), fields), none).columns["ghost"].tolist() == [1] * 4


def test_what_cannot_be_joined_is_named(tmp_path):
    name = "FASERG4-Tcalevent_200_8"
    with pytest.raises(EventError, match=rf"event 1: truth: must be one {name}\.root or {name}_\*"):
        joined(tmp_path, "FASERG4-Tcalevent_200_7.root", 1)
    with pytest.raises(EventError, match=rf"{name}\.root is of event 200/7, not 200/8"):
        joined(tmp_path, f"{name}.root", 1)
    with pytest.raises(EventError, match=rf"not {name}\.root, {name}_x\.root"):
        joined(tmp_path, f"{name}_x.root", 1)
    with pytest.raises(EventError, match="truth: there is no folder nowhere"):
        reco.open_b(GENUINE / "recoevent.root", truth="nowhere")
    path = write_trees(tmp_path / "a.root", recoevent(1))
    with (
        reco.open_b(path, truth=str(tmp_path)) as opened,
        pytest.raises(EventError, match="fTPOEvent: does not say which event it is"),
    ):
        opened.read(0, 1)


def test_fits_that_did_not_converge_are_no_tracks(tmp_path):
    flat = recoevent(1)["MuonSpectrometer"]
    flat |= {
        "ntracks": np.array([3, 12], "i4"),
        "charge": [np.array([1, 0, 1], "f4"), np.full(12, -1, "f4")],
        "chi2": [np.array([2.0, -1.0, 1e38], "f4"), np.full(12, 3.0, "f4")],
        "nDoF": [np.array([5, 5, 5], "i4"), np.full(12, 5, "i4")],
    } | {f"p{a}": [np.ones(3, "f4"), np.ones(12, "f4")] for a in "xyz"}
    path = write_trees(tmp_path / "muons.root", {"MuonSpectrometer": flat})
    events = read(reco, path)
    assert events.streams["muon"].counts.tolist() == [1, 10]
    assert events.keys == ("muons/0", "muons/1")
    assert events.streams["3dcal"].counts.tolist() == [0, 0]


def test_a_branch_that_needs_the_dictionary_is_named(tmp_path, monkeypatch):
    from uproot.interpretation.identify import UnknownInterpretation

    path = write_trees(tmp_path / "a.root", {"calEvent": calevent(1)})
    file = Root(path, DICTIONARY)
    tree = file.tree("calEvent")
    unknown = UnknownInterpretation("no streamer", str(path), "/rearmucal")
    monkeypatch.setattr(type(tree._tree["rearmucal"]), "interpretation", unknown)
    with pytest.raises(EventError) as caught:
        tree.numbers("rearmucal", 0, 1)
    assert str(caught.value) == (
        "rearmucal: its bytes are not described in the file; it needs the collaboration's compiled dictionary (ClassesDict.so, "
        "built by generateLib.sh in Python_io of rubbiaa/FASER): copy what is wanted to a flat "
        "tree with it"
    )
    file.close()


def test_a_branch_whose_class_writes_itself_is_named():
    file = Root(GENUINE / "recoevent.root", DICTIONARY)
    with pytest.raises(EventError) as caught:
        file.tree("RecoEvent").objects("fMuTracks", 0, 1)
    assert str(caught.value) == (
        "fMuTracks: does not read as the file describes it (DeserializationError): it is damaged, or "
        f"of a class that writes itself; {DICTIONARY}"
    )
    file.close()


def test_files_that_are_not_these_are_named(tmp_path):
    (tmp_path / "a.root").write_text("no")
    for module in (cal, reco):
        assert module.claims(tmp_path / "a.root").startswith("file: damaged ROOT file (")
    write_trees(tmp_path / "b.root", {"other": {"x": np.arange(3.0)}})
    assert cal.claims(tmp_path / "b.root") == "it has no tree calEvent (it has: other)"
    path = write_trees(tmp_path / "c.root", {"calEvent": calevent(1)})
    assert cal.claims(path) == ""
    assert reco.claims(path).startswith("it has no tree RecoEvent or MuonSpectrometer (it has: cal")
    file = Root(path)
    with pytest.raises(EventError, match=r"^rearmucla: missing in calEvent; did you mean 'rearmucal'\?"):  # fmt: skip
        file.tree("calEvent").numbers("rearmucla", 0, 1)
    file.close()


def test_names_that_could_become_code_are_refused():
    class Named:
        def __init__(self, name, elements=()):
            self.name, self.elements, self.typename = name, elements, "int"

    bad = Named("x'] = __import__('os').system('true') #")
    for info in (bad, Named("Good", [bad])):
        with pytest.raises(EventError, match="describes a class or member called"):
            _harmless({"Good": {1: info}})
    _harmless({"vector<A*>": {1: Named("vector<A*>", [Named("fX")])}})
