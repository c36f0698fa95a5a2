"""PILArNet-M, revisions 1 and 2: points and clusters of variable length in HDF5."""

from __future__ import annotations

from os.path import abspath
from pathlib import Path

import numpy as np

from intarsia.core.errors import EventError
from intarsia.core.events import Array, Events, cumulated
from intarsia.core.reading import Records, integers
from intarsia.core.reading.hdf5 import Hdf5

from . import PARTICLES, SEMANTIC, SIDE
from .voxels import Voxels, kept, single, whole

_POINT, _EXTRA = 8, 5  # numbers of a point, of a cluster's extra record
_WIDTH = {"v1": 5, "v2": 6}  # numbers of a cluster: revision 2 adds the particle's class


def why_not(path: Path) -> str:
    """Why the file at `path` is not PILArNet-M's, or nothing."""
    file = Hdf5(path)
    try:
        return "" if "point" in file else "it has no point"
    finally:
        file.close()


class Whole(Records):
    """Whole events; without labels if the file has no cluster.

    threshold: points of this energy, MeV, or less are left out. revision: v1 or v2; by default v2 if the file has cluster_extra. The file beside it with the
    numbers of points is not needed.
    """

    def __init__(self, path: Path | str, threshold: float = 0.0, revision: str = "") -> None:
        super().__init__(path)
        if revision not in ("", *_WIDTH):
            raise EventError(f"revision: must be v1 or v2, not {revision!r}")
        self._file, self._threshold = Hdf5(self.path), float(threshold)
        self._revision = revision or ("v2" if "cluster_extra" in self._file else "v1")
        self._events = self._file.rows("point")
        for name in ("cluster", "cluster_extra"):
            if name in self._file and self._file.rows(name) != self._events:
                raise EventError(f"{name}: {self._file.rows(name)} rows for {self._events} events")
        split = Path(abspath(self.path)).parent.name
        self.splits = (split,) if split in ("train", "val", "test") else ()

    def __len__(self) -> int:
        return self._events

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def events(self, first: int, last: int) -> Events:
        """Points of each event as voxels."""
        voxels, _ = self._voxels(first, last)
        return whole(self._keys(first, last), voxels)

    @property
    def _read_as(self) -> str:
        """What may be wrong with a table that does not fit."""
        other = next(r for r in _WIDTH if r != self._revision)
        return f", read as {self._revision} (if it is {other}: revision={other})"

    def _keys(self, first: int, last: int) -> list[str]:
        return [f"{self.path.stem}/{row}" for row in range(first, last)]

    def _rows(self, name: str, width: int, first: int, last: int) -> tuple[Array, Array]:
        """Rows of `width` numbers: how many of each event, (B,), and all of them, (n, width)."""
        counts, flat = self._file.ragged(name, first, last)
        wrong = counts % width > 0
        if wrong.any():
            n = int(counts[wrong][0])
            raise EventError(f"{name}: {n} numbers, no multiple of {width}{self._read_as}")
        return counts // width, flat.reshape(-1, width)

    def _voxels(self, first: int, last: int) -> tuple[Voxels, Array]:
        """Voxels above the threshold and the clusters (c, 2 + width): event, row, its numbers."""
        counts, points = self._rows("point", _POINT, first, last)
        voxels = Voxels(counts, _cells(points[:, :3]), _energies(points[:, 3]))
        index = np.zeros((0, 2 + _WIDTH[self._revision]), np.int64)
        if "cluster" in self._file:
            voxels, index = self._labelled(voxels, first, last)
        return kept(voxels, voxels.energy > self._threshold), index

    def _labelled(self, voxels: Voxels, first: int, last: int) -> tuple[Voxels, Array]:
        """All `voxels` with what their clusters are, and the clusters."""
        counts = voxels.counts
        numbers, table = self._rows("cluster", _WIDTH[self._revision], first, last)
        table = integers(table, "cluster")
        n = table[:, 0]
        offsets = cumulated(numbers)
        sums = np.concatenate([[0], np.cumsum(n)])
        owned = sums[offsets[1:]] - sums[offsets[:-1]]
        if (n < 0).any() or (owned != counts).any():
            b = int(np.flatnonzero(owned != counts)[0]) if (owned != counts).any() else 0
            raise EventError(
                f"cluster: {owned[b]} points in its clusters, {counts[b]} in the event"
                f"{self._read_as}"
            )
        cluster = np.repeat(np.arange(len(table)), n)
        event = np.repeat(np.arange(len(counts)), numbers)
        row = np.arange(len(table)) - offsets[:-1][event]
        semantic = _classes(table[:, 4], len(SEMANTIC), "cluster.semantic")
        group = np.where(semantic == SEMANTIC.index("low_energy"), -1, table[:, 2])
        if self._revision == "v2":  # classes beyond ours, e.g. kaons, are unknown here
            pid = np.where(table[:, 5] < len(PARTICLES), table[:, 5], -1)[cluster]
        else:
            pid = None
        labelled = Voxels(
            counts, voxels.index, voxels.energy, np.maximum(group, -1)[cluster],
            semantic[cluster], None, pid,
        )  # fmt: skip
        return labelled, np.concatenate([np.stack([event, row], 1), table], axis=1)


