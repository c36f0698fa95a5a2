"""The record a detector plugin returns, and its comparison with another's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from attrs import Attribute, asdict, field, frozen
from attrs.validators import instance_of, matches_re

from .augmentation import Augmentation, crooked, unsuitable
from .errors import KINDS, DeclarationError, spell, suggest
from .streams import Axis, Column, Label, Stream, VoxelGrid, name_field

__all__ = [
    "Augmentation",
    "Crop",
    "Detector",
    "Display",
    "Frame",
    "Reader",
    "Simulation",
    "declaration",
    "difference",
]

Option = int | float | str

_dotted = matches_re(r"[\w.]+:\w+")
_dotted_or_none = matches_re(r"([\w.]+:\w+)?")


@frozen(kw_only=True)
class Reader:
    """A foreign file format of a detector.

    open: ``package.module:function``, called as ``open(path, **options)``, gives the file's
    `intarsia.core.reading.Records`. suffixes: of such files, in small letters. claims: names a
    function of the path that says why the file is of another format, or an empty string if it is
    of this one; where there is none, the suffix decides. options: names and default values of what
    ``intarsia prepare`` may be given.
    """

    name: str = field(validator=name_field)
    suffixes: tuple[str, ...]
    open: str = field(validator=_dotted)
    claims: str = field(default="", validator=_dotted_or_none)
    options: Mapping[str, Option] = field(factory=dict)
    about: str = ""


@frozen(kw_only=True)
class Simulation:
    """How events of a detector are made.

    make: ``package.module:function``, called as ``make(seed, first, n, **options)``, gives the
    Events numbered ``first`` to ``first + n``; event i depends on the seed and i alone, so that a
    sample is the same whatever the workers. Events the detector leaves out are simply missing.
    options: names and default values of what a recipe may set.
    """

    make: str = field(validator=_dotted)
    options: Mapping[str, Option] = field(factory=dict)
    about: str = ""


@frozen(kw_only=True)
class Display:
    """What a picture of an event shows: a voxel stream, the column that colours it, its label."""

    stream: str
    column: str
    label: str = ""


@frozen(kw_only=True)
class Frame:
    """Where the detector stands in the beam: rotated by `tilt_y` rad about y, then shifted, mm."""

    about: str
    tilt_y: float = 0.0
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)


CONTEXT = ("centre", "extent", "clearance", "hits", "total", "outside")


@frozen(kw_only=True)
class Crop:
    """A voxel stream that is a piece of a larger volume, cut out around its hits.

    stream: the voxels. context: the stream that says where the piece lies, made of the hits by
    `intarsia.core.crop.describe`; it follows when augmentations change them. axes: of the volume.
    """

    stream: str
    context: str
    axes: tuple[Axis, Axis, Axis]


def _streams(value: Iterable[Stream]) -> tuple[Stream, ...]:
    return tuple(value)


def _labels(value: Iterable[Label]) -> tuple[Label, ...]:
    return tuple(value)


def _readers(value: Iterable[Reader]) -> tuple[Reader, ...]:
    return tuple(value)


def _augmentations(value: Iterable[Augmentation]) -> tuple[Augmentation, ...]:
    return tuple(value)


@frozen(kw_only=True)
class Detector:
    """A detector as data: the one thing a detector plugin returns."""

    name: str = field(validator=[instance_of(str), name_field])
    about: str
    streams: tuple[Stream, ...] = field(converter=_streams)
    truth: tuple[Label, ...] = field(default=(), converter=_labels)
    readers: tuple[Reader, ...] = field(default=(), converter=_readers)
    simulation: Simulation | None = None
    augmentations: tuple[Augmentation, ...] = field(default=(), converter=_augmentations)
    display: Display | None = None
    frame: Frame | None = None
    crop: Crop | None = None
    source: str = ""

    @streams.validator
    def _check(self, _: Attribute[tuple[Stream, ...]], value: tuple[Stream, ...]) -> None:
        if not value:
            raise DeclarationError(f"detector {self.name!r} declares no stream")
        for stream in value:
            if not all(hasattr(stream, a) for a in ("name", "columns", "layout")):
                raise DeclarationError(
                    f"detector {self.name!r}: a stream must be a VoxelGrid, DenseArray, TrackSet or "
                    f"PointCloud (or of a kind that a plugin adds), not {type(stream).__name__}"
                )
        names = [s.name for s in value]
        if twice := sorted({n for n in names if names.count(n) > 1}):
            raise DeclarationError(
                f"detector {self.name!r}: stream declared twice: {', '.join(twice)}"
            )

    def __attrs_post_init__(self) -> None:
        if self.display:
            stream = self.stream(self.display.stream)
            for column in filter(None, (self.display.column, self.display.label)):
                if column not in stream.layout:
                    raise DeclarationError(
                        f"detector {self.name!r}: display: stream {stream.name!r} has no "
                        f"{column!r}{suggest(column, stream.layout)}"
                    )
        if self.crop and (wrong := self._uncropped(self.crop)):
            raise DeclarationError(f"detector {self.name!r}: crop: {wrong}")
        for augmentation in self.augmentations:
            if wrong := self._unsuitable(augmentation):
                raise DeclarationError(f"detector {self.name!r}: {augmentation.kind}: {wrong}")

    def _uncropped(self, crop: Crop) -> str:
        """Why `crop` is none of this detector, or ``""``."""
        if not isinstance(self.stream(crop.stream), VoxelGrid):
            return f"stream {crop.stream!r} has no cells"
        lacks = [c for c in CONTEXT if c not in self.stream(crop.context).layout]
        said = f"stream {crop.context!r} is no context of a crop: it has no {', '.join(lacks)}"
        return said if lacks else ""

    def _unsuitable(self, augmentation: Augmentation) -> str:
        if not augmentation.axis:
            return unsuitable(augmentation, [self.column(name) for name in augmentation.streams])
        if self.frame and self.frame.tilt_y and augmentation.axis != "y":
            return (
                "the beam is tilted about y, so that its mirror image along "
                f"{augmentation.axis} is another beam"
            )
        return next(crooked(augmentation.axis, self.streams, self.truth), "")

    def stream(self, name: str) -> Stream:
        """The stream called `name`; DeclarationError naming the nearest one if there is none."""
        for stream in self.streams:
            if stream.name == name:
                return stream
        names = [s.name for s in self.streams]
        raise DeclarationError(
            f"detector {self.name!r} has no stream {name!r}{suggest(name, names)} "
            f"(it has: {', '.join(names)})"
        )

    def column(self, name: str) -> tuple[Stream, Column]:
        """The stream and column called ``stream.column``, or the first column of the stream `name`.

        DeclarationError naming the nearest one if there is none.
        """
        of, _, wanted = name.partition(".")
        stream = self.stream(of)
        columns = {c.name: c for c in stream.columns}
        if not columns or (wanted and wanted not in columns):
            raise DeclarationError(
                f"detector {self.name!r}: stream {of!r} has no column {wanted!r}"
                f"{suggest(wanted, columns)} (it has: {', '.join(columns) or 'none'})"
            )
        return stream, columns[wanted or next(iter(columns))]

    @property
    def grids(self) -> dict[str, VoxelGrid]:
        """Voxel streams by name, in the order declared."""
        return {s.name: s for s in self.streams if isinstance(s, VoxelGrid)}

    def label(self, name: str) -> Label:
        """The event truth called `name`; DeclarationError naming the nearest one otherwise."""
        for label in self.truth:
            if label.name == name:
                return label
        names = [t.name for t in self.truth]
        raise DeclarationError(
            f"detector {self.name!r} has no event truth {name!r}{suggest(name, names)} "
            f"(it has: {', '.join(names) or 'none'})"
        )


def option_faults(known: Mapping[str, Option], given: Mapping[str, Option]) -> list[str]:
    """What is wrong with options of a reader or a simulation: unknown names, values of another kind.

    A value must be of the default's kind, but a whole number is a number too.
    """
    faults = []
    for name, value in given.items():
        if name not in known:
            has = f"it has: {', '.join(known)}" if known else "it has none"
            faults.append(f"there is no option {name!r}{suggest(name, known)} ({has})")
        elif not alike(value, known[name]):
            like = f", like {spell(known[name])}" if known[name] != "" else ""
            kind = KINDS[type(known[name])]
            faults.append(f"option {name!r} must be {kind}{like}, not {spell(value)}")
    return faults


def alike(value: object, default: Option) -> bool:
    """Whether `value` may stand where `default` does."""
    kinds = (int, float) if isinstance(default, float) else type(default)
    return isinstance(value, kinds) and isinstance(value, bool) is isinstance(default, bool)


def declaration(detector: Detector) -> dict[str, Any]:
    """What of a detector decides the meaning of its files, as plain JSON values."""
    streams = [{"kind": type(s).__name__, **asdict(s)} for s in detector.streams]
    truth = [asdict(t) for t in detector.truth]
    plain: dict[str, Any] = _plain({"name": detector.name, "streams": streams, "truth": truth})
    return plain


def difference(a: Mapping[str, Any], b: Mapping[str, Any]) -> str:
    """The first difference between two declarations as ``path: x here, y there``, or ``""``.

    Texts meant for people (`about`, `source`) do not count.
    """
    return next(_differences(a, b, ""), "")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value


def _differences(a: Any, b: Any, path: str) -> Iterator[str]:
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        for key in [k for k in {**a, **b} if k not in ("about", "source")]:
            yield from _differences(a.get(key), b.get(key), f"{path}.{key}".lstrip("."))
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            name = x.get("name", i) if isinstance(x, Mapping) else i
            yield from _differences(x, y, f"{path}.{name}")
    elif a != b:
        yield f"{path}: {a!r} here, {b!r} there"
