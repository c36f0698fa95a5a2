"""Small detectors and models that the tests of the encoder, the tasks and training share."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np
import torch

from intarsia.core import sample
from intarsia.core.batch import Batch
from intarsia.core.data import Order, Sample
from intarsia.core.detector import Augmentation, Detector
from intarsia.core.encoder import Encoder
from intarsia.core.events import Events, Table
from intarsia.core.network import Network, network
from intarsia.core.normalise import unit_normalisation
from intarsia.core.planner import Planner
from intarsia.core.plugins import Registry, Source
from intarsia.core.recipe import DecoderSize, Instance, Model, Optim, Stage
from intarsia.core.store import EventFile, EventWriter
from intarsia.core.streams import Axis, Column, DenseArray, Label, TrackSet, VoxelGrid
from intarsia.core.task import View

CHARGE = Column(name="charge", unit="MeV", scale="log1p")


def axes(nx: int, ny: int, nz: int) -> tuple[Axis, Axis, Axis]:
    return Axis(nx, 10.0), Axis(ny, 10.0), Axis(nz, 10.0)


CUBES = VoxelGrid(
    name="cubes",
    axes=axes(24, 24, 40),
    patch=(6, 6, 5),
    window=(2, 2, 2),
    columns=(CHARGE,),
    labels=(
        Label(name="ghost", classes=("real", "ghost")),
        Label(name="origin", classes=("track", "blob", "noise")),
        Label(name="kind", classes=("track", "blob", "noise"), soft=True),
    ),
)
PLATES = VoxelGrid(
    name="plates",
    axes=axes(8, 6, 12),
    patch=(4, 3, 2),
    window=(1, 2, 3),
    columns=(CHARGE, Column(name="way", unit="1", width=3, moves="vector")),
)
CALO = DenseArray(name="calo", shape=(3, 4), along=("x", "y"), columns=(CHARGE,))
MUON = TrackSet(
    name="muon",
    planes=4,
    columns=(Column(name="p", unit="GeV/c", width=3, moves="vector"),),
    points=(Column(name="hit", unit="m", width=3, moves="point"),),
)
TRUTH = (
    Label(name="flavour", classes=("e", "mu", "tau")),
    Label(name="vertex", unit="mm", width=3, moves="point"),
    Label(name="energy", unit="GeV"),
    Label(name="p_visible_beam", unit="GeV/c", width=3, moves="vector"),
    Label(name="p_jet_beam", unit="GeV/c", width=3, moves="vector"),
)
DETECTOR = Detector(
    name="toy",
    about="Two voxel grids, an array and tracks",
    streams=(CUBES, PLATES, CALO, MUON),
    truth=TRUTH,
)
GRID = Detector(
    name="toygrid",
    about="One voxel grid alone",
    streams=(CUBES,),
    truth=TRUTH,
    augmentations=(
        Augmentation(kind="mirror", axis="x"),
        Augmentation(kind="smear", streams=("cubes",), size=0.1),
        Augmentation(kind="dropout", streams=("cubes",), size=0.05),
    ),
)
PLAIN = Detector(name="toyplain", about="No voxels at all", streams=(CALO, MUON), truth=TRUTH)

MODEL = Model(dim=24, heads=2, mlp=2, depth=2, depths={"plates": 1}, rounds=2, row=16)
DECODER = DecoderSize(width=16, heads=2, depth=1)


@cache
def registry() -> Registry:
    """The tasks of the project, and no detector."""
    found = Registry()
    for name in ("mae", "relational", "classify", "kinematics", "vertex", "segmentation"):
        module = import_module(f"intarsia.tasks.{name}")
        found.add(module, name, Source(module.__name__))
    return found


def normalisation(detector: Detector) -> dict:
    """As from a training split, near enough: no column has the same mean and widths."""
    found = unit_normalisation(detector)
    for i, columns in enumerate(found["streams"].values()):
        for j, numbers in enumerate(columns.values()):
            numbers |= {"mean": 0.3 + 0.1 * i, "std": 1.5 + 0.2 * j, "rms": 2.0 + 0.1 * i + j}
    for name, numbers in found["truth"].items():
        width = detector.label(name).width
        for part in numbers.keys() & {"transverse", "along"}:
            numbers[part] = {"unit": 2.0, "median": 0.5, "width": 0.8}
        spread = {"mean": [100.0] * width, "std": [80.0] * width, "median": [90.0] * width}
        found["truth"][name] = numbers | (spread if width > 1 else {"mean": 50.0, "std": 40.0})
    return found


def planner(detector: Detector, model: Model = MODEL) -> Planner:
    return Planner(detector=detector, model=model, normalisation=normalisation(detector))


def batch(
    detector: Detector, events: Events, *views: View, model: Model = MODEL, seed: int = 0
) -> Batch:
    return planner(detector, model)(events, views, np.random.default_rng(seed))


def encoder(detector: Detector, model: Model = MODEL, seed: int = 0) -> Encoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return roughened(Encoder(detector, model)).eval()


def roughened(module: torch.nn.Module) -> torch.nn.Module:
    """`module` with every parameter away from zero and one, so that none can be forgotten."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return module


