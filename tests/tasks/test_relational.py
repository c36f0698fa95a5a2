from math import exp, log

import numpy as np
import pytest
import torch
import toy
from attrs import evolve

from intarsia.core.errors import DeclarationError
from intarsia.core.events import Table
from intarsia.core.network import views_of
from intarsia.core.plan import cell_index
from intarsia.core.task import View
from intarsia.tasks.relational import Relational, targets

VIEW = View(mask_ratio=0.25)
S = 0.1


@pytest.fixture(scope="module")
def events():
    """Events in which any voxel may be a ghost, whatever its other labels say."""
    made = toy.events(toy.DETECTOR, 6, seed=3)
    table = made.streams["cubes"]
    ghost = np.random.default_rng(0).integers(0, 2, len(table["ghost"])).astype(np.int8)
    cubes = Table(table.offsets, {**table.columns, "ghost": ghost})
    return evolve(made, streams={**made.streams, "cubes": cubes})


def built(**options):
    options = {"view": VIEW, "smoothing": S} | options
    return toy.roughened(toy.built(toy.DETECTOR, toy.stage(("relational", options))))


def worked(events, made=None):
    made = made or built()
    batch = toy.batch(toy.DETECTOR, events, VIEW, seed=5)
    with torch.no_grad():
        encoded = made.encode(batch)[VIEW]
        out = made.tasks["relational"](encoded, batch)
        return batch, encoded, out, made.tasks["relational"].losses(out, encoded, batch)


