"""What the layers of ECAL and AHCAL answer to single particles, against published resolutions.

Run as ``python benchmarks/response.py docs/figures/physics_response.png``. Uses the blocks of the tests.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

from intarsia.core.simulation.particles import ELECTRON, PI_PLUS

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from blocks import block, sampled

SHASHLIK = [(2.0, "Pb", False), (4.0, "PS", True)] * 132  # mm; as the ECAL, twice as deep
SANDWICH = [(20.0, "Fe", False), (3.0, "PS", True)] * 100  # mm; as the AHCAL, 2.5 times as deep


def main(out: Path) -> None:
    """Shoot, print the numbers, draw them."""
    ecal, ahcal = block(SHASHLIK, 150, 4.0, 132), block(SANDWICH, 400, 3.0, 100)
    low, high = (0.5, 1.0, 2.0, 4.0, 8.0), (2.0, 4.0, 8.0, 16.0, 32.0)  # GeV
    shots = (
        ("electrons, ECAL", ecal, ELECTRON, low, 1000, "C0"),
        ("electrons, AHCAL", ahcal, ELECTRON, low, 1000, "C1"),
        ("pions, AHCAL", ahcal, PI_PLUS, high, 1000, "C3"),
    )
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    share, spread = figure.subplots(1, 2)
    for name, where, kind, energies, n, colour in shots:
        found = np.array([sampled(where, kind, 1e3 * e, n) for e in energies])
        print(
            name,
            *(f"{e:g} GeV: {r:.4f}, {s:.3f}" for e, (r, s) in zip(energies, found, strict=True)),
        )
        share.plot(energies, 100 * found[:, 0], "o-", c=colour, label=name)
        spread.plot(energies, 100 * found[:, 1] / np.sqrt(energies), "o", c=colour, label=name)
    e = np.geomspace(0.5, 32, 50)
    # JINST 3 (2008) S08005: 10 % and 1 %; arXiv:1207.4210: 57.6 % and 1.6 %
    spread.plot(e, np.hypot(10 / np.sqrt(e), 1.0), "C0--", lw=1, label="LHCb ECAL, measured")
    spread.plot(e, np.hypot(57.6 / np.sqrt(e), 1.6), "C3--", lw=1, label="CALICE AHCAL, pions")
    share.set(ylabel="energy in scintillator / energy [%]", yticks=(2, 3, 5, 10, 20))
    spread.set(ylabel="resolution [%]", yticks=(2, 5, 10, 20, 50))
    for axes in (share, spread):
        ticks = axes.get_yticks()
        axes.set(xscale="log", yscale="log", xlabel="energy of the particle [GeV]")
        axes.set_yticks(ticks)
        axes.minorticks_off()
        axes.set_xticks((0.5, 1, 2, 5, 10, 20))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(ScalarFormatter())
        axes.legend(frameon=False, fontsize=8)
    figure.savefig(out, dpi=110)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
