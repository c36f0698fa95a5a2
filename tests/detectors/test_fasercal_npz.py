"""The authors' FASERCal archives, as the tests write them."""

import numpy as np
import pytest
from attrs import evolve
from writers.fasercal import drawn, expected_labels, newer, write_npz

from intarsia.core.errors import EventError
from intarsia.core.events import checked
from intarsia.detectors.fasercal import FASERCAL, FASERCAL_A, FASERCAL_C
from intarsia.detectors.fasercal.generations import GENERATIONS
from intarsia.detectors.fasercal.labels import charm, flavour, known
from intarsia.detectors.fasercal.npz_reader import open_a, open_b, open_c

OPEN = {"A": (open_a, FASERCAL_A), "B": (open_b, FASERCAL), "C": (open_c, FASERCAL_C)}


def read(path, generation="A", **options):
    opened, detector = OPEN[generation]
    with opened(path, **(detector.readers[0].options | options)) as records:
        return checked(records.read(), detector)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("layout", [dict, newer], ids=["main", "develop_saul"])
def test_both_layouts_give_the_event_that_was_written(tmp_path, seed, layout):
    arrays = drawn(seed)
    events = read(write_npz(tmp_path / "7_3.npz", layout(arrays)))
    cubes, truth = events.streams["3dcal"], events.truth
    assert events.keys == (f"7/{seed}",)
    np.testing.assert_array_equal(cubes["index"], arrays["cells"])
    np.testing.assert_array_equal(cubes["charge"], arrays["reco_hits"][:, 4])
    labels = expected_labels(arrays)
    np.testing.assert_array_equal(cubes["ghost"], labels["ghost"])
    for name in ("hierarchy", "category"):
        np.testing.assert_allclose(cubes[name], labels[name], atol=1e-3)
    ecal = arrays["rear_cal_modules"].astype(np.float32)
    np.testing.assert_array_equal(events.streams["ecal"]["energy"], ecal[None])
    hcal = arrays["rear_hcal_modules"].astype(np.float32)
    np.testing.assert_array_equal(events.streams["hcal"]["energy"], hcal[None])
    assert events.streams["mutag"]["energy"].shape == (1, 1)
    geometry = GENERATIONS["A"]
    np.testing.assert_allclose(truth["vertex"][0], geometry.to_detector(arrays["primary_vertex"]), rtol=1e-5)  # fmt: skip
    np.testing.assert_allclose(truth["p_jet_beam"][0], arrays["jet_momentum"], rtol=1e-6)
    mode = int(arrays["tau_decay_mode"])
    pdg = int(arrays["in_neutrino_pdg"])
    assert truth["flavour"][0] == flavour(bool(arrays["is_cc"]), pdg, mode)
    assert truth["charm"][0] == charm(bool(arrays["charm"]), arrays["charmdecay"])
    assert truth["neutrino"][0] == pdg
    assert "weight" not in truth


@pytest.mark.parametrize("generation", "ABC")
def test_the_generation_is_read_off_the_places_of_the_cubes(tmp_path, generation):
    arrays = drawn(1, generation)
    if generation != "A":
        del arrays["rear_hcal_modules"]
    path = write_npz(tmp_path / "7_1.npz", arrays)
    events = read(path, generation)
    np.testing.assert_array_equal(events.streams["3dcal"]["index"], arrays["cells"])
    momentum = GENERATIONS[generation].rotation @ events.truth["p_visible"][0]
    np.testing.assert_allclose(momentum, events.truth["p_visible_beam"][0], rtol=1e-5)
    names = {"A": "fasercal_a", "B": "fasercal", "C": "fasercal_c"}
    why = "rear_hcal_modules has 9 planes" if generation == "A" else "reco_hits stand on its cubes"
    for other in set("ABC") - {generation}:
        with pytest.raises(EventError) as caught:
            read(path, other)
        assert str(caught.value) == (
            f"{path}, event 0: {why}: generation {generation}, "
            f"which is the detector {names[generation]!r}"
        )


def test_a_detector_that_stands_elsewhere_in_the_beam_is_read_with_options(tmp_path, monkeypatch):
    straight = evolve(GENERATIONS["B"], tilt=0.0, shift=(13.0, 0.0, 0.0))
    monkeypatch.setitem(GENERATIONS, "B", straight)
    arrays = drawn(1, "B")
    monkeypatch.undo()
    del arrays["rear_hcal_modules"]
    path = write_npz(tmp_path / "7_1.npz", arrays)
    with pytest.raises(EventError, match="tilt, shift_x and shift_y of the detector"):
        read(path, "B")
    events = read(path, "B", tilt=0.0, shift_x=13.0, shift_y=0.0)
    np.testing.assert_array_equal(events.streams["3dcal"]["index"], arrays["cells"])


