"""From a recipe's stage to a trained network: samples, start, training."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from attrs import evolve, field, frozen

from .augment import chosen
from .card import Card
from .checkpoint import digest, load
from .data import Order, Sample, draws, together
from .detector import Detector, declaration
from .errors import RunError
from .events import Array
from .network import Network, kinds, network, views_of
from .planner import Planner
from .plugins import Registry
from .progress import Notify
from .ranks import Ranks
from .recipe import Recipe, Stage
from .recipe_load import dump
from .run_folder import Folder, versions
from .store import EventFile
from .task import View
from .train import finished, train
from .train_module import Setup
from .transfer import bring, go_on
from .transfer_card import transfer_card


@frozen(eq=False, kw_only=True)
class Bench:
    """All that the stages of a run share."""

    recipe: Recipe
    registry: Registry
    detector: Detector
    file: EventFile
    normalisation: Mapping[str, Any]
    folder: Folder
    workers: int
    notify: Notify
    ranks: Ranks = field(factory=Ranks)
    planner: Planner = field(init=False)

    @planner.default
    def _planner(self) -> Planner:
        return Planner(
            detector=self.detector,
            model=self.recipe.model,
            normalisation=self.normalisation,
            kinds=kinds(self.registry, self.detector),
        )

    def network(self, stage: Stage, seed: int) -> Network:
        """The untrained network of `stage`."""
        r = self.recipe
        return network(self.registry, self.detector, r.model, stage, self.normalisation, seed)

    def split(self, name: str) -> Array:
        """Numbers of the events of a split; RunError if there are none."""
        events = self.file.select(name)
        if not len(events):
            raise RunError(
                f"{self.file.path}: none of the {len(self.file)} events falls into the {name} split "
                "(85/5/10 by a hash of their keys); a sample of at least 100 events has all three"
            )
        return events

    def labelled(self, n: int, seed: int) -> Array:
        """Numbers of `n` events of the training split, drawn by `seed`; RunError if it has fewer.

        Where particles are samples, `n` of them: all of each event that is drawn, but for the last.
        """
        events = self.split("train")
        if n > len(events):
            raise RunError(
                f"{n} labelled events asked for, but the training split has {len(events)}"
            )
        rng, whole = draws(seed, "labels"), together(self.file, events)
        if whole:
            chosen = np.concatenate([whole[i] for i in rng.permutation(len(whole))])[:n]
        else:
            chosen = rng.choice(events, n, replace=False)
        chosen.sort()
        return chosen

    def trained_on(self, stage: Stage, seed: int) -> Array:
        """Numbers of the events that `stage` trains on."""
        return self.split("train") if stage.labels is None else self.labelled(stage.labels, seed)

    def sample(self, events: Array, views: tuple[View, ...], batch: int, **more: Any) -> Sample:
        """The events numbered `events`, seen through `views`."""
        data = self.recipe.data
        order = Order(
            batch=batch,
            block=data.block,
            buffer=data.buffer,
            lanes=max(1, self.workers),
            shuffle=more.pop("shuffle", False),
        )
        base = Sample(
            file=self.file,
            events=events,
            planner=self.planner,
            views=views,
            order=order,
            seed=more.pop("seed", self.recipe.seed),
            purpose=more.pop("purpose", "evaluate"),
        )
        return evolve(base, **more)


def labels_wanted(bench: Bench, stage: Stage) -> bool:
    """Whether a task of `stage` needs voxel labels, so that they must be read."""
    return any(
        bench.registry.task(task.kind).needs(task.options, bench.detector).labels
        for task in stage.tasks.values()
    )


def begun(
    bench: Bench, name: str, stage: Stage, seed: int
) -> tuple[Network, tuple[str, ...], dict[str, Any]]:
    """The network of stage `name` before training, digests of its parents, and its transfer card.

    RunError or CheckpointError if what it starts from is not there or does not fit.
    """
    made = bench.network(stage, seed)
    if stage.transfer:
        path = Path(stage.transfer.checkpoint)
        moved = bring(made, bench.recipe.model, bench.detector, stage.transfer)
    elif stage.start:
        first = bench.recipe.seed
        path = bench.folder.stage(stage.start, first, first) / "best.safetensors"
        if not path.exists():
            raise RunError(f"stage {name!r} starts from {path}, which is not there; run it first")
        moved = go_on(made, path)
    else:
        return made, (), {}
    card = transfer_card(moved, made, bench.recipe.model, bench.detector, path)
    bench.folder.note(moved=bench.folder.facts.get("moved", {}) | {name: str(moved)})
    if stage.transfer:
        bench.folder.note(transfer=bench.folder.facts.get("transfer", {}) | {name: card})
    return made, (digest(path),), card


def learn(bench: Bench, name: str, stage: Stage, seed: int) -> Path:
    """Train stage `name` with `seed`, or go on with it; gives its best checkpoint."""
    first = bench.recipe.seed
    folder = bench.folder.stage(name, seed, first)
    made, parents, brought = begun(bench, name, stage, seed)
    fresh = frozenset(t["name"] for t in brought.get("tensors", ()) if t["fate"] == "fresh")
    setup = evolve(_setup(bench, name, stage, seed, finished(folder)), fresh=fresh)
    card = Card(
        detector=bench.detector.name,
        declaration=declaration(bench.detector),
        recipe=dump(bench.recipe),
        stage=name,
        normalisation=bench.normalisation,
        versions=versions(),
        parents=parents,
        transfer=brought,
    )
    what = name if seed == first else f"{name} seed {seed}"
    with bench.folder.timed(what):
        return train(made, setup, folder, card, what, bench.notify).best


def lengthened(stage: Stage, per_epoch: int) -> Stage:
    """`stage` with epochs enough for its `min_steps`, where one has `per_epoch` steps."""
    times = ceil(stage.min_steps / (stage.epochs * max(1, per_epoch)))
    if times < 2:
        return stage
    optim, decay = stage.optim, stage.optim.decay_epochs
    longer = evolve(
        optim,
        warmup_epochs=times * optim.warmup_epochs,
        decay_epochs=None if decay is None else times * decay,
    )
    epochs, check_every = times * stage.epochs, times * stage.check_every
    return evolve(stage, epochs=epochs, check_every=check_every, optim=longer)


def _setup(bench: Bench, name: str, stage: Stage, seed: int, done: int) -> Setup:
    every = tuple(dict.fromkeys(views_of(stage).values()))
    events = bench.trained_on(stage, seed)
    common: dict[str, Any] = {
        "seed": seed,
        "purpose": name.partition("/")[0],  # the starts of a stage see the same batches
        "labels": labels_wanted(bench, stage),
        "rank": bench.ranks.rank,
        "world": bench.ranks.world,
    }
    augment = chosen(bench.detector, stage.augment)
    train_sample = bench.sample(events, every, stage.batch, shuffle=True, augment=augment, **common)
    val_sample = bench.sample(bench.split("val"), every, stage.batch, **common)
    if stage.min_steps:
        stage = lengthened(stage, train_sample.steps())
    return Setup(
        stage=stage,
        train=train_sample,
        val=val_sample,
        workers=bench.workers,
        done=done,
        ranks=bench.ranks,
    )


def trained(bench: Bench, stage: Stage, checkpoint: Path) -> Network:
    """The network of `stage` with the weights of `checkpoint`."""
    made = bench.network(stage, bench.recipe.seed)
    made.load_state_dict(load(checkpoint)[0])
    return made
