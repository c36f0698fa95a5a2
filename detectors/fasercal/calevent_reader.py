"""``calEvent`` files of the collaboration's GEANT4 simulation: true energies, one event a file.

Source: rubbiaa/FASER, CoreUtils/TcalEvent.hh and TPOEvent.hh. There is no reconstruction in them:
the charge of a 3DCal voxel is what was truly deposited, and towers and tiles have neither noise nor
threshold. Branches that hold pointers to objects (tracks, mutagtracks) are read object by object.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from attrs import evolve

from intarsia.core.errors import EventError
from intarsia.core.events import Array, Events
from intarsia.core.reading import Records, Rows, build, integers, merge, numbers
from intarsia.core.reading.root import Root, Tree, member, why_no_tree

from . import DETECTORS, DICTIONARY
from .generations import GENERATIONS
from .geometry import Channels, Geometry
from .labels import BACKGROUND, PRIMARY, SECONDARY, category, charm, flavour, known
from .mutag_reader import muons

_GHOST = 1e-3  # MeV
_SILICON = 10**11  # channel numbers from here on are of the silicon tracker


class CalEvents(Records):
    """The entries of a ``calEvent`` tree; normally one."""

    def __init__(self, path: Path, generation: str) -> None:
        super().__init__(path)
        self._detector, self._generation = DETECTORS[generation], generation
        self._file = Root(self.path, DICTIONARY)
        self._tree = self._file.tree("calEvent")

    def __len__(self) -> int:
        return self._tree.entries

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def events(self, first: int, last: int) -> Events:
        """Events of some entries."""
        return Events.collate([self._event(i) for i in range(first, last)])

    def _event(self, entry: int) -> Events:
        at = _Entry(self._tree, entry)
        geometry = _geometry(at, self._generation)
        key = f"{at.integer('run_number')}/{at.integer('event_id')}"
        tau_mode = at.integer("tau_decaymode", -1)
        streams = _rear(at, geometry)
        if "tracks" in self._tree:
            streams["3dcal"] = _cubes(at, geometry, tau_mode)
        if self._generation == "B" and "mutagtracks" in self._tree:
            streams["muon"] = muons(at.objects("mutagtracks"), geometry, key)
        return build(self._detector, [key], streams, _truth(at, geometry, tau_mode))


class _Entry:
    """One entry of a tree."""

    def __init__(self, tree: Tree, number: int) -> None:
        self.tree, self._number = tree, number

    def __contains__(self, name: str) -> bool:
        return name in self.tree

    def number(self, name: str) -> Any:
        """A single number."""
        return numbers(self.tree.numbers(name, self._number, self._number + 1)[0], name, ())[()]

    def integer(self, name: str, missing: int | None = None) -> int:
        """A single whole number; `missing`, if it is given, where the file has no such branch."""
        if name not in self.tree and missing is not None:
            return missing
        return int(integers(np.asarray(self.number(name)), name))

    def columns(self, *names: str) -> list[Array]:
        """Columns (n,) of one length."""
        return self.tree.table(names, self._number, self._number + 1)[1]

    def objects(self, name: str) -> list[Any]:
        """Objects of a branch of pointers."""
        return self.tree.objects(name, self._number, self._number + 1)[0]


def _geometry(at: _Entry, generation: str) -> Geometry:
    """The generation's geometry, tilted and shifted as the file says.

    EventError if the sizes that the file notes are those of another generation.
    """
    of_generation(at.integer("rearCalNxy"), at.integer("rearHCalNxy"), generation)
    geometry = GENERATIONS[generation]
    if "fTiltAngleY" in at:
        shift = [float(at.number(f"fFASERCal_LOS_shift{axis}")) for axis in "XY"]
        tilt = -float(at.number("fTiltAngleY"))  # the file's angle turns the other way
        geometry = evolve(geometry, tilt=tilt, shift=(shift[0], shift[1], 0.0))
    return geometry


def of_generation(ecal: int, hcal: int, generation: str) -> None:
    """EventError if tiles across (ECAL) and across or planes (HCAL) are of another generation."""
    found = {(5, 9): "A", (5, 18): "B", (18, 18): "C"}.get((ecal, hcal))
    if found is None:
        raise EventError(
            f"geom: ECAL of {ecal} and HCAL of {hcal} across are of no generation known"
        )
    if found != generation:
        names = {"A": "fasercal_a", "B": "fasercal", "C": "fasercal_c"}
        raise EventError(f"geom: generation {found}, which is the detector {names[found]!r}")


def _cubes(at: _Entry, geometry: Geometry, tau_mode: int) -> Rows:
    """Deposits of all tracks, summed in each cube; labels by whose they are."""
    ids, energies, tracks = [], [], []
    for track in at.objects("tracks"):
        hits = np.asarray(member(track, "fhitIDs", "tracks"), np.int64)
        energy = np.asarray(member(track, "fEnergyDeposits", "tracks"), np.float64)
        if len(hits) != len(energy):
            raise EventError(f"tracks: {len(energy)} energies for {len(hits)} hits of a track")
        names = ("ftrackID", "fparentID", "fprimaryID", "fPDG")
        numbers_of = [int(member(track, name, "tracks")) for name in names]
        ids.append(hits)
        energies.append(energy)
        tracks.append(np.tile(np.array(numbers_of, np.int64), (len(hits), 1)))
    channel = np.concatenate([np.zeros(0, np.int64), *ids])
    energy = np.concatenate([np.zeros(0), *energies])
    whose = np.concatenate([np.zeros((0, 4), np.int64), *tracks])
    keep = (channel < _SILICON) & (energy != 0)
    if (energy < 0).any():
        raise EventError("tracks: an energy deposit is negative")
    channel, energy, whose = channel[keep], energy[keep], whose[keep]
    x, y, z = geometry.axes()
    merged = merge(np.array([len(channel)]), geometry.index(channel), (x.n, y.n, z.n))
    charge = merged.total(energy)
    ghost = charge < _GHOST
    weight = np.where(ghost[merged.row], 0.0, energy)
    columns = {
        "index": merged.index,
        "charge": charge,
        "ghost": ghost.astype(np.int64),
        "hierarchy": merged.shares(_hierarchy(whose, at), weight, 3),
        "category": merged.shares(category(whose[:, 3], tau_mode), weight, 3),
    }
    return Rows(merged.counts, columns)


def _hierarchy(whose: Array, at: _Entry) -> Array:
    """Class of ``hierarchy`` by GEANT4 numbers (n, 4): track, parent, primary, PDG."""
    track, parent, primary, _ = whose.T
    first = (parent == 0) & (track == primary)
    second = (parent != 0) & (parent == primary)
    if "POs.geanttrackID" in at:
        second |= (parent > 0) & np.isin(parent, at.columns("POs.geanttrackID")[0])
    return np.where(first, PRIMARY, np.where(second, SECONDARY, BACKGROUND))


def _rear(at: _Entry, geometry: Geometry) -> dict[str, Rows]:
    """Towers, tiles and planes behind the 3DCal: MeV."""
    found = {}
    names = {"ecal": "rearcal", "hcal" if geometry.generation == "A" else "ahcal": "rearhcal"}
    for stream, branch in names.items():
        if f"{branch}.moduleID" in at:
            module, energy = at.columns(f"{branch}.moduleID", f"{branch}.energyDeposit")
            part = geometry.ecal if stream == "ecal" else geometry.ahcal
            found[stream] = _deposits(part.channels, integers(module, f"{branch}.moduleID"), energy)
    if geometry.tag is not None and "rearmucal" in at:
        found["mutag"] = Rows(np.array([1]), {"energy": np.array([[at.number("rearmucal")]])})
    return found


def _deposits(channels: Channels, module: Array, energy: Array) -> Rows:
    """A dense array of towers [y, x] or planes, or a voxel for each tile that has energy."""
    places = channels.indices(module)
    shape = tuple(d.n for d in channels.digits)
    if len(shape) == 3:
        merged = merge(np.array([len(module)]), places, (shape[0], shape[1], shape[2]))
        total = merged.total(energy)
        if not np.isfinite(total).all():
            raise EventError("energyDeposit: has values that are not finite")
        return Rows(merged.counts, {"index": merged.index, "energy": total})
    dense = np.zeros(shape)
    np.add.at(dense, tuple(places.T), energy)
    return Rows(np.array([1]), {"energy": dense.T[None]})


def _truth(at: _Entry, geometry: Geometry, tau_mode: int) -> dict[str, Array]:
    """Event truth, as far as the file has it and it was filled in."""
    found: dict[str, Any] = {}
    neutrino = at.integer("in_neutrino.m_pdg_id", 0)
    if "isCC" in at:
        found["flavour"] = flavour(bool(at.integer("isCC")), neutrino, tau_mode)
    if "POs.m_pdg_id" in at:
        found["charm"] = _charm(at)
    names = [f"prim_vx.fCoordinates.f{axis}" for axis in "XYZ"]
    if all(name in at for name in names):
        vertex = known(np.array([at.number(name) for name in names]))
        found["vertex"] = geometry.to_detector(vertex) if vertex.any() else np.full(3, np.nan)
    for label, start in (("p_visible", "vis_sp"), ("p_jet", "jetp")):
        if f"{start}x" in at:
            momentum = known(np.array([at.number(f"{start}{axis}") for axis in "xyz"]))
            found[f"{label}_beam"], found[label] = momentum, momentum @ geometry.rotation
    if "in_neutrino.m_energy" in at:
        energy = float(known(np.asarray(at.number("in_neutrino.m_energy"))))
        found["energy"] = energy if energy > 0 else np.nan
    if neutrino:
        found["neutrino"] = neutrino
    return {name: np.asarray(value)[None] for name, value in found.items()}


def _charm(at: _Entry) -> int:
    """Class of ``charm``; -1 if there is charm but the file does not say how it decays."""
    pdg, status = at.columns("POs.m_pdg_id", "POs.m_status")
    kind = np.abs(integers(pdg, "POs.m_pdg_id"))
    # Hadrons with a charm quark: 4 is the hundreds' digit of a meson, the thousands' of a baryon.
    charmed = np.isin(kind // 100, (4, 104)) | np.isin(kind // 1000, (4, 14))
    if not (charmed & np.isin(status, (1, 4))).any():
        return 0
    if "charmdecay.m_pdg_id" in at:
        return charm(True, at.columns("charmdecay.m_pdg_id")[0])
    return -1


def claims(path: Path) -> str:
    """Why the file is no calEvent file, or nothing."""
    return why_no_tree(path, "calEvent")


open_a, open_b, open_c = (partial(CalEvents, generation=g) for g in "ABC")