def test_a_file_without_truth_is_welcome(tmp_path):
    arrays = {"reco_hits": drawn(1)["reco_hits"]}
    events = read(write_npz(tmp_path / "12_34_cc_is.npz", arrays))
    assert events.keys == ("12/34",)
    assert set(events.streams["3dcal"].columns) == {"index", "charge"}
    assert events.truth == {}
    assert events.streams["ecal"].counts.tolist() == [0]
    with pytest.raises(EventError, match="run_number, event_id: missing, and the file is not"):
        read(write_npz(tmp_path / "noname.npz", arrays))


def test_what_was_never_filled_in_is_missing(tmp_path):
    arrays = drawn(1)
    arrays["primary_vertex"] = np.zeros(3)
    arrays["jet_momentum"] = np.array([1.0, -999.0, 3.0])
    arrays["vis_sp_momentum"] = np.array([1e-310, 3.0, 3.0])
    arrays["in_neutrino_energy"] = np.float64(0.0)
    arrays["is_cc"], arrays["in_neutrino_pdg"] = np.bool_(True), np.int64(16)
    arrays["tau_decay_mode"] = np.int64(-1)
    truth = read(write_npz(tmp_path / "7_1.npz", arrays)).truth
    for name in ("vertex", "p_jet", "p_jet_beam", "p_visible", "p_visible_beam", "energy"):
        assert np.isnan(truth[name]).all(), name
    assert truth["flavour"].tolist() == [-1]
    assert np.isnan(known(np.array([1e30]))).all()
    assert known(np.array([0.0, 5.0])).tolist() == [0.0, 5.0]


def changed(**changes):
    arrays = drawn(2)
    for name, change in changes.items():
        arrays[name] = change(arrays[name])
    return arrays


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reco_hits": lambda a: a[:, :5]}, "reco_hits: has shape (40, 5), not (any, 6)"),
        ({"reco_hits": lambda a: a.astype("S8")}, "reco_hits: is |S8, not numbers"),
        ({"reco_hits": lambda a: np.add(a, [0, 3, 0, 0, 0, 0])}, "reco_hits: do not stand on the cubes of generation A, nor of another (tilt, shift_x and shift_y of the detector in the beam are options)"),
        ({"reco_hits": lambda a: np.add(a, [0, 0, 0, 1, 0, 0])}, "reco_hits: do not stand on the cubes of generation A, nor of another (tilt, shift_x and shift_y of the detector in the beam are options)"),
        ({"reco_hits": lambda a: a * [1, 1, 1, 1, np.nan, 1]}, "stream '3dcal': column 'charge' has values that are not finite"),
        ({"reco_hits": lambda a: a[[0, *range(39)]]}, "stream '3dcal': 1 cells come twice in one event"),
        ({"reco_hits": lambda a: np.add(a, [0, 0, 0, 0, 0, 9])}, "reco_hits: flag 11 is not 0, 1 or 2"),
        ({"indptr": lambda a: a[:-1]}, "indptr: has shape (40,), not (41)"),
        ({"indptr": lambda a: np.sort(a)[::-1]}, "indptr: ends at row 0, there are {links} rows"),
        ({"true_index": lambda a: a + 1000}, "true_index: names true hits beyond the {links} there are"),
        ({"link_weight": lambda a: -a}, "link_weight: must be between 0 and 1"),
        ({"true_hits": lambda a: a[:, :7]}, "true_hits: has shape ({links}, 7), not (any, 9) or (any, 13)"),
        ({"rear_cal_modules": lambda a: a.reshape(25)}, "rear_cal_modules: has shape (25,), not (5, 5)"),
        ({"primary_vertex": lambda a: a[:2]}, "primary_vertex: has shape (2,), not (3)"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(tmp_path, change, message):
    arrays = changed(**change)
    path = write_npz(tmp_path / "7_1.npz", arrays)
    with pytest.raises(EventError) as caught:
        read(path)
    links = len(drawn(2)["true_index"])
    said = str(caught.value).removeprefix(f"{path}, event 0: ").removeprefix("events: ")
    assert said == message.format(links=links)


def test_an_event_without_hits_and_one_of_46080_hits_are_read(tmp_path):
    none = read(write_npz(tmp_path / "1_1.npz", drawn(1, hits=1) | {
        "reco_hits": np.zeros((0, 6), "f4"), "true_hits": np.zeros((0, 9), "f4"),
        "true_index": np.zeros(0, "i4"), "indptr": np.zeros(1, "i4"), "link_weight": np.zeros(0),
    }))  # fmt: skip
    assert none.streams["3dcal"].counts.tolist() == [0]
    assert none.streams["3dcal"]["hierarchy"].shape == (0, 3)
    arrays = drawn(1, hits=48 * 48 * 20)
    whole = read(write_npz(tmp_path / "1_2.npz", {"reco_hits": arrays["reco_hits"], **{
        k: arrays[k] for k in ("true_hits", "true_index", "indptr", "link_weight")
    }}))  # fmt: skip
    np.testing.assert_array_equal(whole.streams["3dcal"]["index"], arrays["cells"])
    assert np.nanmax(np.abs(np.nansum(whole.streams["3dcal"]["category"], axis=1) - 0.5)) <= 0.51
