from math import exp, log

import numpy as np
import pytest
import torch
import toy
from attrs import evolve

from intarsia.core.normalise import scaled
from intarsia.core.task import View
from intarsia.tasks.mae import Hybrid, MaskedReconstruction
from intarsia.tasks.mae.model import OCCUPANCY, likeliest, physical, track_targets

VIEW = View(mask_ratio=0.6, drop=0.3)
PLAIN = Hybrid(focal=0.0, border=0, charge=0.0, chamfer=0.0, distance=0.0)


@pytest.fixture(scope="module")
def events():
    return toy.events(toy.DETECTOR, 8, seed=3)


@pytest.fixture(scope="module")
def task():
    return toy.roughened(built().tasks["mae"])


def built(detector=toy.DETECTOR, hybrid=PLAIN):
    return toy.built(detector, toy.stage(("mae", {"view": VIEW, "hybrid": hybrid})))


def worked(events, detector=toy.DETECTOR, hybrid=PLAIN):
    """Batch, encoding, output and losses of a roughened network."""
    made = toy.roughened(built(detector, hybrid))
    batch = toy.batch(detector, events, VIEW, seed=5)
    with torch.no_grad():
        encoded = made.encode(batch)[VIEW]
        out = made.tasks["mae"](encoded, batch)
        return batch, encoded, out, made.tasks["mae"].losses(out, encoded, batch)


