import numpy as np
import pytest
import reference
import torch
import toy
from attrs import evolve

from intarsia.core.encoder import Encoded
from intarsia.core.heads import HitHead, PooledHead, TokenHead, head
from intarsia.core.panorama import Panorama
from intarsia.core.task import HEADS, Reading, View
from intarsia.core.task_module import Setting

KINDS = {"tokens": TokenHead, "pooled": PooledHead, "hits": HitHead}
SETTING = Setting(
    detector=toy.DETECTOR, model=toy.MODEL, normalisation=toy.normalisation(toy.DETECTOR)
)


@pytest.fixture(scope="module")
def events():
    return toy.events(toy.DETECTOR, 6, seed=1)


@pytest.fixture(scope="module")
def encoded(events):
    """Latents of events of different length, in float64."""
    plan = toy.double(toy.batch(toy.DETECTOR, events, View()).plans[View()])
    with torch.no_grad():
        out = toy.encoder(toy.DETECTOR).double()(plan)
    assert len(out.mask.sum(1).unique()) > 1
    return out


def made(kind, outputs=5, scale=0.1):
    torch.manual_seed(0)
    return toy.roughened(head(Reading(head=kind, head_scale=scale), SETTING, outputs)).double()


def test_the_head_is_the_one_that_is_named():
    assert set(HEADS) == set(KINDS)
    for name, kind in KINDS.items():
        assert type(made(name)) is kind
    assert Reading().head == "tokens"
    with pytest.raises(ValueError, match="must be in"):
        Reading(head="mean")


def test_a_token_equals_a_plain_calculation_event_by_event(encoded):
    module = made("tokens")
    with torch.no_grad():
        out = module(encoded)
        for b in range(len(out)):
            latents = encoded.latents[b][encoded.mask[b]]
            asked = reference.norm(module.norm_query, module.query)
            context = reference.norm(module.norm_context, latents)
            token = module.query + reference.attention(module.attention, asked, context)
            alone = reference.linear(module.out, reference.norm(module.norm, token))[0]
            torch.testing.assert_close(out[b], alone, atol=1e-10, rtol=0)


def test_pooled_latents_equal_a_plain_calculation_event_by_event(encoded):
    module = made("pooled")
    with torch.no_grad():
        out = module(encoded)
        for b in range(len(out)):
            latents = encoded.latents[b][encoded.mask[b]]
            pooled = torch.cat([latents[0], latents.mean(0)])
            alone = reference.linear(module.out, reference.norm(module.norm, pooled))
            torch.testing.assert_close(out[b], alone, atol=1e-10, rtol=0)


def total(events, b):
    """Decades of what the calorimeter holds in event `b`, in units of a typical cell's, and a one."""
    calo = events.streams["calo"]
    rows = range(calo.offsets[b], calo.offsets[b + 1])
    unit = np.expm1(SETTING.normalisation["streams"]["calo"]["charge"]["rms"])
    return torch.tensor(
        [[np.log10(1 + calo["charge"][row].sum() / unit), 1.0] for row in rows] or [[0.0, 0.0]]
    )[0]


def test_points_among_the_hits_equal_a_plain_calculation_event_by_event(encoded, events):
    module = made("hits")
    with torch.no_grad():
        out = module(encoded)
        points, weight = module.points(encoded)
        for b in range(len(out)):
            latents = encoded.latents[b][encoded.mask[b]]
            pooled = reference.norm(module.norm, torch.cat([latents[0], latents.mean(0)]))
            seen = [pooled]
            for s, grid in enumerate((toy.CUBES, toy.PLATES)):
                middle = torch.tensor([0.5 * n * 10.0 for n in grid.shape])  # of cells of 10 mm
                for k in range(points.shape[2]):
                    there = bool(torch.isfinite(weight[b, s, k]))
                    away = (points[b, s, k] - middle) / 100 if there else torch.zeros(3)
                    decades = weight[b, s, k].exp().log10() if there else torch.tensor(0.0)
                    seen += [away, torch.stack([decades, torch.tensor(float(there))])]
            seen.append(total(events, b))
            hidden = reference.gelu(reference.linear(module.hidden, torch.cat(seen).double()))
            hidden = reference.gelu(reference.linear(module.further, hidden))
            alone = reference.linear(module.out, hidden)
            torch.testing.assert_close(out[b], alone, atol=1e-6, rtol=0)


