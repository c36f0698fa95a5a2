"""PILArNet as larcv writes it: sparse3d, fivetypes, clusters and particles; here as larcv3 HDF5."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from intarsia.core.errors import EventError, suggest
from intarsia.core.events import Array, Events
from intarsia.core.reading import Records, integers
from intarsia.core.reading.hdf5 import Hdf5
from intarsia.core.reading.larcv import Images, Larcv3, named

from . import CELL, FIVETYPES, PRODUCERS, SEMANTIC, SIDE
from .voxels import MASSES, Voxels, box, classes_of, semantic_of, single, whole

if TYPE_CHECKING:
    from intarsia.core.reading.larcv_root import LarcvRoot

_PARTICLE = ("pdg", "px", "py", "pz", "energy_init", "trackid", "parent_trackid", "process")
_WHOLE = ("pdg", "trackid", "parent_trackid")
_UNKNOWN = 2**32 - 1  # larcv's kINVALID
_KINDS = {
    "energies": "sparse3d",
    "labels": "sparse3d",
    "clusters": "cluster3d",
    "particles": "particle",
}
_KEYS = ("event", "row")  # what an event is called after
_NONE = "none"  # in place of a producer: to do without
# Classes that labels may number; the second is larcv's ShapeType, whose last two say nothing.
_ORDERS = {"fivetypes": FIVETYPES, "semantic": (*SEMANTIC, "ghost", "unknown")}


def why_not(path: Path) -> str:
    """Why the file at `path` is not larcv3's, or nothing."""
    file = Hdf5(path)
    try:
        return "" if "Events/event_id" in file else "it has no Events/event_id"
    finally:
        file.close()


class Whole(Records):
    """Whole events. energies, labels, clusters, particles: names of the producers.

    "none" does without labels or clusters. order: in which labels number the classes, "fivetypes"
    or "semantic"; only of the producer fivetypes it is known. keys: "event", or "row" for files
    whose event numbers repeat.
    """

    opens: ClassVar[type[Larcv3 | LarcvRoot]] = Larcv3

    def __init__(
        self,
        path: Path | str,
        order: str = "",
        keys: str = "event",
        **producers: str,
    ) -> None:
        super().__init__(path)
        for option, value, known in (("order", order, ("", *_ORDERS)), ("keys", keys, _KEYS)):
            if value not in known:
                names = " or ".join(filter(None, known))
                raise EventError(f"{option}: must be {names}, not {value!r}")
        self._order, self._by_row = order, keys == "row"
        self._producers = PRODUCERS | producers
        self._file = self.opens(self.path)

    def __len__(self) -> int:
        return len(self._file)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def events(self, first: int, last: int) -> Events:
        """Voxels of the image; owners, where the file has clusters, as shares of each voxel."""
        energies = self._product("energies", needed=True)
        voxels = _voxels(self._file.sparse(energies, first, last), energies)
        labels = self._classes(voxels, first, last)
        keys = self._keys(first, last)
        clusters = self._product("clusters")
        if not clusters:
            return whole(keys, Voxels(*voxels, None, *labels))
        owned, number, pdg = self._owned(first, last)
        return whole(keys, _shared(voxels, labels, owned, number, pdg, clusters))

    def _product(self, option: str, needed: bool = False) -> str:
        """The product that `option` names, "" if the file has none of its kind or none is wanted.

        EventError if it is needed, or the file has others that could be meant.
        """
        kind, producer = _KINDS[option], self._producers[option]
        if producer == _NONE and not needed:
            return ""
        name, has = f"{kind}_{producer}", self._file.products
        if name in has:
            return name
        energies = f"{kind}_{self._producers['energies']}"
        others = [p for p in has if p.startswith(f"{kind}_") and p != energies]
        if not (needed or others or producer != PRODUCERS[option]):
            return ""
        raise EventError(
            f"{name}: not in the file{suggest(name, others)} (it has: {', '.join(has)}); "
            f"{option}=PRODUCER names another{'' if needed else f', {option}={_NONE} does without'}"
        )

    def _keys(self, first: int, last: int) -> list[str]:
        if self._by_row:
            return named(self.path, first, np.full((last - first, 3), -1))
        return self._file.keys(first, last)

    def _classes(
        self, voxels: tuple[Array, Array, Array], first: int, last: int
    ) -> tuple[Array | None, Array | None]:
        """Semantic class and fivetypes of each voxel, -1 where unknown; None what the file lacks."""
        product = self._product("labels")
        if not product:
            return None, None
        order = self._order_of(product)
        labelled = _voxels(self._file.sparse(product, first, last), product)
        classes = integers(labelled[2], f"{product}.value")
        if len(classes) and not 0 <= classes.min() <= classes.max() < len(_ORDERS[order]):
            raise EventError(
                f"{product}.value: from {classes.min()} to {classes.max()}, "
                f"not 0 to {len(_ORDERS[order]) - 1} ({', '.join(_ORDERS[order])})"
            )
        found = _matched(_flat(*voxels[:2]), _flat(*labelled[:2]), classes)
        _together(product, voxels[0], labelled[0], found >= 0)
        if order == "semantic":
            return np.where(found < len(SEMANTIC), found, -1), None
        return semantic_of(found), found

    def _table(
        self, first: int, last: int, columns: tuple[str, ...]
    ) -> tuple[Array, dict[str, Array]]:
        """Particles of each event, (B,), and `columns` of all; what numbers something is whole."""
        product = self._product("particles", needed=True)
        counts, table = self._file.particles(product, first, last, columns)
        whole = {c: integers(table[c], f"{product}.{c}") for c in _WHOLE if c in table}
        return counts, table | whole

    def _order_of(self, product: str) -> str:
        """Order in which `product` numbers the classes; EventError if nobody has said it."""
        if self._order or product == "sparse3d_fivetypes":
            return self._order or "fivetypes"
        known = " or ".join(f"order={o} ({', '.join(_ORDERS[o])})" for o in _ORDERS)
        raise EventError(
            f"{product}: the file does not tell the order of its classes; give {known}"
        )

    def _owned(self, first: int, last: int) -> tuple[tuple[Array, Array, Array], Array, Array]:
        """Voxels of all clusters, the particle (-1: none) and its PDG number (0: none) of each."""
        product = self._product("clusters", needed=True)
        clusters = self._file.clusters(product, first, last)
        counts, table = self._table(first, last, ("pdg",))
        per_event = np.bincount(clusters.event, clusters.clusters, minlength=len(counts))
        wrong = (per_event != counts) & (per_event != counts + 1) & (per_event != 0)
        if wrong.any():
            b = int(np.flatnonzero(wrong)[0])
            raise EventError(
                f"{product}: {int(per_event[b])} clusters for {counts[b]} particles, "
                "not as many or one more"
            )
        voxels = _voxels(clusters, product)
        event = np.repeat(np.arange(len(counts)), voxels[0])
        real = clusters.cluster < counts[event]
        start = np.cumsum(counts) - counts
        pdg = np.zeros(len(real), np.int64)
        pdg[real] = table["pdg"][(start[event] + clusters.cluster)[real]]
        return voxels, np.where(real, clusters.cluster, -1), pdg


