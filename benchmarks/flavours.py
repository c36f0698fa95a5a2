"""How well hand-made numbers tell the flavours of simulated FASERCal events apart.

Run as ``python benchmarks/flavours.py EVENTS.h5``; the file is one of ``intarsia simulate fasercal -n 24000
-o EVENTS.h5``. Prints the table that docs/physics.md shows: areas under the ROC curve, out of fold.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from intarsia.core.events import Array
from intarsia.core.hand_features import features
from intarsia.core.metrics import one_vs_rest
from intarsia.core.store import EventFile
from intarsia.detectors.fasercal import FASERCAL

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "detectors"))
from test_fasercal_flavour import error, scores

BLOCK = 500
PAIRS = (("nutau_cc_e", "nue_cc"), ("nutau_cc_mu", "numu_cc"))


def main(path: Path) -> None:
    """Train, score out of fold and print."""
    file, names = EventFile(path), FASERCAL.label("flavour").classes
    blocks = [(n, min(n + BLOCK, len(file))) for n in range(0, len(file), BLOCK)]
    x = np.concatenate([features(file.read(*b, labels=False), FASERCAL)[1] for b in blocks])
    y, weight = file.truth["flavour"], file.truth["weight"].astype(np.float64)
    score = scores(x, y)
    print(f"| {len(y):,} events | {' | '.join(names)} |\n|---{'|---' * len(names)}|")
    for what, weights in (("mix as simulated", np.ones(len(y))), ("at nominal abundances", weight)):
        areas = one_vs_rest(score, y, weights[None])[0]
        print(f"| {what} | {' | '.join(f'{area:.3f}' for area in areas)} |")
    counts = np.bincount(y, minlength=len(names))
    plain = one_vs_rest(score, y, np.ones((1, len(y))))[0]
    errors = [error(a, n, len(y) - n) for a, n in zip(plain, counts, strict=True)]
    print(f"| events | {' | '.join(map(str, counts))} |")
    print(f"| error | {' | '.join(f'{e:.3f}' for e in errors)} |")
    for one, other in PAIRS:
        print(
            f"{one} against {other} alone: {_alone(score, y, names.index(one), names.index(other)):.2f}"
        )


def _alone(score: Array, y: Array, one: int, other: int) -> float:
    """Area of class `one` against `other` by the logarithm of the ratio of their scores."""
    both = np.isin(y, (one, other))
    ratio = np.log(score[both][:, [one, other]]) @ [1.0, -1.0]
    two = np.stack([ratio, -ratio], axis=1)
    return float(one_vs_rest(two, (y[both] == other).astype(int), np.ones((1, both.sum())))[0][0])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
