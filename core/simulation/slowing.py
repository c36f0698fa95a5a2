"""How iron slows a muon in the mean: followed along its range, forwards and back. mm, GeV/c.

Bethe's loss in iron (`ionisation.mean_loss`) from 0.05 to 3000 GeV/c is, to 1.2 %, that at REFERENCE
GeV/c times 1 + RISE l - BEND l^2 over beta^2, with l the logarithm of p / REFERENCE: our fit.
"""
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import math

from .compiled import compiled
from .particles import M_MU

REFERENCE, RISE, BEND = 10.0, 0.0714, 0.00503
STOPS = 0.05  # GeV/c; slower muons stop: they have a millimetre of iron to go
SHARE = 0.05  # of its momentum is the most that a muon loses in a step
_M2 = (1e-3 * M_MU) ** 2


@compiled
def slowing(loss: float, b: float, p: float) -> float:
    """Momentum in GeV/c that a muon of `p` GeV/c loses per mm in the mean, -dp/ds = -dE/ds / beta.

    loss, b: of the `Slabs`.
    """
    over_beta2 = 1.0 + _M2 / (p * p)
    log = math.log(p / REFERENCE)
    ionisation = loss * (1.0 + RISE * log - BEND * log * log) * over_beta2
    over_beta = math.sqrt(over_beta2)
    return (ionisation + b * p * over_beta) * over_beta


@compiled
def slowed(loss: float, b: float, p: float, path: float) -> float:
    """Momentum GeV/c that `p` has after `path` mm of iron, 0 if it stops there; before, if path < 0.

    In steps by the momentum in their middle, good to 1e-4.
    """
    left, sign = abs(path), math.copysign(1.0, path)
    while left > 0.0:
        lost = slowing(loss, b, p)
        step = min(left, SHARE * p / lost)
        p -= sign * step * slowing(loss, b, p - 0.5 * sign * step * lost)
        if p < STOPS:
            return 0.0
        left -= step
    return p
