"""PILArNet, a public simulation of liquid argon: declarations and plugin hook.

Two detectors see the same events of 768 cells of 3 mm along each axis: `pilarnet` one particle at
a time, in a crop around it, `pilarnet_event` whole events. Imports neither numba nor torch.
"""

from __future__ import annotations

from collections.abc import Iterable

from intarsia.core.crop import context
from intarsia.core.detector import Augmentation, Crop, Detector, Display, Frame, Reader, Simulation
from intarsia.core.hookspecs import hookimpl
from intarsia.core.streams import Axis, Column, Label, VoxelGrid

CELL = 3.0  # mm
SIDE = 768  # cells of an event along each axis
LOW = -0.5 * SIDE * CELL  # mm
DETECTOR = (Axis(SIDE, CELL, LOW),) * 3

# The order of PILArNet-M (and of larcv2's ShapeType); the original release numbers them otherwise.
SEMANTIC = ("shower", "track", "michel", "delta", "low_energy")
FIVETYPES = ("hip", "mip", "shower", "delta", "michel")
PARTICLES = ("photon", "electron", "muon", "pion", "proton")

_energy = Column(name="energy", unit="MeV", scale="log1p", about="deposited")

SEMANTIC_LABEL = Label(
    name="semantic",
    classes=SEMANTIC,
    soft=True,
    about="shared where several clusters own the voxel, in equal parts where energies are unknown",
)
FIVETYPES_LABEL = Label(
    name="fivetypes",
    classes=FIVETYPES,
    about="of the original release: heavily and minimum ionising tracks are told apart",
)

TPC = VoxelGrid(
    name="tpc",
    axes=(Axis(168, CELL, -252.0), Axis(168, CELL, -252.0), Axis(180, CELL, -270.0)),
    patch=(12, 12, 10),
    window=(2, 2, 3),
    columns=(_energy,),
    labels=(SEMANTIC_LABEL, FIVETYPES_LABEL),
    about="crop of 168 x 168 x 180 cells of 3 mm, centred on the particle",
)

METADATA = context("metadata", _energy)

PARTICLE_TRUTH = (
    Label(name="pid", classes=PARTICLES, about="either charge; of other particles unknown"),
    Label(name="momentum", unit="GeV/c", about="size, at the start"),
    Label(name="energy", unit="GeV", about="kinetic, at the start"),
    Label(
        name="vertex",
        unit="mm",
        width=3,
        moves="point",
        about="where the particle starts, in the frame of the crop",
    ),
    Label(name="origin", classes=("secondary", "primary"), about="primary: from the vertex"),
)

# The box is padded with 12 cells at its far end in z, so that patches and windows divide it.
WHOLE = VoxelGrid(
    name="tpc",
    axes=(Axis(SIDE, CELL, LOW), Axis(SIDE, CELL, LOW), Axis(780, CELL, LOW)),
    patch=(12, 12, 10),
    window=(2, 2, 3),
    columns=(_energy,),
    labels=(
        SEMANTIC_LABEL,
        FIVETYPES_LABEL,
        Label(
            name="pid",
            classes=PARTICLES,
            soft=True,
            about="of the particle that the voxel belongs to; shared as the semantic label is",
        ),
        Label(name="cluster", about="number of the particle with the largest share of the voxel"),
    ),
    about="768 cells of 3 mm along each axis",
)

EVENT_TRUTH = (
    Label(
        name="vertex", unit="mm", width=3, moves="point", about="of the interaction, if just one"
    ),
    Label(name="particles", about="number of particles that deposit energy"),
)

SIMULATION = {
    "fewest": 2,
    "most": 6,
    "lowest": 0.05,
    "highest": 1.0,
    "highest_proton": 0.4,
    "threshold": 0.01,
}
_OPTIONS = (
    "fewest and most particles from the vertex; lowest and highest kinetic energy, GeV, equally "
    "likely in between; threshold of a voxel, MeV"
)

SOURCE = "arXiv:2006.01993 (PILArNet), arXiv:2502.02558 (PILArNet-M); crops: arXiv:2604.07037"


