"""larcv2's ROOT files: what `larcv` reads of larcv3's HDF5, of the trees of another library.

A product is a tree of its own, ``KIND_PRODUCER_tree``; all trees have one entry per event and say
its run, subrun and event. Layout as larcv2 writes it (DeepLearnPhysics/larcv2, core/DataFormat),
checked on files that ROOT wrote of the same classes. Voxel ids count the first axis fastest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from struct import Struct, error

import numpy as np

from intarsia.core.errors import EventError, suggest
from intarsia.core.events import Array

from .cells import cells_of_ids
from .larcv import Images, named
from .root import Root, Tree
from .values import integers, numbers

_ID = ("run", "subrun", "event")
_MOST = 2**20  # voxels along an axis

# A vector of vectors of objects is written one member after the other, which uproot does not read:
# byte count, version with a flag, version of the class (0) and its checksum; then of each inner
# vector its length, all ids and all values. (TStreamerInfo::WriteBufferAux, kSTL.)
_HEAD, _LENGTH = Struct(">IHHI"), Struct(">i")
_COUNTED, _BY_MEMBER = 0x40000000, 0x4000
_VOXEL = 0x7A384FDA  # of larcv::Voxel: unsigned long long _id; float _value


class LarcvRoot:
    """An open larcv2 ROOT file; the same questions and answers as `Larcv3`."""

    def __init__(self, path: Path) -> None:
        self._path, self._file = path, Root(path)
        trees = (n for n in self._file.known if n.endswith("_tree"))
        self.products = tuple(sorted(n.removesuffix("_tree") for n in trees))
        self._trees: dict[str, Tree] = {}
        try:
            if not self.products:
                raise EventError("it has no tree called KIND_PRODUCER_tree")
            self._events = self._file.tree(f"{self.products[0]}_tree").entries
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        return self._events

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def keys(self, first: int, last: int) -> list[str]:
        """``RUN.SUBRUN/EVENT`` of each event; where the file does not know, its own name and row."""
        return named(self._path, first, self._ids(self._tree(self.products[0]), first, last))

    def sparse(self, product: str, first: int, last: int) -> Images:
        """The sparse images called `product`, e.g. "sparse3d_data", of events `first` to `last`."""
        with self._aligned(product, first, last) as tree:
            counts, (ids, values) = tree.table(("_voxel_v._id", "_voxel_v._value"), first, last)
            none = np.zeros(0, np.int64)
            return _images(tree, first, last, counts, ids, values, none, none)

    def clusters(self, product: str, first: int, last: int) -> Images:
        """The clusters called `product`, e.g. "cluster3d_mcst"; a voxel may be in several."""
        with self._aligned(product, first, last) as tree:
            owned, _ = tree.ragged("_voxel_vv._id", first, last)
            sizes, ids, values = _inner(tree, owned, first, last)
            event = np.repeat(np.arange(last - first), owned)
            counts = np.bincount(event, sizes, minlength=last - first).astype(np.int64)
            number = np.arange(len(sizes)) - np.repeat(np.cumsum(owned) - owned, owned)
            cluster = np.repeat(number, sizes)
            return _images(tree, first, last, counts, ids, values, owned, cluster)

    def particles(
        self, product: str, first: int, last: int, columns: Iterable[str]
    ) -> tuple[Array, dict[str, Array]]:
        """Particles of each event, (B,), and `columns` of all, end to end."""
        with self._aligned(product, first, last) as tree:
            names = {c: f"_part_v._{c}" for c in columns}
            text = names.pop("process", "")
            counts, found = tree.table(["_part_v._pdg", *names.values()], first, last)
            table = dict(zip(names, found[1:], strict=True))
            if text:
                each, table["process"] = tree.texts(text, first, last)
                if not np.array_equal(each, counts):
                    raise EventError(f"{text}: has other numbers of rows than _part_v._pdg")
            return counts, table

    def _tree(self, product: str) -> Tree:
        if product not in self.products:
            has = ", ".join(self.products)
            raise EventError(
                f"{product}: not in the file{suggest(product, self.products)} (it has: {has})"
            )
        if product not in self._trees:
            tree = self._file.tree(f"{product}_tree")
            if tree.entries != len(self):
                raise EventError(f"{product}: {tree.entries} entries for {len(self)} events")
            self._trees[product] = tree
        return self._trees[product]

    @contextmanager
    def _aligned(self, product: str, first: int, last: int) -> Iterator[Tree]:
        """The tree of `product`, whose entries are of the same events as the others'; faults name it."""
        tree, other = self._tree(product), self.products[0]
        try:
            mine, wanted = self._ids(tree, first, last), self._ids(self._tree(other), first, last)
            if (wrong := (mine != wanted).any(axis=1)).any():
                b = int(np.flatnonzero(wrong)[0])
                has, were = tuple(mine[b].tolist()), tuple(wanted[b].tolist())
                raise EventError(f"_event: run, subrun and event {has}, in {other} {were}")
            yield tree
        except EventError as fault:
            raise EventError(f"{product}.{fault}") from None

    @staticmethod
    def _ids(tree: Tree, first: int, last: int) -> Array:
        """Run, subrun and event, (B, 3) int64; what larcv leaves unset comes out negative."""
        found = [_one(tree, f"_{name}", first, last) for name in _ID]
        unset = [n.view(np.int64) if n.dtype == np.uint64 else integers(n, "_event") for n in found]
        return np.stack(unset, axis=1)


