from math import log

import numpy as np
import pytest
import torch
import toy
from attrs import evolve

from intarsia.core.conformance import SMALL
from intarsia.core.errors import DeclarationError
from intarsia.core.network import network
from intarsia.core.normalise import unit_normalisation
from intarsia.core.plugins import registry
from intarsia.core.recipe import Instance, Stage
from intarsia.core.task import View
from intarsia.tasks.classify import Classify

VIEW = View()
REGISTRY = registry()


@pytest.fixture(scope="module")
def events():
    return toy.events(toy.DETECTOR, 10, seed=1)


def worked(events, rough=True, **options):
    return toy.worked("flavour", events, toy.DETECTOR, rough, **options)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_is_the_smoothed_cross_entropy_of_known_classes(events, smoothing):
    flavour = events.truth["flavour"].copy()
    flavour[[1, 4]] = -1
    some = evolve(events, truth={**events.truth, "flavour": flavour})
    losses, _, out, *_ = worked(some, smoothing=smoothing)
    terms = []
    for z, k in zip(out["logits"].double().numpy(), flavour, strict=True):
        target = np.full(3, smoothing / 3)
        target[k] += 1 - smoothing
        if k >= 0:
            terms.append(-(target * (z - np.log(np.exp(z).sum()))).sum())
    assert len(terms) == 8
    assert float(losses["class"]) == pytest.approx(np.mean(terms), rel=1e-5)


def test_scores_are_the_softmax(events):
    _, predictions, out, *_ = worked(events)
    z = np.exp(out["logits"].numpy())
    np.testing.assert_allclose(predictions["scores"], z / z.sum(1, keepdims=True), rtol=1e-5)


def test_at_the_start_every_class_is_equally_likely(events):
    losses, predictions, *_ = worked(events, rough=False)
    torch.testing.assert_close(predictions["scores"], torch.full((10, 3), 1 / 3), atol=1e-3, rtol=0)
    assert float(losses["class"]) == pytest.approx(log(3), abs=1e-3)


def test_the_head_starts_as_small_as_the_recipe_says():
    for scale in (2e-5, 0.1):
        made = toy.built(toy.DETECTOR, toy.stage(("flavour", {"head_scale": scale})))
        out = made.tasks["flavour"].head.out
        assert float(out.weight.detach().std()) == pytest.approx(scale, rel=0.3)
        assert (out.bias == 0).all()


def test_another_class_of_the_event_may_be_learned():
    with pytest.raises(DeclarationError, match="has no event truth 'flavor'; did you mean"):
        toy.built(toy.DETECTOR, toy.stage(("flavour", {"truth": "flavor"})))
    kind = toy.registry().task("flavour")
    assert kind.needs(Classify(truth="charm"), toy.DETECTOR).truth == ("charm",)


@pytest.mark.parametrize("wrong", [{"smoothing": 1.0}, {"smoothing": -0.1}, {"head_scale": 0.0}])
def test_options_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match="must be"):
        Classify(**wrong)


def test_particles_with_a_context_do_not_read_hits():
    kind, detector = REGISTRY.task("pid"), REGISTRY.detector("pilarnet")
    assert kind.needs(kind.options(head="hits"), detector).truth == ("pid",)
    assert kind.needs(kind.options(context=1), detector).truth == ("pid",)
    with pytest.raises(DeclarationError) as error:
        kind.needs(kind.options(head="hits", context=1), detector)
    assert str(error.value) == "with a context the latents alone are read, not 'hits'"


def test_charm_is_a_class_of_the_event_like_flavour():
    """Four classes, smoothed (arXiv:2604.07037, appendix C 2 and table III)."""
    kind = REGISTRY.task("charm")
    options = kind.options()
    assert (options.truth, options.smoothing, options.head_scale) == ("charm", 0.02, 2e-5)
    detector = REGISTRY.detector("fasercal")
    assert kind.needs(options, detector).truth == ("charm",)
    made = Stage(epochs=1, tasks={"charm": Instance(kind="charm", options=options)})
    net = network(REGISTRY, detector, SMALL, made, unit_normalisation(detector), 0)
    assert detector.label("charm").classes == ("none", "e", "mu", "had")
    assert net.tasks["charm"].head.out.out_features == 4
    assert net.tasks["charm"].smoothing == 0.02


