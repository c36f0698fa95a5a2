"""One logarithmic grid for every table of the kernels, looked up without a logarithm.

The place of a positive number is read from the bits of its double: the exponent and the first bits
of the mantissa, so that each octave has STEPS equal places. Kinetic energies in MeV (photons,
electrons) or in units of the mass (everything heavier).
"""

from __future__ import annotations

import numpy as np

from .compiled import Array, compiled

STEPS = 32  # places per factor of two: 2.2 to 3.1 % each
LOWEST, OCTAVES = -10, 35  # from 2^-10 = 0.001 to 2^25 = 3e7
SIZE = STEPS * OCTAVES
_SHIFT = 52 - 5  # bits of the mantissa that do not count; 2^5 = STEPS
_FIRST = (1023 + LOWEST) * STEPS
# The middle of each place
GRID: Array = 2.0 ** (LOWEST + np.arange(SIZE) // STEPS) * (
    1.0 + (np.arange(SIZE) % STEPS + 0.5) / STEPS
)


@compiled
def place(value: float) -> int:
    """Index in GRID of the place that holds `value` > 0; the first or last one if it is outside."""
    bits: int = np.float64(value).view(np.int64)  # type: ignore[assignment] # a plain int, compiled
    return max(0, min((bits >> _SHIFT) - _FIRST, SIZE - 1))
