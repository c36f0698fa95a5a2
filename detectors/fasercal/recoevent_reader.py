"""Reconstructed events of the collaboration: voxels, and the flat tree of fitted muons.

Source: rubbiaa/FASER, CoreUtils/TPORecoEvent.hh and TMuonSpect.hh, Batch/BatchReco.cc. Of
``RecoEvent`` the voxel map is read, which uproot can; tracks and clusters (fMuTracks, fTKTracks,
fPSTracks, PSClusters) have streamers of their own, which only the compiled dictionary knows. Hits of
the AHCAL are not in these files but in those of ``calEvent``. ``MuonSpectrometer`` has one entry for
each of ``RecoEvent``. The files hold neither event numbers nor truth that could be read: an event is
called after the file and its entry. Where the geometry's sizes are not readable, the generation is
the one of the detector that was asked for.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np

from intarsia.core.errors import EventError
from intarsia.core.events import Array, Events
from intarsia.core.reading import Records, Rows, build, integers
from intarsia.core.reading.root import Root, why_no_tree

from . import DETECTORS, DICTIONARY
from .calevent_reader import of_generation
from .generations import GENERATIONS

_TREES = ("RecoEvent", "MuonSpectrometer")
_MOST = 10  # tracks that the arrays of MuonSpectrometer have room for
_VOXEL = ("ID", "RawEnergy", "ghost")
_SIZES = ("geom_detector.rearCalNxy", "geom_detector.rearHCalNxy")
_MUON = ("charge", "px", "py", "pz", "chi2", "nDoF")


class RecoEvents(Records):
    """Entries of ``RecoEvent``, or of ``MuonSpectrometer`` in a file that has it alone."""

    def __init__(self, path: Path, generation: str) -> None:
        super().__init__(path)
        self._detector, self._geometry = DETECTORS[generation], GENERATIONS[generation]
        self._generation = generation
        self._file = Root(self.path, DICTIONARY)
        self._tree = self._file.tree(*_TREES)
        self._muons = self._file.tree(*_TREES[::-1])
        if self._muons.entries != self._tree.entries:
            raise EventError(
                f"MuonSpectrometer: {self._muons.entries} entries, RecoEvent {self._tree.entries}"
            )

    def __len__(self) -> int:
        return self._tree.entries

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def events(self, first: int, last: int) -> Events:
        """Voxels with the collaboration's ghost flag, and fitted muons."""
        streams = {}
        if self._tree.name == "RecoEvent":
            streams["3dcal"] = self._voxels(first, last)
        if "ntracks" in self._muons and any(s.name == "muon" for s in self._detector.streams):
            streams["muon"] = self._tracks(first, last)
        found = re.search(r"_(\d+)_(\d+)_(\d+)", self.path.stem)
        run = "_".join(found.groups()) if found else self.path.stem
        return build(self._detector, [f"{run}/{i}" for i in range(first, last)], streams)

    def _voxels(self, first: int, last: int) -> Rows:
        for size, other in zip(*(self._sizes(n, first, last) for n in _SIZES), strict=True):
            of_generation(size, other, self._generation)
        names = [f"PSvoxelmap.second.{name}" for name in _VOXEL]
        if "PSvoxelmap" in self._tree and names[0] not in self._tree:
            counts, (channel, energy, ghost) = self._tree.mapped("PSvoxelmap", _VOXEL, first, last)
        else:
            counts, (channel, energy, ghost) = self._tree.table(names, first, last)
        index = self._geometry.index(integers(channel, names[0]))
        flag = integers(ghost, names[2])
        return Rows(counts, {"index": index, "charge": energy, "ghost": flag})

    def _sizes(self, name: str, first: int, last: int) -> list[int]:
        """A size of the geometry that the file notes, for each entry; none if it does not."""
        if name not in self._tree:
            return []
        return list(integers(self._tree.numbers(name, first, last), name, (None,)))

    def _tracks(self, first: int, last: int) -> Rows:
        """Tracks whose fit converged; one that did not has chi2 <= 0 or numbers never filled in."""
        asked = integers(self._muons.numbers("ntracks", first, last), "ntracks", (None,))
        counts, columns = self._muons.table(_MUON, first, last)
        if ((asked < 0) | (np.minimum(asked, _MOST) > counts)).any():
            raise EventError(f"ntracks: {asked.max()} tracks, but only {counts.max()} are there")
        charge, px, py, pz, chi2, ndf = (c.astype(np.float64) for c in columns)
        event = np.repeat(np.arange(len(counts)), counts)
        place = np.arange(len(event)) - np.repeat(np.cumsum(counts) - counts, counts)
        numbers = np.stack([charge, px, py, pz, chi2, ndf], axis=1)
        with np.errstate(invalid="ignore"):
            good = (np.abs(numbers) < 1e6).all(axis=1) & (chi2 > 0) & (ndf > 0)
            good &= (np.abs(charge) == 1) & (place < np.minimum(asked[event], _MOST))
        kept = np.bincount(event[good], minlength=len(counts))
        return Rows(kept, self._columns(numbers[good]))

    def _columns(self, kept: Array) -> dict[str, Array]:
        """Columns of ``muon``: momenta in the detector's frame; no error of q/p, no points."""
        n = len(kept)
        stream = self._detector.stream("muon")
        planes = stream.layout["position"][1]
        return {
            "momentum": kept[:, 1:4] @ self._geometry.rotation,
            "charge": kept[:, 0],
            "chi2": kept[:, 4],
            "ndf": kept[:, 5],
            "sigma": np.full(n, np.nan),
            "position": np.full((n, *planes), np.nan),
        }


def claims(path: Path) -> str:
    """Why the file is none of reconstructed events, or nothing."""
    return why_no_tree(path, *_TREES)


open_a, open_b, open_c = (partial(RecoEvents, generation=g) for g in "ABC")
