"""Vertex regression: where in the detector the interaction happened."""

from __future__ import annotations

from attrs import field, frozen
from attrs.validators import gt

from intarsia.core.detector import Detector
from intarsia.core.errors import DeclarationError
from intarsia.core.hookspecs import hookimpl
from intarsia.core.task import Needs, Reading, TaskKind


@frozen(kw_only=True)
class Vertex(Reading):
    """Options of vertex regression.

    truth: the point to find, in mm. unit: deviation in mm that costs one, the same along every axis, as
    the distance to the true vertex counts them. beta: deviation in mm below which the loss is
    quadratic, by default a cell of FASERCal's 3DCal. With the head ``hits`` it is a point among the
    hits, weighted by how likely each is to be the one.
    """

    truth: str = "vertex"
    unit: float = field(default=100.0, validator=gt(0))
    beta: float = field(default=10.0, validator=gt(0))


def _needs(options: Vertex, detector: Detector) -> Needs:
    """The point; DeclarationError if hits cannot be it, or if it is to be looked for from another."""
    if options.head == "hits" and options.seen_from:
        raise DeclarationError("a point among hits is seen from no place: leave out seen_from")
    known = any(t.name == options.truth for t in detector.truth)
    if options.head == "hits" and known and not _is_place(options, detector):
        raise DeclarationError(
            f"the head 'hits' finds a point of width 3 in mm; event truth {options.truth!r} is none"
        )
    return Needs(truth=(options.truth,))


def _is_place(options: Vertex, detector: Detector) -> bool:
    """Whether what is to be found is a point in the detector, in mm."""
    label = next((t for t in detector.truth if t.name == options.truth), None)
    return label is not None and (label.moves, label.width, label.unit) == ("point", 3, "mm")


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
            finds_place=_is_place,
        )
    ]
