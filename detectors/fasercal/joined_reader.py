"""Reconstructed events together with what the simulation knows of them, from the files of both."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from intarsia.core.detector import Detector
from intarsia.core.errors import EventError
from intarsia.core.events import Array, Events
from intarsia.core.reading import Rows, build

from .calevent_reader import GHOST, CalEvents


def joined(
    detector: Detector, generation: str, folder: str, key: str, streams: dict[str, Rows]
) -> Events:
    """The event `key` with the reconstructed `streams`, and all else of its ``calEvent`` file.

    A reconstructed voxel has the labels of the true deposits in its cube; it is a ghost if the
    reconstruction says so or less than 1 keV was deposited.
    """
    if not key:
        raise EventError("fTPOEvent: does not say which event it is, so its truth cannot be found")
    path = _file(Path(folder), *key.split("/"))
    with CalEvents(path, generation) as file:
        if len(file) != 1:
            raise EventError(f"truth: {path} has {len(file)} entries, not one")
        try:
            of, true, truth = file.parts(0)
        except EventError as fault:
            raise EventError(f"truth: {path}: {fault}") from fault
    if of != key:
        raise EventError(f"truth: {path} is of event {of}, not {key}")
    found = {**true, **streams}
    if "3dcal" in true and "3dcal" in streams:
        found["3dcal"] = _labelled(streams["3dcal"], true["3dcal"])
    return build(detector, [key], found, truth)


def _file(folder: Path, run: str, event: str) -> Path:
    """The file of an event; its name may end in the kind of interaction."""
    name = f"FASERG4-Tcalevent_{run}_{event}"
    found = sorted({*folder.glob(f"{name}.root"), *folder.glob(f"{name}_*.root")})
    if len(found) != 1:
        has = ", ".join(f.name for f in found) or "none"
        raise EventError(f"truth: must be one {name}.root or {name}_*.root in {folder}, not {has}")
    return found[0]


def _labelled(reco: Rows, true: Rows) -> Rows:
    """`reco` with the labels of the `true` cubes of one event."""
    cells, known = _flat(reco.columns["index"]), _flat(true.columns["index"])
    order = np.argsort(known)
    place = np.searchsorted(known, cells, sorter=order)
    near = np.append(order, -1)[place]  # the end of the list is no cell
    at = np.where(np.append(known, -1)[near] == cells, near, -1)
    deposit = np.where(at >= 0, np.append(true.columns["charge"], 0.0)[at], 0.0)
    ghost = (reco.columns["ghost"] == 1) | (deposit < GHOST)
    columns = {**reco.columns, "ghost": ghost.astype(np.int64)}
    for name in ("hierarchy", "category"):
        columns[name] = _taken(true.columns[name], np.where(ghost, -1, at))
    return Rows(reco.counts, columns)


def _flat(index: Array) -> Array:
    """One number per cell, (n,)."""
    x, y, z = index.T
    found: Array = (x * 10**4 + y) * 10**4 + z
    return found


def _taken(shares: Array, at: Array) -> Array:
    """Rows `at` of `shares` (m, k), NaN for -1."""
    found = np.full((len(at), shares.shape[1]), np.nan)
    found[at >= 0] = shares[at[at >= 0]]
    return found