def visible(batch, events):
    """Rows of the table that are visible, in the order of the tokens."""
    plan, table = batch.plans[VIEW].streams["cubes"], events.streams["cubes"]
    index = table["index"].astype(int)
    patch = np.array(toy.CUBES.patch)
    number = np.ravel_multi_index(tuple((index // patch).T), toy.CUBES.patches)
    cell = np.ravel_multi_index(tuple((index % patch).T), toy.CUBES.patch)
    row = {k: i for i, k in enumerate(zip(table.event, number, cell, strict=True))}
    token = plan.token
    keys = zip(plan.event[token], plan.patch[token], plan.cell, strict=True)
    return [row[tuple(map(int, k))] for k in keys]


def test_only_visible_voxels_are_labelled(events):
    batch, _, out, _ = worked(events)
    plan = batch.plans[VIEW].streams["cubes"]
    assert len(plan.asked.cell) > 0
    v = len(plan.cell)
    assert out.pop("rows").tolist() == list(range(v))
    assert {k: tuple(x.shape) for k, x in out.items()} == {
        "ghost": (v, 1),
        "origin": (v, 3),
        "kind": (v, 3),
    }


def test_losses_equal_a_calculation_voxel_by_voxel(events):
    batch, _, out, losses = worked(events)
    rows, table = visible(batch, events), events.streams["cubes"]
    ghost, origin, kind = [], [], []
    for i, r in enumerate(rows):
        likely = 1 / (1 + exp(-float(out["ghost"][i, 0])))
        t = table["ghost"][r] * (1 - S) + (1 - table["ghost"][r]) * S
        ghost.append(-t * log(likely) - (1 - t) * log(1 - likely))
        for logits, terms, target in (
            (out["origin"][i], origin, np.eye(3)[table["origin"][r]]),
            (out["kind"][i], kind, table["kind"][r].astype(float)),
        ):
            if table["ghost"][r] == 1:
                continue  # a ghost is of no class
            z = logits.double().numpy()
            logp = z - np.log(np.exp(z).sum())
            if np.isfinite(target).all():
                terms.append(-((target * (1 - S) + S / 3) * logp).sum())
    assert 0 < len(kind) < len(origin) < len(rows)  # noise has no soft label
    for name, terms in (("ghost", ghost), ("origin", origin), ("kind", kind)):
        assert float(losses[name]) == pytest.approx(np.mean(terms), rel=1e-4), name


def test_only_occupied_cells_are_evaluated_each_of_them_once(events, monkeypatch):
    made, asked = built(), []
    head = made.tasks["relational"].voxels
    ordinary = head.at

    def at(x, token, cell):
        asked.append((token, cell))
        return ordinary(x, token, cell)

    monkeypatch.setattr(head, "at", at)
    monkeypatch.setattr(head, "forward", None)  # the dense way would fail
    batch, *_ = worked(events, made)
    plan, table = batch.plans[VIEW].streams["cubes"], events.streams["cubes"]
    ((token, cell),) = asked
    window, place = plan.window[token], plan.place[token]
    index = cell_index(toy.CUBES, window.numpy(), place.numpy(), cell.numpy())
    evaluated = sorted(zip(plan.event[token].tolist(), map(tuple, index.tolist()), strict=True))
    rows = visible(batch, events)
    occupied = zip(
        table.event[rows].tolist(), map(tuple, table["index"][rows].tolist()), strict=True
    )
    assert evaluated == sorted(occupied)
    assert len(set(evaluated)) == len(evaluated)


@pytest.mark.parametrize("label", ["origin", "kind"])
def test_ghosts_do_not_change_what_other_labels_cost(events, label):
    """Whatever a file says of the class of a ghost."""
    table = events.streams["cubes"]
    ghost, other = table["ghost"] == 1, table[label].copy()
    other[ghost] = 2 if label == "origin" else np.array([0.9, 0.1, 0.0])
    changed = Table(table.offsets, {**table.columns, label: other})
    assert not np.array_equal(changed[label], table[label], equal_nan=label == "kind")
    *_, ours = worked(events)
    *_, theirs = worked(evolve(events, streams={**events.streams, "cubes": changed}))
    assert torch.equal(ours[label], theirs[label])


def test_a_voxel_that_may_be_a_ghost_counts(events):
    table = events.streams["cubes"]
    unknown = Table(table.offsets, {**table.columns, "ghost": np.full_like(table["ghost"], -1)})
    *_, ours = worked(evolve(events, streams={**events.streams, "cubes": unknown}))
    *_, theirs = worked(events, built(ghosts=""))
    assert torch.equal(ours["origin"], theirs["origin"])
    assert float(ours["ghost"]) == 0


def test_without_smoothing_a_sure_and_right_answer_costs_nothing(events):
    made = built(smoothing=0.0, labels=("ghost", "origin"))
    batch, encoded, out, _ = worked(events, made)
    plan = batch.plans[VIEW].streams["cubes"]
    sure = {
        "rows": out["rows"],
        "ghost": 100.0 * (2 * plan.labels["ghost"][:, None] - 1),
        "origin": 100.0 * torch.nn.functional.one_hot(plan.labels["origin"].long(), 3),
    }
    found = made.tasks["relational"].losses(sure, encoded, batch)
    assert {k: float(v) for k, v in found.items()} == pytest.approx({"ghost": 0, "origin": 0})


def test_its_view_is_its_own_and_comes_on_all_ranks_at_once(tmp_path):
    """Beside MAE: another mask, the same batches on every rank, and the same again."""
    file = toy.written(tmp_path / "events.h5", toy.DETECTOR, 96)
    stage = toy.stage(("mae", {"view": View(mask_ratio=0.75)}), ("relational", {}))
    views = tuple(views_of(stage).values())
    mae, own = views

    def epoch(rank, seed=0):
        more = {"rank": rank, "world": 2, "batch": 4, "seed": seed}
        return list(toy.sample_of(file, toy.DETECTOR, views, **more).epoch(0))

    def masks(batches):
        return [b.plans[own].streams["cubes"].patch.tolist() for b in batches if own in b.plans]

    first, second = epoch(0), epoch(1)
    takes_part = [own in b.plans for b in first]
    assert takes_part == [own in b.plans for b in second]
    assert 0.2 < np.mean(takes_part) < 0.8
    assert takes_part != [own in b.plans for b in epoch(0, seed=1)]
    assert masks(first) == masks(epoch(0)) != masks(epoch(0, seed=1))
    few, many = (
        sum(len(b.plans[v].streams["cubes"].patch) for b in first if own in b.plans)
        for v in (mae, own)
    )
    assert few < 0.8 * many


def test_with_no_probability_it_never_takes_part(tmp_path):
    file = toy.written(tmp_path / "events.h5", toy.DETECTOR, 32)
    views = View(mask_ratio=0.75), View(mask_ratio=0.25, probability=0.0)
    batches = list(toy.sample_of(file, toy.DETECTOR, views).epoch(0))
    assert {tuple(b.plans) for b in batches} == {views[:1]}
    stage = toy.stage(("mae", {"view": views[0]}), ("relational", {"view": views[1]}))
    total, terms = toy.built(toy.DETECTOR, stage)(batches[0])
    assert {name.partition(".")[0] for name in terms} == {"mae"}
    total.backward()


def test_the_logits_are_those_of_the_dense_head(events):
    made = built()
    batch, encoded, out, _ = worked(events, made)
    task, plan = made.tasks["relational"], batch.plans[VIEW].streams["cubes"]
    with torch.no_grad():
        query = task.token(encoded.tokens["cubes"]) + task.places(plan.place, plan.window)
        dense = task.voxels(task.decoder(query, encoded, plan.rows))
    out.pop("rows")
    whole = torch.cat(list(out.values()), 1)
    torch.testing.assert_close(whole, dense[plan.token, :, plan.cell], atol=1e-4, rtol=1e-4)


def test_voxels_of_an_event_do_not_depend_on_the_other_events(events):
    made = built().double()
    view = View()

    def logits(some):
        batch = toy.double(toy.batch(toy.DETECTOR, some, view))
        with torch.no_grad():
            return made.tasks["relational"](made.encoder(batch.plans[view]), batch)["kind"]

    alone = torch.cat([logits(e) for e in events])
    torch.testing.assert_close(logits(events), alone, atol=1e-10, rtol=0)


def test_labels_may_be_chosen(events):
    made = built(labels=("kind",))
    assert made.terms == ("relational.kind",)
    _, _, out, losses = worked(events, made)
    assert out.keys() - {"rows"} == losses.keys() == {"kind"}


def test_with_a_limit_so_many_voxels_train_and_all_are_looked_at_otherwise(events):
    made = built(voxels=7).eval()
    batch, encoded, all_of_them, _ = worked(events, made)
    task = made.tasks["relational"].train()
    out = task(encoded, batch)
    assert len(out["rows"]) == len(out["ghost"]) == 7
    for name in ("ghost", "origin", "kind"):
        torch.testing.assert_close(out[name], all_of_them[name][out["rows"]], atol=1e-5, rtol=1e-4)
    task.losses(out, encoded, batch)["kind"].backward()


def test_the_first_voxel_stream_and_its_class_labels_are_meant():
    assert targets(Relational(), toy.DETECTOR) == ("cubes", ("ghost", "origin", "kind"))
    assert targets(Relational(labels=("kind",)), toy.DETECTOR) == ("cubes", ("kind",))
    assert targets(Relational(), toy.PLAIN) == ("", ())


def test_needs_are_the_labels_of_the_stream():
    kind = toy.registry().task("relational")
    assert kind.needs(Relational(), toy.DETECTOR).labels == (
        "cubes.ghost",
        "cubes.origin",
        "cubes.kind",
    )
    assert kind.needs(Relational(labels=("kind",)), toy.DETECTOR).labels == (
        "cubes.kind",
        "cubes.ghost",
    )
    assert kind.needs(Relational(), toy.PLAIN).labels == ("voxels.class",)
    assert kind.needs(Relational(stream="plates"), toy.DETECTOR).labels == ("plates.class",)


def test_a_stream_that_is_not_there_is_named():
    with pytest.raises(DeclarationError, match="has no stream 'cube'; did you mean 'cubes'"):
        targets(Relational(stream="cube"), toy.DETECTOR)


def test_a_picture_holds_true_and_predicted_labels(events):
    made, one = built(), events[2]
    batch, encoded, out, _ = worked(one, made)
    drawn = made.tasks["relational"].picture(out, encoded)
    rows, table = visible(batch, one), one.streams["cubes"]
    np.testing.assert_array_equal(drawn["cubes/label_index"], table["index"][rows])
    np.testing.assert_array_equal(drawn["cubes/origin_true"], table["origin"][rows])
    np.testing.assert_array_equal(drawn["cubes/kind_true"], table["kind"][rows])
    assert drawn["cubes/ghost_predicted"].shape == (len(rows),)
    torch.testing.assert_close(drawn["cubes/kind_predicted"].sum(1), torch.ones(len(rows)))


def test_it_takes_part_in_half_of_the_batches_by_default():
    assert Relational().view == View(mask_ratio=0.25, probability=0.5)