def _images(
    tree: Tree, first: int, last: int, counts: Array, ids: Array, values: Array, clusters: Array,
    cluster: Array,
) -> Images:  # fmt: skip
    """One image for each event; an event without voxels may be without a grid."""
    number, length, origin = (
        np.stack([_one(tree, name.format(axis), first, last) for axis in "xyz"], axis=1)
        for name in ("_meta._{}num", "_meta._{}len", "_meta._p1.{}")
    )
    known = np.all((number > 0) & (number <= _MOST), axis=1)
    if (~known & (counts > 0)).any():
        b = int(np.flatnonzero(~known & (counts > 0))[0])
        raise EventError(f"_meta: {tuple(number[b].tolist())} voxels along the axes")
    shape = integers(np.where(known[:, None], number, 1), "_meta._xnum")
    index = np.zeros((len(ids), 3), np.int64)
    event = np.repeat(np.arange(len(counts)), counts)
    for one in np.unique(shape, axis=0):
        mine = (shape == one).all(1)[event]
        index[mine] = cells_of_ids(ids[mine], tuple(one), "F", "_voxel_v._id")
    images = known.astype(np.int64)
    projection = np.zeros(int(images.sum()), np.int64)
    return Images(
        images, projection, shape[known], length[known], origin[known], counts[known], index,
        values, clusters[known] if len(clusters) else clusters, cluster,
    )  # fmt: skip


def _one(tree: Tree, name: str, first: int, last: int) -> Array:
    """A number for each event, (B,)."""
    return numbers(tree.numbers(name, first, last), name, (None,))


def _inner(tree: Tree, owned: Array, first: int, last: int) -> tuple[Array, Array, Array]:
    """Voxels of each cluster, (c,), and ids and values of all, of events with `owned` clusters."""
    name = "_voxel_vv._voxel_v"
    sizes: list[int] = []
    ids, values = [np.zeros(0, ">u8")], [np.zeros(0, ">f4")]
    for data, n in zip(tree.raw(name, first, last), owned.tolist(), strict=True):
        for one, two in _vectors(data, n, name):
            sizes.append(len(one))
            ids.append(one)
            values.append(two)
    found = np.concatenate(ids).astype(np.uint64), np.concatenate(values).astype(np.float32)
    return np.array(sizes, np.int64), *found


def _vectors(data: bytes, n: int, name: str) -> Iterator[tuple[Array, Array]]:
    """Ids and values of each of the `n` vectors of voxels that an entry's bytes hold."""
    try:
        size, version, of_class, checksum = _HEAD.unpack_from(data)
    except error:
        raise EventError(f"{name}: cut off") from None
    if size & ~_COUNTED != len(data) - 4 or not size & _COUNTED or not version & _BY_MEMBER:
        raise EventError(f"{name}: not written member by member, as larcv's own split trees are")
    if of_class or checksum != _VOXEL:
        raise EventError(f"{name}: larcv::Voxel has other members than _id and _value ({checksum})")
    at = _HEAD.size
    for _ in range(n):
        (voxels,) = _LENGTH.unpack_from(data, at) if at + 4 <= len(data) else (-1,)
        end = at + 4 + 12 * voxels
        if voxels < 0 or end > len(data):
            raise EventError(f"{name}: {voxels} voxels of a cluster are not all there")
        one = np.frombuffer(data, ">u8", voxels, at + 4)
        yield one, np.frombuffer(data, ">f4", voxels, at + 4 + 8 * voxels)
        at = end
    if at != len(data):
        raise EventError(f"{name}: {len(data) - at} bytes more than {n} clusters need")
