import numpy as np
import pytest
import torch
import toy
from attrs import evolve

from intarsia.core import sample
from intarsia.core.errors import DeclarationError
from intarsia.core.network import network
from intarsia.core.normalise import unit_normalisation
from intarsia.core.planner import Planner
from intarsia.core.plugins import registry
from intarsia.core.task import View
from intarsia.tasks.vertex import Vertex

VIEW = View()
MEAN, STD = 100.0, 80.0  # of toy.normalisation


@pytest.fixture(scope="module")
def events():
    return toy.events(toy.DETECTOR, 10, seed=1)


def worked(events, rough=True, **options):
    return toy.worked("vertex", events, toy.DETECTOR, rough, **options)


def smooth(d, beta):
    """Equation 3 of arXiv:1504.08083, quadratic below `beta`."""
    return np.where(np.abs(d) < beta, 0.5 * d**2 / beta, np.abs(d) - 0.5 * beta)


@pytest.mark.parametrize("options", [{}, {"beta": 50.0}, {"unit": 20.0, "beta": 5.0}])
def test_the_loss_is_smooth_in_mm_over_known_vertices(events, options):
    vertex = events.truth["vertex"].copy()
    vertex[[2, 7]] = np.nan
    losses, _, out, *_ = worked(evolve(events, truth={**events.truth, "vertex": vertex}), **options)
    d = out["position"].double().numpy() - vertex
    beta, unit = options.get("beta", 10.0), options.get("unit", 100.0)
    assert (np.abs(d) > beta).any()
    wanted = np.nanmean(smooth(d, beta)) / unit
    assert float(losses["position"]) == pytest.approx(wanted, rel=1e-5)


def test_predictions_are_in_mm(events):
    _, predictions, out, *_ = worked(events)
    np.testing.assert_array_equal(predictions["prediction"], out["position"])
    assert 0.1 * STD < np.abs(predictions["prediction"].numpy() - MEAN).mean() < 10 * STD


def test_at_the_start_every_vertex_is_at_the_mean(events):
    _, predictions, *_ = worked(events, rough=False)
    torch.testing.assert_close(
        predictions["prediction"], torch.full((10, 3), MEAN), atol=0.1, rtol=0
    )


def test_mean_and_spread_travel_with_the_weights():
    made = toy.built(toy.DETECTOR, toy.stage("vertex"))
    state = made.tasks["vertex"].state_dict()
    assert state["mean"].tolist() == [MEAN] * 3
    assert state["std"].tolist() == [STD] * 3


def test_a_single_number_may_be_learned(events):
    losses, predictions, *_ = worked(events, truth="energy")
    assert np.isfinite(float(losses["position"]))
    assert predictions["prediction"].shape in ((10,), (10, 1))
    d = predictions["prediction"].numpy().reshape(-1) - events.truth["energy"]
    assert float(losses["position"]) == pytest.approx(smooth(d, 10).mean() / 100, rel=1e-4)


def test_it_needs_the_point_it_is_to_find():
    kind = toy.registry().task("vertex")
    assert kind.needs(Vertex(), toy.DETECTOR).truth == ("vertex",)
    assert kind.needs(Vertex(truth="decay"), toy.DETECTOR).truth == ("decay",)


REGISTRY = registry()
DETECTORS = [
    d
    for d in map(REGISTRY.detector, REGISTRY.names("detectors"))
    if any(t.name == "vertex" for t in d.truth)
]
HITS = toy.stage(("vertex", {"head": "hits"}))


def among_hits(events, detector=toy.DETECTOR):
    """The vertex read from hits, weights being rough."""
    net = toy.roughened(toy.built(detector, HITS)).eval()
    with torch.no_grad():
        return net.predict(toy.batch(detector, events, View()))["vertex/prediction"]


def test_among_hits_each_stream_counts_by_its_weight(events):
    net = toy.roughened(toy.built(toy.DETECTOR, HITS))
    task, given = net.tasks["vertex"], toy.batch(toy.DETECTOR, events, View())
    with torch.no_grad():
        encoded = net.encode(given)[View()]
        points, weights = (x[:, :, 0].double() for x in task.head(encoded))
        share = weights.exp() / weights.exp().sum(1, keepdim=True)
        wanted = share[:, :1] * points[:, 0] + share[:, 1:] * points[:, 1]
        found = task(encoded, given)["position"]
    assert (share > 1e-6).all()
    torch.testing.assert_close(found.double(), wanted, atol=1e-2, rtol=0)


