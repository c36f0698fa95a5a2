"""Events and predictions as Parquet or ROOT files, for whoever analyses them without intarsia.

One row, or entry, per event. Rows of a stream become lists. What has units says so. As CSV: only
which event is in which split, for `manifest`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import numpy as np
from attrs import field, frozen

from .errors import EventError, RunError
from .events import Array, Events
from .manifest import write_manifest
from .store import EventFile, atomic
from .store_predictions import is_predictions, read_predictions

_BLOCK = 256  # events that are in memory at a time


@frozen(eq=False)
class Column:
    """A column of a table to write: one entry per event.

    values: (B, ...), or (n, ...) rows end to end where `offsets` (B + 1,) says which are whose.
    stream: what it belongs to, "" for the event itself.
    """

    name: str
    values: Array
    offsets: Array | None = None
    stream: str = ""


@frozen
class Meaning:
    """What is said of the file: units by column name, and everything else as JSON."""

    units: dict[str, str] = field(factory=dict)
    about: str = "{}"


Blocks = Iterator[list[Column]]
WRITERS = {
    ".parquet": ("intarsia.core.export_parquet", "pyarrow", "parquet"),
    ".root": ("intarsia.core.export_root", "uproot", "root"),
}


def export(source: Path, out: Path) -> int:
    """Write the event file or predictions `source` to `out`, in the format of its suffix.

    Gives the number of entries. `out` appears when it is whole; memory does not grow with the
    file. EventError if `source` is neither, RunError if the format or its library is not there.
    """
    if out.exists() and source.exists() and out.samefile(source):
        raise RunError(f"{out}: is the file to export; give what is written another name")
    if out.suffix == ".csv":
        return _manifest(EventFile(source), out)
    if out.suffix not in WRITERS:
        raise RunError(f"{out}: is to end in {', '.join(WRITERS)} or .csv")
    module, library, extra = WRITERS[out.suffix]
    try:
        write: Callable[[Path, Blocks, Meaning], int] = import_module(module).write
    except ImportError as fault:
        if fault.name is None or fault.name.partition(".")[0] not in (library, "awkward"):
            raise
        raise RunError(
            f"{out}: needs {library}, which is not installed: pip install 'intarsia[{extra}]'"
        ) from fault
    if is_predictions(source):
        found = read_predictions(source)
        columns = [Column(name.replace("/", "."), v) for name, v in found.columns.items()]
        about = json.dumps({"predictions": dict(found.attrs)}, sort_keys=True)
        return write(out, iter([columns]), Meaning(about=about))
    file = EventFile(source)
    if not len(file):
        raise EventError(f"{source}: has no events to export")
    return write(out, _events(file), _meaning(file))


def _manifest(file: EventFile, out: Path) -> int:
    keys, splits = file.keys, file.splits  # before anything is written
    with atomic(out) as part, part.open("w", encoding="utf-8") as text:
        return write_manifest(text, keys, splits)


def _events(file: EventFile) -> Blocks:
    for first in range(0, len(file), _BLOCK):
        last = min(first + _BLOCK, len(file))
        yield _columns(file.read(first, last), file.splits[first:last])


def _columns(events: Events, splits: Array) -> list[Column]:
    found = [
        Column("key", np.array(events.keys)),
        Column("group", events.group),
        Column("split", splits),
        *(Column(f"truth.{name}", values) for name, values in events.truth.items()),
    ]
    for name, table in events.streams.items():
        for column, values in table.columns.items():
            found.append(Column(column, values, table.offsets, name))
    return found


def _meaning(file: EventFile) -> Meaning:
    """Units of all columns that have one, by their full names."""
    declared = file.declaration
    units = {f"truth.{t['name']}": t["unit"] for t in declared["truth"] if not t["classes"]}
    for stream in declared["streams"]:
        parts = [c for part in ("columns", "points", "labels") for c in stream.get(part, ())]
        units |= {f"{stream['name']}.{c['name']}": c["unit"] for c in parts if not c.get("classes")}
    about = {"declaration": declared, "provenance": file.provenance}
    return Meaning(units, json.dumps(about, sort_keys=True))
