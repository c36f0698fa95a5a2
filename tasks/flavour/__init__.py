"""Event classification: neutrino flavour, or any other class of an event."""

from __future__ import annotations

from attrs import Factory, field, frozen
from attrs.validators import and_, ge, gt, lt

from intarsia.core.detector import Detector
from intarsia.core.hookspecs import hookimpl
from intarsia.core.task import Needs, TaskKind, View


@frozen(kw_only=True)
class Classify:
    """Options of event classification. truth: the class to learn. smoothing: of its target."""

    truth: str = "flavour"
    view: View = Factory(View)
    smoothing: float = field(default=0.02, validator=and_(ge(0), lt(1)))
    head_scale: float = field(default=2e-5, validator=gt(0))


def _needs(options: Classify, detector: Detector) -> Needs:
    return Needs(truth=(options.truth,))


@hookimpl
def intarsia_tasks() -> list[TaskKind]:
    """Classification; it needs the event's class."""
    return [
        TaskKind(
            name="flavour",
            about="classify the event, by default its neutrino flavour",
            options=Classify,
            build="intarsia.tasks.flavour.model:Classifier",
            needs=_needs,
        )
    ]
