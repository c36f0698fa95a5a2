"""Parquet, by pyarrow: lists for the rows of a stream, ``STREAM.COLUMN``."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from .events import Array
from .export import Blocks, Column, Meaning
from .store import atomic


def write(out: Path, blocks: Blocks, meaning: Meaning) -> int:
    """Write `blocks`, of which there is one at least, to `out`; the number of entries.

    Units are metadata of the fields, the rest metadata of the schema. An inner axis is a list of
    fixed length; numbers keep their types.
    """
    first = next(blocks)
    arrays = {_named(c): _array(c) for c in first}
    fields = [
        pa.field(
            name, a.type, metadata={"unit": meaning.units[name]} if name in meaning.units else None
        )
        for name, a in arrays.items()
    ]
    schema = pa.schema(fields, metadata={"intarsia": meaning.about})
    entries = 0
    with atomic(out) as part, pq.ParquetWriter(part, schema, compression="zstd") as file:
        for block in chain([first], blocks):
            table = pa.table([_array(c) for c in block], schema=schema)
            file.write_table(table)
            entries += len(table)
    return entries


def _named(column: Column) -> str:
    return f"{column.stream}.{column.name}" if column.stream else column.name


def _array(column: Column) -> Any:
    rows = _rows(column.values)
    if column.offsets is None:
        return rows
    return pa.LargeListArray.from_arrays(pa.array(column.offsets), rows)


def _rows(values: Array) -> Any:
    if values.ndim == 1:
        return pa.array(values)
    width = int(np.prod(values.shape[1:]))
    flat: Any = pa.array(np.ascontiguousarray(values).reshape(-1))
    for size in reversed(values.shape[1:]):
        flat = pa.FixedSizeListArray.from_arrays(flat, size) if width else flat
    return flat
