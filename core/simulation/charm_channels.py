"""Hadronic decays of charmed hadrons as data: per cent and products, those of the particle.

Source: Particle Data Group, Phys. Rev. D 110 (2024) 030001, rounded; K0 stands for K_S and K_L. What
was not measured is taken to be like the rest, the shares are scaled to one; for the D0, channels with
many pi0 are added so that the measured numbers of prongs come out, and for the D_s channels with a K0
or of pions alone, so that the measured inclusive numbers of kaons do. Those of Xi_c and Omega_c are
relative to one channel each (Xi- pi+ pi+, Xi- pi+, Omega- pi+). Decays to a tau are left out.
"""

from __future__ import annotations

import numpy as np

from .compiled import Array

KM, KP, K0B, K0, PIP, PIM, PI0 = -321, 321, -311, 311, 211, -211, 111
ETA, ETAP, OMEGA, PHI, LAM, S0, SP, SM, P, N, X0, XM, OM = (
    *(221, 331, 223, 333),
    *(3122, 3212, 3222, 3112, 2212, 2112),
    *(3322, 3312, 3334),
)

D0 = (
    (3.95, KM, PIP), (14.4, KM, PIP, PI0), (8.9, KM, PIP, PI0, PI0), (8.2, KM, PIP, PIP, PIM),
    (4.3, KM, PIP, PIP, PIM, PI0), (2.4, K0B, PI0), (5.6, K0B, PIP, PIM), (1.8, K0B, PI0, PI0),
    (10.2, K0B, PIP, PIM, PI0), (0.5, K0B, PIP, PIP, PIM, PIM), (1.0, K0B, ETA), (1.9, K0B, ETAP),
    (2.2, K0B, OMEGA), (7.0, K0B, PIP, PIM, PI0, PI0), (4.0, KM, PIP, PI0, PI0, PI0),
    (4.0, K0B, PI0, PI0, PI0), (0.15, PIP, PIM), (1.5, PIP, PIM, PI0),
    (0.75, PIP, PIP, PIM, PIM), (1.0, PIP, PIM, PI0, PI0), (0.42, PIP, PIP, PIM, PIM, PI0),
    (0.41, KP, KM), (0.34, KP, KM, PI0), (0.56, K0, KM, PIP), (1.0, K0B, ETA, PI0),
)  # fmt: skip
D_PLUS = (
    (9.38, KM, PIP, PIP), (6.25, KM, PIP, PIP, PI0), (1.0, KM, PIP, PIP, PI0, PI0),
    (0.57, KM, PIP, PIP, PIP, PIM), (3.1, K0B, PIP), (14.7, K0B, PIP, PI0), (5.8, K0B, PIP, PI0, PI0),
    (6.2, K0B, PIP, PIP, PIM), (3.0, K0B, PIP, PIP, PIM, PI0), (2.6, K0B, ETA, PIP),
    (0.4, K0B, ETAP, PIP), (0.12, PIP, PI0), (0.33, PIP, PIP, PIM), (1.2, PIP, PIP, PIM, PI0),
    (0.35, ETA, PIP), (0.5, ETAP, PIP), (0.97, KP, KM, PIP), (0.7, KP, KM, PIP, PI0),
    (0.6, K0B, KP), (1.0, K0B, KP, PI0),
)  # fmt: skip
D_S = (
    (5.4, KP, KM, PIP), (5.5, KP, KM, PIP, PI0), (0.86, KP, KM, PIP, PIP, PIM), (2.95, K0B, KP),
    (4.0, K0B, KP, PI0), (3.0, K0B, KP, PIP, PIM), (1.0, K0B, KP, PI0, PI0), (3.2, K0, KM, PIP, PIP),
    (5.0, K0, K0B, PIP), (3.0, K0, K0B, PIP, PI0), (1.68, ETA, PIP), (9.5, ETA, PIP, PI0),
    (3.0, ETA, PIP, PIP, PIM), (3.94, ETAP, PIP), (6.0, ETAP, PIP, PI0), (1.08, PIP, PIP, PIM),
    (0.24, OMEGA, PIP), (2.8, OMEGA, PIP, PI0), (1.6, OMEGA, PIP, PIP, PIM), (5.0, PIP, PI0, PI0),
    (5.0, PIP, PIP, PIM, PI0), (1.5, PIP, PIP, PIM, PI0, PI0), (0.8, PIP, PIP, PIP, PIM, PIM),
    (2.0, PIP, PIP, PIP, PIM, PIM, PI0), (2.4, PIP, PI0, PI0, PI0), (0.65, KP, PIP, PIM),
    (0.6, KP, PIP, PIM, PI0), (0.24, K0, PIP), (1.0, K0, PIP, PI0), (0.6, K0, PIP, PIP, PIM),
)  # fmt: skip
LAMBDA_C = (
    (6.3, P, KM, PIP), (4.5, P, KM, PIP, PI0), (3.2, P, K0B), (4.0, P, K0B, PI0),
    (3.2, P, K0B, PIP, PIM), (0.8, P, K0B, ETA), (0.46, P, PIP, PIM), (3.6, N, K0B, PIP),
    (1.9, N, KM, PIP, PIP), (1.3, LAM, PIP), (7.1, LAM, PIP, PI0), (3.7, LAM, PIP, PIP, PIM),
    (2.3, LAM, PIP, PIP, PIM, PI0), (1.85, LAM, ETA, PIP), (0.6, LAM, KP, K0B), (1.3, S0, PIP),
    (3.5, S0, PIP, PI0), (1.1, S0, PIP, PIP, PIM), (1.25, SP, PI0), (4.5, SP, PIP, PIM),
    (1.6, SP, PI0, PI0), (1.7, SP, OMEGA), (1.9, SM, PIP, PIP), (2.1, SM, PIP, PIP, PI0),
)  # fmt: skip
XI_C_PLUS = (
    (2.9, XM, PIP, PIP), (1.6, X0, PIP), (6.7, X0, PIP, PI0), (5.0, X0, PIP, PIP, PIM),
    (2.9, LAM, K0B, PIP), (2.7, SP, KM, PIP), (0.9, LAM, KM, PIP, PIP), (0.8, S0, KM, PIP, PIP),
    (0.6, P, KM, PIP),
)  # fmt: skip
XI_C_ZERO = (
    (1.4, XM, PIP), (4.8, XM, PIP, PIP, PIM), (1.5, LAM, KM, PIP), (0.7, LAM, K0B), (0.7, X0, PI0),
    (0.5, P, KM, KM, PIP), (0.4, OM, KP), (0.2, SP, KM),
)  # fmt: skip
OMEGA_C = (
    (1.0, OM, PIP), (1.8, OM, PIP, PI0), (0.3, OM, PIP, PIP, PIM), (0.6, XM, KM, PIP, PIP),
    (1.2, X0, KM, PIP), (2.1, XM, K0B, PIP), (1.6, X0, K0B), (1.7, LAM, K0B, K0B),
)  # fmt: skip
ROWS = 30


def _table(channels: tuple[tuple[float, ...], ...]) -> Array:
    """Rows of (sum of shares so far, number of products, their PDG numbers), (ROWS, 8)."""
    table = np.zeros((ROWS, 8))
    share = np.cumsum([c[0] for c in channels])
    for i, (_, *products) in enumerate(channels):
        table[i, 0], table[i, 1] = share[i] / share[-1], len(products)
        table[i, 2 : 2 + len(products)] = products
    return table


# In the order of `charm.SPECIES`; the rows are those of `_table`
HADRONIC = np.array([_table(c) for c in (D0, D_PLUS, D_S, LAMBDA_C, XI_C_PLUS, XI_C_ZERO, OMEGA_C)])
