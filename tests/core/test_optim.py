from math import cos, pi

import pytest
import torch
import toy
from attrs import evolve
from torch.optim.swa_utils import AveragedModel

from intarsia.core.optim import (
    WEIGHTS_RATE,
    averaging,
    hidden_matrices,
    layer,
    optimiser,
    schedule,
)
from intarsia.core.recipe import Optim

STAGE = toy.stage("mae", "flavour")


@pytest.fixture(scope="module")
def network():
    return toy.built(toy.DETECTOR, STAGE)


def settings_of(network, optim, batch=256, fresh=()):
    """(learning rate, weight decay) of every parameter by name."""
    names = {id(p): n for n, p in network.named_parameters()}
    groups = optimiser(network, optim, batch, fresh).param_groups
    found = {names[id(p)]: (g["lr"], g["weight_decay"]) for g in groups for p in g["params"]}
    assert found.keys() == set(names.values())
    return found


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("encoder.detector.cubes.embed.weight", 0),
        ("encoder.detector.muon.planes.attention.out.weight", 0),
        ("encoder.shared.windows.cubes.summary", 0),
        ("encoder.shared.windows.cubes.blocks.0.norm.weight", 1),
        ("encoder.shared.windows.cubes.blocks.3.mlp.0.bias", 4),
        ("encoder.shared.windows.plates.blocks.1.norm.weight", 2),
        ("encoder.shared.windows.plates.norm.bias", 4),
        ("encoder.shared.query", 0),
        ("encoder.shared.fusion.0.cross.norm.weight", 5),
        ("encoder.shared.fusion.0.own.norm.weight", 6),
        ("encoder.shared.fusion.3.own.norm.weight", 12),
    ],
)
def test_layers_are_counted_from_the_embeddings(name, number):
    assert layer(name, 4) == number


def test_heads_and_the_last_norm_stand_on_top():
    assert layer("tasks.mae.decoder.norm.weight", 4) > 100
    assert layer("encoder.shared.norm.weight", 4) > 100


def test_rates_fall_by_the_layer_from_the_heads_down(network):
    optim = Optim(lr=0.01, layer_decay=0.5)
    rates = {n: lr / 0.01 for n, (lr, _) in settings_of(network, optim).items()}
    # depth 2, two rounds: heads at 7, fusion at 3 to 6, blocks at 1 and 2, embeddings at 0
    expected = {
        "tasks.flavour.head.out.weight": 1,
        "tasks.mae.decoder.context.weight": 1,
        "encoder.shared.norm.weight": 1,
        "encoder.shared.fusion.1.own.attention.out.weight": 0.5,
        "encoder.shared.fusion.1.cross.attention.out.weight": 0.25,
        "encoder.shared.fusion.0.own.attention.out.weight": 0.125,
        "encoder.shared.fusion.0.cross.attention.out.weight": 0.5**4,
        "encoder.shared.windows.cubes.norm.weight": 0.5**5,
        "encoder.shared.windows.cubes.blocks.1.norm.weight": 0.5**5,
        "encoder.shared.windows.cubes.blocks.0.norm.weight": 0.5**6,
        "encoder.detector.cubes.embed.weight": 0.5**7,
        "encoder.shared.query": 0.5**7,
    }
    for name, scale in expected.items():
        assert rates[name] == pytest.approx(scale), name


def test_what_begins_afresh_learns_at_the_full_rate_whatever_its_layer(network):
    optim = Optim(lr=0.01, layer_decay=0.5)
    names = [n for n, _ in network.named_parameters() if n.startswith("encoder.detector.")]
    usual, found = settings_of(network, optim), settings_of(network, optim, fresh=names)
    assert {usual[name][0] for name in names} == {0.01 * 0.5**7}
    for name, settings in found.items():
        rate = 0.01 if name in names else usual[name][0]
        assert settings == (rate, usual[name][1]), name


def test_without_layer_decay_all_rates_are_equal_but_those_of_loss_weights(network):
    found = settings_of(network, Optim(lr=0.01))
    for name, (lr, _) in found.items():
        weights = name.startswith("weights.")
        assert lr == pytest.approx(0.01 * (WEIGHTS_RATE if weights else 1)), name


