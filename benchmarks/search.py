"""Learning rates of fine-tuning, searched for every start alike on the validation split.

    python benchmarks/search.py recipes/fasercal_mae_rel.yaml demo runs/search --seed 10

trains what the starts need, then every start at every point of one grid (learning rate at a batch of
256, layer decay) and with every fine-tuning seed, and writes ``search.json``. A point's score is
macro AUROC of the flavour minus mean vertex distance in m: 0.01 in AUROC weighs as much as 10 mm.
docs/results.md averages over three such searches (``--repeat 1`` with seeds 0, 1 and 2).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from statistics import mean

from attrs import evolve

from intarsia.core.evaluate import predictions
from intarsia.core.metrics import distance, macro, one_vs_rest
from intarsia.core.plugins import registry
from intarsia.core.progress import silent
from intarsia.core.recipe import Stage
from intarsia.core.recipe_load import load
from intarsia.core.run import prepared
from intarsia.core.stages import Bench, learn, trained
from intarsia.core.task import View
from intarsia.core.train import share_cores

RATES = (0.016, 0.032, 0.064)
DECAYS = (0.65, 1.0)


def grid(stage: Stage) -> Iterator[tuple[str, Stage]]:
    """The points of the grid: a name and the stage with its values."""
    for rate, decay in product(RATES, DECAYS):
        optim = evolve(stage.optim, lr=rate, layer_decay=decay)
        yield f"lr {rate:g}, decay {decay:g}", evolve(stage, optim=optim)


def score(run: Bench, name: str, stage: Stage, seed: int) -> tuple[float, float]:
    """Flavour macro AUROC and mean vertex distance in mm on the validation split."""
    network = trained(run, stage, learn(run, name, stage, seed))
    sample = run.sample(run.split("val"), (View(),), 64, labels=False)
    found = predictions(network, sample, 0, name, silent)
    weight = found["weight"][None]
    flavour = one_vs_rest(found["flavour/scores"], found["flavour/truth"], weight)
    away = distance(found["vertex/prediction"], found["vertex/truth"])
    return float(macro(flavour).item()), float(away.mean())


def main() -> None:
    """Search, print as it goes, write ``search.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe")
    parser.add_argument("scale")
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=10, help="of events and pre-training")
    parser.add_argument("--repeat", type=int, default=2, help="fine-tunings of a point")
    chosen = parser.parse_args()
    plugins = registry()
    recipe = load(chosen.recipe, plugins, [f"seeds=[{chosen.seed}]"], chosen.scale)
    run = prepared(recipe, plugins, chosen.out, resume=True, workers=1)
    share_cores(1)
    for name, stage in run.recipe.stages.items():
        if "/" not in name:
            learn(run, name, stage, chosen.seed)
    rows = []
    for repeat in range(chosen.repeat):
        for name, stage in run.recipe.stages.items():
            for point, changed in grid(stage) if "/" in name else ():
                seed = chosen.seed + repeat
                auroc, away = score(run, f"{name} {point}", changed, seed)
                row = {"start": name, "point": point, "seed": seed, "auroc": auroc, "mm": away}
                rows.append(row)
                print(f"{name:20} {point:22} {seed:3} {auroc:.3f} {away:4.0f} mm", flush=True)
                (chosen.out / "search.json").write_text(json.dumps(rows, indent=1))
    for start in dict.fromkeys(r["start"] for r in rows):
        points = dict.fromkeys(r["point"] for r in rows)
        found = {p: [r for r in rows if (r["start"], r["point"]) == (start, p)] for p in points}
        scores = {p: mean(r["auroc"] - r["mm"] / 1000 for r in each) for p, each in found.items()}
        best = max(scores, key=lambda p: scores[p])
        print(f"{start}: {best} ({scores[best]:.3f})")


if __name__ == "__main__":
    main()
