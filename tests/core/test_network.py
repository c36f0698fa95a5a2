from math import exp

import numpy as np
import pytest
import torch
import toy
from attrs import evolve

from intarsia.core.errors import PluginError
from intarsia.core.network import kinds, network, seeded, views_of
from intarsia.core.streams import PointCloud
from intarsia.core.task import View

STAGE = toy.stage("mae", "relational", "flavour", "vertex")


@pytest.fixture(scope="module")
def events():
    return toy.events(toy.DETECTOR, 12, seed=1)


def batch_of(events, *views):
    return toy.batch(toy.DETECTOR, events, *views)


def equal(a, b):
    ours, theirs = a.state_dict(), b.state_dict()
    assert ours.keys() == theirs.keys()
    return {k: torch.equal(v, theirs[k]) for k, v in ours.items()}


def test_the_same_seed_gives_the_same_network():
    assert all(equal(toy.built(toy.DETECTOR, STAGE), toy.built(toy.DETECTOR, STAGE)).values())


def test_seeds_differ_in_encoder_and_tasks():
    one, two = toy.built(toy.DETECTOR, STAGE, 0), toy.built(toy.DETECTOR, STAGE, 1)
    same = equal(one, two)
    for name in (
        "encoder.shared.query",
        "encoder.detector.cubes.embed.weight",
        "encoder.shared.fusion.1.own.mlp.0.weight",
        "tasks.flavour.head.out.weight",
        "tasks.mae.decoder.context.weight",
        "tasks.relational.voxels.coefficients.weight",
    ):
        assert not same[name], name


def test_first_weights_of_a_task_do_not_depend_on_encoder_or_company():
    alone = toy.built(toy.DETECTOR, toy.stage("vertex"))
    among = toy.built(toy.DETECTOR, STAGE)
    ours, theirs = alone.tasks["vertex"].state_dict(), among.tasks["vertex"].state_dict()
    assert all(torch.equal(v, theirs[k]) for k, v in ours.items())
    dropping = toy.built(toy.DETECTOR, toy.stage("flavour", drop_path=0.2))
    deeper = toy.built(
        toy.DETECTOR, toy.stage("flavour"), model=toy.MODEL.__class__(dim=24, heads=2, depth=4)
    )
    for a, b in zip(
        dropping.tasks["flavour"].parameters(), deeper.tasks["flavour"].parameters(), strict=True
    ):
        assert torch.equal(a, b)


def test_the_encoder_does_not_depend_on_the_tasks():
    one = toy.built(toy.DETECTOR, toy.stage("mae")).encoder
    two = toy.built(toy.DETECTOR, toy.stage("flavour")).encoder
    assert all(equal(one, two).values())


def test_building_leaves_the_global_generator_alone():
    state = torch.get_rng_state()
    toy.built(toy.DETECTOR, STAGE)
    assert torch.equal(state, torch.get_rng_state())


def test_seeded_draws_follow_the_key():
    def draw(*key):
        with seeded(*key):
            return float(torch.rand(()))

    assert draw(0, "encoder") == draw(0, "encoder")
    assert len({draw(0, "a"), draw(1, "a"), draw(0, "b"), draw(0, "a", "b")}) == 4


def test_the_total_is_the_weighted_sum_of_the_terms(events):
    made = toy.built(toy.DETECTOR, STAGE)
    with torch.no_grad():
        for s in made.weights.log_variance.values():
            s.fill_(0.7)
    views = tuple(views_of(STAGE).values())
    total, terms = made(batch_of(events, *views))
    assert terms.keys() == set(made.terms)
    expected = sum(exp(-0.7) * value.detach() + 0.35 for value in terms.values())
    torch.testing.assert_close(total.detach(), expected)


def test_a_task_whose_view_is_not_in_the_batch_takes_no_part(events):
    made = toy.built(toy.DETECTOR, STAGE)
    views = views_of(STAGE)
    total, terms = made(batch_of(events, views["mae"]))
    assert {t.split(".")[0] for t in terms} == {"mae"}
    total.backward()
    assert all(p.grad is None for p in made.tasks["relational"].parameters())


def test_tasks_of_one_view_share_an_encoding(events):
    made, calls = toy.built(toy.DETECTOR, toy.stage("flavour", "vertex")), []
    made.encoder.register_forward_hook(lambda *_: calls.append(1))
    made(batch_of(events, View()))
    assert len(calls) == 1


