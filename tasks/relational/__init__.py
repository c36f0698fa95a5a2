"""The relational pass: what each visible voxel is (arXiv:2604.07037, sections IV C and C 1)."""

from __future__ import annotations

from attrs import Factory, field, frozen
from attrs.validators import and_, ge, lt, optional

from intarsia.core.detector import Detector
from intarsia.core.hookspecs import hookimpl
from intarsia.core.recipe import DecoderSize
from intarsia.core.task import Needs, TaskKind, View


@frozen(kw_only=True)
class Relational:
    """Options of the relational pass.

    stream: whose voxels are labelled; by default the first voxel stream. labels: which of its class
    labels; by default all. ghosts: the label whose second class is ghosts, which count for no other
    label; a stream without it has none. voxels: so many of a batch's visible ones, drawn at random, train; by default
    all. smoothing: of their targets.
    """

    view: View = Factory(lambda: View(mask_ratio=0.25, probability=0.5))
    stream: str = ""
    labels: tuple[str, ...] = ()
    ghosts: str = "ghost"
    voxels: int | None = field(default=None, validator=optional(ge(1)))
    decoder: DecoderSize = Factory(lambda: DecoderSize(depth=1))
    modes: int = field(default=32, validator=ge(1))
    smoothing: float = field(default=0.02, validator=and_(ge(0), lt(1)))


def targets(options: Relational, detector: Detector) -> tuple[str, tuple[str, ...]]:
    """The stream and its labels that `options` mean for `detector`; ("", ()) if it has none."""
    name = options.stream or next(iter(detector.grids), "")
    if not name:
        return "", ()
    stream = detector.stream(name)
    declared = tuple(label.name for label in stream.labels if label.classes)
    return stream.name, options.labels or declared or ("class",)


def ghosts(options: Relational, detector: Detector) -> str:
    """The label that tells ghosts, or "" if the stream declares none with two classes."""
    stream, _ = targets(options, detector)
    labels = detector.stream(stream).labels if stream else ()
    found = [x.name for x in labels if x.name == options.ghosts and len(x.classes) == 2]
    return "".join(found)


def _needs(options: Relational, detector: Detector) -> Needs:
    stream, labels = targets(options, detector)
    names = dict.fromkeys([*(labels or ("class",)), ghosts(options, detector)])
    return Needs(labels=tuple(f"{stream or 'voxels'}.{name}" for name in names if name))


@hookimpl
def intarsia_tasks() -> list[TaskKind]:
    """The relational pass; it needs voxel labels."""
    return [
        TaskKind(
            name="relational",
            about="classify visible voxels: ghost, hierarchy, particle category",
            options=Relational,
            build="intarsia.tasks.relational.model:VoxelLabels",
            needs=_needs,
        )
    ]
