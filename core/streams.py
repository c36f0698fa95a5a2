"""What a detector's data are, as declarations: streams, their geometry, columns and labels.

Nothing here computes on events and nothing imports torch, so that listing the detectors of an
installation stays fast.
"""

from __future__ import annotations

from math import prod
from typing import Literal

import numpy as np
from attrs import Attribute, field, frozen
from attrs.validators import ge, gt, in_, matches_re

from .errors import DeclarationError
from .units import known

Triple = tuple[int, int, int]
Shapes = dict[str, tuple[str, tuple[int, ...]]]  # column: (numpy dtype, shape of one row)

name_field = matches_re(r"[A-Za-z0-9_]+")


def _unit(_: object, __: Attribute[str], value: str) -> None:
    known(value)


@frozen
class Axis:
    """Cells along one axis: `n` cells of `pitch` mm, the first beginning at `start` mm.

    The cells are shared evenly by ``len(gaps) + 1`` modules, with `gaps` mm between them.
    """

    n: int = field(validator=ge(1))
    pitch: float = field(validator=gt(0))
    start: float = 0.0
    gaps: tuple[float, ...] = field(default=())

    @gaps.validator
    def _even(self, _: Attribute[tuple[float, ...]], value: tuple[float, ...]) -> None:
        if self.n % (len(value) + 1):
            raise DeclarationError(
                f"an axis of {self.n} cells cannot be shared by {len(value) + 1} modules"
            )

    @property
    def lower(self) -> np.ndarray:
        """Lower edges of the cells in mm, shape (n,)."""
        i = np.arange(self.n)
        before = np.concatenate([[0.0], np.cumsum(self.gaps)])
        edges: np.ndarray = self.start + i * self.pitch + before[i // (self.n // len(before))]
        return edges

    @property
    def centres(self) -> np.ndarray:
        """Cell centres in mm, shape (n,)."""
        middles: np.ndarray = self.lower + 0.5 * self.pitch
        return middles

    @property
    def middle(self) -> float:
        """Where the axis has its middle, in mm."""
        lower = self.lower
        return float(lower[0] + lower[-1] + self.pitch) / 2


@frozen(kw_only=True)
class Column:
    """A measured number that comes with each row of a stream, e.g. the charge of a hit.

    width: numbers per row; one has no axis of its own in the arrays. scale: how a tokeniser
    compresses the column; files keep physical values. dtype: how files keep it. moves: how a
    mirror of the detector acts on it.
    """

    name: str = field(validator=name_field)
    unit: str = field(validator=_unit)
    width: int = field(default=1, validator=ge(1))
    scale: Literal["identity", "log1p", "sqrt"] = field(
        default="identity", validator=in_(("identity", "log1p", "sqrt"))
    )
    dtype: str = field(default="float32", validator=in_(("float32", "float16", "int32")))
    moves: Literal["scalar", "point", "vector"] = field(
        default="scalar", validator=in_(("scalar", "point", "vector"))
    )
    about: str = ""

    @property
    def extra(self) -> tuple[int, ...]:
        """Trailing shape of the column's arrays."""
        return () if self.width == 1 else (self.width,)


@frozen(kw_only=True)
class Label:
    """A truth label, of a row or of an event.

    With `classes` it is a class: its number (int8, -1 when unknown), or with `soft` one share per
    class that sum to one (float16, all NaN when unknown). Without, it is `width` numbers in `unit`
    (float32, NaN when unknown). moves: how a mirror of the detector acts on it.
    """

    name: str = field(validator=name_field)
    classes: tuple[str, ...] = ()
    soft: bool = False
    unit: str = field(default="1", validator=_unit)
    width: int = field(default=1, validator=ge(1))
    moves: Literal["scalar", "point", "vector"] = field(
        default="scalar", validator=in_(("scalar", "point", "vector"))
    )
    about: str = ""

    def __attrs_post_init__(self) -> None:
        if self.soft and not self.classes:
            raise DeclarationError(f"label {self.name!r} is soft, but has no classes")

    @property
    def layout(self) -> tuple[str, tuple[int, ...]]:
        """Numpy dtype and shape of one row."""
        if self.soft:
            return "float16", (len(self.classes),)
        if self.classes:
            return "int8", ()
        return "float32", () if self.width == 1 else (self.width,)


def _divides(stream: VoxelGrid, attribute: Attribute[Triple], value: Triple) -> None:
    whole = stream.shape if attribute.name == "patch" else stream.patches
    for axis, size, part in zip("xyz", whole, value, strict=True):
        if part < 1 or size % part:
            raise DeclarationError(
                f"stream {stream.name!r}: {attribute.name} {part} along {axis} does not divide {size}"
            )


@frozen(kw_only=True)
class VoxelGrid:
    """A sparse grid: one row per active cell, cut into patches, patches into windows.

    A window is the group of patches that attend to each other before fusion. For a detector built
    of modules it is the module; for one without, a local block. Every row has the cell's `index`
    (3,) along x, y and z, int16.
    """

    name: str = field(validator=name_field)
    axes: tuple[Axis, Axis, Axis]
    patch: Triple = field(validator=_divides)
    window: Triple = field(validator=_divides)
    columns: tuple[Column, ...]
    labels: tuple[Label, ...] = ()
    about: str = ""
    source: str = ""

    def __attrs_post_init__(self) -> None:
        if not self.columns:
            raise DeclarationError(
                f"stream {self.name!r} declares no column: what does a hit measure?"
            )

    @property
    def shape(self) -> Triple:
        """Cells along x, y and z."""
        x, y, z = self.axes
        return x.n, y.n, z.n

    @property
    def patches(self) -> Triple:
        """Patches along x, y and z."""
        (x, y, z), (p, q, r) = self.shape, self.patch
        return x // p, y // q, z // r

    @property
    def windows(self) -> Triple:
        """Windows along x, y and z."""
        (x, y, z), (p, q, r) = self.patches, self.window
        return x // p, y // q, z // r

    @property
    def layout(self) -> Shapes:
        """What each row holds."""
        own: Shapes = {"index": ("int16", (3,))}
        return own | _columns(self.columns, ()) | _labels(self.labels)


@frozen(kw_only=True)
class DenseArray:
    """A small fixed array per event, one token: a calorimeter matrix, a context vector.

    At most one row per event. along: the detector axis ("x", "y", "z" or "") of each dimension.
    """

    name: str = field(validator=name_field)
    shape: tuple[int, ...]
    columns: tuple[Column, ...]
    along: tuple[str, ...] = ()
    labels: tuple[Label, ...] = ()
    about: str = ""
    source: str = ""

    def __attrs_post_init__(self) -> None:
        if not self.columns:
            raise DeclarationError(
                f"stream {self.name!r} declares no column: what does a cell measure?"
            )

    @property
    def layout(self) -> Shapes:
        """What each row holds."""
        return _columns(self.columns, self.shape) | _labels(self.labels)

    @property
    def size(self) -> int:
        """Numbers in one row."""
        return prod(self.shape) * sum(c.width for c in self.columns)


@frozen(kw_only=True)
class TrackSet:
    """Fitted tracks, one row each: one token per event, by attention over tracks and planes.

    columns: numbers of a track. points: numbers of each of its `planes` measurements, NaN where a
    plane has none.
    """

    name: str = field(validator=name_field)
    planes: int = field(validator=ge(1))
    points: tuple[Column, ...]
    columns: tuple[Column, ...] = ()
    labels: tuple[Label, ...] = ()
    about: str = ""
    source: str = ""

    @property
    def layout(self) -> Shapes:
        """What each row holds."""
        points = _columns(self.points, (self.planes,))
        return _columns(self.columns, ()) | points | _labels(self.labels)


@frozen(kw_only=True)
class PointCloud:
    """Points at real coordinates, grouped into `groups` nearest-neighbour patches.

    Every row has a `position` (3,) in mm, float32.
    """

    name: str = field(validator=name_field)
    groups: int = field(validator=ge(1))
    columns: tuple[Column, ...]
    labels: tuple[Label, ...] = ()
    about: str = ""
    source: str = ""

    @property
    def layout(self) -> Shapes:
        """What each row holds."""
        own: Shapes = {"position": ("float32", (3,))}
        return own | _columns(self.columns, ()) | _labels(self.labels)


Stream = VoxelGrid | DenseArray | TrackSet | PointCloud


def _columns(columns: tuple[Column, ...], shape: tuple[int, ...]) -> Shapes:
    return {c.name: (c.dtype, shape + c.extra) for c in columns}


def _labels(labels: tuple[Label, ...]) -> Shapes:
    return {label.name: label.layout for label in labels}
