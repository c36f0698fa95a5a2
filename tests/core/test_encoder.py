import numpy as np
import pytest
import reference
import torch
import toy
from attrs import evolve
from torch.utils.flop_counter import FlopCounterMode

from intarsia.core.encoder import Encoder
from intarsia.core.events import Events, Table, cumulated
from intarsia.core.plan import cell_index
from intarsia.core.recipe import Model
from intarsia.core.streams import Axis
from intarsia.core.task import View
from intarsia.core.windows import Windows

ALL = View()
MASKED = View(mask_ratio=0.6, drop=0.4)


def plan_of(detector, events, view=ALL, seed=0, model=toy.MODEL):
    return toy.batch(detector, events, view, seed=seed, model=model).plans[view]


def encoded(detector, events, view=ALL, model=toy.MODEL):
    """Latents in float64, one (Q, D) per event."""
    encoder = toy.encoder(detector, model).double()
    with torch.no_grad():
        out = encoder(toy.double(plan_of(detector, events, view, model=model)))
    return [x[m] for x, m in zip(out.latents, out.mask, strict=True)]


def same(a, b):
    assert len(a) == len(b)
    for x, y in zip(a, b, strict=True):
        torch.testing.assert_close(x, y, atol=1e-10, rtol=1e-10)


def awkward(detector):
    """Ordinary events, and among them an empty one, one of one hit and ones that lack a stream."""
    ordinary = toy.events(detector, 5, seed=3)
    names = [s.name for s in detector.streams]
    parts = [
        ordinary,
        toy.no_rows(ordinary[0], detector, *names),
        toy.one_row(ordinary[1]),
        *(toy.no_rows(ordinary[2], detector, name) for name in names),
        ordinary[3],
    ]
    return Events.collate(parts)


@pytest.mark.parametrize("detector", [toy.DETECTOR, toy.GRID, toy.PLAIN], ids=lambda d: d.name)
@pytest.mark.parametrize("view", [ALL, MASKED], ids=["all", "masked"])
@pytest.mark.parametrize("row", [8, 16, 64])
def test_the_encoder_equals_a_plain_calculation_event_by_event(detector, view, row):
    model = evolve(toy.MODEL, row=row)
    events = awkward(detector)
    plan = toy.double(plan_of(detector, events, view, seed=7, model=model))
    encoder = toy.encoder(detector, model).double()
    with torch.no_grad():
        out = encoder(plan)
        for b in range(len(events)):
            latents, tokens = reference.encode(encoder, detector, plan, b)
            torch.testing.assert_close(out.latents[b][out.mask[b]], latents, atol=1e-10, rtol=0)
            pooled = torch.cat([latents[0], latents.mean(0)])
            torch.testing.assert_close(out.pooled()[b], pooled, atol=1e-10, rtol=0)
            for name, stream in plan.streams.items():
                own = out.tokens[name][stream.owner == b]
                torch.testing.assert_close(own, tokens[name], atol=1e-10, rtol=0)


def test_masks_of_the_equality_above_hide_and_show():
    plan = plan_of(toy.DETECTOR, awkward(toy.DETECTOR), MASKED, seed=7)
    grid = plan.streams["cubes"]
    assert len(grid.event) > 10
    assert len(grid.asked.window) > 10
    assert 0 < len(plan.streams["muon"].shown) < len(plan.latents.mask)


@pytest.mark.parametrize("detector", [toy.DETECTOR, toy.GRID, toy.PLAIN], ids=lambda d: d.name)
def test_an_event_alone_encodes_as_in_a_batch(detector):
    events = awkward(detector)
    same(encoded(detector, events), [encoded(detector, e)[0] for e in events])


def test_the_order_of_events_does_not_matter():
    events = awkward(toy.DETECTOR)
    order = np.random.default_rng(0).permutation(len(events))
    there = encoded(toy.DETECTOR, events)
    same(encoded(toy.DETECTOR, events.take(order)), [there[i] for i in order])


