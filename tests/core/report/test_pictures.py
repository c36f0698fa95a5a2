import numpy as np
import pytest
from attrs import evolve

from intarsia.core.detector import Detector, Display
from intarsia.core.events import Table
from intarsia.core.plugins import registry
from intarsia.core.report import event_picture
from intarsia.core.report.project import Ruler
from intarsia.core.report.space import View
from intarsia.core.report.style import styled
from intarsia.core.report.task_picture import MaskedEvent, classes, from_arrays
from intarsia.core.sample import events
from intarsia.core.streams import Axis


def is_png(path):
    return path.read_bytes()[:4] == b"\x89PNG" and 5_000 < path.stat().st_size < 300_000


def test_a_ruler_has_the_real_gaps():
    ruler = Ruler.of(Axis(4, 10.0, -5.0, (3.0,)))
    assert ruler.edges.tolist() == [-5.0, 5.0, 15.0, 18.0, 28.0, 38.0]
    assert ruler.slot.tolist() == [0, 1, 3, 4]
    assert ruler.blocks == [(-5.0, 15.0), (18.0, 38.0)]
    assert ruler.span == (-5.0, 38.0)


def test_a_fine_axis_is_drawn_in_steps_of_several_cells():
    ruler = Ruler.of(Axis(768, 3.0, -1152.0))
    drawn = ruler.drawn
    assert np.diff(drawn.edges).tolist() == [9.0] * 256
    assert (drawn.slot == np.arange(768) // 3).all()
    coarse = Ruler.of(Axis(200, 10.0))
    assert coarse.drawn.edges.tolist() == coarse.edges.tolist()
    odd = Ruler.of(Axis(301, 1.0)).drawn
    assert (odd.edges[-2:].tolist(), odd.slot[-1]) == ([300.0, 301.0], 150)


def test_a_view_in_space_keeps_lengths():
    points = np.random.default_rng(0).normal(size=(20, 3))
    at, depth = View().seen(points)
    lengths = np.hypot(np.linalg.norm(at, axis=1), depth)
    np.testing.assert_allclose(lengths, np.linalg.norm(points, axis=1))


@pytest.mark.parametrize("name", ["toy", "fasercal"])
def test_events_of_any_detector_are_drawn(name, toy, tmp_path):
    detector = toy if name == "toy" else registry(()).detector(name)
    sample = events(detector, 3, seed=1)
    assert is_png(event_picture.save(sample, detector, tmp_path / "new" / "a.png", event=2))


def test_the_same_event_gives_the_same_picture(toy, tmp_path):
    sample = events(toy, 1, seed=1)
    a, b = (event_picture.save(sample, toy, tmp_path / f"{i}.png") for i in range(2))
    assert a.read_bytes() == b.read_bytes()


def test_a_picture_says_where_its_event_comes_from(toy, tmp_path):
    assert event_picture.origin({"simulation": "fast", "seed": 1}) == "fast simulation"
    assert event_picture.origin({"simulation": "sample"}) == "drawn at random"
    assert event_picture.origin({"files": 3}) == ""
    sample, said = events(toy, 1, seed=1), "fast simulation"
    plain = event_picture.save(sample, toy, tmp_path / "a.png")
    assert (
        event_picture.save(sample, toy, tmp_path / "b.png", origin=said).read_bytes()
        != plain.read_bytes()
    )


def test_an_empty_event_is_drawn(toy, tmp_path):
    shown = evolve(toy, display=Display(stream="cubes", column="pixels"))
    sample = events(shown, 1, seed=1)
    empty = {s.name: Table.empty(s.layout, 1) for s in toy.streams}
    assert is_png(event_picture.save(evolve(sample, streams=empty), shown, tmp_path / "a.png"))


def test_a_detector_without_voxels_is_drawn(toy, tmp_path):
    bare = Detector(name="bare", about="", streams=toy.streams[1:])
    assert is_png(event_picture.save(events(bare, 2, seed=1), bare, tmp_path / "a.png"))


def arrays_of(toy):
    table = events(toy, 1, seed=3).streams["cubes"]
    hidden = np.arange(len(table["index"])) % 4 > 0
    found = {"cubes/label_index": table["index"]}
    for what, rows in (("kept", ~hidden), ("hidden", hidden), ("predicted", hidden)):
        found[f"cubes/{what}_index"] = table["index"][rows]
        found[f"cubes/{what}_values"] = np.stack([table["charge"], table["pixels"]], 1)[rows]
    found["cubes/ghost_true"] = table["ghost"]
    found["cubes/ghost_predicted"] = np.linspace(0, 1, len(hidden), dtype=np.float32)
    found["cubes/kind_true"] = table["kind"]
    return found


def test_a_picture_file_is_drawn(toy, tmp_path):
    made = from_arrays(arrays_of(toy), toy, tmp_path, "event-7", "an event")
    assert [p.name for p in made] == [
        "event-7-cubes-masked.png",
        "event-7-cubes-ghost.png",
        "event-7-cubes-kind.png",
    ]
    assert all(map(is_png, made))


def test_a_picture_file_without_hits_is_not_drawn(toy, tmp_path):
    empty = {k: v[:0] for k, v in arrays_of(toy).items()}
    assert from_arrays(empty, toy, tmp_path, "event-7") == []
    assert from_arrays({}, toy, tmp_path, "event-7") == []


def test_the_first_column_is_the_charge(toy):
    arrays = arrays_of(toy)
    event = MaskedEvent.of(arrays, "cubes")
    np.testing.assert_array_equal(event.kept_charge, arrays["cubes/kept_values"][:, 0])
    assert MaskedEvent.of(arrays, "other") is None


def test_classes_of_shares_probabilities_and_numbers():
    shares = np.array([[0.2, 0.8], [np.nan, np.nan]])
    assert classes(shares).tolist() == [1, -1]
    assert classes(np.array([0.2, 0.7, np.nan])).tolist() == [0, 1, -1]
    assert classes(np.array([0, 1, -1], np.int8)).tolist() == [0, 1, -1]


def test_drawing_leaves_the_settings_of_matplotlib_alone():
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    with styled():
        assert mpl.rcParams["xtick.direction"] == "in"
    assert dict(mpl.rcParams) == before
