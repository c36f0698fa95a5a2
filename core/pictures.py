"""Arrays for the pictures of a run: a few test events as they are, masked and rebuilt."""

from __future__ import annotations

import numpy as np
import torch
from attrs import evolve

from .events import Array
from .stages import Bench, trained
from .streams import VoxelGrid

PURPOSE = "pictures"


def pictures(bench: Bench) -> None:
    """Write ``pictures/<number>.npz`` for the first test events with the most to see.

    Arrays: those that the tasks of the last pre-training stage draw, see `TaskModule.picture`.
    Nothing is written for a recipe without such a stage or a detector without voxels.
    """
    stages = {n: s for n, s in bench.recipe.stages.items() if "/" not in n}
    if not stages or not bench.recipe.report.pictures:
        return
    name, stage = list(stages.items())[-1]
    folder = bench.folder.path / "pictures"
    folder.mkdir(exist_ok=True)
    first = bench.recipe.seed
    network = trained(bench, stage, bench.folder.stage(name, first, first) / "best.safetensors")
    network.eval()
    network.views = {k: evolve(v, decode=1.0, visible=0.0) for k, v in network.views.items()}
    for number in chosen(bench):
        views = tuple(dict.fromkeys(network.views.values()))
        sample = bench.sample(np.array([number]), views, 1, purpose=PURPOSE)
        batch = sample.planner(
            sample.file.take([number]), views, np.random.default_rng([first, number])
        )
        arrays: dict[str, Array] = {}
        with torch.inference_mode():
            encoded = network.encode(batch)
            for _, task, view in network.active(batch):
                drawn = task.picture(task(encoded[view], batch), encoded[view])
                arrays |= {k: v.cpu().numpy() for k, v in drawn.items()}
        if arrays:
            np.savez_compressed(folder / f"{number}.npz", allow_pickle=False, **arrays)


def chosen(bench: Bench) -> list[int]:
    """Test events to draw: those whose number of voxels is nearest the upper middle (60 %)."""
    test = bench.split("test")
    grids = [s.name for s in bench.detector.streams if isinstance(s, VoxelGrid)]
    if not grids:
        return []
    rows = bench.file.rows(grids[0])[test]
    typical = test[np.argsort(np.abs(rows - np.quantile(rows, 0.6)), kind="stable")]
    return [int(i) for i in typical[: bench.recipe.report.pictures]]
