"""Files of predictions: plain columns of equal length, one row per predicted event.

Layout of decision 6 of the design: ``keys``, ``weight``, ``TASK/scores`` or ``TASK/prediction``
and ``TASK/truth``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from attrs import frozen

from .errors import EventError
from .events import Array
from .store_write import atomic

FORMAT = 1


@frozen(eq=False)
class Predictions:
    """columns: (B, ...) by name, e.g. ``flavour/scores``. attrs: JSON values, e.g. class names."""

    columns: Mapping[str, Array]
    attrs: Mapping[str, Any]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks that predicted something."""
        return tuple(dict.fromkeys(name.split("/")[0] for name in self.columns if "/" in name))


def write_predictions(path: Path, columns: Mapping[str, Array], attrs: Mapping[str, Any]) -> None:
    """Write `columns`, each (B, ...) and of one length, text included, and JSON values `attrs`.

    Appears under its name when whole. EventError if the lengths differ.
    """
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise EventError(f"{path}: columns of different length: {lengths}")
    with atomic(path) as part, h5py.File(part, "w", locking=False) as file:
        for name, values in columns.items():
            data = np.asarray(values)
            file[name] = np.char.encode(data, "utf-8") if data.dtype.kind == "U" else data
        file.attrs["columns"] = json.dumps(list(columns))
        file.attrs["attrs"] = json.dumps(dict(attrs), sort_keys=True)
        file.attrs["predictions"] = FORMAT


def is_predictions(path: Path) -> bool:
    """Whether the file at `path` is one of predictions; false also if it cannot be opened."""
    try:
        with h5py.File(path, "r", locking=False) as file:
            return "predictions" in file.attrs
    except OSError:
        return False


def read_predictions(path: Path) -> Predictions:
    """The predictions in the file at `path`; EventError if it is missing, foreign or cut off."""
    if not path.is_file():
        raise EventError(f"{path}: there is no such file")
    try:
        with h5py.File(path, "r", locking=False) as file:
            if file.attrs.get("predictions") != FORMAT:
                raise EventError(f"{path}: not a file of predictions of format {FORMAT}")
            names = json.loads(file.attrs["columns"])
            columns = {name: _text(file[name][:]) for name in names}
            return Predictions(columns, json.loads(file.attrs["attrs"]))
    except (OSError, KeyError) as fault:
        said = str(fault).replace("\n", " ")
        raise EventError(f"{path}: not a whole file of predictions: {said}") from fault


def _text(values: Array) -> Array:
    return np.char.decode(values, "utf-8") if values.dtype.kind == "S" else values
