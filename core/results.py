"""What a finished run is asked: predictions of every start, frozen probes, pictures, the report.

A start is a variant of a stage whose tasks predict something, e.g. ``finetune/mae`` is start
``mae``. Everything is written to the run's folder; metrics and page are made from what lies there.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from attrs import frozen

from .data import Sample, loader
from .evaluate import features, predictions
from .events import Array
from .hand_features import Blocks
from .network import Network
from .pictures import pictures
from .probe import boosted, linear_probe
from .progress import Progress
from .recipe import Stage, budget_of
from .stages import Bench, begun, labels_wanted, trained
from .store_predictions import write_predictions
from .task import View


def results(bench: Bench) -> Path:
    """Evaluate a trained run and write its report; gives the page."""
    from .report import write

    predicting = {n: s for n, s in bench.recipe.stages.items() if "/" in n}
    with bench.folder.timed("evaluate"):
        for name, stage in predicting.items():
            for seed in bench.recipe.seeds:
                predict(bench, name, stage, seed)
        if predicting:
            probes(bench, predicting)
    with bench.folder.timed("report"):
        pictures(bench)
        bench.notify(Progress("report", 0, 1, "pages"))
        page: Path = write(bench.folder.path)
        bench.notify(Progress("report", 1, 1, "pages"))
    return page


def test_sample(bench: Bench, stage: Stage) -> Sample:
    """The test split, with nothing hidden, and the voxel labels that the tasks of `stage` need."""
    return bench.sample(bench.split("test"), (View(),), 64, labels=labels_wanted(bench, stage))


def start_name(stage: str) -> str:
    """Name of the start that a stage is: ``finetune/mae`` is ``mae``."""
    return stage.partition("/")[2]


def predict(bench: Bench, name: str, stage: Stage, seed: int) -> None:
    """Write the predictions of a stage for the test split."""
    first = bench.recipe.seed
    start = start_name(name)
    checkpoint = bench.folder.stage(name, seed, first) / "best.safetensors"
    network = trained(bench, stage, checkpoint)
    columns = predictions(
        network, test_sample(bench, stage), bench.workers, f"predict {start}", bench.notify
    )
    path = bench.folder.predictions(start, seed, first)
    classes = {n: list(c) for n, t in network.tasks.items() if (c := getattr(t, "classes", ()))}
    facts = {"start": start, "seed": seed, "stage": name, "classes": classes}
    write_predictions(path, columns, facts)


Labelled = dict[int | None, dict[int, Array]]  # events by budget (None: the stage's own) and seed


@frozen(eq=False)
class Fit:
    """A model of fixed numbers: `table` (events, F) of the events `numbers`, which are ascending.

    labelled: those it is fitted to.
    """

    name: str
    model: Callable[..., Array]
    numbers: Array
    table: Array
    labelled: Labelled


def probes(bench: Bench, predicting: dict[str, Stage]) -> None:
    """Linear models of frozen encoders, a random one's too, and models of hand-made features.

    Linear ones are fitted to the same labelled events of the training split, `report.probe` of them,
    boosted trees to those that the starts are fine-tuned on; and all of them to those of every budget.
    """
    stage = next(iter(predicting.values()))
    if not (wanted := targets(stage)):
        return
    test, seeds = bench.split("test"), bench.recipe.seeds
    budgets = dict.fromkeys(n for s in predicting if (n := budget_of(s)[1]))
    more: Labelled = {n: {s: bench.labelled(n, s) for s in seeds} for n in budgets}
    few = more | {None: {s: bench.labelled(bench.recipe.report.probe, s) for s in seeds}}
    tuned = more | {None: {s: bench.trained_on(stage, s) for s in seeds}}
    if budgets and stage.labels not in (None, bench.recipe.report.probe):
        few[stage.labels] = tuned[None]  # so that linear models miss no number of labels
    every = _together(test, few)
    fits = [
        Fit(f"probe-{source}", linear_probe, every, _encoded(bench, source, network, every), few)
        for source, network in encoders(bench, predicting).items()
    ]
    wide = _together(every, tuned)
    by_hand = _by_hand(bench, wide)
    fits.append(Fit("hand_features", linear_probe, wide, by_hand, few))
    fits.append(Fit("boosted_trees", boosted, wide, by_hand, tuned))
    for fit in fits:
        for budget, labelled in fit.labelled.items():
            name = f"{fit.name}@{budget}" if budget else fit.name
            for seed in seeds:
                path = bench.folder.predictions(name, seed, bench.recipe.seed)
                columns = _fit(bench, fit, labelled[seed], test, wanted)
                write_predictions(path, columns, {"start": name, "seed": seed})


def _together(events: Array, labelled: Labelled) -> Array:
    """The numbers of all `events` and `labelled` ones, ascending."""
    return np.unique(np.concatenate([events, *(e for s in labelled.values() for e in s.values())]))


def targets(stage: Stage) -> dict[str, str]:
    """Truth that the tasks of `stage` predict: task to name."""
    found = {n: getattr(t.options, "truth", "") for n, t in stage.tasks.items()}
    return {name: truth for name, truth in found.items() if truth}


def encoders(bench: Bench, predicting: dict[str, Stage]) -> dict[str, Network]:
    """The frozen encoder that each start begins from; the one that begins from none is random."""
    found = {}
    first = bench.recipe.seed
    for name, stage in predicting.items():
        if budget_of(name)[1]:  # begins from what the start itself begins from
            continue
        start = start_name(name) if stage.start or stage.transfer else "random"
        found[start] = begun(bench, name, stage, first)[0]
    return found


def _encoded(bench: Bench, source: str, network: Network, numbers: Array) -> Array:
    sample = bench.sample(numbers, (View(),), 64, labels=False)
    return features(network, sample, bench.workers, f"features {source}", bench.notify)


def _by_hand(bench: Bench, numbers: Array) -> Array:
    parts = []
    for block in loader(Blocks(bench.file, bench.detector, numbers), bench.workers, pin=False):
        parts.append(np.asarray(block))
        done = sum(map(len, parts))
        bench.notify(Progress("features by hand", done, len(numbers)))
    return np.concatenate(parts)


def _fit(
    bench: Bench, fit: Fit, train: Array, test: Array, wanted: dict[str, str]
) -> dict[str, Array]:
    """Predictions of a model for every target, in the columns of a predictions file."""
    truth = bench.file.truth
    x_train, x_test = (fit.table[np.searchsorted(fit.numbers, e)] for e in (train, test))
    columns: dict[str, Array] = {
        "keys": np.array([bench.file.keys[i] for i in test], dtype="S"),
        "weight": truth["weight"][test] if "weight" in truth else np.ones(len(test)),
    }
    for task, name in wanted.items():
        label = bench.detector.label(name)
        quantity = "scores" if label.classes else "prediction"
        columns[f"{task}/truth"] = truth[name][test]
        columns[f"{task}/{quantity}"] = fit.model(
            x_train, truth[name][train], x_test, classes=len(label.classes)
        )
    return columns
