"""Neutrino interactions behind one interface: the built-in generator or Pythia 8."""

from __future__ import annotations

from typing import Protocol

from intarsia.core.errors import RunError, suggest

from .compiled import Array

GENERATORS = ("builtin", "pythia")


class Interact(Protocol):
    """One interaction of a neutrino flying along +z with a nucleon at rest, in GeV.

    Writes the outgoing lepton to rows[0] and the hadrons behind it, (n, 6) as in `decays`: what
    lives too short to be seen has decayed; the tau, charmed hadrons and pi0 have not. Returns
    (n, PDG number of a charmed hadron or 0, x, y, W). Random numbers come from `state` alone.
    """

    def __call__(
        self, state: Array, energy: float, neutrino: int, charged: bool, rows: Array
    ) -> tuple[int, int, float, float, float]:
        """Interact with `neutrino`, a PDG number, of `energy`; `charged`: by a W, else by a Z."""
        ...


def generator(name: str) -> Interact:
    """The generator called `name`. RunError if there is none, or if its library is missing."""
    if name == "builtin":
        from .dis import interact

        return interact
    if name == "pythia":
        from .pythia import Pythia

        return Pythia()
    raise RunError(
        f"there is no generator {name!r}{suggest(name, GENERATORS)} "
        f"(known: {', '.join(GENERATORS)})"
    )
