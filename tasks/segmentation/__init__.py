"""Segmentation: the class of every voxel, with nothing hidden."""

from __future__ import annotations

from attrs import Factory, field, frozen
from attrs.validators import and_, ge, le, lt, optional

from intarsia.core.detector import Detector
from intarsia.core.hookspecs import hookimpl
from intarsia.core.recipe import DecoderSize
from intarsia.core.task import Needs, TaskKind, View


@frozen(kw_only=True)
class Segment:
    """Options of segmentation.

    stream: whose voxels; by default the first voxel stream. label: of its class labels. leave_out:
    classes that are neither learned nor counted. voxels: so many of a batch's, drawn at random, train;
    by default all. balance: a class of frequency f counts as f^-balance in the loss; 0 for all
    voxels alike, 1 for all classes alike. smoothing: of the targets.
    """

    view: View = Factory(View)
    stream: str = ""
    label: str = "semantic"
    leave_out: tuple[str, ...] = ()
    voxels: int | None = field(default=None, validator=optional(ge(1)))
    decoder: DecoderSize = Factory(lambda: DecoderSize(depth=1))
    modes: int = field(default=32, validator=ge(1))
    balance: float = field(default=0.0, validator=and_(ge(0), le(1)))
    smoothing: float = field(default=0.0, validator=and_(ge(0), lt(1)))


def stream_of(options: Segment, detector: Detector) -> str:
    """The stream that `options` mean for `detector`; "" if it has no voxels."""
    return options.stream or next(iter(detector.grids), "")


def _needs(options: Segment, detector: Detector) -> Needs:
    return Needs(labels=(f"{stream_of(options, detector) or 'voxels'}.{options.label}",))


@hookimpl
def intarsia_tasks() -> list[TaskKind]:
    """Segmentation; it needs a class label of the voxels."""
    return [
        TaskKind(
            name="segmentation",
            about="classify every voxel, by default by its semantic label",
            options=Segment,
            build="intarsia.tasks.segmentation.model:Segmentation",
            needs=_needs,
        )
    ]