def test_the_order_of_rows_does_not_matter():
    # Tracks of an event are a set, too: the order of rows is of no stream.
    events = toy.events(toy.DETECTOR, 6, seed=5)
    there = encoded(toy.DETECTOR, events)
    same(encoded(toy.DETECTOR, toy.shuffled_rows(events)), there)


def test_a_batch_of_no_events_is_legal():
    plan = plan_of(toy.DETECTOR, toy.events(toy.DETECTOR, 0))
    out = toy.encoder(toy.DETECTOR)(plan)
    assert out.latents.shape[0] == 0
    assert out.pooled().shape == (0, 2 * toy.MODEL.dim)


def test_gradients_of_awkward_events_are_finite_and_reach_every_parameter():
    encoder = toy.encoder(toy.DETECTOR).train()
    out = encoder(plan_of(toy.DETECTOR, awkward(toy.DETECTOR)))
    (out.pooled() * torch.randn(2 * toy.MODEL.dim)).sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_the_first_latent_is_the_global_one_and_the_rest_speak_for_windows():
    events = toy.no_rows(toy.events(toy.DETECTOR, 6, seed=3), toy.DETECTOR, "plates")
    plan = plan_of(toy.DETECTOR, events)
    cubes = plan.streams["cubes"]
    for b in range(len(events)):
        windows = len(torch.unique(cubes.window[cubes.event == b]))
        assert int(plan.latents.mask[b].sum()) == 1 + toy.MODEL.summaries * windows