class Particles(Whole):
    """Particles (groups of clusters) of `least` voxels or more, one sample each."""

    def __init__(
        self, path: Path | str, threshold: float = 0.0, revision: str = "", least: int = 10
    ) -> None:
        super().__init__(path, threshold, revision)
        self._least = int(least)

    def events(self, first: int, last: int) -> Events:
        """Groups of each event; momentum and class are those of the group's largest cluster.

        The release does not say in which frame its vertices are: they stay unknown.
        """
        voxels, clusters = self._voxels(first, last)
        known = self._kinematics(first, last, len(clusters))
        truth: dict[tuple[int, int], dict[str, float]] = {}
        for i in np.argsort(clusters[:, 2], kind="stable").tolist():  # the largest comes last
            event, group = int(clusters[i, 0]), int(clusters[i, 4])
            truth[event, group] = {k: float(v[i]) for k, v in known.items()}
            if self._revision == "v2":
                pid = int(clusters[i, 7])
                truth[event, group]["pid"] = pid if pid < len(PARTICLES) else -1
        return single(self._keys(first, last), voxels, truth, self._least)

    def _kinematics(self, first: int, last: int, clusters: int) -> dict[str, Array]:
        """Momentum (GeV/c) and kinetic energy (GeV) of each cluster, if the file has them."""
        if "cluster_extra" not in self._file:
            return {}
        _, extra = self._rows("cluster_extra", _EXTRA, first, last)
        if len(extra) != clusters:
            raise EventError(f"cluster_extra: {len(extra)} rows for {clusters} clusters")
        mass, momentum = 1e-3 * extra[:, 0], extra[:, 1]
        momentum = np.where((momentum >= 0) & (mass >= 0), momentum, np.nan)
        return {"momentum": momentum, "energy": np.hypot(momentum, mass) - mass}


def _cells(points: Array) -> Array:
    """Cells (n, 3) of points, which are whole numbers kept as floats."""
    cells = integers(points, "point.xyz")
    outside = ((cells < 0) | (cells >= SIDE)).any(axis=1)
    if outside.any():
        worst = cells[outside][0].tolist()
        raise EventError(f"point.xyz: {outside.sum()} not from 0 to {SIDE - 1}, e.g. {worst}")
    return cells


def _energies(values: Array) -> Array:
    wrong = ~np.isfinite(values)
    if wrong.any():
        raise EventError(f"point.energy: {wrong.sum()} values are not finite")
    if (values < 0).any():
        raise EventError(f"point.energy: {(values < 0).sum()} values are negative")
    return values


def _classes(values: Array, n: int, field: str) -> Array:
    """Class numbers below `n`; negative ones are unknown."""
    if len(values) and values.max() >= n:
        raise EventError(f"{field}: {values.max()} is no class (there are {n})")
    return np.maximum(values, -1)
