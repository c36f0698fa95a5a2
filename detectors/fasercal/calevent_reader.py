"""``calEvent`` files of the collaboration's GEANT4 simulation: true energies, one event a file.

Source: rubbiaa/FASER, CoreUtils/TcalEvent.hh and TPOEvent.hh. There is no reconstruction in them:
the charge of a 3DCal voxel is what was truly deposited, and towers and tiles have neither noise nor
threshold. Branches that hold pointers to objects (tracks, mutagtracks) are read object by object.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from intarsia.core.errors import EventError
from intarsia.core.events import Array, Events
from intarsia.core.reading import Rows, build, merge
from intarsia.core.reading.root import member, why_no_tree

from .event_reader import Entries, Entry, geometry_of, key_of, naming, rear, tau_mode, truth_of
from .geometry import Geometry
from .labels import BACKGROUND, PRIMARY, SECONDARY, category
from .mutag_reader import muons

GHOST = 1e-3  # MeV
_REAR = ("rearcal", "rearhcal", "rearmucal")
_SILICON = 10**11  # channel numbers from here on are of the silicon tracker


class CalEvents(Entries):
    """The entries of a ``calEvent`` tree; normally one."""

    def __init__(self, path: Path, generation: str) -> None:
        super().__init__(path, generation, "calEvent")

    def event(self, entry: int) -> Events:
        """The event of one entry."""
        key, streams, truth = self.parts(entry)
        return build(self._detector, [key], streams, truth)

    def parts(self, entry: int) -> tuple[str, dict[str, Rows], dict[str, Array]]:
        """Key, streams and truth of an entry."""
        at = Entry(self._tree, entry)
        geometry = geometry_of(at, self._generation)
        key = key_of(at)
        streams = rear(at, geometry, *_REAR)
        if "tracks" in self._tree:
            streams["3dcal"] = _cubes(at, geometry, tau_mode(at))
        if self._generation == "B" and "mutagtracks" in self._tree:
            streams["muon"] = muons(at.objects("mutagtracks"), geometry, key)
        return key, streams, truth_of(at, geometry)


def _cubes(at: Entry, geometry: Geometry, tau_mode: int) -> Rows:
    """Deposits of all tracks, summed in each cube; labels by whose they are."""
    ids, energies, tracks = [], [], []
    for track in at.objects("tracks"):
        hits = np.asarray(member(track, "fhitIDs", "tracks"), np.int64)
        energy = np.asarray(member(track, "fEnergyDeposits", "tracks"), np.float64)
        if len(hits) != len(energy):
            raise EventError(f"tracks: {len(energy)} energies for {len(hits)} hits of a track")
        names = ("ftrackID", "fparentID", "fprimaryID", "fPDG")
        numbers_of = [int(member(track, name, "tracks")) for name in names]
        ids.append(hits)
        energies.append(energy)
        tracks.append(np.tile(np.array(numbers_of, np.int64), (len(hits), 1)))
    channel = np.concatenate([np.zeros(0, np.int64), *ids])
    energy = np.concatenate([np.zeros(0), *energies])
    whose = np.concatenate([np.zeros((0, 4), np.int64), *tracks])
    keep = (channel < _SILICON) & (energy != 0)
    if (energy < 0).any():
        raise EventError("tracks: an energy deposit is negative")
    channel, energy, whose = channel[keep], energy[keep], whose[keep]
    x, y, z = geometry.axes()
    with naming("tracks.fhitIDs"):
        cells = geometry.index(channel)
    merged = merge(np.array([len(channel)]), cells, (x.n, y.n, z.n))
    charge = merged.total(energy)
    ghost = charge < GHOST
    weight = np.where(ghost[merged.row], 0.0, energy)
    columns = {
        "index": merged.index,
        "charge": charge,
        "ghost": ghost.astype(np.int64),
        "hierarchy": merged.shares(_hierarchy(whose, at), weight, 3),
        "category": merged.shares(category(whose[:, 3], tau_mode), weight, 3),
    }
    return Rows(merged.counts, columns)


def _hierarchy(whose: Array, at: Entry) -> Array:
    """Class of ``hierarchy`` by GEANT4 numbers (n, 4): track, parent, primary, PDG."""
    track, parent, primary, _ = whose.T
    first = (parent == 0) & (track == primary)
    second = (parent != 0) & (parent == primary)
    if "POs.geanttrackID" in at:
        second |= (parent > 0) & np.isin(parent, at.columns("POs.geanttrackID")[0])
    return np.where(first, PRIMARY, np.where(second, SECONDARY, BACKGROUND))


def claims(path: Path) -> str:
    """Why the file is no calEvent file, or nothing."""
    return why_no_tree(path, "calEvent")


open_a, open_b, open_c = (partial(CalEvents, generation=g) for g in "ABC")
