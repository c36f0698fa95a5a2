"""ROOT, by uproot: the tree ``events``, with the rows of a stream as arrays of one counter.

A branch holds one number per row, so a column of several becomes several branches: ``_x``, ``_y``
and ``_z`` for three, else ``_0`` and so on, of more than one axis ``_0_0``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import uproot

from .events import Array
from .export import Blocks, Column, Meaning
from .store import atomic


def write(out: Path, blocks: Blocks, meaning: Meaning) -> int:
    """Write `blocks`, of which there is one at least, to `out`; the number of entries.

    float16, which ROOT has not, becomes float32. What the columns mean is JSON in ``about`` and
    ``units``.
    """
    start = _branches(next(blocks))
    entries = 0
    with atomic(out) as part, uproot.recreate(part) as file:
        file["about"], file["units"] = meaning.about, json.dumps(meaning.units, sort_keys=True)
        file.mktree("events", {name: _type(values) for name, values in start.items()})
        for block in chain([start], map(_branches, blocks)):
            file["events"].extend(block)
            entries += len(next(iter(block.values())))
    return entries


def _branches(columns: list[Column]) -> dict[str, Any]:
    """What uproot writes: arrays of the event, records of the rows of each stream."""
    found: dict[str, Any] = {}
    streams: dict[str, dict[str, Any]] = {}
    for column in columns:
        name, values = column.name.replace(".", "_"), column.values
        if column.offsets is None:
            text = values.dtype.kind == "U"
            found[name] = ak.Array(values.tolist()) if text else _plain(values)
            continue
        offsets = ak.index.Index64(np.asarray(column.offsets, np.int64))
        for part, numbers in _parts(name, _plain(values)):
            rows = ak.contents.NumpyArray(np.ascontiguousarray(numbers))
            content = ak.contents.ListOffsetArray(offsets, rows)
            streams.setdefault(column.stream, {})[part] = ak.Array(content)
    return found | {name: ak.zip(parts) for name, parts in streams.items()}


def _plain(values: Array) -> Array:
    wide = {"f2": "f4", "u1": "i2"}.get(values.dtype.str[1:], values.dtype)
    return values.astype(wide, copy=False)


def _parts(name: str, values: Array) -> Iterator[tuple[str, Array]]:
    """Columns (n,) of `values` (n, ...) and their names."""
    if values.ndim == 1:
        yield name, values
        return
    for place in np.ndindex(*values.shape[1:]):
        word = "xyz"[place[0]] if values.shape[1:] == (3,) else "_".join(map(str, place))
        yield f"{name}_{word}", values[(slice(None), *place)]


def _type(values: Any) -> Any:
    if isinstance(values, np.ndarray):
        return np.dtype((values.dtype, values.shape[1:]))
    return str(values.type.content)
