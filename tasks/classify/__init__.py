"""Classification: neutrino flavour, decay of charmed hadrons, kind of a particle, or any other."""

from __future__ import annotations

from attrs import field, frozen
from attrs.validators import and_, ge, lt

from intarsia.core.detector import Detector
from intarsia.core.errors import DeclarationError
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


@frozen(kw_only=True)
class Pid(Classify):
    """Options of particle identification: those of event classification, and the event's context.

    context: blocks of attention among the particles of one event, which are read as by the head
    ``pooled`` then; without any, each is alone.
    """

    truth: str = "pid"
    context: int = field(default=0, validator=ge(0))


def _needs(options: Classify, detector: Detector) -> Needs:
    """The class; DeclarationError for particles that are to read hits and to look at each other."""
    if isinstance(options, Pid) and options.context and options.head == "hits":
        raise DeclarationError("with a context the latents alone are read, not 'hits'")
    return Needs(truth=(options.truth,))


def _kind(name: str, about: str, options: type, build: str = "Classifier") -> TaskKind:
    build = f"intarsia.tasks.classify.model:{build}"
    return TaskKind(name=name, about=about, options=options, build=build, needs=_needs)


@hookimpl
def intarsia_tasks() -> list[TaskKind]:
    """Classification; it needs the event's class."""
    return [
        _kind("flavour", "classify the event, by default its neutrino flavour", Classify),
        _kind("pid", "identify a particle, alone or among those of its event", Pid, "Identifier"),
        _kind("charm", "classify the decay of a charmed hadron: none, e, mu or hadrons", Charm),
    ]
