"""What simulated FASERCal events look like in numbers: occupancy, ghosts, energy, muon tracks.

Run as ``python benchmarks/fasercal.py EVENTS.h5 docs/figures/fasercal.png``; the file is one of
``intarsia simulate fasercal -n 10000 -o EVENTS.h5``. Prints the table that docs/physics.md shows and
draws it against the neutrino's energy: lines are medians, bands hold the middle two thirds.
"""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from intarsia.core.events import Array
from intarsia.core.store import EventFile

EDGES = np.array([20.0, 100, 200, 400, 700, 1200, 2000, 7000])  # GeV
BLOCK = 500


def numbers(file: EventFile) -> dict[str, Array]:
    """One number of each kind for every event."""
    found: dict[str, list[Array]] = {}
    for first in range(0, len(file), BLOCK):
        events = file.read(first, min(first + BLOCK, len(file)))
        cubes, tiles = events.streams["3dcal"], events.streams["ahcal"]
        size = len(events)

        def summed(table: object, values: Array, size: int = size) -> Array:
            return np.bincount(table.event, values.astype(np.float64), minlength=size)

        ghosts = summed(cubes, cubes["ghost"] == 1)
        bright = summed(cubes, cubes["charge"])
        seen = np.linalg.norm(events.truth["p_visible"], axis=1)
        part = {
            "voxels": cubes.counts,
            "ghosts": ghosts / cubes.counts,
            "ghost charge": summed(cubes, cubes["charge"] * (cubes["ghost"] == 1)) / bright,
            "3DCal": 1e-3 * bright / seen,
            "ECAL": 1e-3 * events.streams["ecal"]["energy"].sum((1, 2)) / seen,
            "AHCAL": 1e-3 * summed(tiles, tiles["energy"]) / seen,
            "tracks": events.streams["muon"].counts > 0,
            "energy": events.truth["energy"],
            "flavour": events.truth["flavour"],
        }
        for name, values in part.items():
            found.setdefault(name, []).append(np.asarray(values, np.float64))
    return {name: np.concatenate(values) for name, values in found.items()}


def main(path: Path, out: Path) -> None:
    """Print the table and write the figure."""
    n = numbers(EventFile(path))
    bins = [(n["energy"] >= a) & (n["energy"] < b) for a, b in pairwise(EDGES)]
    rows = ("voxels", "ghosts", "ghost charge", "3DCal", "ECAL", "AHCAL")
    print(
        "| energy, GeV | events | " + " | ".join(rows) + " |\n|---" + "|---" * (1 + len(rows)) + "|"
    )
    for i, (a, b) in enumerate(pairwise(EDGES)):
        middle = [np.median(n[row][bins[i]]) for row in rows]
        cells = [
            f"{v:.0f}" if row == "voxels" else f"{v:.3f}"
            for row, v in zip(rows, middle, strict=True)
        ]
        print(f"| {a:.0f} to {b:.0f} | {bins[i].sum()} | " + " | ".join(cells) + " |")
    for flavour, name in enumerate(
        ("nue cc", "numu cc", "tau to e", "tau to mu", "tau to had", "nc")
    ):
        chosen = n["flavour"] == flavour
        print(f"{name}: {chosen.sum()} events, {n['tracks'][chosen].mean():.2f} with a muon track")
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    middle = np.sqrt(EDGES[1:] * EDGES[:-1])
    panels = (("voxels",), ("ghosts", "ghost charge"), ("3DCal", "ECAL", "AHCAL"))
    titles = ("Voxels of an event", "Share of ghosts", "Signal / visible energy")
    for axes, names, title in zip(figure.subplots(1, 3), panels, titles, strict=True):
        for name in names:
            low, mid, high = (
                np.array([np.quantile(n[name][b], q) for b in bins]) for q in (1 / 6, 0.5, 5 / 6)
            )
            axes.fill_between(middle, low, high, alpha=0.2, lw=0)
            axes.plot(middle, mid, marker="o", ms=3, label=name)
        axes.set(xscale="log", xlabel="neutrino energy [GeV]", title=title)
        axes.set_ylim(bottom=0)
        if len(names) > 1:
            axes.legend(frameon=False)
    figure.savefig(out, dpi=110)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
