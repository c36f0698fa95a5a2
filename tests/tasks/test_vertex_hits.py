"""The head that finds the vertex among the hits."""

import numpy as np
import pytest
import reference
import torch
import toy
from attrs import evolve

from intarsia.core import sample
from intarsia.core.errors import DeclarationError
from intarsia.core.network import network
from intarsia.core.normalise import unit_normalisation
from intarsia.core.planner import Planner
from intarsia.core.plugins import registry
from intarsia.core.streams import VoxelGrid
from intarsia.core.task import View
from intarsia.tasks.vertex import Vertex
from intarsia.tasks.vertex.hits import HitHead, mean_by_event, places

MEAN = 100.0  # of toy.normalisation
REGISTRY = registry()
KIND = REGISTRY.task("vertex")
DETECTORS = [
    d
    for d in map(REGISTRY.detector, REGISTRY.names("detectors"))
    if any(t.name == "vertex" for t in d.truth)
]
ASKED = Vertex(head="hits")


@pytest.fixture(scope="module")
def events():
    return toy.events(toy.DETECTOR, 7, seed=1)


def made(detector=toy.DETECTOR):
    """Network and head in float64, with no weight left as it begins."""
    net = toy.roughened(toy.built(detector, toy.stage(("vertex", {"head": "hits"})))).double()
    head = net.tasks["vertex"].head
    assert isinstance(head, HitHead)
    return net.eval(), head


def encoded(net, events, detector=toy.DETECTOR):
    with torch.no_grad():
        return net.encoder(toy.double(toy.batch(detector, events, View()).plans[View()]))


def found(events, detector=toy.DETECTOR):
    net, head = made(detector)
    with torch.no_grad():
        return head(encoded(net, events, detector), torch.full((3,), MEAN).double())


