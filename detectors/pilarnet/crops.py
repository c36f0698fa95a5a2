"""Particles of an event as samples of their own: voxels in a crop, and where the crop lies."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from intarsia.core.crop import describe, inside, start
from intarsia.core.events import Array, cumulated
from intarsia.core.reading import Rows

from . import DETECTOR, METADATA, TPC


def crops(
    counts: Array, index: Array, energy: Array, labels: Mapping[str, Array]
) -> tuple[dict[str, Rows], Array]:
    """Streams of the `pilarnet` detector for S particles, and the middles of their crops, (S, 3) mm.

    counts: (S,) voxels of each. index: (n, 3) in the event's box, energy: (n,) MeV, labels: (n, ...)
    each, of all voxels end to end.
    """
    offsets = cumulated(counts)
    kept, first = np.ones(len(index), bool), np.zeros((len(counts), 3), np.int64)
    rows: dict[str, list[Array]] = {
        k: [np.zeros((0, *shape))] for k, (_, shape) in METADATA.layout.items()
    }
    for s, (low, high) in enumerate(pairwise(offsets)):
        mine, charge = index[low:high], energy[low:high]
        first[s] = start(mine, charge, TPC.shape)
        kept[low:high] = inside(mine, first[s], TPC.shape)
        for name, value in describe(mine, charge, first[s], TPC.shape, DETECTOR).items():
            rows[name].append(value)
    sample = np.repeat(np.arange(len(counts)), counts)
    columns = {"index": (index - first[sample])[kept], "energy": energy[kept]}
    columns |= {name: values[kept] for name, values in labels.items()}
    left = np.bincount(sample[kept], minlength=len(counts)).astype(np.int64)
    where = {name: np.concatenate(values) for name, values in rows.items()}
    pitch = np.array([a.pitch for a in DETECTOR])
    corner = np.array([a.start for a in DETECTOR])
    centre: Array = corner + (first + 0.5 * np.array(TPC.shape)) * pitch
    metadata = Rows((counts > 0).astype(np.int64), where)
    return {"tpc": Rows(left, columns), "metadata": metadata}, centre
