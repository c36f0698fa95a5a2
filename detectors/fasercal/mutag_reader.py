"""Muon tracks of ``calEvent`` files: true points in the fibre planes, fitted like measured ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from intarsia.core.errors import EventError
from intarsia.core.events import Array
from intarsia.core.reading import Rows, group_of
from intarsia.core.reading.root import member
from intarsia.core.simulation.slabs import Slabs

from .geometry import Geometry

_LAYERS = 4  # fibre planes of a station


def muons(tracks: Sequence[Any], geometry: Geometry, key: str) -> Rows:
    """Muon tracks, fitted to the mean point in each station, smeared by the resolution.

    Momentum and charge come from our fit, never from truth. The noise depends on the event's key
    alone. A track needs points in the first three stations, without a gap.
    """
    from .spectrometer import LEAST_POINTS, fitted  # numba, only for files that have muons

    slabs = geometry.spectrometer
    if not isinstance(slabs, Slabs):
        raise EventError("mutagtracks: this generation has no fibre stations")
    rng = np.random.default_rng(int(group_of([key])[0]))
    found = []
    for track in tracks:
        if abs(int(member(track, "fPDG", "mutagtracks"))) != 13:
            continue
        points, n = _stations(track, geometry, slabs.stations)
        points[:, :2] += rng.normal(0.0, slabs.resolution, (len(points), 2))
        if n >= LEAST_POINTS:
            points[n:] = np.nan
            found.append((points, fitted(slabs, points, n)))
    fits = np.array([f for _, f in found]).reshape(len(found), 7)
    names = ("charge", "chi2", "ndf", "sigma")
    columns = {name: fits[:, 3 + i] for i, name in enumerate(names)}
    points_of = np.array([p for p, _ in found]).reshape(len(found), slabs.stations, 3)
    columns |= {"momentum": fits[:, :3], "momentum_beam": fits[:, :3] @ geometry.rotation.T}
    columns |= {"position": points_of}
    return Rows(np.array([len(found)]), columns)


def _stations(track: Any, geometry: Geometry, stations: int) -> tuple[Array, int]:
    """Mean point in each station (stations, 3), detector frame, and how many follow the first."""
    layer = np.asarray(member(track, "layerID", "mutagtracks"), np.int64)
    places = [_xyz(p) for p in member(track, "pos", "mutagtracks")]
    position = np.array(places, np.float64).reshape(-1, 3)
    if len(layer) != len(position):
        raise EventError(f"mutagtracks: {len(position)} positions for {len(layer)} layers")
    station = layer // _LAYERS
    used = (station >= 0) & (station < stations)
    counts = np.bincount(station[used], minlength=stations)
    points = np.full((stations, 3), np.nan)
    local = geometry.to_detector(position[used])
    for axis in range(3):
        sums = np.bincount(station[used], local[:, axis], minlength=stations)
        points[counts > 0, axis] = sums[counts > 0] / counts[counts > 0]
    empty = np.flatnonzero(counts == 0)
    return points, int(empty[0]) if len(empty) else stations


def _xyz(vector: Any) -> list[float]:
    """Coordinates of a ROOT::Math vector."""
    inner = member(vector, "fCoordinates", "mutagtracks")
    return [float(member(inner, name, "mutagtracks")) for name in ("fX", "fY", "fZ")]
