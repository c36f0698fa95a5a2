"""Encoder and tasks together: what a stage trains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b
from typing import Any, cast

import torch
from attrs import evolve
from torch import Tensor, nn

from .batch import Batch
from .detector import Detector
from .encoder import Encoded, Encoder
from .losses import Weights
from .panorama import Panorama
from .plugins import Registry
from .recipe import Model, Stage
from .task import StreamKind, View
from .task_module import Setting, TaskModule, build
from .tokens import BUILT_IN


class Network(nn.Module):
    """The encoder, the tasks of a stage, and the learned weights of their losses.

    seen_from: of each task that looks from a place, the one that finds it; panorama: draws what lies around.
    """

    def __init__(
        self,
        encoder: Encoder,
        tasks: Mapping[str, TaskModule],
        views: Mapping[str, View],
        seen_from: Mapping[str, str],
        panorama: Panorama | None = None,
    ):
        super().__init__()
        self.encoder = encoder
        self.tasks = nn.ModuleDict(tasks)
        self.terms = tuple(f"{name}.{term}" for name, t in tasks.items() for term in t.terms)
        self.weights = Weights(self.terms)
        self.views = dict(views)
        self.seen_from = dict(seen_from)
        self.panorama = panorama

    def encode(self, batch: Batch) -> dict[View, Encoded]:
        """One encoding for each view that takes part in the batch."""
        return {view: self.encoder(plan) for view, plan in batch.plans.items()}

    def active(self, batch: Batch) -> Iterator[tuple[str, TaskModule, View]]:
        """Tasks that take part in the batch, with their views."""
        for name, task in self.tasks.items():
            if self.views[name] in batch.plans:
                yield name, cast("TaskModule", task), self.views[name]

    def outputs(self, batch: Batch) -> Iterator[tuple[str, TaskModule, Encoded, dict[str, Tensor]]]:
        """Tasks that take part in the batch, with what each sees and what it makes of that.

        Those that look from a place come after those that find one, and learn nothing for them.
        """
        encoded = self.encode(batch)
        around: dict[str, Encoded] = {}
        for name, task, view in sorted(self.active(batch), key=lambda t: t[0] in self.seen_from):
            seen = around[self.seen_from[name]] if name in self.seen_from else encoded[view]
            out = task(seen, batch)
            place = task.place(out) if name in self.seen_from.values() else None
            if self.panorama is not None and place is not None:
                around[name] = evolve(seen, around=self.panorama(seen.plan, place))
            yield name, task, seen, out

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted total and every unweighted term, named ``task.term``."""
        terms: dict[str, Tensor] = {}
        for name, task, seen, out in self.outputs(batch):
            losses = task.losses(out, seen, batch)
            terms |= {f"{name}.{term}": value for term, value in losses.items()}
        return self.weights(terms), terms

    def predict(self, batch: Batch) -> dict[str, Tensor]:
        """What evaluation keeps, named ``task/quantity``, (B, ...) each."""
        kept: dict[str, Tensor] = {}
        for name, task, _, out in self.outputs(batch):
            made = task.predictions(out, batch)
            kept |= {f"{name}/{quantity}": value for quantity, value in made.items()}
        return kept


@contextmanager
def seeded(*key: int | str) -> Iterator[None]:
    """Weights made inside are drawn from a generator of their own, which `key` decides."""
    digest = blake2b("/".join(map(str, key)).encode(), digest_size=8).digest()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int.from_bytes(digest, "big") >> 1)
        yield


def kinds(registry: Registry, detector: Detector) -> dict[type, StreamKind]:
    """The kinds of stream of `detector` that a plugin brings; PluginError for one nobody brings."""
    declared = {type(s) for s in detector.streams} - BUILT_IN.keys()
    return {d: registry.stream_kind(d) for d in declared}


def views_of(stage: Stage) -> dict[str, View]:
    """The view of each task of a stage; a task that has none sees everything."""
    return {k: getattr(task.options, "view", View()) for k, task in stage.tasks.items()}


def seen_from_of(stage: Stage) -> dict[str, str]:
    """Of each task of a stage that looks from a place, the task that finds it."""
    named = {k: getattr(task.options, "seen_from", None) for k, task in stage.tasks.items()}
    return {k: name for k, name in named.items() if name}


def network(
    registry: Registry,
    detector: Detector,
    model: Model,
    stage: Stage,
    normalisation: Mapping[str, Any],
    seed: int,
) -> Network:
    """The untrained network of a stage.

    Encoder and each task draw their first weights from generators of their own, so that tasks begin
    with the same weights whatever the encoder starts from.
    """
    setting = Setting(detector=detector, model=model, normalisation=normalisation)
    builds = {declared: kind.build for declared, kind in kinds(registry, detector).items()}
    with seeded(seed, "encoder"):
        encoder = Encoder(detector, model, stage.drop_path, builds)
    tasks = {}
    for name, task in stage.tasks.items():
        with seeded(seed, "task", name):
            tasks[name] = build(registry.task(task.kind), task.options, setting)
    seen_from = seen_from_of(stage)
    panorama = Panorama(setting) if seen_from else None
    return Network(encoder, tasks, views_of(stage), seen_from, panorama)
