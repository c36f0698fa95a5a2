"""The neutrinos that interact in FASERCal: composition and energies.

Composition: GENIE events of the collaboration (99,995 interactions in FASERCal, public summary
tables of rubbiaa/FASER). Energies: log-normal laws of our own, shaped to the public "600 GeV to 1 TeV"
of neutrinos that interact in FASER (arXiv:1908.02310); not a flux calculation. They can be replaced
by histograms. NC events share the CC events' mix and energies.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from intarsia.core.errors import RunError, suggest
from intarsia.core.simulation.compiled import Array
from intarsia.core.simulation.spectrum import Spectra, read, spectra

# PDG number: CC interactions, median energy in GeV, width of ln E
NEUTRINOS = {
    12: (7570, 560.0, 0.88),
    -12: (5160, 560.0, 0.88),
    14: (45697, 430.0, 0.88),
    -14: (16184, 430.0, 0.88),
    16: (141, 700.0, 0.80),
    -16: (91, 700.0, 0.80),
}
LOWEST, HIGHEST, BINS = 20.0, 7000.0, 240  # GeV; bins of equal ratio

NOMINAL = (12730 / 99995, 61881 / 99995, 232 / 99995, 25152 / 99995)
# Interactions of the paper's sample: the nominal ones of 101 inverse attobarn, and tau CC ones
# beside them (arXiv:2604.07037, appendix A)
PAPER, ENRICHED = 1_118_058, 108_317

# Shares of nue CC, numu CC, nutau CC and NC
MIXES = {
    "balanced": (0.22, 0.26, 0.30, 0.22),
    "nominal": NOMINAL,
    "paper": tuple(
        (PAPER * share + ENRICHED * (i == 2)) / (PAPER + ENRICHED)
        for i, share in enumerate(NOMINAL)
    ),
}


def table(mix: str) -> Array:
    """Kinds of interaction to draw from: (K, 4) float64.

    Columns: PDG number, 1 if CC, probability, weight (nominal over sampled abundance). RunError if
    there is no such mix.
    """
    if mix not in MIXES:
        raise RunError(
            f"fasercal: there is no mix {mix!r}{suggest(mix, MIXES)} (known: {', '.join(MIXES)})"
        )
    all_cc = sum(n for n, _, _ in NEUTRINOS.values())
    rows = []
    for pdg, (n, _, _) in NEUTRINOS.items():
        flavour = abs(pdg) // 2 - 6
        both = n + NEUTRINOS[-pdg][0]
        weight = MIXES["nominal"][flavour] / MIXES[mix][flavour]
        rows.append((pdg, 1, MIXES[mix][flavour] * n / both, weight))
        weight = MIXES["nominal"][3] / MIXES[mix][3]
        rows.append((pdg, 0, MIXES[mix][3] * n / all_cc, weight))
    return np.array(rows, np.float64)


@cache
def energies(path: str = "") -> Spectra:
    """Energies of the interacting neutrinos: the histograms of the file `path`, or the default.

    RunError if the file is not as module `spectrum` describes it.
    """
    if path:
        return read(Path(path))
    edges = np.geomspace(LOWEST, HIGHEST, BINS + 1)
    middle = np.sqrt(edges[1:] * edges[:-1])
    laws = {
        pdg: np.exp(-0.5 * (np.log(middle / median) / width) ** 2)
        for pdg, (_, median, width) in NEUTRINOS.items()
    }
    return spectra(edges, laws)
