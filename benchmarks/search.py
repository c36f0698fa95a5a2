"""Learning rates of fine-tuning, searched for every start alike on the validation split.

    python benchmarks/search.py recipes/fasercal_mae_rel.yaml demo runs/search --seed 10

trains what the starts need, then every start at every point of one grid (learning rate at a batch of
256, layer decay) and with every fine-tuning seed, and writes ``search.json``. A point's score is the
sum of the macro AUROC of its classes, less its mean distances in m: 0.01 in AUROC weighs as much as
10 mm. ``--set key.sub=value`` changes the recipe. docs/experiments.md averages over three such searches of
FASERCal (``--repeat 1`` with seeds 0, 1 and 2).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
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


def grid(
    stage: Stage, rates: Sequence[float], decays: Sequence[float]
) -> Iterator[tuple[str, Stage]]:
    """The points of the grid: a name and the stage with its values."""
    for rate, decay in product(rates, decays):
        optim = evolve(stage.optim, lr=rate, layer_decay=decay)
        yield f"lr {rate:g}, decay {decay:g}", evolve(stage, optim=optim)


def score(run: Bench, name: str, stage: Stage, seed: int) -> dict[str, float]:
    """Macro AUROC of each task of classes and mean distance of each of positions, in mm.

    On the validation split.
    """
    network = trained(run, stage, learn(run, name, stage, seed))
    sample = run.sample(run.split("val"), (View(),), 64, labels=False)
    found = predictions(network, sample, 0, name, silent)
    scores = {}
    for task in stage.tasks:
        truth = found[f"{task}/truth"]
        if f"{task}/scores" in found:
            auroc = one_vs_rest(found[f"{task}/scores"], truth, found["weight"][None])
            scores[task] = float(macro(auroc).item())
        else:
            scores[f"{task} mm"] = float(distance(found[f"{task}/prediction"], truth).mean())
    return scores


def worth(scores: Mapping[str, float]) -> float:
    """One number of a point, larger is better."""
    return sum(-v / 1000 if k.endswith(" mm") else v for k, v in scores.items())


def main() -> None:
    """Search, print as it goes, write ``search.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe")
    parser.add_argument("scale")
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=10, help="of events and pre-training")
    parser.add_argument("--repeat", type=int, default=2, help="fine-tunings of a point")
    parser.add_argument("--rates", type=float, nargs="+", default=RATES)
    parser.add_argument("--decays", type=float, nargs="+", default=DECAYS)
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY.SUB=VALUE", dest="changes")
    chosen = parser.parse_args()
    plugins = registry()
    recipe = load(chosen.recipe, plugins, [f"seeds=[{chosen.seed}]", *chosen.changes], chosen.scale)
    run = prepared(recipe, plugins, chosen.out, resume=True, workers=1)
    share_cores(1)
    for name, stage in run.recipe.stages.items():
        if "/" not in name:
            learn(run, name, stage, chosen.seed)
    rows = []
    for repeat in range(chosen.repeat):
        for name, stage in run.recipe.stages.items():
            points = grid(stage, chosen.rates, chosen.decays) if "/" in name else ()
            for point, changed in points:
                seed = chosen.seed + repeat
                found = score(run, f"{name} {point}", changed, seed)
                rows.append({"start": name, "point": point, "seed": seed, "scores": found})
                said = "  ".join(f"{k} {v:.4g}" for k, v in found.items())
                print(f"{name:20} {point:22} {seed:3} {said}", flush=True)
                (chosen.out / "search.json").write_text(json.dumps(rows, indent=1))
    for start in dict.fromkeys(r["start"] for r in rows):
        points = dict.fromkeys(r["point"] for r in rows)
        every = {p: [r for r in rows if (r["start"], r["point"]) == (start, p)] for p in points}
        scores = {p: mean(worth(r["scores"]) for r in each) for p, each in every.items()}
        best = max(scores, key=lambda p: scores[p])
        print(f"{start}: {best} ({scores[best]:.3f})")


if __name__ == "__main__":
    main()
