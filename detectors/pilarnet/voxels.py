"""Voxels of foreign files, whatever the format, as events of the two detectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from attrs import frozen

from intarsia.core.errors import EventError
from intarsia.core.events import Array, Events
from intarsia.core.reading import Merged, Rows, build, merge

from . import FIVETYPES, PARTICLES, PILARNET, PILARNET_EVENT, SEMANTIC, SIDE, WHOLE
from .crops import crops

MASSES = np.array([0.0, 0.51099895, 105.6583755, 139.57039, 938.27209])  # MeV, PDG, as PARTICLES
_MOST = 2**40  # particles are numbered below this
_PDG = {22: 0, 11: 1, 13: 2, 211: 3, 2212: 4}
# The tracks of PILArNet-M are the heavily and the minimum ionising ones of the original release.
_FIVE_TO_SEMANTIC = np.array(
    [SEMANTIC.index(n) for n in ("track", "track", "shower", "delta", "michel")]
)


@frozen(eq=False)
class Voxels:
    """Voxels of B events end to end; a voxel may come several times, once per owner.

    counts: (B,). index: (n, 3) in the event's box. energy: (n,) MeV. particle: (n,) number of the
    owner in its event, -1 of none. semantic, fivetypes, pid: (n,) classes, -1 unknown; or None
    where the file does not tell.
    """

    counts: Array
    index: Array
    energy: Array
    particle: Array | None = None
    semantic: Array | None = None
    fivetypes: Array | None = None
    pid: Array | None = None

    @property
    def event(self) -> Array:
        """Event of each voxel, (n,)."""
        return np.repeat(np.arange(len(self.counts)), self.counts)


def classes_of(pdg: Array) -> Array:
    """Class of PARTICLES of each of `pdg` (n,), -1 for others; either charge."""
    size = np.abs(pdg)
    found = np.full(len(pdg), -1, np.int64)
    for number, k in _PDG.items():
        found[(size == number) & ((pdg > 0) | (number not in (22, 2212)))] = k
    return found


def semantic_of(fivetypes: Array) -> Array:
    """PILArNet-M's class of each of `fivetypes` (n,), the original release's; -1 stays."""
    return np.where(fivetypes < 0, -1, _FIVE_TO_SEMANTIC[fivetypes])


def box(index: Array, shape: Array, field: str) -> Array:
    """`index` (n, 3) of a volume of `shape` (3,) cells in the middle of the box of 768."""
    if (shape > SIDE).any():
        raise EventError(f"{field}: {tuple(map(int, shape))} cells do not fit into {SIDE}")
    moved: Array = index + (SIDE - shape) // 2
    return moved


def kept(v: Voxels, rows: Array) -> Voxels:
    """The voxels where `rows` (n,) bool is true."""
    counts = np.bincount(v.event[rows], minlength=len(v.counts)).astype(np.int64)
    parts = (v.particle, v.semantic, v.fivetypes, v.pid)
    return Voxels(
        counts, v.index[rows], v.energy[rows], *(p if p is None else p[rows] for p in parts)
    )


def whole(keys: Sequence[str], v: Voxels) -> Events:
    """Events of `pilarnet_event`: voxels with several owners keep them as shares."""
    m = merge(v.counts, v.index, WHOLE.shape)
    columns = {"index": m.index, "energy": m.total(v.energy), **_labels(m, v)}
    if v.pid is not None:
        columns["pid"] = m.shares(v.pid, _weights(v), len(PARTICLES))
    if v.particle is not None:
        owner = m.heaviest(v.particle, np.where(v.particle < 0, -1.0, _weights(v)))
        columns["cluster"] = np.where(owner < 0, np.nan, owner)
    truth = {}
    if v.particle is not None:
        pairs, _ = _pairs(kept(v, v.particle >= 0))
        truth["particles"] = np.bincount(pairs[:, 0], minlength=len(keys)).astype(np.float64)
    return build(PILARNET_EVENT, keys, {"tpc": Rows(m.counts, columns)}, truth)


def single(
    keys: Sequence[str], v: Voxels, truth: Mapping[tuple[int, int], Mapping[str, float]], least: int
) -> Events:
    """Particles of `least` voxels or more as samples of `pilarnet`.

    truth: of each particle by event and number in it; what is missing stays unknown.
    """
    if v.particle is None:
        raise EventError("clusters: the file does not say which voxel belongs to which particle")
    owned = kept(v, v.particle >= 0)
    pairs, sample = _pairs(owned)
    large = np.bincount(sample, minlength=len(pairs)) >= least
    number = np.cumsum(large) - 1
    rows = np.flatnonzero(large[sample])
    rows = rows[np.argsort(sample[rows], kind="stable")]
    pairs, counts = pairs[large], np.bincount(number[sample[rows]], minlength=int(large.sum()))
    parts = (owned.semantic, owned.fivetypes)
    mine = Voxels(counts, owned.index[rows], owned.energy[rows], None,
                  *(p if p is None else p[rows] for p in parts))  # fmt: skip
    m = merge(mine.counts, mine.index, (SIDE,) * 3)
    streams, _ = crops(m.counts, m.index, m.total(mine.energy), _labels(m, mine))
    names = [f"{keys[event]}/{particle}" for event, particle in pairs.tolist()]
    return build(PILARNET, names, streams, _truth([truth[p] for p in map(tuple, pairs.tolist())]))


def _pairs(v: Voxels) -> tuple[Array, Array]:
    """Event and number of each particle of which `v` has voxels, (p, 2), and whose each is, (n,)."""
    assert v.particle is not None  # noqa: S101 (for the type checker)
    # One number for both: sorting pairs takes ten times as long.
    most = int(v.particle.max(initial=0)) + 1
    if most > _MOST:
        raise EventError(f"particle: number {most - 1} is too large")
    pairs, whose = np.unique(v.event * most + v.particle, return_inverse=True)
    return np.stack(np.divmod(pairs, most), axis=1), whose


def _truth(each: list[Mapping[str, float]]) -> dict[str, Array]:
    """Columns of truth, unknown where a particle has none; only those that are known of some."""
    found = {}
    for label in PILARNET.truth:
        unknown = -1.0 if label.classes else np.nan
        if label.width == 1 and any(label.name in t for t in each):
            found[label.name] = np.array([t.get(label.name, unknown) for t in each])
    return found


def _weights(v: Voxels) -> Array:
    """Energies; a voxel without one still counts a little, so that its owner is known."""
    return np.maximum(v.energy, 1e-6).astype(np.float64)


def _labels(m: Merged, v: Voxels) -> dict[str, Array]:
    """Semantic labels of merged voxels."""
    found = {}
    if v.semantic is not None:
        found["semantic"] = m.shares(v.semantic, _weights(v), len(SEMANTIC))
    if v.fivetypes is not None:
        weights = np.where(v.fivetypes < 0, -1.0, _weights(v))
        found["fivetypes"] = m.heaviest(v.fivetypes, weights)
        if len(m.index) and found["fivetypes"].max() >= len(FIVETYPES):
            raise EventError(f"fivetypes: {found['fivetypes'].max()} is no class")
    return found
