"""Neutrino interactions by Pythia 8 (extra `pythia`), the same record as the built-in `dis`.

Deep-inelastic scattering with parton showers and the Lund string, arXiv:2203.11601; as in `dis`, no
quasi-elastic scattering, no resonances and no nuclear effects. Pythia 8 is under the GPL: nothing
imports it unless a user asks for this generator.
"""

from __future__ import annotations

import math
from typing import Any

from intarsia.core.errors import RunError

from .charm import SPECIES
from .compiled import Array
from .random import bits, uniform

Q2_MIN = 1.0  # GeV2, as in `dis`
LARGEST_SEED = 900_000_000
TRIES = 1000
LEPTON = 5  # entry of the scattered lepton in Pythia's list, or the next one
# Left for others to decay: what the transport follows, the tau and charmed hadrons
WHOLE = (111, 130, 310, 3122, 15, *SPECIES)
# Shares of neutrons among the nucleons struck, isoscalar target, from Pythia's own cross sections
NEUTRONS = {(1, True): 0.65, (-1, True): 0.37, (1, False): 0.52, (-1, False): 0.50}

SETTINGS = (
    "Print:quiet = on",
    "Random:setSeed = on",
    "Random:seed = 1",
    "Beams:frameType = 3",
    "Beams:allowMomentumSpread = on",
    "WeakZ0:gmZmode = 2",
    f"PhaseSpace:Q2Min = {Q2_MIN}",
    "PhaseSpace:mHatMin = 1.",  # else x > 0.08 at 100 GeV
    "PhaseSpace:pTHatMinDiverge = 0.5",  # the least; else Q2 (1 - y) > 1 GeV2, so no y near 1
    "SpaceShower:dipoleRecoil = on",
    "SpaceShower:pTmaxMatch = 2",
    "PDF:lepton = off",
    "TimeShower:QEDshowerByL = off",
    *(f"{pdg}:mayDecay = off" for pdg in WHOLE),
)


class Pythia:
    """Callable as `neutrinos.Interact`. RunError if Pythia 8 is not installed.

    One Pythia is prepared, in 0.2 s, for each kind of neutrino, nucleon and exchange and each decade
    of energy when first needed. Within a decade the energy of the neutrino is the one asked for:
    Pythia takes it for a spread of the beam's momentum.
    """

    def __init__(self) -> None:
        try:
            import pythia8mc
        except ImportError:
            raise RunError(
                "generator 'pythia' needs Pythia 8, which is not installed: "
                "pip install 'intarsia[pythia]' (or choose generator 'builtin')"
            ) from None
        self._library: Any = pythia8mc
        self._shape = _shape(pythia8mc)
        self._ready: dict[tuple[int, int, bool, float], tuple[Any, Any]] = {}

    def __call__(
        self, state: Array, energy: float, neutrino: int, charged: bool, rows: Array
    ) -> tuple[int, int, float, float, float]:
        """See `neutrinos.Interact`."""
        sign = 1 if neutrino > 0 else -1
        nucleon = 2112 if uniform(state) < NEUTRONS[sign, charged] else 2212
        return self.strike(state, energy, neutrino, charged, nucleon, rows)

    def strike(
        self, state: Array, energy: float, neutrino: int, charged: bool, nucleon: int, rows: Array
    ) -> tuple[int, int, float, float, float]:
        """The same for a given `nucleon`, PDG number 2212 or 2112."""
        top = 10.0 ** max(2, math.ceil(math.log10(energy)))
        key = (neutrino, nucleon, charged, top)
        if key not in self._ready:
            self._ready[key] = self._prepare(*key)
        pythia, shape = self._ready[key]
        shape.less = energy - top
        pythia.rndm.init(1 + bits(state) % LARGEST_SEED)
        for _ in range(TRIES):
            if pythia.next():
                return _record(pythia.event, rows)
        raise RunError(f"Pythia fails for neutrino {neutrino} of {energy:g} GeV")

    def _prepare(self, neutrino: int, nucleon: int, charged: bool, top: float) -> tuple[Any, Any]:
        pythia = self._library.Pythia("", False)
        asked = (
            f"WeakBosonExchange:ff2ff(t:{'W' if charged else 'gmZ'}) = on",
            f"Beams:idA = {neutrino}",
            f"Beams:idB = {nucleon}",
            f"Beams:pzA = {top}",
            "Beams:pzB = 0.",
        )
        shape = self._shape()
        pythia.setBeamShapePtr(shape)
        if not all(pythia.readString(s) for s in (*SETTINGS, *asked)) or not pythia.init():
            raise RunError(
                f"Pythia {pythia.settings.parm('Pythia:versionNumber')} refuses to start"
            )
        return pythia, shape


def _shape(library: Any) -> Any:
    """Class of a beam whose first momentum along z differs by `less` from the one prepared."""

    class Shape(library.BeamShape):  # type: ignore[misc] # of a library without types
        less = 0.0

        def pick(self) -> None:
            self.deltaPxA = self.deltaPyA = 0.0
            self.deltaPxB = self.deltaPyB = self.deltaPzB = 0.0
            self.deltaPzA = self.less

    return Shape


def _record(event: Any, rows: Array) -> tuple[int, int, float, float, float]:
    """Pythia's final particles as rows: the lepton, then the others."""
    beam, nucleon = event[1], event[2]
    lepton = event[LEPTON] if 10 < abs(event[LEPTON].id()) < 20 else event[LEPTON + 1]
    first = lepton.iBotCopyId()
    heavy, n = 0, 1
    for i in range(5, event.size()):
        particle = event[i]
        if not particle.isFinal():
            continue
        row = 0 if i == first else n
        n += i != first
        rows[row] = (
            particle.px(), particle.py(), particle.pz(), particle.e(), particle.id(), particle.m()
        )  # fmt: skip
        heavy = particle.id() if abs(particle.id()) in SPECIES else heavy
    energy, mass = beam.e(), nucleon.m()
    given = energy - rows[0, 3]
    q2 = rows[0, :3] @ rows[0, :3] + energy**2 - 2.0 * energy * rows[0, 2] - given**2
    w2 = mass * mass + 2.0 * mass * given - q2
    return n, heavy, q2 / (2.0 * mass * given), given / energy, math.sqrt(max(w2, 0.0))
