"""Augmentations as declared: changes of an event that leave its physics as it is.

`intarsia.core.augment` does them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, get_args

from attrs import field, frozen
from attrs.validators import ge, in_

from .errors import DeclarationError
from .streams import Column, DenseArray, Label, PointCloud, Stream, TrackSet, VoxelGrid
from .units import UNITS

Kind = Literal["mirror", "charge_scale", "smear", "noise", "dropout"]


@frozen(kw_only=True)
class Augmentation:
    """A change of the input that leaves the physics as it is.

    mirror: with probability `size`, the whole event along `axis`: cells, arrays, points and vectors,
    labels and truth included. charge_scale: one factor per event, common to all `streams`; smear:
    one per value; both log-normal of mean 1 and width `size`, on the first column or the one named
    as ``stream.column``. dropout: each row is lost with a probability drawn per event, up to `size`.
    noise: `size` rows a thousand cells on
    average, in free cells, whose first column is `charge`: a least value, and the mean of an
    exponential above it; their `labels` are the classes named, all others unknown.
    """

    kind: Kind = field(validator=in_(get_args(Kind)))
    streams: tuple[str, ...] = ()
    axis: Literal["", "x", "y", "z"] = field(default="", validator=in_(("", "x", "y", "z")))
    size: float = field(validator=ge(0))
    charge: tuple[float, float] = (0.0, 1.0)
    labels: Mapping[str, str] = field(factory=dict)

    @size.default
    def _even(self) -> float:
        return 0.5 if self.kind == "mirror" else 0.0

    def __attrs_post_init__(self) -> None:
        if self.kind != "noise" and self.size > 1:
            raise DeclarationError(f"{self.kind}: size must be at most 1, not {self.size:g}")
        if (self.kind == "mirror") != bool(self.axis):
            raise DeclarationError(f"{self.kind}: a mirror, and nothing else, has an axis")
        if (self.kind == "mirror") == bool(self.streams):
            what = "moves the whole event, not streams" if self.axis else "must name its streams"
            raise DeclarationError(f"{self.kind}: {what}")


def unsuitable(augmentation: Augmentation, named: Sequence[tuple[Stream, Column]]) -> str:
    """Why `augmentation` cannot act on the streams and columns `named`, or ``""``."""
    for stream, column in named:
        if augmentation.kind == "noise" and not isinstance(stream, VoxelGrid):
            return f"stream {stream.name!r} has no cells"
        if augmentation.kind == "dropout" and not isinstance(stream, VoxelGrid | PointCloud):
            return f"stream {stream.name!r} has no hits to lose"
        if column.moves != "scalar":
            return f"column {column.name!r} of stream {stream.name!r} is no charge"
        classes = {label.name: label.classes for label in stream.labels}
        for label, name in augmentation.labels.items():
            if name not in classes.get(label, ()):
                return f"stream {stream.name!r} has no label {label!r} with a class {name!r}"
    return ""


def crooked(axis: str, streams: Sequence[Stream], truth: Sequence[Label]) -> Iterator[str]:
    """Why a detector of `streams` and `truth`, seen in a mirror along `axis`, is not itself."""
    middles = set()
    for stream in streams:
        if isinstance(stream, TrackSet) and axis == "z":
            yield f"the planes of stream {stream.name!r} are in order along z"
        if not isinstance(stream, VoxelGrid | DenseArray | TrackSet | PointCloud):
            yield f"it is not known how stream {stream.name!r} looks in a mirror"
        if isinstance(stream, VoxelGrid):
            along = stream.axes["xyz".index(axis)]
            if along.gaps != along.gaps[::-1]:
                yield f"the gaps of stream {stream.name!r} are not the same from both ends"
            middles.add(round(along.middle, 6))
        for column in (*stream.columns, *getattr(stream, "points", ()), *stream.labels):
            yield from _shapeless(column)
    if len(middles) > 1:
        listed = " and ".join(f"{m:g}" for m in sorted(middles))
        yield f"the voxel streams have their middles at {axis} = {listed} mm"
    for label in truth:
        yield from _shapeless(label)


def _shapeless(column: Column | Label) -> Iterator[str]:
    if column.moves != "scalar" and column.width != 3:
        yield f"{column.name!r} is a {column.moves} of {column.width} numbers, not of x, y and z"
    if column.moves == "point" and UNITS[column.unit][0] != "length":
        yield f"{column.name!r} is a point in {column.unit!r}, which is no length"
