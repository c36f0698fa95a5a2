"""Charmed hadrons: masses, lifetimes and decays. Rows of particles as in `decays`.

Source: Particle Data Group, Phys. Rev. D 110 (2024) 030001: masses, lifetimes, inclusive
semileptonic fractions; hadronic channels in `charm_channels`. Semileptonic fractions of Xi_c0 are
those of Xi- and lepton alone, those of Xi_c+ the same times the ratio of the lifetimes, by isospin;
for Omega_c none is measured and 2 % are our choice. By phase space, in a chain of two-body decays:
not the true matrix elements.
"""
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import numpy as np

from .charm_channels import HADRONIC
from .compiled import Array, allocating, compiled
from .decays import (
    ELECTRON,
    ETA,
    ETA_PRIME,
    K0,
    K_STAR,
    LAMBDA,
    MUON,
    OMEGA_MINUS,
    PHI,
    PI,
    PI0,
    XI_MINUS,
    XI_ZERO,
    K,
    anywhere,
    conjugate,
    many_body,
    mass_of,
    two_body,
)
from .random import breit_wigner, uniform

D0, D_PLUS, D_S, LAMBDA_C = 1.86484, 1.86966, 1.96835, 2.28646
D0_STAR, D_STAR, D_S_STAR, SIGMA_C = 2.00685, 2.01026, 2.1122, 2.4537
XI_C_PLUS, XI_C_ZERO, OMEGA_C = 2.46779, 2.4705, 2.6953
# PDG number, c tau in mm and branching fractions to e and to mu of every species
SPECIES = (421, 411, 431, 4122, 4232, 4132, 4332)
FLIGHT = (0.1230, 0.3098, 0.1503, 0.0607, 0.1358, 0.0449, 0.0819)
TO_E = (0.0649, 0.1607, 0.0633, 0.0406, 0.0317, 0.0105, 0.02)
TO_MU = (0.0680, 0.1760, 0.0630, 0.0350, 0.0305, 0.0101, 0.02)


@compiled
def species(pdg: int) -> int:
    """0 D0, 1 D+, 2 D_s, 3 Lambda_c, 4 Xi_c+, 5 Xi_c0, 6 Omega_c, -1 anything else."""
    for which in range(len(SPECIES)):
        if abs(pdg) == SPECIES[which]:
            return which
    return -1


@compiled
def neutral(which: int) -> bool:
    """Whether the charmed hadron of number `which` leaves no track."""
    return which == 0 or which >= 5


@compiled
def decay_excited(state: Array, rows: Array, i: int, n: int) -> int:
    """Strong and electromagnetic decay of D*, D_s* or Sigma_c in row `i`, if it is one."""
    pdg = int(rows[i, 4])
    sign, size = (1 if pdg > 0 else -1), abs(pdg)
    c, r = anywhere(state), uniform(state)
    if size == 413:
        if r < 0.677:
            return two_body(state, rows, i, n, D0, PI, sign * 421, sign * 211, c)
        if r < 0.984:
            return two_body(state, rows, i, n, D_PLUS, PI0, sign * 411, 111, c)
        return two_body(state, rows, i, n, D_PLUS, 0.0, sign * 411, 22, c)
    if size == 423:
        if r < 0.647:
            return two_body(state, rows, i, n, D0, PI0, sign * 421, 111, c)
        return two_body(state, rows, i, n, D0, 0.0, sign * 421, 22, c)
    if size == 433:
        return two_body(state, rows, i, n, D_S, 0.0, sign * 431, 22, c)
    if size == 4222 or size == 4112:
        pion = 211 if size == 4222 else -211
        return two_body(state, rows, i, n, LAMBDA_C, PI, sign * 4122, sign * pion, c)
    return n


@compiled
def _with_lepton(state: Array, which: int) -> tuple[int, float]:
    """Hadron beside the lepton, PDG number and mass: K or K*, pi, eta, eta' or phi, a baryon."""
    r = uniform(state)
    k_star = breit_wigner(state, K_STAR, 0.051, 0.70, 1.2)
    if which == 0:
        return (-321, K) if r < 0.60 else ((-323, k_star) if r < 0.95 else (-211, PI))
    if which == 1:
        return (-311, K0) if r < 0.58 else ((-313, k_star) if r < 0.96 else (111, PI0))
    if which == 2:
        return (333, PHI) if r < 0.42 else ((221, ETA) if r < 0.84 else (331, ETA_PRIME))
    if which == 3:
        return 3122, LAMBDA
    if which == 4:
        return 3322, XI_ZERO
    return (3312, XI_MINUS) if which == 5 else (3334, OMEGA_MINUS)


@allocating
def _semileptonic(
    state: Array, rows: Array, i: int, n: int, which: int, sign: int, lepton: int
) -> int:
    masses, pdgs = np.zeros(3), np.zeros(3, np.int64)
    pdg, masses[0] = _with_lepton(state, which)
    pdgs[0] = conjugate(pdg, sign)
    masses[1] = ELECTRON if lepton == 11 else MUON
    pdgs[1], pdgs[2] = -sign * lepton, sign * (lepton + 1)
    return many_body(state, rows, i, n, masses, pdgs, 3)


@allocating
def _hadronic(state: Array, rows: Array, i: int, n: int, which: int, sign: int) -> int:
    masses, pdgs = np.zeros(6), np.zeros(6, np.int64)
    r, c = uniform(state), 0
    while r >= HADRONIC[which, c, 0]:
        c += 1
    k = int(HADRONIC[which, c, 1])
    for j in range(k):
        pdgs[j] = conjugate(int(HADRONIC[which, c, 2 + j]), sign)
        masses[j] = mass_of(pdgs[j])
    return many_body(state, rows, i, n, masses, pdgs, k)


@allocating
def decay_charm(state: Array, rows: Array, i: int, n: int) -> tuple[int, int]:
    """Decay the charmed hadron in row `i`. Returns (rows, class): 1 e, 2 mu, 3 hadrons.

    Products such as eta and K0 still have to go through `decays.decay_resonances`.
    """
    pdg = int(rows[i, 4])
    sign, which = (1 if pdg > 0 else -1), species(pdg)
    r = uniform(state)
    if r < TO_E[which]:
        return _semileptonic(state, rows, i, n, which, sign, 11), 1
    if r < TO_E[which] + TO_MU[which]:
        return _semileptonic(state, rows, i, n, which, sign, 13), 2
    return _hadronic(state, rows, i, n, which, sign), 3
