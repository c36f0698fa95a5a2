"""What single ingredients of a recipe bring, on the events of runs that are finished.

    python benchmarks/ablation.py fasercal_mae_rel demo runs/seed0 runs/seed1 runs/seed2 --out runs/ablation

trains, for each change of the recipe below and each run, masked reconstruction and fine-tuning from it
anew on the run's events, with its seed; what the run itself has is evaluated, with and without its
relational pass. ``ablation.json`` has, on the test split, flavour macro AUROC
and vertex distance of the frozen probe (mean over `DRAWS` draws of labelled events) and of the
fine-tuned network. docs/results.md has the means and spreads.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from shutil import copytree
from time import process_time

import numpy as np

from intarsia.core.checkpoint import load as load_weights
from intarsia.core.checkpoint import load_state, save
from intarsia.core.evaluate import features, predictions
from intarsia.core.events import Array
from intarsia.core.metrics import distance, macro, one_vs_rest
from intarsia.core.plugins import registry
from intarsia.core.probe import linear_probe
from intarsia.core.progress import silent
from intarsia.core.recipe_load import load
from intarsia.core.results import encoders
from intarsia.core.run import prepared
from intarsia.core.stages import Bench, learn, trained
from intarsia.core.task import View
from intarsia.core.train import share_cores

MAE = "stages.mae.tasks.mae"
DRAWS = 8
AS_IT_IS, LAST_WEIGHTS = "as it is", "no averaging"
NO_NOISE = "fine-tuning augmented without noise"
HITS = "heads that read hits"
HYBRID = ("focal", "border", "charge", "chamfer", "distance")
STARTS = {AS_IT_IS: ("mae", "mae_rel"), HITS: ("scratch", "mae", "mae_rel")}
CHANGES = {
    AS_IT_IS: (),
    "plain losses": tuple(f"{MAE}.hybrid.{term}=0" for term in HYBRID),
    LAST_WEIGHTS: ("stages.finetune.optim.ema=0",),
    "augmentations": ("stages.mae.augment=true", "stages.finetune.augment=true"),
    NO_NOISE: ("stages.finetune.augment={charge_scale: 0.1, smear: 0.1, dropout: 0.05}",),
    HITS: tuple(f"stages.finetune.tasks.{task}.head=hits" for task in ("flavour", "vertex")),
    "no empty patches": (f"{MAE}.view.empty=0",),
}


def quality(scores: Array, flavour: Array, vertex: Array, truth: Array) -> tuple[float, float]:
    """Macro AUROC, and mean distance in mm."""
    found = one_vs_rest(scores, flavour, np.ones((1, len(flavour))))
    return float(macro(found).item()), float(distance(vertex, truth).mean())


def probed(run: Bench, name: str, seed: int) -> tuple[float, float]:
    """Of linear models on the frozen encoder that stage `name` begins with."""
    (network,) = encoders(run, {name: run.recipe.stages[name]}).values()
    test, truth = run.split("test"), run.file.truth
    labelled = [run.labelled(run.recipe.report.probe, seed + 100 * i) for i in range(DRAWS)]
    every = np.unique(np.concatenate([*labelled, test]))
    table = features(network, run.sample(every, (View(),), 64, labels=False), 0, "", silent)
    new = table[np.searchsorted(every, test)]
    found = []
    for numbers in labelled:
        x = table[np.searchsorted(every, numbers)]
        scores = linear_probe(x, truth["flavour"][numbers], new, classes=6)
        vertex = linear_probe(x, truth["vertex"][numbers], new)
        found.append(quality(scores, truth["flavour"][test], vertex, truth["vertex"][test]))
    auroc, away = np.mean(found, 0)
    return float(auroc), float(away)


def tuned(run: Bench, name: str, seed: int) -> tuple[float, float]:
    """Of the network that stage `name` fine-tunes."""
    network = trained(run, run.recipe.stages[name], learn(run, name, run.recipe.stages[name], seed))
    sample = run.sample(run.split("test"), (View(),), 64, labels=False)
    found = predictions(network, sample, 0, "", silent)
    names = ("flavour/scores", "flavour/truth", "vertex/prediction", "vertex/truth")
    return quality(*(found[n] for n in names))


def taken_over(run: Path, out: Path, change: str) -> None:
    """What `run` has trained and `change` leaves as it is: averaging does not change the training."""
    stages = {
        AS_IT_IS: ("mae", "mae_rel", "finetune"),
        LAST_WEIGHTS: ("mae",),
        NO_NOISE: ("mae",),
        HITS: ("mae", "mae_rel"),
    }
    for stage in stages.get(change, ()):
        copytree(run / stage, out / stage, dirs_exist_ok=True)
    if change == LAST_WEIGHTS:
        state, _ = load_state(out / "mae" / "last.resume.safetensors")
        weights = {k.removeprefix("now."): v for k, v in state.items() if k.startswith("now.")}
        best = out / "mae" / "best.safetensors"
        save(best, weights, load_weights(best)[1])


def main() -> None:
    """Train and evaluate, print as it goes, write ``ablation.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe")
    parser.add_argument("scale")
    parser.add_argument("runs", type=Path, nargs="+", help="folders of finished runs")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", action="append", choices=CHANGES, help="these changes alone")
    chosen = parser.parse_args()
    plugins, rows = registry(), []
    share_cores(0)
    for change in chosen.only or CHANGES:
        for folder in chosen.runs:
            seed = json.loads((folder / "run.json").read_text())["recipe"]["seeds"][0]
            events = folder.resolve() / "data" / "events.h5"
            words = [f"seeds=[{seed}]", f"data.files=[{events}]", *CHANGES[change]]
            recipe = load(chosen.recipe, plugins, words, chosen.scale)
            out = chosen.out / f"{change.replace(' ', '-')}-{seed}"
            run = prepared(recipe, plugins, out, resume=True, workers=1)
            taken_over(folder, out, change)
            begin = process_time()
            learn(run, "mae", recipe.stages["mae"], seed)
            cpu = process_time() - begin
            for start in STARTS.get(change, ("mae",)):
                name = f"finetune/{start}"
                row = {"change": change, "start": start, "seed": seed, "cpu": cpu}
                row |= {"probe": probed(run, name, seed), "tuned": tuned(run, name, seed)}
                rows.append(row)
                print(row, flush=True)
            (chosen.out / "ablation.json").write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
