"""What of FASERCal's simulation can be chosen, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import asdict, frozen

from intarsia.core.detector import option_faults
from intarsia.core.errors import RunError, suggest

PLASTICS = ("PVT", "FASERG4 plastic")
SOLVERS = ("mlem", "upstream")
_OF_MLEM = ("photo_electrons", "cross_talk", "threshold", "iterations", "noise", "dead")

# Option: lowest and highest value
_BOUNDS = {
    "photo_electrons": (0.01, 1e4),
    "cross_talk": (0.0, 0.25),
    "threshold": (0.0, 1e3),
    "noise": (0.0, 100.0),
    "dead": (0.0, 1.0),
    "pile_up": (0.0, 100.0),
}


@frozen(kw_only=True)
class Options:
    """Options of the simulation.

    mix: "balanced", "nominal" or "paper" (see `beam`). generator, spectrum: of the interactions and the
    neutrinos' energies. plastic: of the cubes, the PDG's or the one of the collaboration's code.
    photo_electrons: per MeV and fibre. cross_talk: share of a cube's light to each of four
    neighbours. threshold: of a fibre and a voxel, MeV. iterations: of the MLEM. noise: mean dark
    photo-electrons of a fibre. dead: share of fibres that see nothing, the same ones in all events
    of a seed. pile_up: mean number of muons that cross the detector with each event. solver:
    "upstream" is the collaboration's, on true energies: without light, threshold, noise or dead
    fibres, whose options mean nothing then and cannot be given.
    """

    mix: str = "balanced"
    generator: str = "builtin"
    spectrum: str = ""
    plastic: str = "PVT"
    photo_electrons: float = 10.0
    cross_talk: float = 0.03
    threshold: float = 0.5
    solver: str = "mlem"
    iterations: int = 8
    noise: float = 0.0
    dead: float = 0.0
    pile_up: float = 0.0


DEFAULTS: dict[str, float | str] = asdict(Options())


def options(given: Mapping[str, Any]) -> Options:
    """`given` over the defaults; RunError for an option that there is not or a value that cannot be."""
    for name in given:
        if name not in DEFAULTS:
            raise RunError(
                f"fasercal: there is no simulation option {name!r}{suggest(name, DEFAULTS)} "
                f"(known: {', '.join(DEFAULTS)})"
            )
    if faults := option_faults(DEFAULTS, given):
        raise RunError("\n".join(f"fasercal: {fault}" for fault in faults))
    chosen: dict[str, Any] = {**DEFAULTS, **given}
    for name, (least, most) in _BOUNDS.items():
        if not least <= chosen[name] <= most:
            raise RunError(f"fasercal: {name} must be a number from {least:g} to {most:g}")
    if not 0 <= chosen["iterations"] <= 1000:
        raise RunError("fasercal: iterations must be a whole number from 0 to 1000")
    for name, known in (("plastic", PLASTICS), ("solver", SOLVERS)):
        if chosen[name] not in known:
            near = suggest(str(chosen[name]), known)
            raise RunError(
                f"fasercal: there is no {name} {chosen[name]!r}{near} (known: {', '.join(known)})"
            )
    made = Options(**chosen)
    changed = [name for name in _OF_MLEM if chosen[name] != DEFAULTS[name]]
    if made.solver == "upstream" and changed:
        raise RunError(
            f"fasercal: the solver 'upstream' is on true energies: without {', '.join(changed)}"
        )
    return made
