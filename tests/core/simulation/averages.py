"""Averages of neutrino interactions, from the record that every generator writes.

``python tests/core/simulation/averages.py store`` writes `data/pythia.json`, the reference that the
tests of the built-in generator use; it needs the extra `pythia` and ten minutes. With ``table`` it
prints both generators' averages as docs/physics_generator.md shows them.
"""

import json
import math
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np

from intarsia.core.simulation.neutrinos import generator
from intarsia.core.simulation.random import seeded

STORED = Path(__file__).parent / "data" / "pythia.json"
ENERGIES = (30.0, 100.0, 300.0, 1000.0, 3000.0, 5000.0)  # GeV
W_MIN = 2.0  # GeV, of the built-in generator; 3 to 6 % of Pythia's interactions at 30 GeV are below
KINDS = {"numu_cc": (14, True), "numubar_cc": (-14, True), "numu_nc": (14, False),
         "numubar_nc": (-14, False), "nutau_cc": (16, True)}  # fmt: skip
CHARMED = (421, 411, 431, 4122)
RARE = (4232, 4132, 4332)  # charmed too; Pythia alone makes them
CHARGED = (11, 13, 211, 321, 2212, 3112, 3222, 3312, 411, 431, 4122, 4232)


def sample(interact, energy, neutrino, charged, n, seed=1):
    """Those of `n` interactions with W > 2 GeV, the range that both generators have.

    Returns rows end to end (R, 6), rows per event (N,), and (x, y, W) as (N, 3).
    """
    rows, kept, counts, numbers = np.zeros((600, 6)), [], [], []
    for i in range(n):
        m, _, x, y, w = interact(seeded(seed, i), energy, neutrino, charged, rows)
        if w <= W_MIN:
            continue
        kept.append(rows[:m].copy())
        counts.append(m)
        numbers.append((x, y, w))
    return np.concatenate(kept), np.array(counts), np.array(numbers)


def averages(rows, counts, numbers, energy):
    """Name: (mean, statistical uncertainty), over the interactions of one `sample`.

    Numbers of particles are those of hadrons and photons. pt: GeV, to the direction of all of them.
    leading: the largest energy of one, electromagnetic: that of pi0 and photons together, charmed:
    that of a charmed hadron, all relative to the energy of all of them.
    """
    first = np.cumsum(counts) - counts
    event = np.repeat(np.arange(len(counts)), counts)
    hadron = np.ones(len(rows), bool)
    hadron[first] = False
    p, size = np.where(hadron[:, None], rows[:, :3], 0.0), np.abs(rows[:, 4]).astype(int)

    def each(values):
        return np.add.reduceat(np.where(hadron, values, 0.0), first)

    total = np.stack([each(p[:, i]) for i in range(3)], 1)
    axis = total / np.linalg.norm(total, axis=1)[:, None]
    along = (p * axis[event]).sum(1)
    pt = np.sqrt(np.maximum((p**2).sum(1) - along**2, 0.0))
    energy_of_all, energies = each(rows[:, 3]), np.where(hadron, rows[:, 3], 0.0)
    charm = hadron & np.isin(size, CHARMED + RARE)
    made = each(charm) > 0
    x, y, w = numbers.T
    found = {
        "x": x, "y": y, "w": w, "q2": 2 * 0.93892 * energy * x * y,
        "charged": each(np.isin(size, CHARGED)), "pi0": each(size == 111), "hadrons": each(1.0),
        "kaons": each(np.isin(size, (321, 130, 310))), "nucleons": each(np.isin(size, (2212, 2112))),
        "pt": pt[hadron], "leading": np.maximum.reduceat(energies, first) / energy_of_all,
        "electromagnetic": each(np.where(np.isin(size, (111, 22)), energies, 0)) / energy_of_all,
        "charm": made,
    }  # fmt: skip
    if made.any():
        found |= {f"charm_{c}": (size[charm] == c) for c in CHARMED}
        found["charmed"] = energies[charm] / energy_of_all[event[charm]]
    return {k: (float(np.mean(v)), float(np.std(v) / math.sqrt(len(v)))) for k, v in found.items()}


def number(n, charged):
    """Interactions to average: of neutral currents three times `n`, since charm is rare there."""
    return n if charged else 3 * n


def store(n=40_000):
    """Write the reference."""
    from intarsia.core.simulation.pythia import NEUTRONS, SETTINGS

    interact, points = generator("pythia"), {}
    for name, (neutrino, charged) in KINDS.items():
        for energy in ENERGIES:
            events = sample(interact, energy, neutrino, charged, number(n, charged))
            found = averages(*events, energy)
            short = {k: [float(f"{a:.5g}"), float(f"{b:.2g}")] for k, (a, b) in found.items()}
            points[f"{name} {energy:g}"] = short
    shares = {
        f"{sign:+d} {'cc' if charged else 'nc'}": v for (sign, charged), v in NEUTRONS.items()
    }
    about = {
        "pythia8mc": version("pythia8mc"),
        "settings": SETTINGS,
        "neutrons": shares,
        "events": {"cc": number(n, True), "nc": number(n, False)},
    }
    lines = [f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in points.items()]
    text = f'{{"about": {json.dumps(about)},\n"points": {{\n' + ",\n".join(lines) + "\n}}\n"
    STORED.write_text(text)


COLUMNS = {
    "y": "y", "w": "W, GeV", "q2": "Q2, GeV2", "charged": "charged", "pi0": "pi0", "kaons": "K",
    "nucleons": "p, n", "pt": "pT, GeV", "leading": "leading", "electromagnetic": "e.m.",
    "charm": "charm",
}  # fmt: skip


def table(n=20_000):
    """Lines of the table of both generators: built-in / Pythia."""
    theirs, interact = json.loads(STORED.read_text())["points"], generator("builtin")
    yield "| | " + " | ".join(COLUMNS.values()) + " |"
    yield "|---" * (len(COLUMNS) + 1) + "|"
    for name, (neutrino, charged) in KINDS.items():
        for energy in ENERGIES:
            events = sample(interact, energy, neutrino, charged, number(n, charged))
            ours = averages(*events, energy)
            other = theirs[f"{name} {energy:g}"]
            cells = [f"{ours[c][0]:.3g} / {other[c][0]:.3g}" for c in COLUMNS]
            yield f"| {name.replace('_', ' ')} {energy:g} GeV | " + " | ".join(cells) + " |"


if __name__ == "__main__":
    if sys.argv[1:] == ["store"]:
        store()
    else:
        sys.stdout.write("\n".join(table()) + "\n")
