"""Floating-point operations of the encoder on simulated events, against those that tokens need."""

import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from intarsia.core.batch import GridPlan
from intarsia.core.dotted import load
from intarsia.core.encoder import Encoder
from intarsia.core.normalise import unit_normalisation
from intarsia.core.planner import Planner
from intarsia.core.plugins import registry
from intarsia.core.recipe_load import load as load_recipe
from intarsia.core.task import View

REGISTRY = registry()
DETECTOR = REGISTRY.detector("fasercal")
VIEWS = {"all": View(), "masked": View(mask_ratio=0.75, drop=0.3)}


@pytest.fixture(scope="module")
def events():
    return load(DETECTOR.simulation.make)(0, 0, 32)


def work(n, pairs, model, keys=None):
    """Of a block on n items (and other items as keys) with so many pairs that see each other.

    Two operations per weight: query and output dim^2 each, key and value 2 dim^2, the MLP 2 mlp
    dim^2; for each pair dim products for the score and dim for the sum.
    """
    keys = n if keys is None else keys
    weights = n * (2 + 2 * model.mlp) + keys * 2
    return 2 * weights * model.dim**2 + 4 * pairs * model.dim


def needed(plan, model):
    """Operations of window stacks and fusion without a single empty slot."""
    total, b = 0, len(plan.latents.mask)
    for name, stream in plan.streams.items():
        if isinstance(stream, GridPlan):
            window = stream.document.reshape(-1)[stream.slot]
            pairs = int(torch.bincount(window).square().sum())
            depth = model.depths.get(name, model.depth)
            total += depth * work(len(window), pairs, model)
    q, k = (
        torch.bincount(rows.slot // rows.mask.shape[1], minlength=b)
        for rows in (plan.latents, plan.keys)
    )
    cross = work(int(q.sum()), int((q * k).sum()), model, int(k.sum()))
    return total + model.rounds * (cross + work(int(q.sum()), int(q.square().sum()), model))


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("scale", [None, "demo"])
def test_the_encoder_does_within_a_tenth_what_its_tokens_need(events, scale, view):
    model = load_recipe("fasercal_mae_rel", REGISTRY, scale=scale).model
    planner = Planner(detector=DETECTOR, model=model, normalisation=unit_normalisation(DETECTOR))
    # Without numbers: shapes are enough to count.
    plan = planner.plan(events, VIEWS[view], np.random.default_rng(0))
    nothing, encoder = plan.to("meta"), Encoder(DETECTOR, model).to("meta")
    # Other kernels of attention are not counted. Arrays and tracks, a token each, are left out.
    with sdpa_kernel(SDPBackend.MATH), torch.no_grad():
        with FlopCounterMode(display=False) as counter:
            encoder(nothing)
        whole = counter.get_total_flops()
        with FlopCounterMode(display=False) as counter:
            for name in ("ecal", "muon"):
                encoder.detector[name].embed(nothing.streams[name])
    counted = whole - counter.get_total_flops()
    assert 1 <= counted / needed(plan, model) < 1.1
