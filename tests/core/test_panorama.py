"""The charge around a place."""

from math import asinh, atan2, cos, hypot, pi, radians, sin

import numpy as np
import pytest
import reference
import torch
import toy
from attrs import evolve

from intarsia.core import sample
from intarsia.core.detector import Frame
from intarsia.core.events import Table
from intarsia.core.normalise import unit_normalisation
from intarsia.core.panorama import FORWARD, SHELLS, SIDE, Onlooker, Panorama, shells
from intarsia.core.planner import Planner
from intarsia.core.plugins import registry
from intarsia.core.streams import Axis, Column, VoxelGrid
from intarsia.core.task import View
from intarsia.core.task_module import Setting

REGISTRY = registry()
DETECTORS = [d for d in map(REGISTRY.detector, REGISTRY.names("detectors")) if d.grids]
TILTED = evolve(toy.DETECTOR, frame=Frame(about="tilted", tilt_y=radians(20)))
PLACE = torch.tensor([101.0, 87.0, 43.0], dtype=torch.float64)


@pytest.fixture(scope="module")
def events():
    return toy.events(toy.DETECTOR, 6, seed=1)


def setting_of(detector):
    normalisation = toy.normalisation(detector)
    return Setting(detector=detector, model=toy.MODEL, normalisation=normalisation)


def onlooker():
    torch.manual_seed(0)
    return toy.roughened(Onlooker(setting_of(toy.DETECTOR))).double()


def plan_of(events, detector=toy.DETECTOR):
    return toy.double(toy.batch(detector, events, View()).plans[View()])


def places(events):
    """Another place for each event, between the cells."""
    return PLACE + 7.3 * torch.arange(3 * len(events), dtype=torch.float64).reshape(-1, 3)


def drawn(events, at, detector=toy.DETECTOR):
    return Panorama(setting_of(detector)).double()(plan_of(events, detector), at)


def plain(grid, table, b, at, tilt, unit, edges):
    """The pictures of event `b`, hit by hit, from the table and the formula."""
    total = np.zeros((SHELLS, SIDE, SIDE))
    for row in range(table.offsets[b], table.offsets[b + 1]):
        centre = [axis.centres[i] for axis, i in zip(grid.axes, table["index"][row], strict=True)]
        x, y, z = (float(c - p) for c, p in zip(centre, at, strict=True))
        x, z = cos(tilt) * x + sin(tilt) * z, cos(tilt) * z - sin(tilt) * x
        theta, phi = atan2(hypot(x, y), z), atan2(y, x)
        rho = asinh(theta / FORWARD) / asinh(pi / FORWARD)
        i, j = (min(int((1 + rho * f(phi)) * SIDE / 2), SIDE - 1) for f in (cos, sin))
        shell = sum(hypot(x, y, z) > edge for edge in edges)
        total[shell, i, j] += table["charge"][row] / unit
    return np.log1p(total)


@pytest.mark.parametrize("detector", [toy.DETECTOR, TILTED], ids=["straight", "tilted"])
def test_pictures_equal_a_plain_calculation_hit_by_hit(events, detector):
    """Of cells of 10 mm and a volume 400 mm long; a typical charge is one on the scale of the input."""
    at = places(events)
    found, tilt = drawn(events, at, detector).numpy(), 0.0
    if detector.frame:
        tilt = detector.frame.tilt_y
    edges = np.geomspace(15, 200, SHELLS - 1)
    for s, grid in enumerate((toy.CUBES, toy.PLATES)):
        unit = np.expm1(toy.normalisation(detector)["streams"][grid.name]["charge"]["rms"])
        for b in range(len(events)):
            wanted = plain(grid, events.streams[grid.name], b, at[b], tilt, unit, edges)
            assert (wanted > 0).any()
            np.testing.assert_allclose(
                found[b, s * SHELLS : (s + 1) * SHELLS], wanted, rtol=1e-4, atol=1e-6
            )


def test_no_charge_is_lost_wherever_one_looks_from(events):
    for away in (0.0, 1e4, -1e4):
        found = drawn(events, places(events) + away)
        for s, name in enumerate(("cubes", "plates")):
            table = events.streams[name]
            unit = np.expm1(toy.normalisation(toy.DETECTOR)["streams"][name]["charge"]["rms"])
            wanted = np.bincount(table.event, table["charge"] / unit, minlength=len(events))
            seen = torch.expm1(found[:, s * SHELLS : (s + 1) * SHELLS]).sum((1, 2, 3))
            np.testing.assert_allclose(seen, wanted, rtol=1e-4)