def test_vectors_and_loss_weights_do_not_decay(network):
    found = settings_of(network, Optim(weight_decay=0.3))
    for name, parameter in network.named_parameters():
        of_one_token = name.endswith((".query", ".summary"))
        vector = parameter.ndim < 2 or of_one_token
        decays = not vector and not name.startswith("weights.")
        assert found[name][1] == (0.3 if decays else 0.0), name


def test_the_rate_is_meant_for_a_batch_of_256(network):
    for batch in (32, 256, 1024):
        found = settings_of(network, Optim(lr=0.01), batch)
        assert found["tasks.flavour.head.out.weight"][0] == pytest.approx(0.01 * batch / 256)


def test_betas_are_those_of_the_recipe(network):
    assert optimiser(network, Optim(betas=(0.8, 0.9)), 8).defaults["betas"] == (0.8, 0.9)


def test_the_rate_warms_up_and_falls_to_zero_along_a_cosine():
    factor = schedule(Optim(warmup_epochs=2.0), 5, 50)
    values = [factor(i) for i in range(51)]
    assert values[:10] == pytest.approx([(i + 1) / 11 for i in range(10)])
    assert values[10] == 1
    assert values[30] == pytest.approx(0.5)
    assert values[50] == pytest.approx(0, abs=1e-12)
    for i in range(10, 51):
        assert values[i] == pytest.approx(0.5 * (1 + cos(pi * (i - 10) / 40)), abs=1e-12)


def test_the_cosine_may_be_longer_or_shorter_than_the_stage():
    long = schedule(Optim(decay_epochs=20.0), 5, 50)
    assert long(50) == pytest.approx(0.5)
    short = schedule(Optim(decay_epochs=5.0), 5, 50)
    assert short(25) == pytest.approx(0, abs=1e-12)
    assert short(40) == pytest.approx(0, abs=1e-12)


def test_a_stage_all_of_warm_up_is_legal():
    factor = schedule(Optim(warmup_epochs=2.0), 5, 10)
    assert all(0 < factor(i) <= 1 for i in range(10))


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.999])
def test_averages_follow_the_formula(decay):
    torch.manual_seed(0)
    module = torch.nn.Linear(3, 2).double()
    average = AveragedModel(module, multi_avg_fn=averaging(decay))
    expected = None
    for n in range(30):
        with torch.no_grad():
            module.weight.copy_(torch.randn(2, 3))
        average.update_parameters(module)
        if expected is None:
            expected = module.weight.detach().clone()
        else:
            d = min(decay, (1 + n) / (10 + n))
            expected = d * expected + (1 - d) * module.weight.detach()
        torch.testing.assert_close(average.module.weight.detach(), expected)


def stepped(optim, gradients, steps=1):
    """Network, and its weights before `steps` steps with the same gradients."""
    network = toy.built(toy.DETECTOR, evolve(STAGE, optim=optim))
    before = {n: p.detach().clone() for n, p in network.named_parameters()}
    for (name, p), gradient in zip(network.named_parameters(), gradients, strict=True):
        assert p.shape == gradient.shape, name
        p.grad = gradient.clone()
    made = optimiser(network, optim, 256)
    for _ in range(steps):
        made.step()
    return network, before


def gradients_of(network):
    torch.manual_seed(1)
    return [torch.randn_like(p) for p in network.parameters()]


def test_a_step_moves_every_group_by_its_rate():
    optim = Optim(lr=0.01, layer_decay=0.5, weight_decay=0.0)
    ones = [torch.ones_like(p) for p in toy.built(toy.DETECTOR, STAGE).parameters()]
    network, before = stepped(optim, ones)
    rates = settings_of(network, optim)
    for name, p in network.named_parameters():
        moved = (before[name] - p.detach()).abs().max()
        assert float(moved) == pytest.approx(rates[name][0], rel=1e-3, abs=1e-6), name


MUON = Optim(method="muon", lr=0.01, layer_decay=0.5, weight_decay=0.3, betas=(0.8, 0.9))


