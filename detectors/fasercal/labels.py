"""FASERCal's classes from particle numbers and decays, as the collaboration's code defines them.

Source: saulam/faserDL, branch develop_saul a2f4197 (utils/pdg.py, dataset/dataset.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce

import numpy as np

from intarsia.core.events import Array

ELECTROMAGNETIC = (22, 11, 111, 221, 331)
_FAR = 1e5  # mm and GeV: nothing in this detector is larger
_SENTINELS = (-999.0, -9999.0, -99999.0)

# Places in the declared classes.
BACKGROUND, PRIMARY, SECONDARY = range(3)


def category(pdg: Array, tau_mode: int) -> Array:
    """Class of ``category`` of particles (n,): electromagnetic, muonic, hadronic.

    A tau is what it decays to. Numbers of nuclei, which float32 does not hold exactly, are
    hadronic whatever their last digits.
    """
    kind = np.abs(pdg)
    found = np.full(len(kind), 2)
    found[np.isin(kind, ELECTROMAGNETIC)] = 0
    found[kind == 13] = 1
    found[kind == 15] = of_tau(tau_mode)
    return found


def of_tau(mode: int) -> int:
    """Class of ``category`` of a tau by its decay, 1 to an electron, 2 to a muon."""
    return 0 if mode == 1 else 1 if mode == 2 else 2


def flavour(charged: bool, neutrino: int, tau_mode: int) -> int:
    """Class of ``flavour``; -1 if the neutrino, or the decay of its tau, is not known."""
    if not charged:
        return 5
    if abs(neutrino) in (12, 14):
        return abs(neutrino) // 2 - 6
    if abs(neutrino) == 16 and tau_mode > 0:
        return {1: 2, 2: 3}.get(tau_mode, 4)
    return -1


def charm(charmed: bool, products: Iterable[int]) -> int:
    """Class of ``charm`` by the decay products: a muon counts before an electron."""
    if not charmed:
        return 0
    return reduce(clearer, ({11: 1, 13: 2}.get(abs(int(p)), 3) for p in products), 3)


def clearer(a: int, b: int) -> int:
    """Of two classes of ``charm`` the one that counts: a muon's, then an electron's."""
    if a == 2 or b == 2:
        return 2
    return 1 if a == 1 or b == 1 else max(a, b)


def known(values: Array) -> Array:
    """`values` in mm or GeV, float64, all NaN if one was never filled in.

    That is: not finite, larger than anything here can be, or one of the code's sentinels.
    """
    found = np.asarray(values, np.float64)
    with np.errstate(invalid="ignore"):
        wrong = ~(np.abs(found) < _FAR) | np.isin(found, _SENTINELS)
    # A double that was never written is often a tiny denormal number.
    wrong |= (found != 0) & (np.abs(found) < np.finfo(np.float64).tiny)
    return np.full_like(found, np.nan) if wrong.any() else found