_LARCV = "intarsia.detectors.pilarnet.larcv_reader"
_LARCV_ROOT = "intarsia.detectors.pilarnet.larcv_root_reader"
_M = "intarsia.detectors.pilarnet.pilarnet_m_reader"
Options = dict[str, int | float | str]
PRODUCERS = {
    "energies": "data",
    "labels": "fivetypes",
    "clusters": "mcst",
    "particles": "mcst",
}
_LARCV_OPTIONS: Options = {**PRODUCERS, "order": "", "keys": "event"}
_CUTS: Options = {"threshold": 0.0, "revision": ""}


def _readers(what: str, own: Options, larcv: Options) -> tuple[Reader, ...]:
    """Readers of both releases; `what` is the class in their modules. own: options of both."""
    return (
        Reader(
            name="larcv3",
            suffixes=(".h5", ".hdf5"),
            open=f"{_LARCV}:{what}",
            claims=f"{_LARCV}:why_not",
            options=_LARCV_OPTIONS | own | larcv,
            about="sparse3d, cluster3d and particle products of the named producers (none: without); "
            "order of the labels: fivetypes or semantic; keys: event or row",
        ),
        Reader(
            name="larcv2",
            suffixes=(".root",),
            open=f"{_LARCV_ROOT}:{what}",
            claims=f"{_LARCV_ROOT}:why_not",
            options=_LARCV_OPTIONS | own | larcv,
            about="the same products in larcv's ROOT files, the form of the original release",
        ),
        Reader(
            name="pilarnet_m",
            suffixes=(".h5", ".hdf5"),
            open=f"{_M}:{what}",
            claims=f"{_M}:why_not",
            options=_CUTS | own,
            about="PILArNet-M v1 and v2; threshold in MeV",
        ),
    )


def _augmentations(*charges: str) -> tuple[Augmentation, ...]:
    """Those of the cells; one scale for all `charges`."""
    return (
        Augmentation(kind="mirror", axis="x"),
        Augmentation(kind="mirror", axis="y"),
        Augmentation(kind="mirror", axis="z"),
        Augmentation(kind="charge_scale", streams=charges, size=0.05),
        Augmentation(kind="smear", streams=("tpc",), size=0.05),
        Augmentation(kind="dropout", streams=("tpc",), size=0.05),
    )


PILARNET = Detector(
    name="pilarnet",
    about="PILArNet, one particle at a time in a crop of liquid argon around it",
    streams=(TPC, METADATA),
    truth=PARTICLE_TRUTH,
    simulation=Simulation(
        make="intarsia.detectors.pilarnet.simulation:particles",
        options=SIMULATION,
        about=f"every particle is a sample; {_OPTIONS}",
    ),
    readers=_readers("Particles", {"least": 10}, {"primaries": 0}),
    augmentations=_augmentations("tpc", "metadata.total"),
    display=Display(stream="tpc", column="energy", label="semantic"),
    frame=Frame(about="origin at the middle of the crop; metadata.centre is in the event's frame"),
    crop=Crop(stream="tpc", context="metadata", axes=DETECTOR),
    source=SOURCE,
)

PILARNET_EVENT = Detector(
    name="pilarnet_event",
    about="PILArNet, whole events in liquid argon",
    streams=(WHOLE,),
    truth=EVENT_TRUTH,
    simulation=Simulation(
        make="intarsia.detectors.pilarnet.simulation:whole", options=SIMULATION, about=_OPTIONS
    ),
    readers=_readers("Whole", {}, {}),
    # No mirror along z, where the box is padded at one end.
    augmentations=tuple(a for a in _augmentations("tpc") if a.axis != "z"),
    display=Display(stream="tpc", column="energy", label="semantic"),
    frame=Frame(about="origin at the middle of the 768 cells along each axis"),
    source=SOURCE,
)


@hookimpl
def intarsia_detectors() -> Iterable[Detector]:
    """Particles and whole events of PILArNet."""
    return (PILARNET, PILARNET_EVENT)
