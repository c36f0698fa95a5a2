"""SuperFGD, the scintillator cubes of T2K's near detector: declaration and plugin hook.

A sample is one charged particle; what the network sees is a crop around it. Imports neither numba
nor torch.
"""

from __future__ import annotations

from collections.abc import Iterable

from intarsia.core.crop import context
from intarsia.core.detector import Augmentation, Crop, Detector, Display, Frame, Reader, Simulation
from intarsia.core.hookspecs import hookimpl
from intarsia.core.streams import Axis, Column, Label, VoxelGrid

CUBE = 10.0  # mm
DETECTOR = (Axis(200, CUBE, -1000.0),) * 3  # cubes of the whole detector
CLASSES = ("proton", "pion", "muon", "electron")

_charge = Column(
    name="charge", unit="p.e.", scale="log1p", about="light of a cube, at most 500 p.e."
)

CUBES = VoxelGrid(
    name="cubes",
    axes=(Axis(120, CUBE, -600.0),) * 3,
    patch=(12, 12, 10),
    window=(2, 2, 2),
    columns=(_charge,),
    labels=(
        Label(
            name="node",
            unit="mm",
            width=3,
            moves="point",
            about="true position of the particle in the cube, in the frame of the crop",
        ),
        Label(
            name="category",
            classes=("electromagnetic", "muonic", "hadronic"),
            soft=True,
            about="energy by kind of the particle that deposits it",
        ),
    ),
    about="crop of 120 of 200 scintillator cubes of 10 mm along each axis, centred on the particle",
)

CONTEXT = context("context", _charge)

TRUTH = (
    Label(name="pid", classes=CLASSES, about="of the particle, either charge"),
    Label(name="momentum", unit="GeV/c", width=3, moves="vector", about="at the start"),
    Label(
        name="vertex",
        unit="mm",
        width=3,
        moves="point",
        about="where the particle starts, in the frame of the crop",
    ),
)

SIMULATION = Simulation(
    make="intarsia.detectors.superfgd.simulation:make",
    options={
        "lowest": 0.2,
        "highest": 1.5,
        "field": 0.5,
        "photo_electrons": 25.0,
        "cross_talk": 0.03,
        "threshold": 3.0,
    },
    about="lowest and highest momentum, GeV/c, equally likely in between; field along x, T; "
    "photo-electrons per MeV and fibre; light to each neighbour; threshold in p.e.",
)

SUPERFGD = Detector(
    name="superfgd",
    about="SuperFGD: one charged particle in scintillator cubes of 10 mm, in a field of 0.5 T",
    streams=(CUBES, CONTEXT),
    truth=TRUTH,
    simulation=SIMULATION,
    readers=(
        Reader(
            name="pt",
            suffixes=(".pt",),
            open="intarsia.detectors.superfgd.pt_reader:particle",
            options={"key": "", "order": "", "unlabelled": 0},
            about="the benchmark's dictionaries, one particle each; key: that holds the class; "
            "order: of numbered classes; unlabelled: 1 to admit files without a class",
        ),
    ),
    # Both charges of a kind are one class, so that a mirror keeps it.
    augmentations=(
        Augmentation(kind="mirror", axis="x"),
        Augmentation(kind="mirror", axis="y"),
        Augmentation(kind="mirror", axis="z"),
        Augmentation(kind="charge_scale", streams=("cubes", "context.total"), size=0.05),
        Augmentation(kind="smear", streams=("cubes",), size=0.05),
        Augmentation(kind="dropout", streams=("cubes",), size=0.05),
    ),
    display=Display(stream="cubes", column="charge", label="category"),
    frame=Frame(
        about="origin at the middle of the crop; context.centre is in the detector's frame"
    ),
    crop=Crop(stream="cubes", context="context", axes=DETECTOR),
    source="Commun. Phys. 6, 119 (2023) and Zenodo 7347563 (geometry, classes); arXiv:2604.07037",
)


@hookimpl
def intarsia_detectors() -> Iterable[Detector]:
    """SuperFGD."""
    return (SUPERFGD,)
