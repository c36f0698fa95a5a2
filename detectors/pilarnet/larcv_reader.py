"""PILArNet as larcv writes it: sparse3d, fivetypes, clusters and particles; here as larcv3 HDF5."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from intarsia.core.errors import EventError
from intarsia.core.events import Array, Events
from intarsia.core.reading import Records, integers
from intarsia.core.reading.hdf5 import Hdf5
from intarsia.core.reading.larcv import Images, Larcv3

from . import CELL, FIVETYPES, SIDE
from .voxels import MASSES, Voxels, box, classes_of, semantic_of, single, whole

if TYPE_CHECKING:
    from intarsia.core.reading.larcv_root import LarcvRoot

_PARTICLE = ("pdg", "px", "py", "pz", "energy_init", "trackid", "parent_trackid", "process")
_UNKNOWN = 2**32 - 1  # larcv's kINVALID


def why_not(path: Path) -> str:
    """Why the file at `path` is not larcv3's, or nothing."""
    file = Hdf5(path)
    try:
        return "" if "Events/event_id" in file else "it has no Events/event_id"
    finally:
        file.close()


class Whole(Records):
    """Whole events. energies, labels, clusters, particles: names of the producers."""

    opens: ClassVar[type[Larcv3 | LarcvRoot]] = Larcv3

    def __init__(
        self,
        path: Path | str,
        energies: str = "data",
        labels: str = "fivetypes",
        clusters: str = "mcst",
        particles: str = "mcst",
    ) -> None:
        super().__init__(path)
        self._file = self.opens(self.path)
        self._energies, self._labels = f"sparse3d_{energies}", f"sparse3d_{labels}"
        self._clusters, self._particles = f"cluster3d_{clusters}", f"particle_{particles}"

    def __len__(self) -> int:
        return len(self._file)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def events(self, first: int, last: int) -> Events:
        """Voxels of the image; owners, where the file has clusters, as shares of each voxel."""
        images = self._file.sparse(self._energies, first, last)
        voxels = _voxels(images, self._energies)
        five = self._fivetypes(voxels, first, last)
        keys = self._file.keys(first, last)
        if self._clusters not in self._file.products:
            semantic = None if five is None else semantic_of(five)
            return whole(keys, Voxels(*voxels, None, semantic, five))
        owned, number, pdg = self._owned(first, last)
        return whole(keys, _shared(voxels, five, owned, number, pdg))

    def _fivetypes(self, voxels: tuple[Array, Array, Array], first: int, last: int) -> Array | None:
        """Class of each voxel, -1 where the labels do not have it; None if the file has none."""
        if self._labels not in self._file.products:
            return None
        labelled = _voxels(self._file.sparse(self._labels, first, last), self._labels)
        classes = integers(labelled[2], f"{self._labels}.value")
        if len(classes) and not 0 <= classes.min() <= classes.max() < len(FIVETYPES):
            raise EventError(
                f"{self._labels}.value: from {classes.min()} to {classes.max()}, "
                f"not 0 to {len(FIVETYPES) - 1}"
            )
        return _matched(_flat(*voxels[:2]), _flat(*labelled[:2]), classes)

    def _owned(self, first: int, last: int) -> tuple[tuple[Array, Array, Array], Array, Array]:
        """Voxels of all clusters, the particle (-1: none) and its PDG number (0: none) of each."""
        clusters = self._file.clusters(self._clusters, first, last)
        counts, table = self._file.particles(self._particles, first, last, ("pdg",))
        per_event = np.bincount(clusters.event, clusters.clusters, minlength=len(counts))
        wrong = (per_event != counts) & (per_event != counts + 1) & (per_event != 0)
        if wrong.any():
            b = int(np.flatnonzero(wrong)[0])
            raise EventError(
                f"{self._clusters}: {int(per_event[b])} clusters for {counts[b]} particles"
            )
        voxels = _voxels(clusters, self._clusters)
        event = np.repeat(np.arange(len(counts)), voxels[0])
        real = clusters.cluster < counts[event]
        start = np.cumsum(counts) - counts
        pdg = np.zeros(len(real), np.int64)
        pdg[real] = table["pdg"][(start[event] + clusters.cluster)[real]]
        return voxels, np.where(real, clusters.cluster, -1), pdg


