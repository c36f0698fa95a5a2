import numpy as np
import pytest
import torch
import toy
from attrs import evolve

from intarsia.core.errors import DeclarationError
from intarsia.core.task import View

VIEW = View()
NAMES = ("shower", "track", "michel", "low_energy")
LABEL = evolve(toy.CUBES.labels[0], name="semantic", classes=NAMES, soft=True)
GRID = evolve(toy.CUBES, labels=(LABEL,))
DETECTOR = evolve(toy.GRID, streams=(GRID,), display=None)


@pytest.fixture(scope="module")
def events():
    some = toy.events(DETECTOR, 6, seed=1)
    rng = np.random.default_rng(0)
    table = some.streams["cubes"]
    shares = rng.dirichlet(np.full(4, 0.3), int(table.offsets[-1])).astype(np.float16)
    shares[::7] = np.nan  # unknown
    columns = {**table.columns, "semantic": shares}
    return evolve(some, streams={**some.streams, "cubes": evolve(table, columns=columns)})


def worked(events, **options):
    made = toy.roughened(toy.built(DETECTOR, toy.stage(("segmentation", options)))).eval()
    batch = toy.batch(DETECTOR, events, VIEW)
    with torch.no_grad():
        encoded = made.encode(batch)[VIEW]
        task = made.tasks["segmentation"]
        out = task(encoded, batch)
        return task.losses(out, encoded, batch), task.predictions(out, batch), out, encoded


def truth(encoded):
    return encoded.plan.streams["cubes"].labels["semantic"].double().numpy()


@pytest.mark.parametrize("balance", [0.0, 0.5, 1.0])
def test_the_loss_is_the_cross_entropy_with_the_shares(events, balance):
    losses, _, out, encoded = worked(events, leave_out=("low_energy",), balance=balance)
    ours = truth(encoded)[:, :3]
    known = np.nan_to_num(ours).sum(1) > 0.5
    target = ours[known] / ours[known].sum(1, keepdims=True)
    z = out["logits"].double().numpy()[known]
    log = z - np.log(np.exp(z).sum(1, keepdims=True))
    weight = (target * target.mean(0) ** -balance).sum(1)
    want = (-(target * log).sum(1) * weight).sum() / weight.sum()
    assert float(losses["class"]) == pytest.approx(want, rel=1e-4)
    assert 0 < known.sum() < len(known)


def test_counts_are_voxels_by_true_and_predicted_class(events):
    _, predictions, out, encoded = worked(events, leave_out=("low_energy",))
    counts = predictions["counts"].numpy()
    want = np.zeros((6, 3, 3), int)
    for event, shares, z in zip(
        out["event"].tolist(), truth(encoded), out["logits"].numpy(), strict=True
    ):
        if np.nan_to_num(shares[:3]).sum() > 0.5:
            want[event, shares[:3].argmax(), z.argmax()] += 1
    np.testing.assert_array_equal(counts, want)
    assert counts.sum() > 50


def test_an_event_alone_is_segmented_as_in_a_batch(events):
    _, together, _, _ = worked(events)
    alone = torch.cat([worked(e)[1]["counts"] for e in events])
    # a voxel whose two best classes are all but equal may go either way
    assert (together["counts"] - alone).abs().sum() <= 2


def test_without_labels_nothing_is_counted(events):
    table = events.streams["cubes"]
    columns = {k: v for k, v in table.columns.items() if k != "semantic"}
    bare = evolve(events, streams={**events.streams, "cubes": evolve(table, columns=columns)})
    made = toy.built(DETECTOR, toy.stage(("segmentation", {}))).eval()
    assert "segmentation/counts" not in made.predict(toy.batch(DETECTOR, bare, VIEW))
    assert "segmentation/counts" in made.predict(toy.batch(DETECTOR, events, VIEW))


def test_hard_classes_are_shares_of_one(events):
    hard = evolve(LABEL, soft=False)
    detector = evolve(DETECTOR, streams=(evolve(GRID, labels=(hard,)),))
    table = events.streams["cubes"]
    shares = np.nan_to_num(table["semantic"].astype(float), nan=0.0)
    number = np.where(shares.sum(1) > 0, shares.argmax(1), -1).astype(np.int8)
    columns = {**table.columns, "semantic": number}
    some = evolve(events, streams={**events.streams, "cubes": evolve(table, columns=columns)})
    made = toy.built(detector, toy.stage(("segmentation", {}))).eval()
    counts = made.predict(toy.batch(detector, some, VIEW))["segmentation/counts"]
    rows = counts.sum((0, 2)).numpy()
    np.testing.assert_array_equal(rows, np.bincount(number[number >= 0], minlength=4))


def test_what_is_learned_can_be_learned(events):
    made = toy.built(DETECTOR, toy.stage(("segmentation", {"leave_out": ("low_energy",)})))
    batch = toy.batch(DETECTOR, events.slice(0, 2), VIEW)
    optim = torch.optim.AdamW(made.parameters(), lr=3e-3)
    first = None
    for _ in range(60):
        total, terms = made(batch)
        first = first or terms["segmentation.class"].item()
        optim.zero_grad()
        total.backward()
        optim.step()
    assert terms["segmentation.class"].item() < 0.7 * first


def test_wrong_options_are_named(events):
    with pytest.raises(DeclarationError, match="no class 'low_enrgy'; did you mean 'low_energy'"):
        worked(events, leave_out=("low_enrgy",))
    with pytest.raises(DeclarationError, match="needs two classes or more"):
        worked(events, leave_out=NAMES[1:])
