"""Keys of prepared events: every event has its own, whatever files they come from."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np
from attrs import evolve

from .events import Events
from .foreign import Piece


class Seen:
    """Keys that have come, as 8 bytes each: every event must have its own."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = files
        self._keys: dict[bytes, int] = {}

    def note(self, keys: Sequence[str], file: int = -1) -> None:
        """Remember `keys` of file number `file`."""
        for key in keys:
            self._keys[_short(key)] = file

    def sorted_out(self, piece: Piece) -> tuple[Piece, list[str]]:
        """`piece` without events whose key has come before, and what is wrong with it."""
        if not isinstance(piece.what, Events):
            return piece, [piece.what] if piece.what else []
        good, faults = [], []
        for b, key in enumerate(piece.what.keys):
            short = _short(key)
            if short in self._keys:
                faults.append(self._twice(piece, key, self._keys[short]))
            else:
                self._keys[short] = piece.file
                good.append(b)
        if faults:
            piece = evolve(piece, what=piece.what.take(np.array(good, np.int64)))
        return piece, faults

    def _twice(self, piece: Piece, key: str, before: int) -> str:
        path = self._files[piece.file]
        other = self._files[before] if before >= 0 else None
        why = "where numbers repeat from file to file: --by-file"
        if other == path:
            why = "where numbers repeat within a file: keys=row, of readers that have it"
        elif other and other.stem == path.stem:
            why = "files of one name: give one of them another"
        there = f" in {other}" if other else ""
        return f"{path}, {where(piece)}: key {key!r} has come before{there} ({why})"


def _short(key: str) -> bytes:
    return blake2b(key.encode(), digest_size=8).digest()


def where(piece: Piece) -> str:
    """The records of `piece` in words."""
    one = piece.last - piece.first == 1
    return f"event {piece.first}" if one else f"events {piece.first} to {piece.last}"
