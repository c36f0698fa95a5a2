"""A detector from the declaration in an event file, for when its plugin is not at hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .detector import Detector
from .errors import DeclarationError
from .streams import Axis, Column, DenseArray, Label, PointCloud, Stream, TrackSet, VoxelGrid

_KINDS: Mapping[str, type[Stream]] = {
    kind.__name__: kind for kind in (VoxelGrid, DenseArray, TrackSet, PointCloud)
}


def declared(declaration: Mapping[str, Any]) -> Detector:
    """The detector with this `declaration`, see `detector.declaration`: streams and truth alone.

    Streams of kinds that plugins add are left out. DeclarationError if none remains.
    """
    streams: tuple[Stream, ...] = tuple(
        _stream(s) for s in declaration["streams"] if s["kind"] in _KINDS
    )
    if not streams:
        raise DeclarationError(f"{declaration['name']}: no stream of a kind that is known here")
    return Detector(
        name=declaration["name"],
        about="as declared in an event file",
        streams=streams,
        truth=tuple(_label(t) for t in declaration["truth"]),
    )


def _stream(given: Mapping[str, Any]) -> Stream:
    values = {k: v for k, v in given.items() if k != "kind"}
    for name in ("columns", "points"):
        if name in values:
            values[name] = tuple(Column(**c) for c in values[name])
    values["labels"] = tuple(_label(label) for label in values["labels"])
    if "axes" in values:
        values["axes"] = tuple(Axis(**{**a, "gaps": tuple(a["gaps"])}) for a in values["axes"])
    for name in ("patch", "window", "shape", "along"):
        if name in values:
            values[name] = tuple(values[name])
    return _KINDS[given["kind"]](**values)


def _label(given: Mapping[str, Any]) -> Label:
    return Label(**{**given, "classes": tuple(given["classes"])})
