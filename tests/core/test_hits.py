"""Points among the hits."""

import numpy as np
import pytest
import reference
import torch
import toy
from attrs import evolve

from intarsia.core import sample
from intarsia.core.hits import ArrayTotal, HitPoints, Ownership, means, places
from intarsia.core.normalise import unit_normalisation
from intarsia.core.planner import Planner
from intarsia.core.plugins import registry
from intarsia.core.streams import Column, DenseArray
from intarsia.core.task import View

REGISTRY = registry()
DETECTORS = [REGISTRY.detector(name) for name in REGISTRY.names("detectors")]
GRIDS = [g for name in REGISTRY.names("detectors") for g in REGISTRY.detector(name).grids.values()]
K = 3


@pytest.fixture(scope="module")
def events():
    return toy.events(toy.DETECTOR, 6, seed=1)


def made():
    torch.manual_seed(0)
    return toy.roughened(HitPoints(toy.MODEL, toy.DETECTOR.grids, K, 0.1)).double()


def encoded(events):
    encoder = toy.encoder(toy.DETECTOR).double()
    with torch.no_grad():
        return encoder(toy.double(toy.batch(toy.DETECTOR, events, View()).plans[View()]))


def found(events):
    with torch.no_grad():
        return made()(encoded(events))


def plain(votes, grid, table, seen, asked, b):
    """Points (K, 3) and logs of weights (K,) of event `b`, hit by hit, from the table and the formula."""
    rms = toy.normalisation(toy.DETECTOR)["streams"][grid.name]
    plan, patch = seen.plan.streams[grid.name], np.array(grid.patch)
    patches = np.stack(np.unravel_index(plan.patch.numpy(), grid.patches), 1)
    logits, at = [], []
    for row in range(table.offsets[b], table.offsets[b + 1]):
        cell = table["index"][row].astype(int)
        mine = (patches == cell // patch).all(1) & (plan.event.numpy() == b)
        x = seen.tokens[grid.name][int(np.flatnonzero(mine)[0])]
        h = reference.gelu(reference.linear(votes.own, reference.norm(votes.norm, x)) + asked)
        said = reference.linear(votes.out, h).reshape(K, -1)
        values = [np.log1p(table["charge"][row]) / rms["charge"]["rms"]]
        if "way" in table.columns:
            values += list(table["way"][row] / rms["way"]["rms"])
        (nx, ny, _), (j, k, l) = patch, cell % patch
        numbers = said[:, : len(votes.waves)] @ votes.waves.double()
        columns = said[:, len(votes.waves) : -3] @ torch.tensor(np.array(values, np.float64))
        logits.append(numbers[:, j] + numbers[:, nx + k] + numbers[:, nx + ny + l] + columns)
        centre = [10.0 * (i + 0.5) for i in cell]
        at.append(torch.tensor(centre, dtype=torch.float64) + 100.0 * said[:, -3:])
    logit_nk = torch.stack(logits)
    share = torch.softmax(logit_nk, 0)
    return (share[..., None] * torch.stack(at)).sum(0), torch.logsumexp(logit_nk, 0)


def test_they_equal_a_plain_calculation_hit_by_hit(events):
    module, seen = made(), encoded(events)
    with torch.no_grad():
        points, weights = module(seen)
        for b in range(len(events)):
            pooled = torch.cat([seen.latents[b, 0], seen.latents[b][seen.mask[b]].mean(0)])
            asked = reference.linear(module.ask, reference.norm(module.norm, pooled))
            for s, (name, grid) in enumerate(toy.DETECTOR.grids.items()):
                table, votes = events.streams[name], module.streams[name]
                wanted, log = plain(votes, grid, table, seen, asked, b)
                torch.testing.assert_close(points[b, s], wanted, atol=1e-3, rtol=0)
                torch.testing.assert_close(weights[b, s], log, atol=1e-5, rtol=0)


def test_an_event_alone_has_the_points_that_it_has_in_a_batch(events):
    points, weights = found(events)
    for b in range(len(events)):
        one, log = found(events.take(np.array([b])))
        torch.testing.assert_close(one[0], points[b], atol=1e-8, rtol=0)
        torch.testing.assert_close(log[0], weights[b], atol=1e-8, rtol=0)


def test_the_order_of_hits_does_not_matter(events):
    for ours, other in zip(found(events), found(toy.shuffled_rows(events)), strict=True):
        torch.testing.assert_close(ours, other, atol=1e-8, rtol=0)


def test_a_stream_without_hits_has_no_weight_and_the_other_keeps_its_points(events):
    module, bare = made(), encoded(toy.no_rows(events, toy.DETECTOR, "plates"))
    with torch.no_grad():
        points, weights = module(bare)
    assert (points[:, 1] == 0).all()
    assert torch.isneginf(weights[:, 1]).all()
    assert torch.isfinite(weights[:, 0]).all()
    assert (points[:, 0].abs().amax((1, 2)) > 1).all()


OWNERS = Ownership(torch.tensor([0, 0, 1, 2, 2, 3]), torch.tensor([0, 2, 2, 0]), 3)


def test_weights_are_a_softmax_however_large_the_logits():
    """Of three events the second has none; the others have two patches each."""
    logit = torch.tensor([1e4, 1e4 - 1, 0.0, -3.0, 2.0, 1e4], dtype=torch.float64)[:, None]
    cell = torch.arange(18, dtype=torch.float64).reshape(6, 3)
    patch = 100 * torch.arange(12, dtype=torch.float64).reshape(4, 1, 3)
    out, log = means(logit, cell, patch, OWNERS)
    x = cell + patch[OWNERS.token, 0]
    for event, own in ((0, [0, 1, 5]), (2, [2, 3, 4])):
        z = logit[own, 0].numpy()
        weight = np.exp(z - z.max())
        wanted = weight @ x[own].numpy() / weight.sum()
        np.testing.assert_allclose(out[event, 0], wanted, rtol=1e-12)
        assert float(log[event, 0]) == pytest.approx(z.max() + np.log(weight.sum()), rel=1e-12)
    assert out[1, 0].tolist() == [0.0] * 3
    assert float(log[1, 0]) == -np.inf


def test_gradients_of_the_means_are_right():
    torch.manual_seed(0)
    owners = Ownership(torch.tensor([0, 0, 1, 2, 2, 3]), torch.tensor([0, 1, 1, 0]), 2)
    logit = torch.randn(6, 2, dtype=torch.float64, requires_grad=True)
    cell = torch.randn(6, 3, dtype=torch.float64)
    patch = torch.randn(4, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a, b: means(a, cell, b, owners), (logit, patch))


def test_gradients_of_an_event_without_hits_are_finite():
    logit = torch.randn(6, 1, requires_grad=True)
    patch = torch.randn(4, 1, 3, requires_grad=True)
    out, _ = means(logit, torch.randn(6, 3), patch, OWNERS)
    out.square().sum().backward()
    assert torch.isfinite(logit.grad).all()
    assert torch.isfinite(patch.grad).all()


@pytest.mark.parametrize("grid", GRIDS, ids=lambda g: g.name)
def test_places_are_the_centres_of_cells(grid):
    """Gaps between modules lie between patches, so a patch's first cell and the pitch say all."""
    where, shape = places(grid), np.array(grid.patch)
    index = np.random.default_rng(0).integers(0, grid.shape, (50, 3))
    patch = np.ravel_multi_index(tuple((index // shape).T), grid.patches)
    inside = np.ravel_multi_index(tuple((index % shape).T), grid.patch)
    wanted = np.stack([a.centres[i] for a, i in zip(grid.axes, index.T, strict=True)], 1)
    np.testing.assert_allclose(where["corner"][patch] + where["cell"][inside], wanted, atol=1e-3)


@pytest.mark.parametrize("grid", GRIDS, ids=lambda g: g.name)
def test_a_patch_can_tell_its_planes_apart(grid):
    """Numbers that fall by one from plane to plane, along any axis, are within reach."""
    waves, first = places(grid)["waves"], 0
    for n in grid.patch:
        own = waves[:, first : first + n]
        some, *_ = np.linalg.lstsq(own.T, -np.arange(n), rcond=None)
        np.testing.assert_allclose(some @ own, -np.arange(n), atol=0.1)
        first += n
    assert first == waves.shape[1]


def test_in_bfloat16_hits_stay_where_they_are(events):
    module = made().float()
    with torch.no_grad():
        for votes in module.streams.values():
            votes.out.weight.zero_()
            votes.out.bias.zero_()
        encoder = toy.encoder(toy.DETECTOR)
        plan = toy.batch(toy.DETECTOR, events, View()).plans[View()]
        exact, _ = module(encoder(plan))
        with torch.autocast("cpu", torch.bfloat16):
            rounded, _ = module(encoder(plan))
    torch.testing.assert_close(rounded, exact, atol=1e-3, rtol=0)
    cubes = events.streams["cubes"]
    for b in range(len(events)):
        hits = cubes["index"][cubes.offsets[b] : cubes.offsets[b + 1]]
        wanted = torch.from_numpy(10.0 * (hits.mean(0) + 0.5)).float().expand(K, 3)
        torch.testing.assert_close(exact[b, 0], wanted, atol=1e-2, rtol=0)


def test_places_are_not_weights():
    names = ("corner", "cell", "plane", "waves")
    assert not [n for n in made().state_dict() if n.rpartition(".")[2] in names]


MANY = evolve(
    toy.CALO,
    columns=(
        Column(name="q", unit="MeV", scale="log1p"),
        Column(name="root", unit="MeV", scale="sqrt"),
        Column(name="pair", unit="MeV", width=2),
    ),
)
HOLDS_MANY = evolve(toy.DETECTOR, streams=(toy.CUBES, MANY), augmentations=())


def totals(detector, array, events, view=None):
    module = ArrayTotal(array, toy.normalisation(detector)["streams"][array.name]).double()
    view = view or View()
    plan = toy.double(toy.batch(detector, events, view).plans[view])
    return module(plan.streams[array.name], len(events)).numpy()


def test_totals_of_an_array_equal_a_plain_calculation():
    """Of numbers above zero, on any scale, in units of what is one on it; zeros without the array."""
    events = toy.events(HOLDS_MANY, 8, seed=1)
    calo = events.streams["calo"]
    table = calo.keep(calo.event != 2)
    events = evolve(events, streams={**events.streams, "calo": table})
    table["q"][0, 1] *= -1
    scales = toy.normalisation(HOLDS_MANY)["streams"]["calo"]
    units = [np.expm1(scales["q"]["rms"]), scales["root"]["rms"] ** 2, *[scales["pair"]["rms"]] * 2]
    found = totals(HOLDS_MANY, MANY, events)
    assert table.counts.tolist() == [1, 1, 0, 1, 1, 1, 1, 1]
    for b, there in enumerate(table.counts):
        wanted = np.zeros(5)
        for row in range(table.offsets[b], table.offsets[b] + there):
            numbers = [table[n][row].reshape(12, -1) for n in ("q", "root", "pair")]
            sums = np.concatenate(numbers, 1).clip(0).sum(0)
            wanted = np.append(np.log10(1 + sums / units), 1)
        np.testing.assert_allclose(found[b], wanted, rtol=1e-5)


def test_a_hidden_array_has_no_total():
    events = toy.events(toy.DETECTOR, 6, seed=1)
    assert totals(toy.DETECTOR, toy.CALO, events).any()
    assert not totals(toy.DETECTOR, toy.CALO, events, View(drop=1)).any()


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda d: d.name)
def test_totals_of_every_array_are_finite_and_of_an_event_alone_as_in_a_batch(detector):
    plain = unit_normalisation(detector)
    planner = Planner(detector=detector, model=toy.MODEL, normalisation=plain)
    some = sample.events(detector, 4, seed=2)
    bare = toy.no_rows(some, detector, *(s.name for s in detector.streams))
    for array in (s for s in detector.streams if isinstance(s, DenseArray)):
        module = ArrayTotal(array, plain["streams"][array.name])

        def seen(events, module=module, name=array.name):
            plan = planner(events, (View(),), np.random.default_rng(0)).plans[View()]
            return module(plan.streams[name], len(events))

        found = seen(some)
        assert found.shape == (4, 1 + sum(c.width for c in array.columns))
        assert torch.isfinite(found).all()
        for b in range(4):
            torch.testing.assert_close(seen(some.take(np.array([b])))[0], found[b])
        assert not seen(bare).any()
        assert len(seen(some.take(np.zeros(0, np.int64)))) == 0
