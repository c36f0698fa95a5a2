"""Vertex regression: where in the detector the interaction happened."""

from __future__ import annotations

from attrs import field, frozen
from attrs.validators import gt, in_

from intarsia.core.detector import Detector
from intarsia.core.errors import DeclarationError
from intarsia.core.hookspecs import hookimpl
from intarsia.core.streams import VoxelGrid
from intarsia.core.task import HEADS, Needs, Reading, TaskKind


@frozen(kw_only=True)
class Vertex(Reading):
    """Options of vertex regression.

    truth: the point to find, in mm. unit: deviation in mm that costs one, the same along every axis, as
    the distance to the true vertex counts them. beta: deviation in mm below which the loss is
    quadratic, by default a cell of FASERCal's 3DCal. head: besides those of every task ``hits``, the
    mean of the event's hits, weighted by how likely each is to be the point: it reads the tokens too.
    """

    head: str = field(default="tokens", validator=in_((*HEADS, "hits")))
    truth: str = "vertex"
    unit: float = field(default=100.0, validator=gt(0))
    beta: float = field(default=10.0, validator=gt(0))


def _needs(options: Vertex, detector: Detector) -> Needs:
    """The point; DeclarationError if hits cannot say where it is."""
    if options.head == "hits":
        if not any(isinstance(s, VoxelGrid) for s in detector.streams):
            raise DeclarationError(f"detector {detector.name!r} has no voxels for the head 'hits'")
        label = next((t for t in detector.truth if t.name == options.truth), None)
        if label and (label.moves, label.width, label.unit) != ("point", 3, "mm"):
            raise DeclarationError(
                f"the head 'hits' finds a point of width 3 in mm; event truth {label.name!r} is none"
            )
    return Needs(truth=(options.truth,))


@hookimpl
def intarsia_tasks() -> list[TaskKind]:
    """Vertex regression; it needs the true point."""
    return [
        TaskKind(
            name="vertex",
            about="find the primary vertex in the detector frame, mm",
            options=Vertex,
            build="intarsia.tasks.vertex.model:VertexRegression",
            needs=_needs,
        )
    ]