def test_predictions_are_named_by_task_and_quantity(events):
    made = toy.built(toy.DETECTOR, STAGE).eval()
    out = made.predict(batch_of(events, *dict.fromkeys(views_of(STAGE).values())))
    assert {k: tuple(v.shape) for k, v in out.items()} == {
        "flavour/scores": (12, 3),
        "vertex/prediction": (12, 3),
    }
    torch.testing.assert_close(out["flavour/scores"].sum(1), torch.ones(12))


LOOKING = toy.stage(
    ("flavour", {"head": "hits", "head_scale": 0.1, "seen_from": "spot"}),
    ("kinematics", {"head": "hits", "head_scale": 0.1, "seen_from": "spot"}),
)
LOOKING = evolve(LOOKING, tasks={**LOOKING.tasks, "spot": toy.instance("vertex", head="hits")})


def test_tasks_look_from_the_place_that_another_finds(events):
    """Which comes first, wherever the recipe names it."""
    made = toy.roughened(toy.built(toy.DETECTOR, LOOKING)).eval()
    with torch.no_grad():
        found = list(made.outputs(batch_of(events, View())))
        assert [name for name, *_ in found] == ["spot", "flavour", "kinematics"]
        (_, _, first, spot), *others = found
        assert first.around is None
        around, elsewhere = (made.panorama(first.plan, spot["position"] + w) for w in (0.0, 40.0))
        for _, task, seen, out in others:
            assert torch.equal(seen.around, around)
            away = task(evolve(seen, around=elsewhere), batch_of(events, View()))
            ours, theirs = next(iter(out.values())), next(iter(away.values()))
            assert (ours - theirs).abs().max() > 1e-4


def test_what_lies_around_is_drawn_once_for_all_who_look(events):
    made = toy.built(toy.DETECTOR, LOOKING)
    _, *others = made.outputs(batch_of(events, View()))
    assert len({id(seen.around) for _, _, seen, _ in others}) == 1
    assert toy.built(toy.DETECTOR, STAGE).panorama is None


def test_who_looks_from_a_place_does_not_move_it(events):
    made = toy.roughened(toy.built(toy.DETECTOR, LOOKING))
    _, terms = made(batch_of(events, View()))
    terms["flavour.class"].backward(retain_graph=True)
    assert all(p.grad is None for p in made.tasks["spot"].parameters())
    terms["spot.position"].backward()
    assert any(p.grad.abs().sum() > 0 for p in made.tasks["spot"].parameters())


def test_predictions_are_of_the_tasks_however_they_are_ordered(events):
    made = toy.built(toy.DETECTOR, LOOKING).eval()
    with torch.no_grad():
        out = made.predict(batch_of(events, View()))
    assert set(out) == {"flavour/scores", "kinematics/prediction", "spot/prediction"}


def test_every_task_gets_a_view_of_its_own():
    views = views_of(STAGE)
    assert views["flavour"] == views["vertex"] == View()
    assert views["mae"].mask_ratio == 0.75
    assert views["relational"].mask_ratio == 0.25


def test_one_kind_of_task_may_come_twice(events):
    stage = toy.stage("mae")
    twice = toy.stage("flavour")
    both = twice.__class__(
        epochs=1, tasks={"one": twice.tasks["flavour"], "two": twice.tasks["flavour"]}
    )
    made = toy.built(toy.DETECTOR, both)
    _, terms = made(batch_of(events, View()))
    assert terms.keys() == {"one.class", "two.class"}
    assert not torch.equal(made.tasks["one"].head.out.weight, made.tasks["two"].head.out.weight)
    assert stage.tasks.keys() == {"mae"}


def test_a_stream_that_no_plugin_makes_tokens_of_is_named():
    cloud = PointCloud(name="dots", groups=4, columns=(toy.CHARGE,))
    detector = toy.Detector(name="d", about="a", streams=(cloud,))
    with pytest.raises(PluginError) as error:
        network(toy.registry(), detector, toy.MODEL, STAGE, {}, 0)
    assert str(error.value) == "no plugin makes tokens of PointCloud streams (registered: none)"
    assert kinds(toy.registry(), toy.DETECTOR) == {}


def test_gradients_reach_every_parameter_of_every_task(events):
    made = toy.built(toy.DETECTOR, STAGE)
    toy.roughened(made)
    total, _ = made(batch_of(events, *dict.fromkeys(views_of(STAGE).values())))
    total.backward()
    for name, parameter in made.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, name
    assert np.isfinite(float(total.detach()))