def test_hidden_patches_do_not_leak():
    """Other charges in hidden patches leave the encoding as it is."""
    events = toy.events(toy.GRID, 4, seed=1)
    view = View(mask_ratio=0.75)
    table = events.streams["cubes"]
    plan = plan_of(toy.GRID, events, view)
    cubes = plan.streams["cubes"]
    visible = {(int(e), int(p)) for e, p in zip(cubes.event, cubes.patch, strict=True)}
    where = np.ravel_multi_index(
        tuple((table["index"] // np.array(toy.CUBES.patch)).T), toy.CUBES.patches
    )
    hidden = np.array(
        [(e, p) not in visible for e, p in zip(table.event.tolist(), where.tolist(), strict=True)]
    )
    assert 0.2 < hidden.mean() < 1
    charge = np.where(hidden, 1000.0, table["charge"]).astype(np.float32)
    changed = Table(table.offsets, {**table.columns, "charge": charge})
    same(encoded(toy.GRID, events, view), encoded(toy.GRID, evolve_streams(events, changed), view))


def evolve_streams(events, cubes):
    return evolve(events, streams={**events.streams, "cubes": cubes})


def test_drop_path_acts_in_training_alone():
    events = toy.events(toy.GRID, 4)
    plan = plan_of(toy.GRID, events)
    encoder = Encoder(toy.GRID, toy.MODEL, drop_path=0.9)
    encoder.eval()
    assert torch.equal(encoder(plan).latents, encoder(plan).latents)
    encoder.train()
    assert not torch.equal(encoder(plan).latents, encoder(plan).latents)


def test_all_windows_of_an_event_drop_together_whatever_rows_they_share():
    """Where an event skips every block of a stack, its tokens come out as they went in."""
    model = evolve(toy.MODEL, row=64)
    events = toy.events(toy.GRID, 12, seed=3)
    plan = plan_of(toy.GRID, events, model=model).streams["cubes"]
    assert len(plan.document) < len(torch.unique(plan.document))  # several windows to a row
    torch.manual_seed(0)
    windows = toy.roughened(Windows(model, 1, (0.5,))).train()
    x = torch.randn(len(plan.event), model.dim)
    whole = torch.cat([windows.summary.repeat(len(plan.summary_event) // 2, 1), x])
    owner = torch.cat([plan.summary_event, plan.event])
    untouched = torch.zeros(12)
    for _ in range(60):
        with torch.no_grad():
            out = torch.cat(windows(x, plan))
            same = (out - windows.norm(whole)).abs().amax(1) < 1e-6
        fates = [same[owner == e] for e in range(12)]
        assert all(f.all() or not f.any() for f in fates)
        untouched += torch.tensor([bool(f.all()) for f in fates])
    # Both branches of the block are dropped in a quarter of the cases.
    assert abs(float(untouched.mean()) / 60 - 0.25) < 5 * (0.25 * 0.75 / 720) ** 0.5


def test_drop_path_of_a_batch_without_hits_is_legal():
    encoder = Encoder(toy.GRID, toy.MODEL, drop_path=0.5).train()
    bare = toy.no_rows(toy.events(toy.GRID, 3), toy.GRID, "cubes")
    assert torch.isfinite(encoder(plan_of(toy.GRID, bare)).latents).all()
    assert encoder(plan_of(toy.GRID, toy.events(toy.GRID, 0))).latents.shape[0] == 0


def test_the_rate_grows_from_nothing_to_its_largest_at_the_last_block():
    encoder = Encoder(toy.GRID, toy.MODEL, drop_path=0.2)
    blocks = [*encoder.shared.windows["cubes"].blocks]
    blocks += [b for f in encoder.shared.fusion for b in (f.cross, f.own)]
    wanted = np.linspace(0, 0.2, len(blocks))
    np.testing.assert_allclose([b.drop_path.rate for b in blocks], wanted)


def grown(factor):
    """The toy grid made `factor` times as long, with the same cells hit."""
    x, y, z = toy.CUBES.axes
    long = evolve(toy.CUBES, axes=(x, y, Axis(z.n * factor, z.pitch)))
    return evolve(toy.GRID, streams=(long,))


def flops(detector, events, model=toy.MODEL):
    plan = plan_of(detector, events, model=model)
    encoder = toy.encoder(detector, model)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        encoder(plan)
    return counter.get_total_flops()


def test_cost_does_not_grow_with_empty_windows():
    events = toy.events(toy.GRID, 8, seed=2)
    costs = [flops(grown(f), events) for f in (1, 4, 16)]
    assert costs[0] == costs[1] == costs[2] > 0


def test_memory_of_activations_does_not_grow_with_empty_windows():
    events = toy.events(toy.GRID, 8, seed=2)
    sizes = []
    for factor in (1, 16):
        plan, encoder = plan_of(grown(factor), events), toy.encoder(grown(factor))
        kept = []
        own = {p.data_ptr() for p in encoder.parameters()}

        def pack(x, kept=kept, own=own):
            if x.data_ptr() not in own:
                kept.append(x.nbytes)
            return x

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
            encoder(plan)
        sizes.append(sum(kept))
    assert sizes[0] == sizes[1] > 0


def filled(n):
    """An event with `n` patches hit in as many windows of eight as that needs, one hit each."""
    grid = toy.CUBES
    window, place = np.divmod(np.arange(n), int(np.prod(grid.window)))
    index = cell_index(grid, window, place, np.zeros(n, np.int64)).astype(np.int16)
    columns = {"index": index, "charge": np.ones(n, np.float32)}
    table = Table(cumulated(np.array([n])), columns)
    return Events({"cubes": table}, {}, ("0/0",), np.zeros(1, np.int64))


def test_cost_is_in_proportion_to_occupied_windows():
    model = Model(dim=24, heads=2, mlp=2, depth=2, summaries=1, rounds=1, row=9)
    one, two, four = (flops(toy.GRID, filled(n), model) for n in (16, 32, 64))
    assert 1.8 < two / one < 2.2
    assert 1.8 < four / two < 2.3


def test_every_parameter_is_of_a_detector_or_shared():
    names = [n for n, _ in toy.encoder(toy.DETECTOR).named_parameters()]
    own = {n.split(".")[1] for n in names if n.startswith("detector.")}
    assert own == {s.name for s in toy.DETECTOR.streams}
    assert all(n.startswith(("detector.", "shared.")) for n in names)
