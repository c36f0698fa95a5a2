"""What FASERCal's data are, in each of its generations: streams, labels and event truth."""

from __future__ import annotations

from intarsia.core.detector import Augmentation, Detector, Display, Frame
from intarsia.core.simulation.slabs import Slabs
from intarsia.core.streams import Axis, Column, DenseArray, Label, Stream, TrackSet, VoxelGrid

from .geometry import DriftTubes, Geometry, Sandwich

_energy = Column(name="energy", unit="MeV", scale="log1p")

_VOXEL_LABELS = (
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


def declare(name: str, geometry: Geometry) -> Detector:
    """The detector of a generation: its streams, in the order the beam meets them, and its truth."""
    g = geometry
    streams = [_cubes(g.axes()), _ecal(g.ecal), _hadrons(g.ahcal)]
    if g.spectrometer is not None:
        streams.append(_muons(g.spectrometer))
    if g.tag is not None:
        about = "energy in the scintillator behind everything, summed"
        streams.append(DenseArray(name="mutag", shape=(1,), columns=(_energy,), about=about))
    x, y, z = g.place.tolist()
    behind = "muon spectrometer" if g.tag is None else "muon tag"
    return Detector(
        name=name,
        about=f"FASERCal, generation {g.generation}: 3DCal, ECAL, hadron calorimeter and {behind}",
        streams=streams,
        truth=TRUTH,
        augmentations=_augmentations([s.name for s in streams if not isinstance(s, TrackSet)]),
        display=Display(stream="3dcal", column="charge", label="category"),
        frame=Frame(
            about="origin at the centre of the 3DCal; x_beam = c x + s z, z_beam = c z - s x",
            tilt_y=g.tilt,
            shift=(round(x, 6), round(y, 6), round(z, 6)),
        ),
        source=f"geometry: {g.source}",
    )


def _augmentations(energies: list[str]) -> tuple[Augmentation, ...]:
    """Of the streams that measure `energies`, the 3DCal first.

    Sizes of the collaboration's training code (faserDL, utils/augmentations.py). Noise has the
    charges that the simulation gives to ghosts. No mirror: along x the beam is tilted; along y what
    stands behind the 3DCal is off its axis, and the magnets' field would have to turn round.
    """
    cubes, *behind = energies
    return (
        Augmentation(kind="charge_scale", streams=tuple(energies), size=0.1),
        Augmentation(kind="smear", streams=(cubes,), size=0.12),
        Augmentation(kind="smear", streams=tuple(behind), size=0.1),
        Augmentation(
            kind="noise", streams=(cubes,), size=0.02, charge=(0.5, 0.57), labels={"ghost": "ghost"}
        ),
        Augmentation(kind="dropout", streams=(cubes,), size=0.05),
    )


def _cubes(axes: tuple[Axis, Axis, Axis]) -> VoxelGrid:
    return VoxelGrid(
        name="3dcal",
        axes=axes,
        patch=(12, 12, 10),
        window=(4, 4, 2),
        columns=(
            Column(
                name="charge", unit="MeV", scale="log1p", about="reconstructed from three views"
            ),
        ),
        labels=_VOXEL_LABELS,
        about="scintillator cubes of 10 mm in ten modules, seen in three projections",
    )


def _tiles(name: str, about: str, s: Sandwich) -> VoxelGrid:
    return VoxelGrid(
        name=name, axes=s.axes(), patch=(6, 6, 5), window=(3, 3, 8), columns=(_energy,), about=about
    )


def _ecal(s: Sandwich) -> Stream:
    if s.tiles == 18:
        return _tiles("ecal", "scintillator tiles between lead", s)
    return DenseArray(
        name="ecal",
        shape=(s.tiles, s.tiles),
        along=("y", "x"),
        columns=(_energy,),
        about="lead-scintillator towers; the energy deposited in scintillator",
    )


def _hadrons(s: Sandwich) -> Stream:
    if s.tiles == 18:
        about = "analogue hadron calorimeter: scintillator tiles between iron, above 0.3 MIP"
        return _tiles("ahcal", about, s)
    return DenseArray(
        name="hcal",
        shape=(s.layers,),
        along=("z",),
        columns=(_energy,),
        about="hadron calorimeter: planes of scintillator between lead",
    )


def _muons(s: Slabs | DriftTubes) -> TrackSet:
    tubes = isinstance(s, DriftTubes)
    return TrackSet(
        name="muon",
        planes=s.stations * (s.layers if isinstance(s, DriftTubes) else 1),
        columns=(
            _fitted("momentum", "at the first point, detector frame"),
            # What tells a tau's muon from a neutrino's, a GeV or two across the beam, would be lost
            # beside the tens of GeV that the tilt gives it across the detector.
            _fitted("momentum_beam", "the same, beam frame"),
            Column(name="charge", unit="e"),
            Column(name="chi2", unit="1", scale="log1p", about="of the fit, both planes together"),
            Column(name="ndf", unit="1", about="degrees of freedom of chi2"),
            Column(
                name="sigma", unit="c/GeV", scale="sqrt", about="standard error of the fitted q/p"
            ),
        ),
        points=(Column(name="position", unit="mm", width=3, moves="point"),),
        about="muons in magnetised iron: momentum and charge by a Kalman filter"
        + ("; a plane is a layer of drift tubes" if tubes else ""),
    )


def _fitted(name: str, about: str) -> Column:
    return Column(name=name, unit="GeV/c", width=3, scale="log1p", moves="vector", about=about)