def test_what_moves_together_looks_the_same(events):
    """All hits of the cubes and the place by three cells along z."""
    kept = toy.no_rows(events, toy.DETECTOR, "plates")
    cubes = kept.streams["cubes"]
    low = Table(cubes.offsets, dict(cubes.columns)).keep(cubes["index"][:, 2] < 37)
    index = low["index"] + np.array([0, 0, 3], np.int16)
    high = Table(low.offsets, {**low.columns, "index": index})
    here, there = (evolve(kept, streams={**kept.streams, "cubes": t}) for t in (low, high))
    at = places(events)
    assert drawn(here, at).sum() > 10
    torch.testing.assert_close(
        drawn(there, at + torch.tensor([0.0, 0.0, 30.0])), drawn(here, at), atol=1e-6, rtol=0
    )


def one_hit(x, y, z):
    """A single hit in the cell of the cubes at that place, mm."""
    events = toy.one_row(toy.no_rows(toy.events(toy.DETECTOR, 1, seed=1), toy.DETECTOR, "plates"))
    cubes = events.streams["cubes"]
    columns = dict(cubes.columns) | {"index": np.array([[x, y, z]], np.int16) // 10}
    return evolve(events, streams={**events.streams, "cubes": Table(cubes.offsets, columns)})


@pytest.mark.parametrize(
    ("hit", "shell", "where"),
    [
        ((105, 105, 105), 0, None),  # where one stands
        ((105, 105, 395), SHELLS - 1, (12, 12)),  # straight ahead, far away
        ((105, 105, 5), None, (23, 12)),  # back, and a hair to the side of x: the rim
        (
            (115, 105, 305),
            None,
            (16, 12),
        ),  # fifty milliradians: asinh(5) / asinh(100 pi) = 0.36 of it
        ((105, 115, 305), None, (12, 16)),
        ((95, 105, 305), None, (7, 12)),
    ],
)
def test_a_hit_is_drawn_where_it_lies(hit, shell, where):
    at = torch.tensor([[104.999, 105.0, 105.0]], dtype=torch.float64)
    found = drawn(one_hit(*hit), at)[0, :SHELLS]
    ((s, i, j),) = found.nonzero().tolist()
    assert shell in (None, s)
    assert where in (None, (i, j))


def test_a_beam_that_is_tilted_is_straight_ahead():
    """By five degrees about y: what flies along it comes closer to -x by 87 mm a metre."""
    tilted = evolve(toy.DETECTOR, frame=Frame(about="tilted", tilt_y=radians(5)))
    found = drawn(one_hit(75, 105, 395), torch.tensor([[100.2, 105.1, 105.0]]).double(), tilted)
    assert found[0].nonzero().tolist()[0][1:] == [12, 11]
    straight = drawn(one_hit(75, 105, 395), torch.tensor([[100.2, 105.1, 105.0]]).double())
    assert straight[0].nonzero().tolist()[0][1] < 10


def test_shells_go_from_the_smallest_cell_to_half_the_whole():
    """Grids behind each other count as one volume."""
    column = (Column(name="q", unit="MeV"),)
    front = VoxelGrid(
        name="a",
        axes=(Axis(4, 5.0), Axis(4, 5.0), Axis(10, 10.0)),
        patch=(2, 2, 2),
        window=(1, 1, 1),
        columns=column,
    )
    behind = evolve(front, name="b", axes=(Axis(4, 5.0), Axis(4, 5.0), Axis(10, 20.0, 800.0)))
    edges = shells([front, behind])
    assert edges[0] == pytest.approx(7.5)
    assert edges[-1] == pytest.approx(500.0)
    np.testing.assert_allclose(np.diff(np.log(edges)), np.log(500 / 7.5) / (SHELLS - 2), rtol=1e-5)
    tiny = evolve(front, axes=(Axis(2, 10.0),) * 3)
    assert (np.diff(shells([tiny])) > 0).all()


def test_what_is_seen_equals_a_plain_network(events):
    module = onlooker()
    with torch.no_grad():
        pictures = x = drawn(events, places(events))
        kernels = [m for m in module.look if isinstance(m, torch.nn.Conv2d)]
        norms = [m for m in module.look if isinstance(m, torch.nn.GroupNorm)]
        for i, (kernel, norm) in enumerate(zip(kernels, norms, strict=True)):
            padded = torch.nn.functional.pad(x, [kernel.padding[0]] * 4)
            pieces = padded.unfold(2, *kernel.kernel_size[:1], 1).unfold(
                3, *kernel.kernel_size[1:], 1
            )
            x = torch.einsum("bchwij,ocij->bohw", pieces, kernel.weight)
            x = x + kernel.bias[:, None, None]
            mean, var = (
                x.mean((1, 2, 3), keepdim=True),
                x.var((1, 2, 3), keepdim=True, correction=0),
            )
            x = (x - mean) / (var + 1e-5).sqrt()
            x = reference.gelu(x * norm.weight[:, None, None] + norm.bias[:, None, None])
            if i:
                x = x.unflatten(3, (-1, 2)).unflatten(2, (-1, 2)).amax((3, 5))
        wanted = reference.gelu(reference.linear(module.out, x.flatten(1)))
        torch.testing.assert_close(module(pictures), wanted, atol=1e-10, rtol=0)


def test_an_event_alone_looks_as_in_a_batch_and_in_any_order(events):
    module, at = onlooker(), places(events)
    with torch.no_grad():
        out = module(drawn(events, at))
        for b in range(len(events)):
            alone = module(drawn(events.take(np.array([b])), at[b : b + 1]))
            torch.testing.assert_close(alone[0], out[b], atol=1e-6, rtol=0)
        other = module(drawn(toy.shuffled_rows(events), at))
    torch.testing.assert_close(other, out, atol=1e-6, rtol=0)


def test_the_place_learns_nothing_and_every_weight_does(events):
    module = onlooker()
    pictures = drawn(events, places(events).requires_grad_())
    assert not pictures.requires_grad
    out = module(pictures)
    (out * torch.randn(out.shape)).sum().backward()
    for name, parameter in module.named_parameters():
        assert float(parameter.grad.abs().sum()) > 0, name


COLUMNS = {
    "vectors": (Column(name="way", unit="1", width=3), Column(name="q", unit="MeV")),
    "roots": (Column(name="q", unit="MeV", scale="sqrt"),),
    "none": (Column(name="way", unit="1", width=3),),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_charge_is_the_first_column_of_one_number(name):
    """On any scale, and one each where there is none; what is below zero counts nothing."""
    grid = evolve(toy.CUBES, columns=COLUMNS[name], labels=())
    detector = evolve(toy.GRID, streams=(grid,), augmentations=())
    events = toy.events(detector, 4, seed=2)
    table = events.streams["cubes"]
    charge = np.ones(int(table.offsets[-1]))
    if name != "none":
        table["q"][::3] *= -1
        rms = toy.normalisation(detector)["streams"]["cubes"]["q"]["rms"]
        charge = np.maximum(table["q"], 0) / (rms**2 if name == "roots" else rms)
    with torch.no_grad():
        seen = torch.expm1(drawn(events, places(events), detector)).sum((1, 2, 3))
    np.testing.assert_allclose(seen, np.bincount(table.event, charge, minlength=4), rtol=1e-4)


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda d: d.name)
def test_every_detector_with_voxels_has_one_of_the_same_size(detector):
    plain = unit_normalisation(detector)
    setting = Setting(detector=detector, model=toy.MODEL, normalisation=plain)
    draw, look = Panorama(setting), Onlooker(setting)
    planner = Planner(detector=detector, model=toy.MODEL, normalisation=plain)
    some = sample.events(detector, 3, seed=2)
    bare = toy.no_rows(some, detector, *(s.name for s in detector.streams))
    for events in (some, bare, some.take(np.zeros(0, np.int64))):
        plan = planner(events, (View(),), np.random.default_rng(0)).plans[View()]
        at = torch.zeros(len(events), 3)
        found = draw(plan, at)
        assert found.shape == (len(events), SHELLS * len(detector.grids), SIDE, SIDE)
        assert bool((found > 0).any()) == (events is some)
        out = look(found)
        assert out.shape == (len(events), 2 * toy.MODEL.dim)
        assert torch.isfinite(out).all()
