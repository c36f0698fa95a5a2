"""Muon tracks of generation B: points in the stations and the fit of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from intarsia.core.simulation.compiled import Array
from intarsia.core.simulation.slabs import Slabs
from intarsia.core.simulation.trackfit import cross, fit

LEAST_POINTS = 3  # stations, for a fit
LEAST_Q_P = 1e-5  # c/GeV; a straighter track is given 100 TeV/c


def tracks(
    slabs: Slabs, rotation: Array, state: Array, muons: Array, back: float
) -> dict[str, Array]:
    """Columns of the stream ``muon`` for `muons` (n, 6): x, y, dx/dz, dy/dz, p GeV/c, charge.

    The muons are given where they leave what stands before the spectrometer, at z = `back` mm;
    `rotation` (3, 3) leads from the detector's axes to the beam's.
    Those with too few points make no track; of a fit that did not converge, all but the points and
    their number is NaN. Pattern recognition is perfect.
    """
    found = list(_tracks(slabs, state, muons, back))
    points = np.array([p for p, _ in found]).reshape(len(found), slabs.stations, 3)
    fits = np.array([f for _, f in found]).reshape(len(found), 7)
    return {
        "momentum": fits[:, :3].astype(np.float32),
        "momentum_beam": (fits[:, :3] @ rotation.T).astype(np.float32),
        "charge": fits[:, 3].astype(np.float32),
        "chi2": fits[:, 4].astype(np.float32),
        "ndf": fits[:, 5].astype(np.float32),
        "sigma": fits[:, 6].astype(np.float32),
        "position": points.astype(np.float32),
    }


def _tracks(slabs: Slabs, state: Array, muons: Array, back: float) -> Iterator[tuple[Array, Array]]:
    """Points (stations, 3), NaN where there is none, and numbers (7,) of each muon fitted."""
    gap = slabs.first - back
    for x, y, tx, ty, p, charge in muons.tolist():
        points = np.full((slabs.stations, 3), np.nan)
        n = cross(state, slabs, x + tx * gap, y + ty * gap, tx, ty, p, charge, points)
        if n >= LEAST_POINTS:
            yield points, fitted(slabs, points, n)


def fitted(slabs: Slabs, points: Array, n: int) -> Array:
    """Momentum (3), charge, chi2, its degrees of freedom and the error of q/p, of `n` >= 3 points.

    All but the degrees of freedom are NaN if the fit does not converge.
    """
    track, covariance = np.zeros(5), np.zeros((5, 5))
    chi2 = fit(slabs, points, n, track, covariance)
    way = np.array([track[2], track[3], 1.0])
    q_p = np.maximum(np.abs(track[4]), LEAST_Q_P)
    momentum = way / np.linalg.norm(way) / q_p
    charge = np.copysign(1.0, track[4]) if np.isfinite(track[4]) else np.nan
    return np.array([*momentum, charge, chi2, 2 * n - 5, np.sqrt(covariance[4, 4])])
