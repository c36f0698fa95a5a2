"""FASERCal, the neutrino calorimeter proposed for FASER: declarations and plugin hook.

``fasercal`` is generation B of its geometry, which arXiv:2604.07037 uses; ``fasercal_a`` and
``fasercal_c`` are the ones before and after it. Imports neither numba nor torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import degrees

from attrs import evolve

from intarsia.core.detector import Detector, Reader, Simulation
from intarsia.core.hookspecs import hookimpl

from .generations import GENERATION_A, GENERATION_B, GENERATION_C
from .geometry import Geometry
from .options import DEFAULTS
from .streams import declare

SIMULATION = Simulation(
    make="intarsia.detectors.fasercal.simulation:make",
    options=DEFAULTS,
    about="mix: balanced, nominal or paper; generator: builtin or pythia; spectrum: histograms of the "
    "neutrinos' energies, a CSV or NPZ file; plastic: PVT or FASERG4 plastic; photo_electrons per "
    "MeV and fibre; cross_talk: light to each neighbour; threshold in MeV; solver: mlem or "
    "upstream; iterations of the mlem; noise: dark photo-electrons of a fibre; dead: share of "
    "fibres; pile_up: muons that cross with an event",
)


def _readers(geometry: Geometry) -> tuple[Reader, ...]:
    x, y, _ = geometry.shift
    place: dict[str, float | str] = {
        "tilt": round(degrees(geometry.tilt), 9),
        "shift_x": x,
        "shift_y": y,
    }
    options: dict[str, dict[str, float | str]] = {"npz": place, "recoevent": {"truth": ""}}
    about = {
        "npz": (".npz", "the authors' numpy archives, one event each"),
        "calevent": (".root", "calEvent: true hits of the GEANT4 simulation"),
        "recoevent": (".root", "RecoEvent and MuonSpectrometer; truth: folder of their calEvent"),
    }
    return tuple(
        Reader(
            name=name,
            suffixes=(suffix,),
            open=f"intarsia.detectors.fasercal.{name}_reader:open_{geometry.generation.lower()}",
            claims=f"intarsia.detectors.fasercal.{name}_reader:claims",
            options=options.get(name, {}),
            about=what,
        )
        for name, (suffix, what) in about.items()
    )


FASERCAL = evolve(
    declare("fasercal", GENERATION_B), readers=_readers(GENERATION_B), simulation=SIMULATION
)
FASERCAL_A = evolve(declare("fasercal_a", GENERATION_A), readers=_readers(GENERATION_A))
FASERCAL_C = evolve(declare("fasercal_c", GENERATION_C), readers=_readers(GENERATION_C))

DETECTORS = {"A": FASERCAL_A, "B": FASERCAL, "C": FASERCAL_C}

# What to do about a branch of the ROOT files that only the collaboration's own code can read.
DICTIONARY = (
    "it needs the collaboration's compiled dictionary (ClassesDict.so, built by generateLib.sh in "
    "Python_io of rubbiaa/FASER): copy what is wanted to a flat tree with it"
)

THREEDCAL, ECAL, AHCAL, MUON = FASERCAL.streams


@hookimpl
def intarsia_detectors() -> Iterable[Detector]:
    """FASERCal in its three generations."""
    return FASERCAL, FASERCAL_A, FASERCAL_C
