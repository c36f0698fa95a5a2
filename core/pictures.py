"""Arrays for the pictures of a run: a few test events as they are, masked and rebuilt."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from attrs import evolve
from torch import nn

from .events import Array
from .network import Network
from .recipe import budget_of
from .stages import Bench, trained
from .task_module import TaskModule

PURPOSE = "pictures"


def pictures(bench: Bench) -> None:
    """Write ``pictures/<number>.npz`` for the first test events with the most to see.

    Arrays: those that the tasks of the last stage of pre-training and of the last start draw, see
    `TaskModule.picture`. Nothing is written where no task draws or a detector has no voxels.
    """
    numbers = chosen(bench) if bench.recipe.report.pictures else []
    found: dict[int, dict[str, Array]] = {number: {} for number in numbers}
    for network in _networks(bench) if numbers else ():
        for number, arrays in found.items():
            new = _drawn(bench, network, number)
            if not arrays.keys() & new.keys():  # of labels, one picture of an event
                arrays |= new
    folder = bench.folder.path / "pictures"
    for number, arrays in found.items():
        if arrays:
            folder.mkdir(exist_ok=True)
            np.savez_compressed(folder / f"{number}.npz", allow_pickle=False, **arrays)


def _networks(bench: Bench) -> Iterator[Network]:
    """The trained networks whose tasks draw, of pre-training before that of a start."""
    stages, first = bench.recipe.stages, bench.recipe.seed
    before = [n for n in stages if "/" not in n]
    starts = [n for n in stages if "/" in n and not budget_of(n)[1]]
    for name in (*before[-1:], *starts[-1:]):
        if any(_draws(t) for t in bench.network(stages[name], first).tasks.values()):
            best = bench.folder.stage(name, first, first) / "best.safetensors"
            network = trained(bench, stages[name], best)
            network.eval()
            network.views = {
                k: evolve(v, decode=1.0, visible=0.0, empty=0.0) for k, v in network.views.items()
            }
            yield network


def _draws(task: nn.Module) -> bool:
    """Whether a task has pictures."""
    return isinstance(task, TaskModule) and type(task).picture is not TaskModule.picture


def _drawn(bench: Bench, network: Network, number: int) -> dict[str, Array]:
    """Arrays of the pictures of test event `number`."""
    views = tuple(dict.fromkeys(network.views.values()))
    sample = bench.sample(np.array([number]), views, 1, purpose=PURPOSE)
    rng = np.random.default_rng([bench.recipe.seed, number])
    batch = sample.planner(sample.file.take([number]), views, rng)
    arrays: dict[str, Array] = {}
    with torch.inference_mode():
        for _, task, seen, out in network.outputs(batch):
            drawn = task.picture(out, seen)
            arrays |= {k: v.cpu().numpy() for k, v in drawn.items()}
    return arrays


def chosen(bench: Bench) -> list[int]:
    """Test events to draw: those whose number of voxels is nearest the upper middle (60 %)."""
    test = bench.split("test")
    grids = list(bench.detector.grids)
    if not grids:
        return []
    rows = bench.file.rows(grids[0])[test]
    typical = test[np.argsort(np.abs(rows - np.quantile(rows, 0.6)), kind="stable")]
    return [int(i) for i in typical[: bench.recipe.report.pictures]]