def of_particles(events, particles):
    """`events` as particles of fewer events: of event 0 the first so many, and so on."""
    number = np.repeat(np.arange(len(particles)), particles)
    within = np.concatenate([np.arange(n) for n in particles])
    keys = tuple(f"1/{n}/{i}" for n, i in zip(number, within, strict=True))
    return evolve(events, keys=keys, group=number.astype(np.int64))


def identified(events, **options):
    options = {"truth": "flavour", **options}
    made = toy.built(toy.DETECTOR, toy.stage(("pid", options)))
    made = toy.roughened(made)
    made.eval()
    batch = toy.batch(toy.DETECTOR, events, VIEW)
    with torch.no_grad():
        encoded = made.encode(batch)[VIEW]
        out = made.tasks["pid"](encoded, batch)
        return out["logits"], made.tasks["pid"].predictions(out, batch)["scores"]


def test_a_particle_with_context_depends_on_its_event_alone(events):
    some = of_particles(events, [3, 1, 4, 2])
    together, _ = identified(some, context=2)
    parts = [some.slice(0, 3), some.slice(3, 4), some.slice(4, 8), some.slice(8, 10)]
    alone = torch.cat([identified(part, context=2)[0] for part in parts])
    torch.testing.assert_close(together, alone, atol=2e-5, rtol=1e-4)
    # another particle beside it changes it, though it is the same itself
    without, _ = identified(some.slice(0, 2), context=2)
    assert (without - together[:2]).abs().max() > 1e-4
    order = np.array([4, 0, 9, 2, 1, 3, 8, 7, 6, 5])
    shuffled, _ = identified(some.take(order), context=2)
    torch.testing.assert_close(shuffled, together[order], atol=2e-5, rtol=1e-4)


def test_without_context_particles_are_alone(events):
    some = of_particles(events, [3, 1, 4, 2])
    together, scores = identified(some)
    alone, _ = identified(some.slice(1, 2))
    torch.testing.assert_close(together[1:2], alone, atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(scores.sum(1), torch.ones(10))


def test_the_context_is_attention_over_the_particles_of_an_event(events):
    """Against plain loops over events and heads in float64."""
    made = toy.built(toy.DETECTOR, toy.stage(("pid", {"truth": "flavour", "context": 1})))
    made = toy.roughened(made).double().eval()
    some = of_particles(events, [3, 1, 4, 2])
    head = made.tasks["pid"].head
    batch = toy.batch(toy.DETECTOR, some, VIEW)
    pooled = torch.randn(10, 2 * head.narrow.out_features, dtype=torch.float64)
    encoded = type("Fixed", (), {"pooled": lambda self: pooled})()
    with torch.no_grad():
        ours = head(encoded, batch.together)
        x = head.narrow(head.norm(pooled))
        block = head.blocks[0]
        rows = []
        for mine in (slice(0, 3), slice(3, 4), slice(4, 8), slice(8, 10)):
            y = block.norm(x[mine])
            attention = block.attention
            q, (k, v) = attention.query(y), attention.key_value(y).chunk(2, -1)
            width = q.shape[1] // attention.heads
            parts = []
            for h in range(attention.heads):
                cut = slice(h * width, (h + 1) * width)
                weight = (q[:, cut] @ k[:, cut].T / width**0.5).softmax(1)
                parts.append(weight @ v[:, cut])
            z = x[mine] + attention.out(torch.cat(parts, 1))
            rows.append(z + block.mlp(block.norm_mlp(z)))
        want = head.out(head.norm_out(torch.cat(rows)))
    torch.testing.assert_close(ours.double(), want, atol=1e-6, rtol=1e-5)