def double(record):
    """A batch or plan whose numbers are float64; indices stay as they are."""
    return record.each(lambda x: x.double() if x.is_floating_point() else x)


def events(detector: Detector, n: int, seed: int = 0) -> Events:
    return sample.events(detector, n, seed)


def no_rows(events: Events, detector: Detector, *streams: str) -> Events:
    """`events` without the rows of `streams`."""
    empty = {s: Table.empty(detector.stream(s).layout, len(events)) for s in streams}
    return Events({**events.streams, **empty}, events.truth, events.keys, events.group)


def one_row(events: Events) -> Events:
    """`events` with at most the first row of each stream kept."""
    streams = {}
    for name, table in events.streams.items():
        keep = np.zeros(int(table.offsets[-1]), bool)
        keep[table.offsets[:-1][table.counts > 0]] = True
        streams[name] = table.keep(keep)
    return Events(streams, events.truth, events.keys, events.group)


def shuffled_rows(events: Events, seed: int = 0) -> Events:
    """`events` with the rows of each event and stream in another order."""
    rng = np.random.default_rng(seed)
    streams = {}
    for name, t in events.streams.items():
        order = np.lexsort((rng.random(int(t.offsets[-1])), t.event))
        streams[name] = Table(t.offsets, {k: v[order] for k, v in t.columns.items()})
    return Events(streams, events.truth, events.keys, events.group)


OPTIONS: Mapping[str, Mapping] = {
    "mae": {"decoder": DECODER, "modes": 4},
    "relational": {"decoder": DECODER, "modes": 6},
    "segmentation": {"decoder": DECODER, "modes": 6},
}


def instance(kind: str, **options) -> Instance:
    """A task of that kind, small."""
    made = registry().task(kind).options(**OPTIONS.get(kind, {}) | options)
    return Instance(kind=kind, options=made)


def stage(*tasks: str | tuple[str, dict], **settings) -> Stage:
    """A stage with tasks of those kinds."""
    made = {}
    for task in tasks:
        name, options = task if isinstance(task, tuple) else (task, {})
        made[name] = instance(name, **options)
    defaults = {"epochs": 1, "batch": 8, "optim": Optim(lr=0.05), "precision": "float32"}
    return Stage(**defaults | settings, tasks=made)


def built(detector: Detector, stage: Stage, seed: int = 0, model: Model = MODEL) -> Network:
    return network(registry(), detector, model, stage, normalisation(detector), seed)


def worked(kind: str, events: Events, detector: Detector, rough: bool = True, **options):
    """Losses, predictions, outputs, encoded events and the task itself, of a task at its first step.

    rough: weights are roughened, so that no output is what it begins with.
    """
    made = built(detector, stage((kind, options)))
    made = roughened(made) if rough else made
    given, task = batch(detector, events, View()), made.tasks[kind]
    with torch.no_grad():
        encoded = made.encode(given)[View()]
        out = task(encoded, given)
        return task.losses(out, encoded, given), task.predictions(out, given), out, encoded, task


def written(path: Path, detector: Detector, n: int, seed: int = 0) -> EventFile:
    """A file of `n` events of `detector`."""
    with EventWriter(path, detector, {}) as file:
        file.append(events(detector, n, seed))
    return EventFile(path)


def sample_of(file: EventFile, detector: Detector, views: tuple[View, ...], **settings) -> Sample:
    """The events of `file`, or those numbered in `settings`, in batches of eight."""
    order = {"batch": 8, "block": 16, "buffer": 2}
    order |= {k: settings.pop(k) for k in ("batch", "block", "buffer", "lanes") if k in settings}
    order["shuffle"] = settings.pop("shuffle", True)
    defaults = {"events": np.arange(len(file)), "seed": 0, "purpose": "test"}
    return Sample(
        file=file,
        planner=settings.pop("planner", planner(detector)),
        views=views,
        order=Order(**order),
        **defaults | settings,
    )
