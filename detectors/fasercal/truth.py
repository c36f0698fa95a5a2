"""What is true of simulated voxels and events.

Category, hierarchy and ghosts of voxels follow decision and code of the collaboration as named at
each rule; flavour and charm are in `labels`, which readers of real files share. Momenta are summed in
`interaction`. Every rule has its test in ``tests/detectors/test_fasercal_truth.py``.
"""

from __future__ import annotations

import numpy as np

from intarsia.core.simulation.compiled import Array, compiled

from . import labels
from .geometry import Geometry
from .interaction import (
    CHARGED,
    CHARM,
    ENERGY,
    NEUTRINO,
    P_JET,
    P_VISIBLE,
    TAU_MODE,
    VERTEX,
    WEIGHT,
)

SUBNORMAL = 2.0**-14  # the smallest normal number of half precision
NO_SHARE = 0x7E00  # bits of its NaN
GHOST = 1e-3  # MeV; a voxel with less true energy is a ghost, cross-talk being none
LEAST_VOXELS = 20  # events with fewer voxels that are no ghosts are left out, as faserDL does


@compiled
def half(share: float) -> int:
    """Bits of the number of half precision that is nearest to `share` in [0, 1], taken as single."""
    # below SUBNORMAL a multiple of 2^-24, which the sum with one half rounds to
    small = int(np.float32(np.float32(share) + np.float32(0.5)).view(np.int32)) - 0x3F000000
    bits = int(np.float32(share).view(np.int32))
    normal = ((bits + 0xFFF + ((bits >> 13) & 1)) >> 13) - (112 << 10)
    return small if np.float32(share) < SUBNORMAL else normal


@compiled
def label(
    voxel: Array, slot: Array, dep: Array, ghost: Array, category: Array, hierarchy: Array
) -> int:
    """Truth of the voxels (n,): writes ghost (n,) and shares (n, 3); how many are no ghosts.

    Shares are the bits of numbers of half precision, (n, 3) uint16, with which kernels do not deal.

    category: shares of the true energy by electromagnetic particles, muons and all others.
    hierarchy: by daughters of daughters and later ones (background), by particles of the vertex
    (primary), and by their daughters. Shares sum to one; NaN for ghosts.
    """
    real = 0
    for i in range(len(voxel)):
        row = slot[voxel[i]]
        total = 0.0
        if row >= 0:
            total = dep[row, 0] + dep[row, 1] + dep[row, 2]
        ghost[i] = total < GHOST
        if total < GHOST:
            for c in range(3):
                category[i, c] = hierarchy[i, c] = NO_SHARE
            continue
        real += 1
        per_mev = 1.0 / total
        for c in range(3):
            category[i, c] = half(dep[row, c] * per_mev)
        hierarchy[i, labels.BACKGROUND] = half(dep[row, 5] * per_mev)
        hierarchy[i, labels.PRIMARY] = half(dep[row, 3] * per_mev)
        hierarchy[i, labels.SECONDARY] = half(dep[row, 4] * per_mev)
    return real


def event_truth(geometry: Geometry, truth: Array) -> dict[str, Array]:
    """Event truth by name, each with a first axis of one, of the row of `interaction`.

    Momenta come in the frame of the detector and of the beam; a charmed hadron counts undecayed,
    neutrinos from its decay included, a tau by what is visible of its decay.
    """
    to_detector = geometry.rotation.T
    visible, jet = truth[P_VISIBLE : P_VISIBLE + 3], truth[P_JET : P_JET + 3]
    charged, neutrino, mode = bool(truth[CHARGED]), int(truth[NEUTRINO]), int(truth[TAU_MODE])
    numbers = {
        "vertex": truth[VERTEX : VERTEX + 3],
        "p_visible": to_detector @ visible,
        "p_jet": to_detector @ jet,
        "p_visible_beam": visible,
        "p_jet_beam": jet,
        "energy": truth[ENERGY],
        "neutrino": neutrino,
        "weight": truth[WEIGHT],
    }
    classes = {"flavour": labels.flavour(charged, neutrino, mode), "charm": truth[CHARM]}
    return {
        **{name: np.array([v], np.int8) for name, v in classes.items()},
        **{name: np.array([v], np.float32) for name, v in numbers.items()},
    }
