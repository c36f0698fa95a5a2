"""Reconstructed events of the collaboration: voxels, towers, fitted muons, and their truth.

Source: rubbiaa/FASER, CoreUtils/TPORecoEvent.hh and TMuonSpect.hh, Batch/BatchReco.cc. Of
``RecoEvent`` are read the voxel map, the towers and the interaction (fTPOEvent); tracks and clusters
(fMuTracks, fTKTracks, fPSTracks, PSClustersX and Y) have streamers of their own, which only the
compiled dictionary knows. ``MuonSpectrometer`` has one entry for each of ``RecoEvent``. What the files
lack, hits of the AHCAL and whose each voxel is, is in the ``calEvent`` files of the same events, which
the option ``truth`` names the folder of.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np

from intarsia.core.errors import EventError
from intarsia.core.events import Array, Events
from intarsia.core.reading import Rows, build, integers
from intarsia.core.reading.root import why_no_tree

from .event_reader import Entries, Entry, Members, geometry_of, key_of, naming, rear, truth_of
from .generations import GENERATIONS
from .joined_reader import joined

_TREES = ("RecoEvent", "MuonSpectrometer")
_MOST = 10  # tracks that the arrays of MuonSpectrometer have room for
_VOXEL = ("ID", "RawEnergy", "ghost")
_GEOMETRY, _TRUTH = "geom_detector.", "fTPOEvent"
_REAR = ("rearCals.rearCalModule", "rearCals.rearHCalModule", "rearCals.rearMuCalDeposit")
_MUON = ("charge", "px", "py", "pz", "chi2", "nDoF")


class RecoEvents(Entries):
    """Entries of ``RecoEvent``, or of ``MuonSpectrometer`` in a file that has it alone.

    truth: folder of the ``calEvent`` files of these events, "" for none.
    """

    def __init__(self, path: Path, generation: str, truth: str = "") -> None:
        if truth and not Path(truth).is_dir():
            raise EventError(f"truth: there is no folder {truth}")
        super().__init__(path, generation, *_TREES)
        self._geometry, self._truth = GENERATIONS[generation], truth
        self._muons = self._file.tree(*_TREES[::-1])
        if self._muons.entries != len(self):
            self.close()
            raise EventError(
                f"MuonSpectrometer: {self._muons.entries} entries, RecoEvent {len(self)}"
            )

    def event(self, entry: int) -> Events:
        """Voxels with the collaboration's ghost flag, towers, fitted muons, truth."""
        at, key, streams, truth = Entry(self._tree, entry), "", {}, {}
        if all(f"{_GEOMETRY}{name}" in at for name in ("rearCalNxy", "rearHCalNxy")):
            self._geometry = geometry_of(at, self._generation, _GEOMETRY)
        if self._tree.name == "RecoEvent":
            streams = {"3dcal": self._voxels(entry), **rear(at, self._geometry, *_REAR)}
        if "ntracks" in self._muons and any(s.name == "muon" for s in self._detector.streams):
            streams["muon"] = self._tracks(entry, entry + 1)
        if self._tree.described(_TRUTH) and (
            po := self._tree.pointers(_TRUTH, entry, entry + 1)[0]
        ):
            said = Members(po, _TRUTH)
            key, truth = key_of(said), truth_of(said, self._geometry)
        if self._truth:
            return joined(self._detector, self._generation, self._truth, key, streams)
        return build(self._detector, [key or self._name(entry)], streams, truth)

    def _name(self, entry: int) -> str:
        """What an event is called that does not say it."""
        found = re.search(r"_(\d+)_(\d+)_(\d+)", self.path.stem)
        return f"{'_'.join(found.groups()) if found else self.path.stem}/{entry}"

    def _voxels(self, entry: int) -> Rows:
        names = [f"PSvoxelmap.second.{name}" for name in _VOXEL]
        if "PSvoxelmap" in self._tree and names[0] not in self._tree:
            table = self._tree.mapped("PSvoxelmap", _VOXEL, entry, entry + 1)
        else:
            table = self._tree.table(names, entry, entry + 1)
        counts, (channel, energy, ghost) = table
        number = integers(channel, names[0])
        with naming(names[0]):
            index = self._geometry.index(number)
        flag = integers(ghost, names[2])
        return Rows(counts, {"index": index, "charge": energy, "ghost": flag})

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
        """Columns of ``muon``; the file has momenta in the frame of the beam, no error of q/p, no points."""
        n = len(kept)
        stream = self._detector.stream("muon")
        planes = stream.layout["position"][1]
        return {
            "momentum": kept[:, 1:4] @ self._geometry.rotation,
            "momentum_beam": kept[:, 1:4],
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
