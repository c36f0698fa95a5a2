"""Numbers from foreign files, checked before anything is made of them."""

from __future__ import annotations

import numpy as np

from intarsia.core.errors import EventError
from intarsia.core.events import Array

_KINDS = {"b": "truth values", "i": "integers", "u": "integers", "f": "numbers"}


def numbers(values: Array, field: str, shape: tuple[int | None, ...] | None = None) -> Array:
    """`values` as an array of numbers in this machine's byte order, NaN allowed.

    shape: what it must be, None for any size. EventError beginning with `field` otherwise.
    """
    found = np.asarray(values)
    if found.dtype.kind not in _KINDS:
        raise EventError(f"{field}: is {_said(found.dtype)}, not numbers")
    if shape is not None and not _fits(found.shape, shape):
        wanted = ", ".join("any" if n is None else str(n) for n in shape)
        raise EventError(f"{field}: has shape {found.shape}, not ({wanted})")
    return found.astype(found.dtype.newbyteorder("="), copy=False)


def integers(values: Array, field: str, shape: tuple[int | None, ...] | None = None) -> Array:
    """`values` as int64; EventError if one is no whole number, NaN or beyond int64."""
    found = numbers(values, field, shape)
    if found.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            wrong = ~(np.abs(found) < 2.0**63) | (np.rint(found) != found)
        if wrong.any():
            worst = found[wrong][0]
            raise EventError(f"{field}: {int(wrong.sum())} are no whole numbers, e.g. {worst}")
    elif found.dtype == np.uint64 and found.size and found.max() > np.iinfo(np.int64).max:
        raise EventError(f"{field}: {found.max()} is too large")
    return found.astype(np.int64)


def _fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(shape) == len(wanted) and all(
        w in (None, n) for n, w in zip(shape, wanted, strict=True)
    )


def _said(dtype: np.dtype[np.generic]) -> str:
    return "a table" if dtype.names else str(dtype)
