import pickle

import numpy as np
import pytest
import toy
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from intarsia.core.augment import LEAST, augmented, chosen, mirrored
from intarsia.core.detector import Augmentation, Crop, Detector, Frame
from intarsia.core.errors import DeclarationError
from intarsia.core.events import Events, Table, checked
from intarsia.core.streams import Axis, Column, PointCloud

# One middle for both grids, so that there is a mirror; a vector array beside the toy's streams.
PLATES = evolve(toy.PLATES, axes=(Axis(8, 10.0, 80.0), Axis(6, 10.0, 90.0), Axis(12, 10.0, 140.0)))
CALO = evolve(
    toy.CALO, columns=(toy.CHARGE, Column(name="flow", unit="1", width=3, moves="vector"))
)
CLOUD = PointCloud(name="cloud", groups=4, columns=(toy.CHARGE,), labels=(toy.CUBES.labels[0],))
ALL = Detector(
    name="all",
    about="Every kind of stream about one middle",
    streams=(toy.CUBES, PLATES, CALO, toy.MUON, CLOUD),
    truth=toy.TRUTH,
    augmentations=(
        Augmentation(kind="mirror", axis="x"),
        Augmentation(kind="mirror", axis="y"),
        Augmentation(kind="charge_scale", streams=("cubes", "calo.charge", "cloud"), size=0.1),
        Augmentation(kind="smear", streams=("cubes", "plates", "calo"), size=0.12),
        Augmentation(
            kind="noise",
            streams=("cubes",),
            size=0.5,
            charge=(0.5, 2.0),
            labels={"ghost": "ghost", "kind": "noise"},
        ),
        Augmentation(kind="dropout", streams=("cubes", "cloud"), size=0.2),
    ),
)
EVENTS = toy.events(ALL, 40)
MIDDLE = {"x": 120.0, "y": 120.0, "z": 200.0}
EVERY = np.ones(40, bool)


def only(kind):
    return tuple(a for a in ALL.augmentations if a.kind == kind)


def after(*kinds, events=EVENTS, seed=0):
    steps = tuple(a for a in ALL.augmentations if a.kind in kinds)
    return augmented(events, ALL, steps, np.random.default_rng(seed))


def alike(a: Events, b: Events, **tolerance):
    assert a.keys == b.keys
    np.testing.assert_array_equal(a.group, b.group)
    for name, table in a.streams.items():
        other = b.streams[name]
        np.testing.assert_array_equal(table.offsets, other.offsets)
        assert table.columns.keys() == other.columns.keys()
        for column, values in table.columns.items():
            assert values.dtype == other[column].dtype
            np.testing.assert_allclose(values, other[column], err_msg=column, **tolerance)
    assert a.truth.keys() == b.truth.keys()
    for name, values in a.truth.items():
        np.testing.assert_allclose(values, b.truth[name], err_msg=name, **tolerance)


def changed(a: Events, b: Events) -> set[str]:
    """Columns, offsets and truth in which `b` is not `a`."""
    found = {n for n, v in a.truth.items() if not np.array_equal(v, b.truth[n], equal_nan=True)}
    for stream, table in a.streams.items():
        other = b.streams[stream]
        if not np.array_equal(table.offsets, other.offsets):
            found.add(f"{stream}.offsets")
        else:
            found |= {
                f"{stream}.{k}"
                for k, v in table.columns.items()
                if not np.array_equal(v, other[k], equal_nan=True)
            }
    return found


@pytest.mark.parametrize("axis", "xy")
@given(flip=st.lists(st.booleans(), min_size=40, max_size=40).map(np.array))
@settings(max_examples=10, deadline=None)
def test_a_mirror_twice_is_as_never(axis, flip):
    once = mirrored(EVENTS, ALL, axis, flip)
    alike(mirrored(once, ALL, axis, flip), EVENTS, rtol=1e-6, atol=1e-4)
    alike(mirrored(EVENTS, ALL, axis, ~EVERY), EVENTS, rtol=0)


@pytest.mark.parametrize("axis", "xy")
def test_a_mirror_turns_what_points_along_its_axis_and_nothing_else(axis):
    there = {
        "vertex",
        "p_visible_beam",
        "p_jet_beam",
        "cubes.index",
        "plates.index",
        "plates.way",
        "muon.p",
        "muon.hit",
    }
    there |= {"calo.charge", "calo.flow", "cloud.position"}
    assert changed(EVENTS, mirrored(EVENTS, ALL, axis, EVERY)) == there