def patches(events, stream):
    """Cell number in its patch and scaled columns of every row, by event and patch."""
    grid, table = toy.DETECTOR.stream(stream), events.streams[stream]
    rms = {k: v["rms"] for k, v in toy.normalisation(toy.DETECTOR)["streams"][stream].items()}
    index, patch = table["index"].astype(int), np.array(grid.patch)
    number = np.ravel_multi_index(tuple((index // patch).T), grid.patches)
    cell = np.ravel_multi_index(tuple((index % patch).T), grid.patch)
    values = np.concatenate(
        [scaled(c, table[c.name]).reshape(-1, c.width) / rms[c.name] for c in grid.columns], 1
    )
    found = {}
    for e, p, c, v in zip(table.event, number, cell, values, strict=True):
        found.setdefault((int(e), int(p)), {})[int(c)] = v
    return found


def huber(d):
    return np.where(np.abs(d) < 1, 0.5 * d**2, np.abs(d) - 0.5)


@pytest.mark.parametrize("stream", ["cubes", "plates"])
def test_losses_of_voxels_equal_a_calculation_patch_by_patch(events, stream):
    batch, _, out, losses = worked(events)
    plan = batch.plans[VIEW].streams[stream]
    seen = set(zip(plan.event.tolist(), plan.patch.tolist(), strict=True))
    hidden = {k: v for k, v in sorted(patches(events, stream).items()) if k not in seen}
    assert len(hidden) == len(out[stream]) > 5
    crosses, charges, hits = 0.0, [], 0
    for predicted, cells in zip(out[stream].double().numpy(), hidden.values(), strict=True):
        for c, z in enumerate(predicted[0]):
            likely = 1 / (1 + exp(-z))
            crosses -= log(likely) if c in cells else log(1 - likely)
        hits += len(cells)
        charges += [huber(predicted[1:, c] - v) for c, v in cells.items()]
    assert float(losses[f"{stream}_occupancy"]) == pytest.approx(crosses / hits, rel=1e-4)
    assert float(losses[f"{stream}_charge"]) == pytest.approx(np.mean(charges), rel=1e-4)


def dense_hybrid(predicted, hidden, grid, use):
    """Loss of occupancy and of charge in float64, over tables of all pairs of cells of each patch."""
    cells = np.stack(np.unravel_index(np.arange(np.prod(grid.patch)), grid.patch), 1)
    apart = np.abs(cells[:, None] - cells[None]).max(2)
    compressed = np.repeat(
        [c.scale != "identity" for c in grid.columns], [c.width for c in grid.columns]
    )
    sums = dict.fromkeys(("hits", "focal", "far", "fars", "mass", "stray", "held", "found"), 0.0)
    charges = np.zeros(2)
    for x, hits in zip(predicted, hidden, strict=True):
        at, p = np.array(list(hits)), 1 / (1 + np.exp(-x[0]))
        true, away = np.array(list(hits.values())), apart[:, list(hits)].min(1)
        sums["hits"] += len(at)
        costs = -(p**use.focal) * np.log(1 - p)
        sums["focal"] += (-((1 - p) ** use.focal) * np.log(p))[at].sum()
        sums["focal"] += costs[(away > 0) & (away <= use.border)].sum()
        sums["far"] += costs[away > use.border].sum()
        sums["fars"] += (away > use.border).sum()
        short = np.minimum(away, use.reach)
        sums["mass"] += p.sum()
        sums["stray"] += (p * short).sum()
        for r in range(use.reach):
            sums["found"] += sum(np.prod(1 - p[apart[c] <= r]) for c in at)
        held = p[:, None] * x[1:].T
        sums["held"] += (np.abs(held) * short[:, None]).sum() / use.reach
        sums["held"] += np.abs(held[at] - true).sum()
        w = 1 + use.charge * compressed * np.abs(true)
        charges += (w * huber(x[1:].T[at] - true)).sum(), w.sum()
    n = sums["hits"]
    occupancy = (sums["focal"] + use.balance * n / sums["fars"] * sums["far"]) / n
    chamfer = sums["stray"] / sums["mass"] + sums["found"] / n
    return (
        occupancy + use.chamfer * chamfer,
        charges[0] / charges[1] + use.distance * sums["held"] / n,
    )


@pytest.mark.parametrize("stream", ["cubes", "plates"])
def test_the_hybrid_loss_equals_a_dense_calculation(events, stream):
    use = Hybrid(focal=1.5, border=1, balance=0.7, charge=0.6, chamfer=0.3, distance=0.4, reach=3)
    batch, _, out, losses = worked(events, hybrid=use)
    plan = batch.plans[VIEW].streams[stream]
    seen = set(zip(plan.event.tolist(), plan.patch.tolist(), strict=True))
    hidden = [v for k, v in sorted(patches(events, stream).items()) if k not in seen]
    wanted = dense_hybrid(out[stream].double().numpy(), hidden, toy.DETECTOR.stream(stream), use)
    found = [float(losses[f"{stream}_{name}"]) for name in ("occupancy", "charge")]
    assert found == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("term", ["focal", "border", "charge", "chamfer", "distance"])
def test_each_term_of_the_hybrid_loss_can_be_switched_on_by_itself(events, term):
    *_, plain = worked(events)
    *_, more = worked(events, hybrid=evolve(PLAIN, **{term: 1}))
    changed = {name for name in plain if not torch.equal(plain[name], more[name])}
    part = "charge" if term in ("charge", "distance") else "occupancy"
    assert changed == {f"cubes_{part}", f"plates_{part}"}


def test_the_hybrid_loss_is_the_same_under_autocast(events):
    made = toy.roughened(built(hybrid=Hybrid()))
    batch = toy.batch(toy.DETECTOR, events, VIEW, seed=5)
    out = made.tasks["mae"](made.encode(batch)[VIEW], batch)
    loss, asked = made.tasks["mae"].voxel_losses["cubes"], batch.plans[VIEW].streams["cubes"].asked
    with torch.autocast("cpu", torch.bfloat16):
        found = loss(out["cubes"], asked)
    assert found == loss(out["cubes"], asked)


def test_arrays_are_asked_for_in_every_event_that_has_one_also_where_visible(events):
    batch, _, out, losses = worked(events)
    plan, table = batch.plans[VIEW].streams["calo"], events.streams["calo"]
    assert 0 < len(plan.shown) < len(plan.event)
    scale = toy.normalisation(toy.DETECTOR)["streams"]["calo"]["charge"]
    true = (scaled(toy.CHARGE, table["charge"]) - scale["mean"]) / scale["std"]
    predicted = out["calo"].numpy()[table.counts > 0]
    wanted = huber(predicted - true.reshape(len(true), -1)).mean()
    assert float(losses["calo"]) == pytest.approx(float(wanted), rel=1e-4)


def test_tracks_are_asked_for_as_their_number_and_the_leading_one(events):
    batch, _, out, losses = worked(events)
    table, scale = events.streams["muon"], toy.normalisation(toy.DETECTOR)["streams"]["muon"]
    true = np.full((8, 1 + 3 + 12), np.nan)
    true[:, 0] = np.log1p(table.counts)
    for b in range(8):
        if table.counts[b]:
            row = table.offsets[b]
            p = (table["p"][row] - scale["p"]["mean"]) / scale["p"]["std"]
            hit = (table["hit"][row] - scale["hit"]["mean"]) / scale["hit"]["std"]
            true[b, 1:] = [*p, *hit.reshape(-1)]
    assert np.isnan(true).any()
    there = np.isfinite(true)
    targets = track_targets(batch.plans[VIEW].streams["muon"], out["muon"]).numpy()
    np.testing.assert_allclose(targets, true, rtol=1e-4, atol=1e-6)
    miss = huber(out["muon"].numpy() - true)
    assert float(losses["muon_count"]) == pytest.approx(float(miss[:, 0].mean()), rel=1e-4)
    leading = miss[:, 1:][there[:, 1:]].mean()
    assert float(losses["muon"]) == pytest.approx(float(leading), rel=1e-4)


def test_terms_are_named_for_the_streams(task):
    assert task.terms == (
        "cubes_occupancy",
        "cubes_charge",
        "plates_occupancy",
        "plates_charge",
        "calo",
        "muon_count",
        "muon",
    )


def test_cells_are_as_likely_as_they_are_often_at_the_start():
    head = built().tasks["mae"].voxels["cubes"]
    assert float(head.bias[0].detach().sigmoid()) == pytest.approx(OCCUPANCY)
    assert float(head.bias[1].detach()) == 0


def test_only_the_share_asked_for_is_decoded(events):
    view = evolve(VIEW, decode=0.3)
    made = toy.built(toy.DETECTOR, toy.stage(("mae", {"view": view})))
    batch = toy.batch(toy.DETECTOR, events, view)
    out = made.tasks["mae"](made.encode(batch)[view], batch)
    whole = toy.batch(toy.DETECTOR, events, VIEW).plans[VIEW].streams["cubes"].asked
    assert len(out["cubes"]) < 0.6 * len(whole.window)


def test_visible_patches_asked_for_are_decoded_and_cost_too(events):
    view = evolve(VIEW, decode=1e-9, visible=1.0)
    made = toy.roughened(
        toy.built(toy.DETECTOR, toy.stage(("mae", {"view": view, "hybrid": PLAIN})))
    )
    batch = toy.batch(toy.DETECTOR, events, view)
    plan = batch.plans[view].streams["cubes"]
    encoded = made.encode(batch)[view]
    out = made.tasks["mae"](encoded, batch)
    losses = made.tasks["mae"].losses(out, encoded, batch)
    assert len(out["cubes"]) == len(plan.event) > 0
    at_hits = out["cubes"][plan.token, 1:, plan.cell].detach().numpy()
    wanted = huber(at_hits - plan.values.numpy()).mean()
    assert float(losses["cubes_charge"].detach()) == pytest.approx(float(wanted), rel=1e-5)


def test_a_patch_that_holds_nothing_costs_what_is_predicted_there(events):
    view = evolve(VIEW, empty=2.0)
    made = toy.roughened(
        toy.built(toy.DETECTOR, toy.stage(("mae", {"view": view, "hybrid": PLAIN})))
    )
    batch = toy.batch(toy.DETECTOR, events, view)
    asked = batch.plans[view].streams["cubes"].asked
    encoded = made.encode(batch)[view]
    out = made.tasks["mae"](encoded, batch)
    logits = out["cubes"][:, 0].detach().double().numpy()
    holds = np.zeros(len(logits), bool)
    holds[asked.token] = True
    assert 0 < holds.sum() < len(logits) == len(asked.window)
    hits = logits[asked.token, asked.cell]
    cost = np.logaddexp(0, logits[holds]).sum() - hits.sum() + np.logaddexp(0, logits[~holds]).sum()
    losses = made.tasks["mae"].losses(out, encoded, batch)
    assert float(losses["cubes_occupancy"].detach()) == pytest.approx(cost / len(hits), rel=1e-5)
    at_hits = out["cubes"][asked.token, 1:, asked.cell].detach().numpy()
    wanted = huber(at_hits - asked.values.numpy()).mean()
    assert float(losses["cubes_charge"].detach()) == pytest.approx(float(wanted), rel=1e-5)


def test_the_decoder_sees_latents_and_nothing_else(events):
    """Of an event whose latents are replaced, every prediction changes; of others, none."""
    made = toy.roughened(built())
    batch = toy.batch(toy.DETECTOR, events, VIEW, seed=5)
    encoded = made.encode(batch)[VIEW]
    latents = encoded.latents.clone()
    latents[2] = torch.randn_like(latents[2])
    other = evolve(encoded, latents=latents, tokens={})
    ours, theirs = made.tasks["mae"](encoded, batch), made.tasks["mae"](other, batch)
    changed = (ours["calo"] != theirs["calo"]).any(1)
    assert changed.tolist() == [b == 2 for b in range(8)]


def test_a_picture_shows_every_hit_once_in_physical_units(events):
    one = events[4]
    batch, encoded, out, _ = worked(one)
    drawn = toy.roughened(built()).tasks["mae"].picture(out, encoded)
    table = one.streams["plates"]
    parts = [f"plates/{k}" for k in ("kept", "hidden")]
    index = torch.cat([drawn[f"{p}_index"] for p in parts]).numpy()
    values = torch.cat([drawn[f"{p}_values"] for p in parts]).numpy()
    assert len(drawn["plates/hidden_index"])
    shape = toy.PLATES.shape
    ours = np.argsort(np.ravel_multi_index(tuple(index.T), shape))
    theirs = np.argsort(np.ravel_multi_index(tuple(table["index"].T.astype(int)), shape))
    np.testing.assert_array_equal(index[ours], table["index"][theirs])
    wanted = np.concatenate([table["charge"][:, None], table["way"]], 1)[theirs]
    np.testing.assert_allclose(values[ours], wanted, rtol=1e-4, atol=1e-4)
    assert drawn["plates/predicted_values"].shape[1] == 4
    assert len(batch) == 1


def test_the_likeliest_cells_are_shown():
    logits = torch.tensor([[0.9, -0.1, 0.6, 0.4], [0.1, 0.1, -3.0, 0.1], [1.0, 1.0, 0.7, 1.0]])
    token, cell = likeliest(logits, 5)
    pairs = list(zip(token.tolist(), cell.tolist(), strict=True))
    assert pairs == [(0, 0), (2, 0), (2, 1), (2, 2), (2, 3)]
    assert len(likeliest(logits, 0)[0]) == 0


def test_as_many_cells_are_shown_as_are_hidden(events):
    _, encoded, out, _ = worked(events[4])
    drawn = toy.roughened(built()).tasks["mae"].picture(out, encoded)
    for name in ("cubes", "plates"):
        assert len(drawn[f"{name}/predicted_index"]) == len(drawn[f"{name}/hidden_index"]) > 0


def test_physical_undoes_the_scaling(events):
    scale = toy.normalisation(toy.DETECTOR)["streams"]["cubes"]
    charge = events.streams["cubes"]["charge"]
    scaled_values = torch.from_numpy(scaled(toy.CHARGE, charge) / scale["charge"]["rms"])[:, None]
    np.testing.assert_allclose(physical(toy.CUBES, scale, scaled_values)[:, 0], charge, rtol=1e-5)


def test_the_defaults_are_those_of_the_paper():
    options = MaskedReconstruction()
    assert options.view.mask_ratio == 0.75
    assert (options.decoder.width, options.decoder.heads, options.decoder.depth) == (256, 8, 4)
    assert options.modes == 8


def test_a_detector_without_voxels_is_rebuilt_too():
    _, _, out, losses = worked(toy.events(toy.PLAIN, 5, seed=1), toy.PLAIN)
    assert losses.keys() == {"calo", "muon_count", "muon"}
    assert out["calo"].shape == (5, 12)
