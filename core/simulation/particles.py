"""The species that are followed through matter, and their numbers.

Masses in MeV and proper decay lengths in mm: Particle Data Group, Phys. Rev. D 110 (2024) 030001
(a test compares them with the package `particle`). Antibaryons are followed as baryons.
"""

from __future__ import annotations

import numpy as np

from .compiled import compiled

GAMMA, ELECTRON, POSITRON, MU_MINUS, MU_PLUS, PI_PLUS, PI_MINUS = range(7)
K_PLUS, K_MINUS, PROTON, NEUTRON, K_LONG, K_SHORT, LAMBDA = range(7, 14)
PI_ZERO = -1  # decays at once; only its photons are followed
NOT_FOLLOWED = -2

M_E, M_MU, M_PI, M_PI0, M_K = 0.51099895, 105.6583755, 139.57039, 134.9768, 493.677
M_K0, M_P, M_N, M_LAMBDA = 497.611, 938.27209, 939.56542, 1115.683

PDG = (22, 11, -11, 13, -13, 211, -211, 321, -321, 2212, 2112, 130, 310, 3122)
MASS = np.array([0.0, M_E, M_E, M_MU, M_MU, M_PI, M_PI, M_K, M_K, M_P, M_N, M_K0, M_K0, M_LAMBDA])
# c tau in mm; 0 for what does not decay within a detector
FLIGHT = np.array([0.0, 0, 0, 0, 0, 7804.5, 7804.5, 3711.0, 3711.0, 0, 0, 0, 26.844, 78.46])

ELECTROMAGNETIC, MUONIC, HADRONIC = range(3)
CATEGORY = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2])


@compiled
def kind_of(pdg: int) -> int:
    """Species of a PDG number, PI_ZERO, or NOT_FOLLOWED (neutrinos and the unknown)."""
    if pdg == 111:
        return -1
    for kind in range(len(PDG)):
        if PDG[kind] == pdg:
            return kind
    if pdg == -2212 or pdg == -2112 or pdg == -3122:
        return 9 if pdg == -2212 else (10 if pdg == -2112 else 13)
    return -2