@pytest.mark.parametrize("axis", "xyz")
def test_what_a_mirror_does_equals_the_formula(axis):
    a, grids = "xyz".index(axis), evolve(ALL, streams=(toy.CUBES, PLATES, CALO, CLOUD))
    events = Events(
        {s.name: EVENTS.streams[s.name] for s in grids.streams},
        EVENTS.truth,
        EVENTS.keys,
        EVENTS.group,
    )
    seen = mirrored(events, grids, axis, EVERY)
    sign = np.where(np.arange(3) == a, -1.0, 1.0)
    shift = np.where(np.arange(3) == a, 2 * MIDDLE[axis], 0.0)
    np.testing.assert_allclose(
        seen.truth["vertex"], events.truth["vertex"] * sign + shift, rtol=1e-5
    )
    for grid in (toy.CUBES, PLATES):
        before, now = (
            np.stack(
                [
                    x.centres[i]
                    for x, i in zip(grid.axes, e.streams[grid.name]["index"].T, strict=True)
                ],
                1,
            )
            for e in (events, seen)
        )
        np.testing.assert_allclose(now, before * sign + shift)
    way = events.streams["plates"]["way"]
    np.testing.assert_array_equal(seen.streams["plates"]["way"], way * sign)
    charge = events.streams["calo"]["charge"]  # along x, then y
    expected = charge if axis == "z" else np.flip(charge, 1 + a)
    np.testing.assert_array_equal(seen.streams["calo"]["charge"], expected)