def test_what_is_around_the_place_enters_beside_the_rest(encoded):
    """The hidden layer takes the latents, then what is seen, then the points."""
    torch.manual_seed(0)
    options = Reading(head="hits", head_scale=0.1, seen_from="vertex")
    module = toy.roughened(head(options, SETTING, 5)).double()
    draw = Panorama(SETTING)
    here, there = (
        evolve(encoded, around=draw(encoded.plan, torch.full((6, 3), at, dtype=torch.float64)))
        for at in (50.0, 90.0)
    )
    wide = 2 * toy.MODEL.dim
    with torch.no_grad():
        moved = module(there) - module(here)
        inputs = [module.around(e.around) for e in (here, there)]
        kept = module.hidden.weight[:, wide : 2 * wide].clone()
        hidden = []
        module.hidden.register_forward_hook(lambda _, __, out: hidden.append(out))
        module(here), module(there)
        wanted = (inputs[1] - inputs[0]) @ kept.T
        torch.testing.assert_close(hidden[1] - hidden[0], wanted, atol=1e-10, rtol=0)
        assert (moved.abs().amax(1) > 1e-6).all()
        module.hidden.weight[:, wide : 2 * wide] = 0
        torch.testing.assert_close(module(there), module(here), atol=0, rtol=0)


def test_a_place_moves_the_answer_of_the_hits_alone(encoded):
    """A shift of every hit by a cell is seen, which latents of the same tokens do not know."""
    module = made("hits")
    with torch.no_grad():
        before = module(encoded)
        for votes in module.points.streams.values():
            votes.corner += torch.tensor([10.0, 0.0, 0.0])
        assert ((module(encoded) - before).abs().amax(1) > 1e-4).all()


@pytest.mark.parametrize("kind", KINDS)
def test_in_bfloat16_the_last_step_is_exact(encoded, kind):
    """The map itself adds no rounding: numbers a thousandth apart stay apart."""
    module = made(kind).float()
    latents = encoded.latents.float()
    tokens = {name: x.float() for name, x in encoded.tokens.items()}
    single = Encoded(latents, encoded.mask, tokens, encoded.plan)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        out = module(single)
    assert out.dtype == torch.float32
    assert not torch.equal(out, out.bfloat16().float())
    torch.testing.assert_close(out, module(single), atol=0.05, rtol=0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_slots_without_a_latent_do_not_count(encoded, kind):
    module = made(kind)
    latents = torch.where(encoded.mask[..., None], encoded.latents, 1e3)
    other = Encoded(latents, encoded.mask, encoded.tokens, encoded.plan)
    torch.testing.assert_close(module(other), module(encoded))


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_latents_but_the_global_one_does_not_matter(encoded, kind):
    module = made(kind)
    order = torch.cat(
        [torch.zeros(1, dtype=torch.long), torch.randperm(encoded.mask.shape[1] - 1) + 1]
    )
    other = Encoded(encoded.latents[:, order], encoded.mask[:, order], encoded.tokens, encoded.plan)
    torch.testing.assert_close(module(other), module(encoded))


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_reach_every_parameter_and_all_latents(encoded, kind):
    module = made(kind)
    latents = encoded.latents.clone().requires_grad_()
    out = module(Encoded(latents, encoded.mask, encoded.tokens, encoded.plan))
    (out * torch.randn(out.shape)).sum().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
    reached = latents.grad.abs().sum(2) > 0
    assert (reached == encoded.mask).all()


@pytest.mark.parametrize("kind", KINDS)
def test_it_starts_as_small_as_it_is_told(kind):
    torch.manual_seed(0)
    out = head(Reading(head=kind, head_scale=2e-5), SETTING, 40).out
    assert float(out.weight.detach().std()) == pytest.approx(2e-5, rel=0.1)
    assert (out.bias == 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_starts_share_their_heads_bit_for_bit(kind):
    """Whatever the encoder begins from, and whether it drops paths."""
    tasks = [(t, {"head": kind}) for t in ("flavour", "vertex", "kinematics")]
    one = toy.built(toy.DETECTOR, toy.stage(*tasks), seed=3)
    two = toy.built(toy.DETECTOR, toy.stage(*tasks[::-1], drop_path=0.2, start="mae"), seed=3)
    ours, theirs = one.tasks.state_dict(), two.tasks.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(v, theirs[k]) for k, v in ours.items())
