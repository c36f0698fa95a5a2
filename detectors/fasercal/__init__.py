"""FASERCal, the neutrino calorimeter proposed for FASER: declarations and plugin hook.

``fasercal`` is generation B of its geometry, which arXiv:2604.07037 uses; ``fasercal_a`` and
``fasercal_c`` are the ones before and after it. Imports neither numba nor torch.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve

from intarsia.core.detector import Detector, Reader, Simulation
from intarsia.core.hookspecs import hookimpl

from .generations import GENERATION_A, GENERATION_B, GENERATION_C
from .streams import declare

SIMULATION = Simulation(
    make="intarsia.detectors.fasercal.simulation:make",
    options={
        "mix": "balanced",
        "generator": "builtin",
        "spectrum": "",
        "photo_electrons": 10.0,
        "cross_talk": 0.03,
        "threshold": 0.5,
        "iterations": 8,
    },
    about="mix: balanced or nominal; generator of the interactions: builtin or pythia; spectrum: "
    "histograms of the neutrinos' energies, a CSV or NPZ file; photo-electrons per MeV and fibre; light to each "
    "neighbour; threshold in MeV; iterations of the reconstruction",
)


def _readers(generation: str) -> tuple[Reader, ...]:
    npz = "intarsia.detectors.fasercal.npz_reader"
    return (
        Reader(
            name="npz",
            suffixes=(".npz",),
            open=f"{npz}:open_{generation}",
            claims=f"{npz}:claims",
            about="the authors' numpy archives, one event each",
        ),
    )


FASERCAL = evolve(declare("fasercal", GENERATION_B), readers=_readers("b"), simulation=SIMULATION)
FASERCAL_A = evolve(declare("fasercal_a", GENERATION_A), readers=_readers("a"))
FASERCAL_C = evolve(declare("fasercal_c", GENERATION_C), readers=_readers("c"))

THREEDCAL, ECAL, AHCAL, MUON = FASERCAL.streams


@hookimpl
def intarsia_detectors() -> Iterable[Detector]:
    """FASERCal in its three generations."""
    return FASERCAL, FASERCAL_A, FASERCAL_C
