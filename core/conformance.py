"""What every detector must do, checked on events drawn from its declaration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress

import numpy as np
import torch

from . import sample
from .detector import Detector
from .encoder import Encoded, Encoder
from .errors import DeclarationError, EventError, RunError
from .events import Events, Table, checked
from .inputs import function_of
from .network import kinds
from .normalise import unit_normalisation
from .planner import Planner
from .plugins import Registry
from .recipe import Model, Recipe
from .store import EventFile
from .task import Needs, View

SMALL = Model(dim=24, heads=2, depth=1, summaries=1, rounds=1)


def refuse(recipe: Recipe, registry: Registry, detector: Detector, file: EventFile) -> None:
    """RunError if a task of `recipe` needs truth that `file` lacks, though the detector declares it."""
    there = {*file.truth_names, *file.label_names}
    faults = []
    for stage, settings in recipe.stages.items():
        for name, task in settings.tasks.items():
            needs: Needs = registry.task(task.kind).needs(task.options, detector)
            faults += [
                f"{file.path}: stage {stage!r}: task {name!r} needs {missing!r}, which the file lacks"
                for missing in (*needs.truth, *needs.labels)
                if missing not in there
            ]
    if faults:
        raise RunError("\n".join(faults))


def check_plugin(registry: Registry, names: Iterable[str]) -> Iterator[str]:
    """Check the detectors `names`; says what holds, DeclarationError for what does not."""
    for name in names:
        detector = registry.detector(name)
        events = checked(sample.events(detector, 8, seed=0), detector)
        _readers(detector)
        yield f"detector {name!r}: {len(detector.streams)} streams, events of its declaration"
        encoder, planner = small(registry, detector)
        yield f"detector {name!r}: {_encodes(encoder, planner, events)}"
        yield f"detector {name!r}: {_alone(encoder, planner, events)}"
        yield f"detector {name!r}: {_empty(encoder, planner, detector)}"


def _readers(detector: Detector) -> None:
    """PluginError if a reader names a function that there is not."""
    for reader in detector.readers:
        for name in filter(None, (reader.open, reader.claims)):
            with suppress(EventError):  # a library that is not installed: not the detector's fault
                function_of(reader, name)


def small(registry: Registry, detector: Detector) -> tuple[Encoder, Planner]:
    """A small encoder of `detector`, and what plans its batches."""
    found = kinds(registry, detector)
    planner = Planner(
        detector=detector, model=SMALL, normalisation=unit_normalisation(detector), kinds=found
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoder = Encoder(detector, SMALL, builds={k: v.build for k, v in found.items()})
    return encoder, planner


def encoded(encoder: Encoder, planner: Planner, events: Events) -> Encoded:
    """`events` encoded with nothing hidden."""
    view = View()
    batch = planner(events, (view,), np.random.default_rng(0))
    out: Encoded = encoder(batch.plans[view])
    return out


def _encodes(encoder: Encoder, planner: Planner, events: Events) -> str:
    out = encoded(encoder, planner, events)
    torch.autograd.backward(out.pooled().square().sum())
    for name, parameter in encoder.named_parameters():
        if parameter.grad is not None and not torch.isfinite(parameter.grad).all():
            raise DeclarationError(f"the gradient of {name} is not finite")
    encoder.zero_grad()
    return "encodes, with finite gradients"


def _alone(encoder: Encoder, planner: Planner, events: Events) -> str:
    encoder.eval()
    with torch.no_grad():
        together = encoded(encoder, planner, events).pooled()
        apart = torch.cat([encoded(encoder, planner, e).pooled() for e in events])
    if not torch.allclose(together, apart, atol=1e-4):
        worst = float((together - apart).abs().max())
        raise DeclarationError(f"an event alone encodes otherwise than in a batch, by {worst:.1e}")
    return "an event alone encodes as in a batch"


def _empty(encoder: Encoder, planner: Planner, detector: Detector) -> str:
    events = Events(
        streams={s.name: Table.empty(s.layout, 1) for s in detector.streams},
        keys=("0/0",),
        group=np.zeros(1, np.int64),
    )
    with torch.no_grad():
        out = encoded(encoder, planner, checked(events, detector)).pooled()
    if not torch.isfinite(out).all():
        raise DeclarationError("an event without hits does not encode to finite numbers")
    return "an event without hits encodes"