def plain(head, seen, events, b):
    """The vertex of event `b`, hit by hit, from the events and the formula."""
    pooled = torch.cat([seen.latents[b, 0], seen.latents[b][seen.mask[b]].mean(0)])
    asked = reference.linear(head.ask, reference.norm(head.norm, pooled))
    logits, at = [], []
    for name, votes in head.patches.items():
        grid, table, plan = toy.DETECTOR.stream(name), events.streams[name], seen.plan.streams[name]
        patches = np.stack(np.unravel_index(plan.patch.numpy(), grid.patches), 1)
        for cell in table["index"][table.offsets[b] : table.offsets[b + 1]].astype(int):
            mine = (patches == cell // np.array(grid.patch)).all(1) & (plan.event.numpy() == b)
            x = seen.tokens[name][int(np.flatnonzero(mine)[0])]
            h = reference.gelu(reference.linear(votes.own, reference.norm(votes.norm, x)) + asked)
            said, (nx, ny, _), (j, k, l) = (
                reference.linear(votes.out, h),
                grid.patch,
                cell % grid.patch,
            )
            numbers = said[:-3] @ head.patches[name].waves
            logits.append(numbers[j] + numbers[nx + k] + numbers[nx + ny + l])
            centre = [
                axis.start + (i + 0.5) * axis.pitch for axis, i in zip(grid.axes, cell, strict=True)
            ]
            at.append(torch.tensor(centre) + 100.0 * said[-3:])
    return torch.softmax(torch.stack(logits), 0) @ torch.stack(at)


def test_it_equals_a_plain_calculation_hit_by_hit(events):
    net, head = made()
    seen = encoded(net, events)
    with torch.no_grad():
        out = head(seen, torch.full((3,), MEAN).double())
        for b in range(len(out)):
            torch.testing.assert_close(out[b], plain(head, seen, events, b), atol=1e-3, rtol=0)


def test_an_event_alone_has_the_vertex_that_it_has_in_a_batch(events):
    together = found(events)
    for b in range(len(events)):
        alone = found(events.take(np.array([b])))
        torch.testing.assert_close(alone[0], together[b], atol=1e-8, rtol=0)


def test_the_order_of_hits_does_not_matter(events):
    torch.testing.assert_close(found(toy.shuffled_rows(events)), found(events), atol=1e-8, rtol=0)


def test_without_hits_the_vertex_is_the_mean_of_training(events):
    bare = toy.no_rows(events, toy.DETECTOR, "cubes", "plates")
    assert (found(bare) == MEAN).all()
    some = evolve(
        events,
        streams={
            name: table if name in ("calo", "muon") else table.keep(table.event != 3)
            for name, table in events.streams.items()
        },
    )
    out = found(some)
    assert (out[3] == MEAN).all()
    others = [b for b in range(len(events)) if b != 3]
    torch.testing.assert_close(out[others], found(events)[others], atol=1e-8, rtol=0)


def test_one_stream_without_hits_leaves_the_other(events):
    out = found(toy.no_rows(events, toy.DETECTOR, "plates"))
    assert torch.isfinite(out).all()
    assert not (out == MEAN).any()


def test_weights_are_a_softmax_however_large_the_logits():
    logit = torch.tensor([1e4, 1e4 - 1, 0.0, -3.0], dtype=torch.float64)
    x = torch.arange(12, dtype=torch.float64).reshape(4, 3)
    out = mean_by_event(logit, x, torch.tensor([2, 2, 0, 2]), torch.full((3, 3), -7.0).double())
    weight = torch.tensor([1.0, np.exp(-1)], dtype=torch.float64)
    torch.testing.assert_close(out[2], weight @ x[:2] / weight.sum())
    assert out[0].tolist() == x[2].tolist()
    assert out[1].tolist() == [-7.0] * 3


def test_gradients_of_the_mean_are_right():
    torch.manual_seed(0)
    logit = torch.randn(6, dtype=torch.float64, requires_grad=True)
    x = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    event, nowhere = torch.tensor([0, 0, 2, 2, 2, 0]), torch.zeros(3, 3).double()
    assert torch.autograd.gradcheck(lambda a, b: mean_by_event(a, b, event, nowhere), (logit, x))


def test_places_are_the_centres_of_cells():
    """Gaps between modules lie between patches, so a patch's first cell and the pitch say all."""
    for grid in (s for d in DETECTORS for s in d.streams if isinstance(s, VoxelGrid)):
        found = places(grid)
        rng = np.random.default_rng(0)
        index = rng.integers(0, grid.shape, (50, 3))
        patch = np.ravel_multi_index(tuple((index // np.array(grid.patch)).T), grid.patches)
        inside = np.ravel_multi_index(tuple((index % np.array(grid.patch)).T), grid.patch)
        wanted = np.stack([a.centres[i] for a, i in zip(grid.axes, index.T, strict=True)], 1)
        np.testing.assert_allclose(
            found["corner"][patch] + found["cell"][inside], wanted, atol=1e-3
        )


def test_in_bfloat16_hits_stay_where_they_are(events):
    net, head = made()
    net.float()
    with torch.no_grad():
        for votes in head.patches.values():
            votes.out.weight.zero_()
            votes.out.bias.zero_()
        seen, mean = (
            net.encoder(toy.batch(toy.DETECTOR, events, View()).plans[View()]),
            torch.zeros(3),
        )
        exact = head(seen, mean)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = head(net.encoder(seen.plan), mean)
    torch.testing.assert_close(rounded, exact, atol=1e-3, rtol=0)
    centre = np.mean([a.centres.mean() for a in toy.CUBES.axes])
    assert float(exact.abs().mean()) > 0.3 * centre


def test_places_are_not_weights(events):
    names = made()[1].state_dict()
    assert not [n for n in names if n.endswith((".corner", ".cell", ".plane"))]


def at_the_first_hit(events):
    """`events` whose vertex is the cube hit at the lowest z, the only one there."""
    cubes = events.streams["cubes"]
    lowest = np.lexsort(
        (cubes["index"][:, 0], cubes["index"][:, 1], cubes["index"][:, 2], cubes.event)
    )
    first = lowest[np.searchsorted(cubes.event, np.arange(len(events)))]
    centres = np.stack(
        [a.centres[i] for a, i in zip(toy.CUBES.axes, cubes["index"][first].T, strict=True)], 1
    )
    return evolve(events, truth={**events.truth, "vertex": centres.astype(np.float32)})


@pytest.mark.slow
def test_it_learns_where_the_first_hit_is_better_than_from_latents():
    """Two hundred steps on 64 events, tried on 64 others: less than half the distance."""
    events = at_the_first_hit(toy.events(toy.GRID, 64, seed=3))
    away = {}
    for head in ("hits", "pooled"):
        net = toy.built(toy.GRID, toy.stage(("vertex", {"head": head, "head_scale": 0.02})))
        batch = toy.batch(toy.GRID, events, View())
        optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3)
        for _ in range(200):
            optimiser.zero_grad()
            net(batch)[0].backward()
            optimiser.step()
        fresh = at_the_first_hit(toy.events(toy.GRID, 64, seed=4))
        with torch.no_grad():
            out = net.predict(toy.batch(toy.GRID, fresh, View()))["vertex/prediction"]
        away[head] = float((out - torch.from_numpy(fresh.truth["vertex"])).norm(dim=1).median())
    assert away["hits"] < 0.5 * away["pooled"], away


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda d: d.name)
def test_every_detector_with_a_vertex_can_use_it(detector):
    assert KIND.needs(ASKED, detector).truth == ("vertex",)
    net = toy.roughened(
        network(
            REGISTRY,
            detector,
            toy.MODEL,
            toy.stage(("vertex", {"head": "hits"})),
            unit_normalisation(detector),
            0,
        )
    )
    plan = Planner(detector=detector, model=toy.MODEL, normalisation=unit_normalisation(detector))
    drawn = sample.events(detector, 4, seed=2)
    bare = toy.no_rows(drawn, detector, *(s.name for s in detector.streams))
    for events in (drawn, bare, drawn.take(np.zeros(0, np.int64))):
        loss, _ = net(plan(events, (View(),), np.random.default_rng(0)))
        loss.backward()
        assert torch.isfinite(loss)
        assert all(torch.isfinite(p.grad).all() for p in net.parameters() if p.grad is not None)


def test_what_has_no_voxels_or_is_no_point_is_refused():
    with pytest.raises(DeclarationError) as error:
        KIND.needs(ASKED, toy.PLAIN)
    assert str(error.value) == "detector 'toyplain' has no voxels for the head 'hits'"
    for name in ("energy", "p_jet_beam"):
        with pytest.raises(DeclarationError) as error:
            KIND.needs(Vertex(head="hits", truth=name), toy.DETECTOR)
        assert str(error.value) == (
            f"the head 'hits' finds a point of width 3 in mm; event truth {name!r} is none"
        )
    with pytest.raises(ValueError, match="must be in"):
        Vertex(head="mean")
