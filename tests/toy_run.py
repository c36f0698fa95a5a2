"""A small recipe with three starts on a toy detector, and what runs it."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import toy

from intarsia.core.events import Events, Table
from intarsia.core.hookspecs import hookimpl
from intarsia.core.plugins import Registry, Source
from intarsia.core.recipe import Recipe
from intarsia.core.recipe_load import load
from intarsia.core.run import prepared
from intarsia.core.run import run as run_recipe
from intarsia.core.stages import Bench
from intarsia.core.store import EventWriter

RECIPE = """\
name: three
about: Three starts on a toy
detector: toygrid
data: {events: 240, block: 16, buffer: 2}
model: {dim: 24, heads: 2, mlp: 2, depth: 1, summaries: 1, rounds: 1, row: 16}
report: {probe: 64, bootstrap: 20, pictures: 2}
stages:
  mae:
    epochs: 2
    optim: {lr: 0.02, ema: 0.9}
    tasks:
      mae: {decoder: {width: 16, heads: 2, depth: 1}, modes: 3}
  mae_rel:
    start: mae
    epochs: 1
    optim: {lr: 0.02, ema: 0.9}
    tasks:
      mae: {decoder: {width: 16, heads: 2, depth: 1}, modes: 3}
      relational: {decoder: {width: 16, heads: 2, depth: 1}, modes: 3}
  finetune:
    labels: 64
    epochs: 2
    optim: {lr: 0.02, ema: 0.9}
    drop_path: 0.1
    tasks: {flavour: {head_scale: 0.02}, vertex: {head_scale: 0.02}}
    starts:
      scratch: {}
      mae: {start: mae}
      mae_rel: {start: mae_rel}
"""

ALONE = """\
name: alone
about: Masked reconstruction alone
detector: toygrid
data: {events: 240}
model: {dim: 24, heads: 2, mlp: 2, depth: 1, summaries: 1, rounds: 1, row: 16}
stages:
  mae:
    epochs: 1
    tasks:
      mae: {decoder: {width: 16, heads: 2, depth: 1}, modes: 3}
"""


@cache
def registry() -> Registry:
    """The tasks of the project, and the toy detectors."""

    class Toys:
        @hookimpl
        def intarsia_detectors(self):
            return [toy.DETECTOR, toy.GRID, toy.PLAIN]

    found = Registry()
    for name, plugin in toy.registry().sources.items():
        found.add(import_module(plugin.place), name, plugin)
    found.add(Toys(), "toys", Source("tests"))
    return found


def recipe(folder: Path, *overrides: str, text: str = RECIPE) -> Recipe:
    """The recipe of `text`, changed by `overrides`."""
    path = folder / "recipe_as_written.yaml"
    path.write_text(text)
    return load(path, registry(), overrides)


def run(recipe: Recipe, out: Path, **settings) -> Path:
    """`run` in this process alone, on one thread: on busy cores two threads wait for each other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("intarsia.core.run.share_cores", lambda *_: None)
        return run_recipe(recipe, registry(), out, workers=1, **settings)


class StopError(Exception):
    """What an interruption raises."""


def stopping(what: str, done: int):
    """Something to notify that interrupts a run when `done` of `what` are done."""

    def notify(progress):
        if progress.what == what and progress.done >= done:
            raise StopError

    return notify


def bench(recipe: Recipe, out: Path) -> Bench:
    """What the stages of the run in `out` share."""
    return prepared(recipe, registry(), out, resume=True, workers=1)


def written(path: Path, events: Events) -> Path:
    """A file of `events` of the toy with one grid."""
    with EventWriter(path, toy.GRID, {"simulation": "fast"}) as file:
        file.append(events)
    return path


def unlabelled(events: Events) -> Events:
    """`events` as of a real detector: no truth, no labels of voxels."""
    streams = {}
    for stream in toy.GRID.streams:
        table, labels = events.streams[stream.name], {label.name for label in stream.labels}
        kept = {k: v for k, v in table.columns.items() if k not in labels}
        streams[stream.name] = Table(table.offsets, kept)
    return Events(streams, {}, events.keys, np.asarray(events.group))
