"""The neutrinos that interact in FASERCal: composition and energies.

Composition: GENIE events of the collaboration (99,995 interactions in FASERCal, public summary
tables of rubbiaa/FASER). Energies: log-normal laws of our own, shaped to public mean energies of
FASER's neutrinos (arXiv:1908.02310); not a flux calculation. NC events share the CC events' mix.
"""

from __future__ import annotations

import numpy as np

from intarsia.core.errors import RunError, suggest
from intarsia.core.simulation.compiled import Array

# PDG number: CC interactions, median energy in GeV, width of ln E
NEUTRINOS = {
    12: (7570, 560.0, 0.88),
    -12: (5160, 560.0, 0.88),
    14: (45697, 430.0, 0.88),
    -14: (16184, 430.0, 0.88),
    16: (141, 700.0, 0.80),
    -16: (91, 700.0, 0.80),
}
NEUTRAL = 25152  # NC interactions
LOWEST, HIGHEST = 20.0, 7000.0  # GeV

# Shares of nue CC, numu CC, nutau CC and NC
MIXES = {
    "balanced": (0.22, 0.26, 0.30, 0.22),
    "nominal": (12730 / 99995, 61881 / 99995, 232 / 99995, 25152 / 99995),
}


def table(mix: str) -> Array:
    """Kinds of interaction to draw from: (K, 6) float64.

    Columns: PDG number, 1 if CC, probability, median energy, width of ln E, weight (nominal over
    sampled abundance). RunError if there is no such mix.
    """
    if mix not in MIXES:
        raise RunError(
            f"fasercal: there is no mix {mix!r}{suggest(mix, MIXES)} (known: {', '.join(MIXES)})"
        )
    all_cc = sum(n for n, _, _ in NEUTRINOS.values())
    rows = []
    for pdg, (n, median, width) in NEUTRINOS.items():
        flavour = abs(pdg) // 2 - 6
        both = n + NEUTRINOS[-pdg][0]
        weight = MIXES["nominal"][flavour] / MIXES[mix][flavour]
        rows.append((pdg, 1, MIXES[mix][flavour] * n / both, median, width, weight))
        weight = MIXES["nominal"][3] / MIXES[mix][3]
        rows.append((pdg, 0, MIXES[mix][3] * n / all_cc, median, width, weight))
    return np.array(rows, np.float64)
