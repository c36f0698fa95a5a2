"""Momenta of an event: what is visible of it, the hadronic jet, and by difference the lepton."""

from __future__ import annotations

from attrs import field, frozen
from attrs.validators import gt

from intarsia.core.detector import Detector
from intarsia.core.hookspecs import hookimpl
from intarsia.core.task import Needs, Reading, TaskKind


@frozen(kw_only=True)
class Kinematics(Reading):
    """Options of the regression of momenta.

    visible, jet: the two momenta to find, by default in the beam frame: transverse momentum means
    nothing about the axis of a detector that is tilted. beta: deviation below which the loss is
    quadratic, in units of the spread over the training split. (The collaboration's earlier losses have 1,
    with which the events that are known worst decide, and a shower is known to a tenth of the spread.)
    """

    visible: str = "p_visible_beam"
    jet: str = "p_jet_beam"
    beta: float = field(default=0.1, validator=gt(0))


def _needs(options: Kinematics, detector: Detector) -> Needs:
    return Needs(truth=(options.visible, options.jet))


@hookimpl
def intarsia_tasks() -> list[TaskKind]:
    """Regression of momenta; it needs the true ones."""
    return [
        TaskKind(
            name="kinematics",
            about="find visible and jet momentum; the lepton's is their difference",
            options=Kinematics,
            build="intarsia.tasks.kinematics.model:Momenta",
            needs=_needs,
        )
    ]