class Particles(Whole):
    """Particles of `least` voxels or more, one sample each; with `primaries`, no others."""

    def __init__(
        self, path: Path | str, least: int = 10, primaries: int = 0, **options: str
    ) -> None:
        super().__init__(path, **options)
        self._least, self._primaries = int(least), bool(primaries)

    def events(self, first: int, last: int) -> Events:
        """The clusters of each event that are of a particle."""
        voxels, number, pdg = self._owned(first, last)
        labels = self._classes(voxels, first, last)
        counts, table = self._table(first, last, _PARTICLE)
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
        found = Voxels(*voxels, number, *labels, classes_of(pdg))
        return single(self._keys(first, last), found, truth, self._least)


def _voxels(images: Images, product: str) -> tuple[Array, Array, Array]:
    """Voxels per event (B,), their cells in the box (n, 3), their values (n,)."""
    wrong = ~np.isclose(images.pitch, CELL) & ~np.isclose(images.pitch, 0.1 * CELL)
    if wrong.any():
        raise EventError(f"{product}: voxels of {images.pitch[wrong][0]}, not {CELL} mm")
    if not (finite := np.isfinite(images.value)).all():
        raise EventError(f"{product}.value: {int((~finite).sum())} values are not finite")
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


def _together(product: str, counts: Array, others: Array, found: Array) -> None:
    """EventError for an event with voxels, `counts` (B,), and `others`, but none in common.

    found: (n,) bool, which of the voxels are among the others. product: of which either are.
    """
    event = np.repeat(np.arange(len(counts)), counts)
    common = np.bincount(event[found], minlength=len(counts))
    if ((counts > 0) & (others > 0) & (common == 0)).any():
        raise EventError(f"{product}: has none of the event's voxels, so it is on another grid")


def _shared(
    voxels: tuple[Array, Array, Array], labels: tuple[Array | None, Array | None],
    owned: tuple[Array, Array, Array], number: Array, pdg: Array, product: str,
) -> Voxels:  # fmt: skip
    """The image's voxels, each once per owner, with the image's energy shared among them.

    A voxel without an owner stays; a cluster's voxel that the image lacks does not count. product:
    where the owners are from.
    """
    cells, theirs = _flat(*voxels[:2]), _flat(*owned[:2])
    row = _matched(theirs, cells, np.arange(len(cells)))
    _together(product, owned[0], voxels[0], row >= 0)
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
    semantic, five = (None if found is None else found[rows] for found in labels)
    return Voxels(counts, voxels[1][rows], voxels[2][rows] * share, particle, semantic, five, pid)


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
