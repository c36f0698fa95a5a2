"""Which events train, which choose a checkpoint, and which are kept for the report."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np

from .errors import EventError
from .events import Array

NAMES = ("train", "val", "test")

# Shares of decision 2 of the design: 85 % train, 5 % val, 10 % test.
_BOUNDS = (0.85, 0.90)
# Of a published training set, 5 % choose a checkpoint, as in arXiv:2604.07037, section II F.
_BOUND_TRAINING = 0.95


def split_of(key: str) -> str:
    """Split of the event `key`: "train" (85 %), "val" (5 %) or "test" (10 %).

    Depends on the event part of ``run/event`` or ``run/event/particle`` alone, by a BLAKE2b hash,
    so all samples of one physical event share a split, on every machine.
    """
    return NAMES[_number(key)]


def splits_of(keys: Sequence[str], published: Sequence[str] = ()) -> Array:
    """Splits of `keys`, (B,) uint8: positions in `NAMES`. No keys give an empty array.

    published: where a benchmark puts the events. Of ("train", "val"), 95 % train and 5 % are val,
    again by the hash; one name alone is everyone's; none is the split of `split_of`.
    """
    if len(published) == 1:
        return np.full(len(keys), NAMES.index(published[0]), np.uint8)
    if tuple(published) == ("train", "val"):
        return np.fromiter((share_of(k) >= _BOUND_TRAINING for k in keys), np.uint8, len(keys))
    if published:
        raise EventError(f"a file's events cannot be split as {tuple(published)}")
    return np.fromiter((_number(k) for k in keys), np.uint8, len(keys))


def _number(key: str) -> int:
    return sum(share_of(key) >= bound for bound in _BOUNDS)


def event_of(key: str) -> str:
    """The event part of ``run/event`` or ``run/event/particle``."""
    return "/".join(key.split("/")[:2])


def share_of(key: str) -> float:
    """A number from 0 to 1 that a hash gives to the event of `key`; splits are ranges of it."""
    return int.from_bytes(blake2b(event_of(key).encode(), digest_size=8).digest(), "big") / 2**64
