"""What a finished run is asked: predictions of every start, frozen probes, pictures, the report.

A start is a variant of a stage whose tasks predict something, e.g. ``finetune/mae`` is start
``mae``. Everything is written to the run's folder; metrics and page are made from what lies there.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .data import Sample
from .evaluate import features, predictions
from .events import Array
from .hand_features import features as features_by_hand
from .network import Network
from .pictures import pictures
from .probe import linear_probe
from .progress import Progress
from .recipe import Stage
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


def probes(bench: Bench, predicting: dict[str, Stage]) -> None:
    """Linear models on frozen features of each encoder, a random one and hand-made features.

    All are fitted to the same labelled events of the training split, `report.probe` of them.
    """
    wanted = targets(next(iter(predicting.values())))
    if not wanted:
        return
    test = bench.split("test")
    train = {s: bench.labelled(bench.recipe.report.probe, s) for s in bench.recipe.seeds}
    every = np.unique(np.concatenate([*train.values(), test]))
    tables: dict[str, Array] = {
        f"probe-{source}": features(
            network,
            bench.sample(every, (View(),), 64, labels=False),
            bench.workers,
            f"features {source}",
            bench.notify,
        )
        for source, network in encoders(bench, predicting).items()
    }
    tables["hand_features"] = _hand(bench, every)
    for name, table in tables.items():
        for seed in bench.recipe.seeds:
            rows = np.searchsorted(every, train[seed]), np.searchsorted(every, test)
            columns = _fit(bench, table[rows[0]], table[rows[1]], train[seed], test, wanted)
            path = bench.folder.predictions(name, seed, bench.recipe.seed)
            write_predictions(path, columns, {"start": name, "seed": seed})


def targets(stage: Stage) -> dict[str, str]:
    """Truth that the tasks of `stage` predict: task to name."""
    found = {n: getattr(t.options, "truth", "") for n, t in stage.tasks.items()}
    return {name: truth for name, truth in found.items() if truth}


def encoders(bench: Bench, predicting: dict[str, Stage]) -> dict[str, Network]:
    """The frozen encoder that each start begins from; the one that begins from none is random."""
    found = {}
    first = bench.recipe.seed
    for name, stage in predicting.items():
        start = start_name(name) if stage.start or stage.transfer else "random"
        found[start] = begun(bench, name, stage, first)[0]
    return found


def _hand(bench: Bench, numbers: Array) -> Array:
    """Hand-made features of the events `numbers`, read block by block."""
    parts = []
    for i in range(0, len(numbers), 256):
        block = bench.file.take(numbers[i : i + 256], labels=False)
        parts.append(features_by_hand(block, bench.detector)[1])
        bench.notify(Progress("features by hand", min(i + 256, len(numbers)), len(numbers)))
    return np.concatenate(parts)


def _fit(
    bench: Bench, x_train: Array, x_test: Array, train: Array, test: Array, wanted: dict[str, str]
) -> dict[str, Array]:
    """Predictions of linear models for every target, in the columns of a predictions file."""
    truth = bench.file.truth
    columns: dict[str, Array] = {
        "keys": np.array([bench.file.keys[i] for i in test], dtype="S"),
        "weight": truth["weight"][test] if "weight" in truth else np.ones(len(test)),
    }
    for task, name in wanted.items():
        label = bench.detector.label(name)
        quantity = "scores" if label.classes else "prediction"
        columns[f"{task}/truth"] = truth[name][test]
        columns[f"{task}/{quantity}"] = linear_probe(
            x_train, truth[name][train], x_test, classes=len(label.classes)
        )
    return columns
