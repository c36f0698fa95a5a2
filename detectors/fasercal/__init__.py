"""FASERCal, the neutrino calorimeter proposed for FASER: declaration and plugin hook.

Generation B of its geometry, which arXiv:2604.07037 uses. Imports neither numba nor torch.
"""

from __future__ import annotations

from collections.abc import Iterable

from intarsia.core.detector import Augmentation, Detector, Display, Frame, Simulation
from intarsia.core.hookspecs import hookimpl
from intarsia.core.streams import Column, DenseArray, Label, TrackSet, VoxelGrid

from .geometry import GENERATION_B as GEOMETRY

_energy = Column(name="energy", unit="MeV", scale="log1p")

THREEDCAL = VoxelGrid(
    name="3dcal",
    axes=GEOMETRY.axes(),
    patch=(12, 12, 10),
    window=(4, 4, 2),
    columns=(
        Column(name="charge", unit="MeV", scale="log1p", about="reconstructed from three views"),
    ),
    labels=(
        Label(
            name="ghost",
            classes=("real", "ghost"),
            about="ghost: less than 1 keV was truly deposited in the voxel",
        ),
        Label(
            name="hierarchy",
            classes=("background", "primary", "secondary"),
            soft=True,
            about="energy by particles of the vertex (primary), their daughters, and later ones",
        ),
        Label(
            name="category",
            classes=("electromagnetic", "muonic", "hadronic"),
            soft=True,
            about="energy by kind of the particle that deposits it",
        ),
    ),
    about="scintillator cubes of 10 mm in ten modules, seen in three projections",
)

AHCAL = VoxelGrid(
    name="ahcal",
    axes=GEOMETRY.tiles(),
    patch=(6, 6, 5),
    window=(3, 3, 8),
    columns=(_energy,),
    about="analogue hadron calorimeter: scintillator tiles between iron, above 0.3 MIP",
)

ECAL = DenseArray(
    name="ecal",
    shape=(GEOMETRY.ecal.tiles, GEOMETRY.ecal.tiles),
    along=("y", "x"),
    columns=(_energy,),
    about="lead-scintillator towers; the energy deposited in scintillator",
)

MUON = TrackSet(
    name="muon",
    planes=GEOMETRY.spectrometer.stations,
    columns=(
        Column(name="momentum", unit="GeV/c", width=3, moves="vector", about="at the first point"),
        Column(name="charge", unit="e"),
        Column(name="chi2", unit="1", scale="log1p", about="of the fit, both planes together"),
        Column(name="ndf", unit="1", about="degrees of freedom of chi2"),
        Column(name="sigma", unit="c/GeV", scale="sqrt", about="standard error of the fitted q/p"),
    ),
    points=(Column(name="position", unit="mm", width=3, moves="point"),),
    about="muons in magnetised iron: momentum and charge by a Kalman filter",
)


def _momentum(name: str, about: str) -> Label:
    return Label(name=name, unit="GeV/c", width=3, moves="vector", about=about)


TRUTH = (
    Label(
        name="flavour",
        classes=("nue_cc", "numu_cc", "nutau_cc_e", "nutau_cc_mu", "nutau_cc_had", "nc"),
    ),
    Label(name="charm", classes=("none", "e", "mu", "had"), about="decay of a charmed hadron"),
    Label(name="vertex", unit="mm", width=3, moves="point", about="detector frame"),
    _momentum("p_visible", "visible particles, detector frame"),
    _momentum("p_jet", "hadrons, charmed ones undecayed, detector frame"),
    _momentum("p_visible_beam", "visible particles, beam frame"),
    _momentum("p_jet_beam", "hadrons, charmed ones undecayed, beam frame"),
    Label(name="energy", unit="GeV", about="of the neutrino"),
    Label(name="neutrino", about="PDG number"),
    Label(name="weight", about="nominal over sampled abundance of the event's kind"),
)

SIMULATION = Simulation(
    make="intarsia.detectors.fasercal.simulation:make",
    options={
        "mix": "balanced",
        "photo_electrons": 10.0,
        "cross_talk": 0.03,
        "threshold": 0.5,
        "iterations": 8,
    },
    about="mix: balanced or nominal; photo-electrons per MeV and fibre; light to each "
    "neighbour; threshold in MeV; iterations of the reconstruction",
)

FASERCAL = Detector(
    name="fasercal",
    about="FASERCal, generation B: 3DCal, ECAL, AHCAL and muon spectrometer",
    streams=(THREEDCAL, ECAL, AHCAL, MUON),
    truth=TRUTH,
    simulation=SIMULATION,
    # No mirror: the beam is tilted with respect to the detector.
    augmentations=(
        Augmentation(kind="charge_scale", streams=("3dcal",), size=0.05),
        Augmentation(kind="smear", streams=("3dcal",), size=0.05),
        Augmentation(kind="dropout", streams=("3dcal",), size=0.05),
    ),
    display=Display(stream="3dcal", column="charge", label="category"),
    frame=Frame(
        about="origin at the centre of the 3DCal; x_beam = c x + s z, z_beam = c z - s x",
        tilt_y=GEOMETRY.tilt,
        shift=GEOMETRY.shift,
    ),
    source="rubbiaa/FASER 7436b01 (geometry), arXiv:2604.07037; own fast simulation, not GEANT4",
)


@hookimpl
def intarsia_detectors() -> Iterable[Detector]:
    """FASERCal."""
    return (FASERCAL,)