def test_without_hits_the_vertex_is_the_mean_of_training(events):
    bare = toy.no_rows(events, toy.DETECTOR, "cubes", "plates")
    assert (among_hits(bare) == MEAN).all()
    kept = {
        name: table if name in ("calo", "muon") else table.keep(table.event != 3)
        for name, table in events.streams.items()
    }
    out = among_hits(evolve(events, streams=kept))
    assert (out[3] == MEAN).all()
    others = [b for b in range(len(events)) if b != 3]
    torch.testing.assert_close(out[others], among_hits(events)[others], atol=1e-2, rtol=0)


def test_one_stream_without_hits_leaves_the_other(events):
    out = among_hits(toy.no_rows(events, toy.DETECTOR, "plates"))
    assert torch.isfinite(out).all()
    assert not (out == MEAN).any()


def at_the_first_hit(events):
    """`events` whose vertex is the cube hit at the lowest z, the only one there."""
    cubes = events.streams["cubes"]
    x, y, z = cubes["index"].T
    lowest = np.lexsort((x, y, z, cubes.event))
    first = lowest[np.searchsorted(cubes.event, np.arange(len(events)))]
    vertex = 10.0 * (cubes["index"][first] + 0.5)
    return evolve(events, truth={**events.truth, "vertex": vertex.astype(np.float32)})


@pytest.mark.slow
def test_hits_learn_where_the_first_one_is_better_than_latents():
    """Two hundred steps on 64 events, tried on 64 others: less than half the distance."""
    events, away = at_the_first_hit(toy.events(toy.GRID, 64, seed=3)), {}
    fresh = at_the_first_hit(toy.events(toy.GRID, 64, seed=4))
    for head in ("hits", "pooled"):
        net = toy.built(toy.GRID, toy.stage(("vertex", {"head": head, "head_scale": 0.02})))
        batch = toy.batch(toy.GRID, events, View())
        optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3)
        for _ in range(200):
            optimiser.zero_grad()
            net(batch)[0].backward()
            optimiser.step()
        with torch.no_grad():
            out = net.predict(toy.batch(toy.GRID, fresh, View()))["vertex/prediction"]
        away[head] = float((out - torch.from_numpy(fresh.truth["vertex"])).norm(dim=1).median())
    assert away["hits"] < 0.5 * away["pooled"], away


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda d: d.name)
def test_every_detector_with_a_vertex_can_read_it_from_hits(detector):
    plain = unit_normalisation(detector)
    net = toy.roughened(network(REGISTRY, detector, toy.MODEL, HITS, plain, 0))
    plan = Planner(detector=detector, model=toy.MODEL, normalisation=plain)
    drawn = sample.events(detector, 4, seed=2)
    bare = toy.no_rows(drawn, detector, *(s.name for s in detector.streams))
    for events in (drawn, bare, drawn.take(np.zeros(0, np.int64))):
        loss, _ = net(plan(events, (View(),), np.random.default_rng(0)))
        loss.backward()
        assert torch.isfinite(loss)
        assert all(torch.isfinite(p.grad).all() for p in net.parameters() if p.grad is not None)


def test_a_point_among_hits_is_not_looked_for_from_another():
    kind = toy.registry().task("vertex")
    with pytest.raises(DeclarationError) as error:
        kind.needs(Vertex(head="hits", seen_from="other"), toy.DETECTOR)
    assert str(error.value) == "a point among hits is seen from no place: leave out seen_from"


def test_what_is_no_point_is_not_among_the_hits():
    kind = toy.registry().task("vertex")
    assert kind.needs(Vertex(head="hits"), toy.DETECTOR).truth == ("vertex",)
    for name in ("energy", "p_jet_beam"):
        with pytest.raises(DeclarationError) as error:
            kind.needs(Vertex(head="hits", truth=name), toy.DETECTOR)
        assert str(error.value) == (
            f"the head 'hits' finds a point of width 3 in mm; event truth {name!r} is none"
        )
