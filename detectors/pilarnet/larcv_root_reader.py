"""PILArNet as larcv2's ROOT files, the form of its original release: as `larcv_reader`, by uproot."""

from __future__ import annotations

from pathlib import Path

from intarsia.core.errors import EventError
from intarsia.core.reading.larcv_root import LarcvRoot

from . import larcv_reader


def why_not(path: Path) -> str:
    """Why the file at `path` is not larcv2's, or nothing."""
    try:
        LarcvRoot(path).close()
    except EventError as fault:
        return str(fault)
    return ""


class Whole(larcv_reader.Whole):
    """Whole events."""

    opens = LarcvRoot


class Particles(larcv_reader.Particles):
    """Particles, one sample each."""

    opens = LarcvRoot
