"""Which events train, which choose a checkpoint, and which are kept for the report."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np

from .events import Array

NAMES = ("train", "val", "test")

# Shares of decision 2 of the design: 85 % train, 5 % val, 10 % test.
_BOUNDS = (0.85, 0.90)


def split_of(key: str) -> str:
    """Split of the event `key`: "train" (85 %), "val" (5 %) or "test" (10 %).

    Depends on the event part of ``run/event`` or ``run/event/particle`` alone, by a BLAKE2b hash,
    so all samples of one physical event share a split, on every machine.
    """
    return NAMES[_number(key)]


def splits_of(keys: Sequence[str]) -> Array:
    """Splits of `keys`, (B,) uint8: positions in `NAMES`. No keys give an empty array."""
    return np.fromiter((_number(k) for k in keys), np.uint8, len(keys))


def _number(key: str) -> int:
    event = "/".join(key.split("/")[:2])
    share = int.from_bytes(blake2b(event.encode(), digest_size=8).digest(), "big") / 2**64
    return sum(share >= bound for bound in _BOUNDS)
