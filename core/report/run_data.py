"""What lies in a run's folder, read for its report."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from attrs import frozen

from intarsia.core.declared import declared
from intarsia.core.detector import Detector
from intarsia.core.errors import DeclarationError, EventError, RunError
from intarsia.core.evaluate_metrics import YARDSTICKS, Seeds, read_folder
from intarsia.core.events import Array
from intarsia.core.recipe import budget_of
from intarsia.core.store import EventFile, event_file
from intarsia.core.store_predictions import Predictions
from intarsia.core.streams import Label

Rows = list[dict[str, float | str]]


@frozen(eq=False, kw_only=True)
class RunData:
    """A run's folder as read: what is missing is empty or None.

    facts: ``run.json``. recipe: the resolved recipe. logs: rows of ``log.csv`` by stage.
    """

    path: Path
    facts: Mapping[str, Any]
    recipe: Mapping[str, Any]
    logs: Mapping[str, Rows]
    predictions: Mapping[str, Seeds]
    events: EventFile | None
    detector: Detector | None
    pictures: Mapping[str, Mapping[str, Array]]

    @property
    def labels(self) -> dict[str, Label]:
        """The truth that each task predicts, as far as the event file declares it."""
        truths = {t.name: t for t in self.detector.truth} if self.detector else {}
        named: dict[str, str] = {}
        for stage in self.recipe.get("stages", {}).values():
            for task, options in stage.get("tasks", {}).items():
                given = options.get("options", options) if isinstance(options, Mapping) else {}
                named[task] = str(given.get("truth", task))
        for start in self.predictions.values():
            for task in next(iter(start.values())).tasks:
                named.setdefault(task, task)
        return {task: truths[truth] for task, truth in named.items() if truth in truths}

    @property
    def starts(self) -> dict[str, Predictions]:
        """Predictions of the first seed of each fine-tuned start."""
        fine = {k: v for k, v in self.predictions.items() if not _beside(k)}
        return {start: next(iter(seeds.values())) for start, seeds in fine.items()}

    def published(self, task: str) -> Mapping[str, Any]:
        """The published numbers that the recipe sets beside those of `task`, empty without any."""
        found: Mapping[str, Any] = (self.recipe.get("published") or {}).get(task) or {}
        return found

    @property
    def simulation(self) -> str:
        """How the events came about: "fast", "sample", ..., or "" if that is not known."""
        return str(self.events.provenance.get("simulation", "")) if self.events else ""


def read(out: Path) -> RunData:
    """Everything in the run folder `out`; RunError if it is not one, EventError if damaged."""
    if not (out / "run.json").is_file():
        raise RunError(f"{out}: not the folder of a run, it has no run.json")
    facts = json.loads((out / "run.json").read_text())
    recipe = facts.get("recipe", {})
    events = _events(out, recipe)
    return RunData(
        path=out,
        facts=facts,
        recipe=recipe,
        logs={str(p.parent.relative_to(out)): _rows(p) for p in sorted(out.rglob("log.csv"))},
        predictions=_in_order(read_folder(out / "predictions"), recipe),
        events=events,
        detector=_detector(events),
        pictures={p.stem: _arrays(p) for p in sorted((out / "pictures").glob("*.npz"))},
    )


def _in_order(found: Mapping[str, Seeds], recipe: Mapping[str, Any]) -> dict[str, Seeds]:
    """Starts in the order of the recipe, probes and the like after them."""
    named = [stage.partition("/")[2] for stage in recipe.get("stages", {})]
    order = {start: i for i, start in enumerate(named)}
    return dict(sorted(found.items(), key=lambda item: order.get(item[0], len(order))))


def _beside(start: str) -> bool:
    """Whether a start is none that was fine-tuned, or one with another number of labels."""
    name, budget = budget_of(start)
    return name.startswith("probe-") or name in YARDSTICKS or budget is not None


def _events(out: Path, recipe: Mapping[str, Any]) -> EventFile | None:
    files = (recipe.get("data") or {}).get("files") or [out / "data" / "events.h5"]
    try:
        found = event_file(files)
    except EventError:
        return None
    return found if found.path.is_file() else None


def _detector(events: EventFile | None) -> Detector | None:
    try:
        return declared(events.declaration) if events else None
    except DeclarationError:
        return None


def _rows(path: Path) -> Rows:
    with path.open(newline="") as file:
        return [{k: _number(v) for k, v in row.items() if k} for row in csv.DictReader(file)]


def _number(text: str | None) -> float | str:
    try:
        return float(text or "nan")
    except ValueError:
        return str(text)


def _arrays(path: Path) -> dict[str, Array]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError) as fault:
        raise EventError(f"{path}: not a whole file of pictures: {fault}") from fault
