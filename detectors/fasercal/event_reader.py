"""What the collaboration's ROOT files say of an event, in branches of its own or in one object.

Source: rubbiaa/FASER, CoreUtils/TcalEvent.hh and TPOEvent.hh.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from attrs import evolve

from intarsia.core.errors import EventError
from intarsia.core.events import Array, Events
from intarsia.core.reading import Records, Rows, integers, merge, numbers
from intarsia.core.reading.root import Root, Tree, member

from . import DETECTORS, DICTIONARY
from .generations import GENERATIONS
from .geometry import Channels, Geometry
from .labels import charm, flavour, known


class Entries(Records):
    """The entries of the first of `trees` that a file has, each an event of a generation."""

    def __init__(self, path: Path, generation: str, *trees: str) -> None:
        super().__init__(path)
        self._detector, self._generation = DETECTORS[generation], generation
        self._file = Root(self.path, DICTIONARY)
        try:
            self._tree = self._file.tree(*trees)
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        return self._tree.entries

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def events(self, first: int, last: int) -> Events:
        """Events of some entries."""
        return Events.collate([self.event(i) for i in range(first, last)])

    @abstractmethod
    def event(self, entry: int) -> Events:
        """The event of one entry."""


class Said(ABC):
    """Numbers by name."""

    @abstractmethod
    def __contains__(self, name: str) -> bool: ...

    @abstractmethod
    def number(self, name: str) -> Any:
        """A single number."""

    @abstractmethod
    def columns(self, *names: str) -> list[Array]:
        """Columns (n,) of one length."""

    def integer(self, name: str, missing: int | None = None) -> int:
        """A single whole number; `missing`, if it is given, where there is nothing of that name."""
        if name not in self and missing is not None:
            return missing
        return int(integers(np.asarray(self.number(name)), name))


class Entry(Said):
    """One entry of a tree."""

    def __init__(self, tree: Tree, number: int) -> None:
        self._tree, self._first, self._last = tree, number, number + 1

    def __contains__(self, name: str) -> bool:
        return name in self._tree

    def number(self, name: str) -> Any:
        """A single number."""
        return numbers(self._tree.numbers(name, self._first, self._last)[0], name, ())[()]

    def columns(self, *names: str) -> list[Array]:
        """Columns (n,) of one length."""
        return self._tree.table(names, self._first, self._last)[1]

    def objects(self, name: str) -> list[Any]:
        """Objects of a branch of pointers."""
        return self._tree.objects(name, self._first, self._last)[0]


class Members(Said):
    """Members of an object of class TPOEvent, in the branch `of`; names as split branches have."""

    def __init__(self, item: Any, of: str) -> None:
        self._item, self._of = item, of

    def __contains__(self, name: str) -> bool:
        return bool(self._item.has_member(name.partition(".")[0]))

    def number(self, name: str) -> Any:
        """A single number."""
        found = self._item
        for step in name.split("."):
            found = member(found, step, self._of)
        return numbers(np.asarray(found), f"{self._of}.{name}", ())[()]

    def columns(self, *names: str) -> list[Array]:
        """Members of each object of a vector, (n,)."""
        parts = [name.partition(".") for name in names]
        return [
            np.array(
                [member(item, inner, self._of) for item in member(self._item, vector, self._of)]
            )
            for vector, _, inner in parts
        ]


def key_of(at: Said) -> str:
    """Run and event number."""
    return f"{at.integer('run_number')}/{at.integer('event_id')}"


def geometry_of(at: Entry, generation: str, prefix: str = "") -> Geometry:
    """The generation's geometry, tilted and shifted as the file says.

    EventError if the sizes that the file notes are those of another generation, or it does not
    note the tilt of one that was built at several.
    """
    ecal, hcal = (at.integer(f"{prefix}{name}") for name in ("rearCalNxy", "rearHCalNxy"))
    _of_generation(ecal, hcal, generation)
    geometry = GENERATIONS[generation]
    if f"{prefix}fTiltAngleY" in at:
        shift = [float(at.number(f"{prefix}fFASERCal_LOS_shift{axis}")) for axis in "XY"]
        tilt = -float(at.number(f"{prefix}fTiltAngleY"))  # the file's angle turns the other way
        geometry = evolve(geometry, tilt=tilt, shift=(shift[0], shift[1], 0.0))
    elif geometry.tilt:
        raise EventError(
            f"{prefix}fTiltAngleY: missing in geom, so that the frame of vertex and momenta is not known"
        )
    return geometry


def _of_generation(ecal: int, hcal: int, generation: str) -> None:
    """EventError if tiles across (ECAL) and across or planes (HCAL) are of another generation."""
    found = {(5, 9): "A", (5, 18): "B", (18, 18): "C"}.get((ecal, hcal))
    if found is None:
        raise EventError(
            f"geom: ECAL of {ecal} and HCAL of {hcal} across are of no generation known"
        )
    if found != generation:
        names = {"A": "fasercal_a", "B": "fasercal", "C": "fasercal_c"}
        raise EventError(f"geom: generation {found}, which is the detector {names[found]!r}")


@contextmanager
def naming(field: str) -> Iterator[None]:
    """Put `field` before what is said to be wrong."""
    try:
        yield
    except EventError as fault:
        raise EventError(f"{field}: {fault}") from None


def rear(at: Entry, geometry: Geometry, ecal: str, hadrons: str, tag: str) -> dict[str, Rows]:
    """Towers, tiles and planes behind the 3DCal, MeV, of the branches of that name."""
    found = {}
    names = {"ecal": ecal, "hcal" if geometry.generation == "A" else "ahcal": hadrons}
    for stream, branch in names.items():
        if f"{branch}.moduleID" in at:
            module, energy = at.columns(f"{branch}.moduleID", f"{branch}.energyDeposit")
            channels = (geometry.ecal if stream == "ecal" else geometry.ahcal).channels
            number = integers(module, f"{branch}.moduleID")
            with naming(f"{branch}.moduleID"):
                places = channels.indices(number)
            if not np.isfinite(energy).all():
                raise EventError(f"{branch}.energyDeposit: has values that are not finite")
            found[stream] = _deposits(channels, places, energy)
    if geometry.tag is not None and tag in at:
        found["mutag"] = Rows(np.array([1]), {"energy": np.array([[at.number(tag)]])})
    return found


def _deposits(channels: Channels, places: Array, energy: Array) -> Rows:
    """A dense array of towers [y, x] or planes, or a voxel for each tile that has energy."""
    shape = tuple(d.n for d in channels.digits)
    if len(shape) == 3:
        merged = merge(np.array([len(places)]), places, (shape[0], shape[1], shape[2]))
        return Rows(merged.counts, {"index": merged.index, "energy": merged.total(energy)})
    dense = np.zeros(shape)
    np.add.at(dense, tuple(places.T), energy)
    return Rows(np.array([1]), {"energy": dense.T[None]})


def tau_mode(at: Said) -> int:
    """How the tau decays, -1 if there is none."""
    return at.integer("tau_decaymode", -1)


def truth_of(at: Said, geometry: Geometry) -> dict[str, Array]:
    """Event truth, as far as the file has it and it was filled in."""
    found: dict[str, Any] = {}
    neutrino = at.integer("in_neutrino.m_pdg_id", 0)
    if "isCC" in at:
        found["flavour"] = flavour(bool(at.integer("isCC")), neutrino, tau_mode(at))
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


def _charm(at: Said) -> int:
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