def test_points_in_metres_are_mirrored_in_metres():
    now = mirrored(EVENTS, ALL, "x", EVERY).streams["muon"]["hit"]
    before = EVENTS.streams["muon"]["hit"]
    np.testing.assert_allclose(now[..., 0], 0.24 - before[..., 0], rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(now[..., 1:], before[..., 1:])
    assert np.isnan(now).any()


def test_events_are_mirrored_one_by_one():
    flip = np.arange(40) % 3 == 0
    some = mirrored(EVENTS, ALL, "y", flip)
    whole = mirrored(EVENTS, ALL, "y", EVERY)
    for b in range(40):
        alike(some[b], whole[b] if flip[b] else EVENTS[b], rtol=0)


def test_about_half_of_the_events_are_mirrored_along_each_axis():
    many = toy.events(toy.GRID, 400)
    both = (Augmentation(kind="mirror", axis="x"), Augmentation(kind="mirror", axis="y"))
    now = augmented(many, toy.GRID, both, np.random.default_rng(0)).truth["vertex"]
    moved = now != many.truth["vertex"]
    assert (np.abs(moved.mean(0) - [0.5, 0.5, 0.0]) < 0.08).all()
    assert abs((moved[:, 0] & moved[:, 1]).mean() - 0.25) < 0.08


def test_one_factor_per_event_scales_the_charge_of_all_streams():
    now = after("charge_scale")
    assert changed(EVENTS, now) == {"cubes.charge", "calo.charge", "cloud.charge"}
    factors = {}
    for name in ("cubes", "calo", "cloud"):
        table = EVENTS.streams[name]
        ratio = now.streams[name]["charge"] / table["charge"]
        of_rows = ratio.reshape(len(ratio), -1)
        for b in range(40):
            rows = of_rows[table.offsets[b] : table.offsets[b + 1]]
            if rows.size:
                assert np.ptp(rows) < 1e-5
                factors.setdefault(b, []).append(rows.flat[0])
    assert all(np.ptp(f) < 1e-5 for f in factors.values())
    logs = np.log([f[0] for f in factors.values()])
    assert 0.07 < logs.std() < 0.13


def test_smearing_has_mean_one_and_the_declared_width():
    many = toy.events(toy.GRID, 300)
    step = (Augmentation(kind="smear", streams=("cubes",), size=0.12),)
    now = augmented(many, toy.GRID, step, np.random.default_rng(0))
    assert changed(many, now) == {"cubes.charge"}
    ratio = now.streams["cubes"]["charge"] / many.streams["cubes"]["charge"]
    n = len(ratio)
    assert abs(ratio.mean() - 1) < 4 * 0.12 / n**0.5
    assert abs(np.log(ratio).std() - 0.12) < 4 * 0.12 / (2 * n) ** 0.5


def test_whole_numbers_stay_whole():
    counts = evolve(toy.CHARGE, unit="1", dtype="int32")
    detector = Detector(name="c", about="", streams=(evolve(toy.CUBES, columns=(counts,)),))
    events = toy.events(detector, 5)
    step = (Augmentation(kind="smear", streams=("cubes",), size=0.5),)
    now = checked(augmented(events, detector, step, np.random.default_rng(0)), detector)
    assert now.streams["cubes"]["charge"].dtype == np.int32


def test_dropout_loses_whole_rows_and_leaves_a_few():
    now = after("dropout")
    assert changed(EVENTS, now) == {"cubes.offsets", "cloud.offsets"}
    for name in ("cubes", "cloud"):
        before, left = EVENTS.streams[name], now.streams[name]
        assert (left.counts <= before.counts).all()
        assert (left.counts >= np.minimum(before.counts, LEAST)).all()
        share = 1 - left.offsets[-1] / before.offsets[-1]
        assert 0.05 < share < 0.15  # uniform up to 0.2
        first = next(c for c in ("index", "position") if c in before.columns)
        whole = {tuple(r) for r in np.column_stack([before.event, before[first], before["charge"]])}
        assert whole >= {
            tuple(r) for r in np.column_stack([left.event, left[first], left["charge"]])
        }


def test_noise_comes_in_free_cells_behind_the_rows_there_were():
    now = checked(after("noise"), ALL)
    before, table = EVENTS.streams["cubes"], now.streams["cubes"]
    more = table.counts - before.counts
    assert abs(more.mean() - 0.5 * 24 * 24 * 40 / 1000) < 2.5  # Poisson of 11.5, less collisions
    assert more.std() > 2
    assert changed(EVENTS, now) == {"cubes.offsets"}
    old = np.arange(table.offsets[-1]) < (table.offsets[:-1] + before.counts)[table.event]
    kept = table.keep(old)
    np.testing.assert_array_equal(kept.offsets, before.offsets)
    for column, values in before.columns.items():
        np.testing.assert_array_equal(kept[column], values)


def test_noise_is_said_to_be_noise_and_has_no_other_truth():
    now = after("noise").streams["cubes"]
    start = now.offsets[:-1] + EVENTS.streams["cubes"].counts
    place = np.arange(now.offsets[-1])
    noise = place >= start[now.event]
    assert set(now["ghost"][noise]) == {1}
    assert set(now["origin"][noise]) == {-1}
    np.testing.assert_array_equal(now["kind"][noise], [[0, 0, 1]] * noise.sum())
    charge = now["charge"][noise]
    assert charge.min() >= 0.5
    assert abs(charge.mean() - 2.5) < 4 * 2.0 / len(charge) ** 0.5


def test_events_without_labels_or_truth_are_augmented_too():
    bare = Events(
        {
            s.name: Table(
                EVENTS.streams[s.name].offsets,
                {
                    k: v
                    for k, v in EVENTS.streams[s.name].columns.items()
                    if k not in [label.name for label in s.labels]
                },
            )
            for s in ALL.streams
        },
        {},
        EVENTS.keys,
        EVENTS.group,
    )
    now = augmented(bare, ALL, ALL.augmentations, np.random.default_rng(3))
    whole = augmented(EVENTS, ALL, ALL.augmentations, np.random.default_rng(3))
    checked(now, ALL)
    assert not now.truth
    np.testing.assert_array_equal(now.streams["cubes"]["charge"], whole.streams["cubes"]["charge"])


@pytest.mark.parametrize("n", [0, 1])
def test_no_event_and_an_event_without_rows_stay_so_but_for_noise(n):
    events = toy.no_rows(toy.events(ALL, n), ALL, *(s.name for s in ALL.streams))
    steps = tuple(a for a in ALL.augmentations if a.kind != "noise")
    alike(augmented(events, ALL, steps[2:], np.random.default_rng(0)), events)
    now = checked(augmented(events, ALL, ALL.augmentations, np.random.default_rng(0)), ALL)
    assert len(now) == n


@given(seed=st.integers(0, 2**31))
@settings(max_examples=15, deadline=None)
def test_all_together_give_events_of_the_detector_and_leave_theirs_as_they_were(seed):
    events = toy.events(ALL, 6)
    before = pickle.dumps(events)
    now = checked(augmented(events, ALL, ALL.augmentations, np.random.default_rng(seed)), ALL)
    assert pickle.dumps(events) == before
    assert now.keys == events.keys
    alike(augmented(events, ALL, ALL.augmentations, np.random.default_rng(seed)), now, rtol=0)


def test_a_stage_chooses_all_none_or_some_with_their_sizes():
    assert chosen(ALL, True) == ALL.augmentations
    assert chosen(ALL, False) == chosen(ALL, {}) == ()
    some = chosen(ALL, {"dropout": 0.1, "mirror": 0.25, "smear": 0})
    assert [(a.kind, a.axis, a.size) for a in some] == [
        ("mirror", "x", 0.25),
        ("mirror", "y", 0.25),
        ("dropout", "", 0.1),
    ]


def test_mirrors_that_show_another_detector_are_refused():
    mirror = (Augmentation(kind="mirror", axis="x"),)
    tilted = Frame(about="", tilt_y=0.1)
    gaps = evolve(toy.CUBES, axes=(Axis(24, 10.0, gaps=(1.0, 2.0)), *toy.CUBES.axes[1:]))
    pair = Column(name="pair", unit="mm", width=2, moves="point")
    number = Column(name="number", unit="1", width=3, moves="point")
    for streams, frame, said in [
        ((toy.CUBES,), tilted, "the beam is tilted about y, so that its mirror image along x is"),
        (
            (toy.CUBES, toy.PLATES),
            None,
            "the voxel streams have their middles at x = 40 and 120 mm",
        ),
        ((gaps,), None, "the gaps of stream 'cubes' are not the same from both ends"),
        ((evolve(toy.CALO, columns=(pair,)),), None, "'pair' is a point of 2 numbers, not of x, y"),
        ((evolve(toy.CALO, columns=(number,)),), None, "'number' is a point in '1', which is no"),
    ]:
        with pytest.raises(DeclarationError) as error:
            Detector(name="d", about="", streams=streams, frame=frame, augmentations=mirror)
        assert str(error.value).startswith(f"detector 'd': mirror: {said}")
    up = (Augmentation(kind="mirror", axis="y"),)
    Detector(name="d", about="", streams=(toy.CUBES,), frame=tilted, augmentations=up)
    along = (Augmentation(kind="mirror", axis="z"),)
    with pytest.raises(DeclarationError, match=r"the planes of stream 'muon' are in order along z"):
        Detector(name="d", about="", streams=(toy.MUON,), augmentations=along)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"kind": "noise", "streams": ("calo",)}, "noise: stream 'calo' has no cells"),
        ({"kind": "dropout", "streams": ("muon",)}, "dropout: stream 'muon' has no hits to lose"),
        (
            {"kind": "smear", "streams": ("muon",)},
            "smear: column 'p' of stream 'muon' is no charge",
        ),
        (
            {"kind": "noise", "streams": ("cubes",), "labels": {"ghost": "gohst"}},
            "noise: stream 'cubes' has no label 'ghost' with a class 'gohst'",
        ),
        (
            {"kind": "smear", "streams": ("calo.chrage",)},
            "stream 'calo' has no column 'chrage'; did you mean 'charge'? (it has: charge)",
        ),
        (
            {"kind": "smear", "streams": ("cube",)},
            "detector 'd' has no stream 'cube'; did you mean",
        ),
    ],
)
def test_augmentations_of_what_is_not_there_are_refused(settings, said):
    with pytest.raises(DeclarationError) as error:
        evolve(toy.DETECTOR, name="d", augmentations=(Augmentation(**settings),))
    assert str(error.value).removeprefix("detector 'd': ").startswith(said)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"kind": "smear", "streams": ("a",), "size": 2.0}, "smear: size must be at most 1, not 2"),
        ({"kind": "mirror"}, "mirror: a mirror, and nothing else, has an axis"),
        (
            {"kind": "smear", "axis": "x", "streams": ("a",)},
            "smear: a mirror, and nothing else, has an axis",
        ),
        ({"kind": "smear", "size": 0.1}, "smear: must name its streams"),
        (
            {"kind": "mirror", "axis": "x", "streams": ("a",)},
            "mirror: moves the whole event, not streams",
        ),
    ],
)
def test_augmentations_that_make_no_sense_are_refused(settings, said):
    with pytest.raises(DeclarationError) as error:
        Augmentation(**settings)
    assert str(error.value) == said


@pytest.mark.parametrize(
    ("stream", "context", "said"),
    [
        ("cube", "context", "detector 'd' has no stream 'cube'; did you mean 'cubes'?"),
        ("calo", "context", "detector 'd': crop: stream 'calo' has no cells"),
        (
            "cubes",
            "calo",
            "detector 'd': crop: stream 'calo' is no context of a crop: it has no centre, extent,",
        ),
    ],
)
def test_a_crop_of_what_is_not_there_is_refused(stream, context, said):
    crop = Crop(stream=stream, context=context, axes=toy.CUBES.axes)
    with pytest.raises(DeclarationError) as error:
        evolve(toy.DETECTOR, name="d", crop=crop)
    assert str(error.value).startswith(said)
