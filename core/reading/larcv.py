"""larcv3's HDF5 files: sparse images, clusters and particles of each event.

Layout as larcv3 writes it (DeepLearnPhysics/larcv3, checked on a file of its own). Products are
named by kind and producer, e.g. sparse3d and data. Voxel ids count the last axis fastest; those of
larcv2's ROOT files (`larcv_root`) the first.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from attrs import frozen

from intarsia.core.errors import EventError, suggest
from intarsia.core.events import Array

from .boundaries import Ranges
from .cells import cells_of_ids
from .hdf5 import Hdf5
from .values import integers, numbers

_EXTENT = ("first", "N")
_MOST = 2**20  # pixels along an axis
_STEP = 2**16  # entries that are looked at at a time


@frozen(eq=False)
class Images:
    """Sparse images of some events, one per projection; a 3D product has one per event.

    counts: (B,) images of each event. projection: (m,) number of each. shape: (m, d) pixels along
    the axes; pitch, origin: (m, d) of a pixel, of the lower corner, in the file's unit. voxels:
    (m,) voxels of each image, or of all its clusters. index: (n, d), value: (n,) of all voxels end
    to end. clusters: (m,) clusters of each image; cluster: (n,) number of a voxel's cluster in its
    image; both only of cluster products.
    """

    counts: Array
    projection: Array
    shape: Array
    pitch: Array
    origin: Array
    voxels: Array
    index: Array
    value: Array
    clusters: Array
    cluster: Array

    @property
    def image(self) -> Array:
        """Image of each voxel, (n,)."""
        return np.repeat(np.arange(len(self.voxels)), self.voxels)

    @property
    def event(self) -> Array:
        """Event of each image, (m,)."""
        return np.repeat(np.arange(len(self.counts)), self.counts)


class Larcv3:
    """An open larcv3 HDF5 file. Products that are asked for and missing are an EventError."""

    def __init__(self, path: Path) -> None:
        self._path, self._file = path, Hdf5(path)
        self._events = self._file.rows("Events/event_id")
        self._checked: dict[str, str] = {}  # what is wrong with tables of extents

    def __len__(self) -> int:
        return self._events

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @property
    def products(self) -> tuple[str, ...]:
        """What the file holds, e.g. ("particle_mcst", "sparse3d_data")."""
        return tuple(n.removesuffix("_group") for n in self._file.names("Data"))

    def keys(self, first: int, last: int) -> list[str]:
        """``RUN.SUBRUN/EVENT`` of each event; where the file does not know, its own name and row."""
        table = self._file.table("Events/event_id", first, last, ("run", "subrun", "event"))
        ids = [integers(values, f"Events/event_id.{c}") for c, values in table.items()]
        return named(self._path, first, np.stack(ids, axis=1))

    def sparse(self, product: str, first: int, last: int) -> Images:
        """The sparse images called `product`, e.g. "sparse2d_wire", of events `first` to `last`."""
        group = self._group(product)
        images = self._extents(f"{group}/extents", first, last, f"{group}/voxel_extents")
        inner = self._file.gather(f"{group}/voxel_extents", images, (*_EXTENT, "ID"))
        rows = self._rows_of(f"{group}/voxel_extents", f"{group}/voxels")
        owned = Ranges.of_extents(inner["first"], inner["N"], rows, f"{group}/voxel_extents")
        none = np.zeros(0, np.int64)
        return self._images(group, images, inner["ID"], owned, owned.counts, none, none)

    def clusters(self, product: str, first: int, last: int) -> Images:
        """The clusters called `product`, e.g. "cluster3d_mcst"; a voxel may be in several."""
        group = self._group(product)
        images = self._extents(f"{group}/extents", first, last, f"{group}/projection_extents")
        middle = self._file.gather(f"{group}/projection_extents", images, (*_EXTENT, "ID"))
        rows = self._rows_of(f"{group}/projection_extents", f"{group}/cluster_extents")
        each = Ranges.of_extents(middle["first"], middle["N"], rows, f"{group}/projection_extents")
        inner = self._file.gather(f"{group}/cluster_extents", each, _EXTENT)
        rows = self._rows_of(f"{group}/cluster_extents", f"{group}/voxels")
        owned = Ranges.of_extents(inner["first"], inner["N"], rows, f"{group}/cluster_extents")
        number = np.arange(len(owned)) - np.repeat(
            np.cumsum(each.counts) - each.counts, each.counts
        )
        cluster = np.repeat(number, owned.counts)
        voxels = each.total(owned.counts)
        return self._images(group, images, middle["ID"], owned, voxels, each.counts, cluster)

    def particles(
        self, product: str, first: int, last: int, columns: Iterable[str]
    ) -> tuple[Array, dict[str, Array]]:
        """Particles of each event, (B,), and `columns` of all, end to end."""
        group = self._group(product)
        owned = self._extents(f"{group}/extents", first, last, f"{group}/particles")
        return owned.counts, self._file.gather(f"{group}/particles", owned, columns)

    def _group(self, product: str) -> str:
        if product not in self.products:
            has = ", ".join(self.products) or "nothing"
            raise EventError(
                f"{product}: not in the file{suggest(product, self.products)} (it has: {has})"
            )
        return f"Data/{product}_group"

    def _extents(self, name: str, first: int, last: int, inner: str) -> Ranges:
        if self._file.rows(name) != len(self):
            raise EventError(f"{name}: {self._file.rows(name)} rows for {len(self)} events")
        return self._ranges(name, first, last, self._rows_of(name, inner))

    def _ranges(self, name: str, first: int, last: int, rows: int) -> Ranges:
        table = self._file.table(name, first, last, _EXTENT)
        return Ranges.of_extents(table["first"], table["N"], rows, name)

    def _rows_of(self, name: str, inner: str) -> int:
        """Rows of `inner`, each of which belongs to one entry of `name`; EventError if not."""
        rows = self._file.rows(inner)
        if name not in self._checked:
            self._checked[name] = self._why_not_whole(name, inner, rows)
        if why := self._checked[name]:
            raise EventError(why)
        return rows

    def _why_not_whole(self, name: str, inner: str, rows: int) -> str:
        """Why the entries of `name` do not have each of the `rows` of `inner` once, or nothing.

        Of one block of events that does not show. larcv writes in order; where a file is not, all
        entries are looked at at once.
        """
        entries, owned = self._file.rows(name), 0
        try:
            for first in range(0, entries, _STEP):
                ranges = self._ranges(name, first, min(first + _STEP, entries), rows)
                begins = owned + np.cumsum(ranges.counts) - ranges.counts
                if ((ranges.counts > 0) & (ranges.first != begins)).any():
                    owned = int(self._ranges(name, 0, entries, rows).counts.sum())
                    break
                owned += int(ranges.counts.sum())
        except EventError as fault:
            return str(fault)
        return "" if owned == rows else f"{name}: has {owned} of the {rows} rows of {inner}"

    def _images(
        self, group: str, images: Ranges, projection: Array, owned: Ranges, voxels: Array,
        clusters: Array, cluster: Array,
    ) -> Images:  # fmt: skip
        """Images with the voxels `owned`, of which each has `voxels`."""
        columns = ("image_sizes", "number_of_voxels", "origin")
        meta = self._file.gather(f"{group}/image_meta", images, columns)
        size, shape, origin = (
            numbers(meta[c], f"{group}/image_meta.{c}", (None, None)) for c in columns
        )
        # An image of nothing may be without a grid: larcv then writes a meta that is not valid.
        known = np.all((shape > 0) & (shape <= _MOST), axis=1)
        if (wrong := ~known & (voxels > 0)).any():
            pixels = tuple(shape[wrong][0].tolist())
            raise EventError(f"{group}/image_meta.number_of_voxels: {pixels} pixels")
        found = self._file.gather(f"{group}/voxels", owned, ("id", "value"))
        shape = np.where(known[:, None], shape, 1).astype(np.int64)
        index = np.zeros((len(found["id"]), shape.shape[1]), np.int64)
        image = np.repeat(np.arange(len(voxels)), voxels)
        for one in np.unique(shape, axis=0):
            mine = (shape == one).all(1)[image]
            index[mine] = cells_of_ids(found["id"][mine], tuple(one), "C", f"{group}/voxels.id")
        pitch = size.astype(np.float64) / shape
        event = np.repeat(np.arange(len(images)), images.counts)[known]
        return Images(
            np.bincount(event, minlength=len(images)).astype(np.int64), projection[known],
            shape[known], pitch[known], origin[known], voxels[known], index, found["value"],
            clusters[known] if len(clusters) else clusters, cluster,
        )  # fmt: skip


def named(path: Path, first: int, ids: Array) -> list[str]:
    """``RUN.SUBRUN/EVENT`` of each of `ids` (B, 3); where one is negative, the file's name and row."""
    return [
        f"{run}.{subrun}/{event}" if min(run, subrun, event) >= 0 else f"{path.stem}/{row}"
        for row, (run, subrun, event) in enumerate(ids.tolist(), first)
    ]
