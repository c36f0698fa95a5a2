"""Event classification: neutrino flavour, decay of charmed hadrons, or any other class of an event."""

from __future__ import annotations

from attrs import field, frozen
from attrs.validators import and_, ge, lt

from intarsia.core.detector import Detector
from intarsia.core.hookspecs import hookimpl
from intarsia.core.task import Needs, Reading, TaskKind


@frozen(kw_only=True)
class Classify(Reading):
    """Options of event classification. truth: the class to learn. smoothing: of its target."""

    truth: str = "flavour"
    smoothing: float = field(default=0.02, validator=and_(ge(0), lt(1)))


@frozen(kw_only=True)
class Charm(Classify):
    """Options of charm identification: those of event classification."""

    truth: str = "charm"


def _needs(options: Classify, detector: Detector) -> Needs:
    return Needs(truth=(options.truth,))


def _kind(name: str, about: str, options: type) -> TaskKind:
    build = "intarsia.tasks.classify.model:Classifier"
    return TaskKind(name=name, about=about, options=options, build=build, needs=_needs)


@hookimpl
def intarsia_tasks() -> list[TaskKind]:
    """Classification; it needs the event's class."""
    return [
        _kind("flavour", "classify the event, by default its neutrino flavour", Classify),
        _kind("charm", "classify the decay of a charmed hadron: none, e, mu or hadrons", Charm),
    ]