class Particles(Whole):
    """Particles of `least` voxels or more, one sample each; with `primaries`, no others."""

    def __init__(
        self, path: Path | str, least: int = 10, primaries: int = 0, **producers: str
    ) -> None:
        super().__init__(path, **producers)
        self._least, self._primaries = int(least), bool(primaries)

    def events(self, first: int, last: int) -> Events:
        """The clusters of each event that are of a particle."""
        voxels, number, pdg = self._owned(first, last)
        five = self._fivetypes(voxels, first, last)
        counts, table = self._file.particles(self._particles, first, last, _PARTICLE)
        origin = _origin(table)
        start = np.cumsum(counts) - counts
        if self._primaries:
            event = np.repeat(np.arange(len(counts)), voxels[0])
            at = np.where(number < 0, 0, start[event] + number)
            number = np.where((number >= 0) & (origin[at] == 1), number, -1)
        known = _kinematics(table) | {"pid": classes_of(table["pdg"]), "origin": origin}
        truth = {
            (b, i): {k: float(v[start[b] + i]) for k, v in known.items()}
            for b, n in enumerate(counts.tolist())
            for i in range(n)
        }
        semantic = None if five is None else semantic_of(five)
        found = Voxels(*voxels, number, semantic, five, classes_of(pdg))
        return single(self._file.keys(first, last), found, truth, self._least)


def _voxels(images: Images, product: str) -> tuple[Array, Array, Array]:
    """Voxels per event (B,), their cells in the box (n, 3), their values (n,)."""
    wrong = ~np.isclose(images.pitch, CELL) & ~np.isclose(images.pitch, 0.1 * CELL)
    if wrong.any():
        raise EventError(f"{product}: voxels of {images.pitch[wrong][0]}, not {CELL} mm")
    shapes = np.unique(images.shape, axis=0)
    index = images.index.copy()
    for shape in shapes:
        mine = (images.shape == shape).all(1)[images.image]
        index[mine] = box(images.index[mine], shape, product)
    counts = np.bincount(images.event, images.voxels, minlength=len(images.counts))
    return counts.astype(np.int64), index, images.value


def _flat(counts: Array, index: Array) -> Array:
    """One number per cell and event, (n,)."""
    event = np.repeat(np.arange(len(counts)), counts)
    flat: Array = event * SIDE**3 + np.ravel_multi_index(tuple(index.T), (SIDE,) * 3)
    return flat


def _matched(cells: Array, known: Array, values: Array) -> Array:
    """The value of each of `cells` (n,) among `known`, -1 where it is not."""
    if not len(known):
        return np.full(len(cells), -1, np.int64)
    order = np.argsort(known, kind="stable")
    at = np.minimum(np.searchsorted(known[order], cells), len(known) - 1)
    return np.where(known[order][at] == cells, values[order][at], -1)


def _shared(
    voxels: tuple[Array, Array, Array], five: Array | None, owned: tuple[Array, Array, Array],
    number: Array, pdg: Array,
) -> Voxels:  # fmt: skip
    """The image's voxels, each once per owner, with the image's energy shared among them.

    A voxel without an owner stays; a cluster's voxel that the image lacks does not count.
    """
    cells, theirs = _flat(*voxels[:2]), _flat(*owned[:2])
    row = _matched(theirs, cells, np.arange(len(cells)))
    weight = np.maximum(owned[2], 1e-6)[row >= 0].astype(np.float64)
    number, pdg, row = number[row >= 0], pdg[row >= 0], row[row >= 0]
    total = np.bincount(row, weight, minlength=len(cells))
    alone = np.flatnonzero(total == 0)
    all_rows = np.concatenate([row, alone])
    order = np.argsort(all_rows, kind="stable")
    share = np.concatenate([weight / total[row], np.ones(len(alone))])[order]
    rows = all_rows[order]
    event = np.repeat(np.arange(len(voxels[0])), voxels[0])
    counts = np.bincount(event[rows], minlength=len(voxels[0])).astype(np.int64)
    particle = np.concatenate([number, np.full(len(alone), -1)])[order]
    pid = np.concatenate([classes_of(pdg), np.full(len(alone), -1)])[order]
    classes = None if five is None else five[rows]
    semantic = None if classes is None else semantic_of(classes)
    return Voxels(
        counts, voxels[1][rows], voxels[2][rows] * share, particle, semantic, classes, pid
    )


def _origin(table: dict[str, Array]) -> Array:
    """1 of a primary particle, 0 of a secondary one, -1 where the file does not tell."""
    named = np.char.startswith(table["process"].astype("S64"), b"primary")
    itself = table["parent_trackid"] == table["trackid"]
    unknown = (table["parent_trackid"] == _UNKNOWN) & (table["process"] == b"")
    return np.where(named | itself, 1, np.where(unknown, -1, 0))


def _kinematics(table: dict[str, Array]) -> dict[str, Array]:
    """Momentum (GeV/c) and kinetic energy (GeV) from MeV; NaN of particles of no known mass."""
    kind = classes_of(table["pdg"])
    mass = np.where(kind < 0, np.nan, MASSES[kind])
    given = np.sqrt(table["px"] ** 2 + table["py"] ** 2 + table["pz"] ** 2)
    with np.errstate(invalid="ignore"):
        total = np.where(given > 0, np.hypot(given, mass), table["energy_init"])
        total = np.where(total >= mass, total, np.nan)
        momentum = np.where(given > 0, given, np.sqrt(total**2 - mass**2))
    return {"momentum": 1e-3 * momentum, "energy": 1e-3 * (total - mass)}