def test_muon_has_the_matrices_between_hidden_vectors_and_nothing_else(network):
    inside = {id(p) for p in hidden_matrices(network)}
    names = {n for n, p in network.named_parameters() if id(p) in inside}
    attention = {f"attention.{part}.weight" for part in ("query", "key_value", "out")}
    block = {*attention, "mlp.0.weight", "mlp.2.weight"}
    windows = {
        f"encoder.shared.windows.{s}"
        for s in ("cubes.blocks.0", "cubes.blocks.1", "plates.blocks.0")
    }
    fusion = {f"encoder.shared.fusion.{i}.{part}" for i in (0, 1) for part in ("cross", "own")}
    tracks = {f"encoder.detector.muon.embed.{part}" for part in ("planes", "tracks")}
    decoder = {"tasks.mae.decoder.blocks.0"}
    blocks = {f"{b}.{part}" for b in windows | fusion | tracks | decoder for part in block}
    head = {f"tasks.flavour.head.{part}" for part in attention}
    array = {f"encoder.detector.calo.embed.project.{i}.weight" for i in (0, 2)}
    assert names == blocks | head | array | {"tasks.mae.decoder.context.weight"}


@pytest.mark.parametrize("kind", ["tokens", "pooled", "hits"])
def test_muon_leaves_alone_what_a_head_ends_with(kind):
    network = toy.built(toy.GRID, toy.stage(("flavour", {"head": kind})))
    inside = {id(p) for p in hidden_matrices(network)}
    ours = {n for n, p in network.named_parameters() if n.startswith("tasks.") and id(p) in inside}
    hidden = {
        "pooled": (),
        "tokens": ("attention.query", "attention.key_value", "attention.out"),
        "hits": ("hidden", "further", "points.ask", "points.streams.cubes.own"),
    }
    assert ours == {f"tasks.flavour.head.{n}.weight" for n in hidden[kind]}


def test_with_muon_rates_and_decays_are_those_of_adamw(network):
    assert settings_of(network, MUON) == settings_of(network, evolve(MUON, method="adamw"))


def test_with_muon_all_but_hidden_matrices_step_as_with_adamw(network):
    gradients = gradients_of(network)
    ours, _ = stepped(MUON, gradients, steps=3)
    theirs, _ = stepped(evolve(MUON, method="adamw"), gradients, steps=3)
    inside = {id(p) for p in hidden_matrices(ours)}
    for (name, p), (_, q) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        assert torch.equal(p, q) == (id(p) not in inside), name


def test_muon_steps_along_the_orthogonal_matrix_next_to_the_gradient(network):
    """Against the decomposition U S V^T of the gradient in float64.

    Five iterations of the polynomial of Jordan et al. (2024) bring every singular value near one, and
    leave the vectors as they are; bfloat16 knows them to a few per cent.
    """
    gradients = gradients_of(network)
    made, before = stepped(MUON, gradients)
    rates, inside = settings_of(made, MUON), {id(p) for p in hidden_matrices(made)}
    for (name, p), gradient in zip(made.named_parameters(), gradients, strict=True):
        if id(p) in inside:
            lr, decay = rates[name]
            moved = (before[name] * (1 - lr * decay) - p.detach()).double()
            u, value, vt = torch.linalg.svd(gradient.double(), full_matrices=False)
            value = value / value.norm()
            for _ in range(5):
                value = 3.4445 * value - 4.7750 * value**3 + 2.0315 * value**5
            assert value.median() == pytest.approx(1, abs=0.3)
            expected = lr * 0.2 * max(p.shape) ** 0.5 * (u * value) @ vt
            assert (moved - expected).norm() < 0.03 * expected.norm(), name


def test_the_schedule_holds_for_both_parts(network):
    made = optimiser(network, MUON, 256)
    usual = [g["lr"] for g in made.param_groups]
    torch.optim.lr_scheduler.LambdaLR(made, lambda _: 0.25)
    seen = [g["lr"] for part in made.parts for g in part.param_groups]
    assert seen == pytest.approx([lr / 4 for lr in usual])


def test_a_closure_is_evaluated_once_before_the_step(network):
    called = []
    loss = optimiser(network, MUON, 256).step(lambda: called.append(1) or 2.5)
    assert (loss, called) == (2.5, [1])
