"""The authors' npz files of FASERCal events, one each, in both layouts of their code.

Source: saulam/faserDL, dataset/read_root.py on main 1c05c75 and on develop_saul a2f4197. The second
renames ``charm`` and ``charmdecay``, adds structured lists of particles, and flags to true hits.
Positions are in the frame of the beam; which generation a file is of is read off the places of its
cubes and its hadron calorimeter, never assumed.
"""

from __future__ import annotations

import re
from functools import partial
from math import radians
from pathlib import Path
from typing import Any

import numpy as np
from attrs import evolve

from intarsia.core.detector import Detector
from intarsia.core.errors import EventError
from intarsia.core.events import Array, Events
from intarsia.core.reading import (
    Ranges,
    Rows,
    Single,
    build,
    cells_of_points,
    integers,
    npz,
    numbers,
    shares,
)
from intarsia.core.reading.npz import Npz

from . import DETECTORS
from .generations import GENERATIONS
from .geometry import Geometry
from .labels import BACKGROUND, PRIMARY, SECONDARY, category, charm, flavour, known

_OFF = 0.6  # mm that a cube's centre may be off: positions are float32
_GHOST = 1e-3  # MeV
_REAL, _GHOST_FLAG, _UNMATCHED = 0, 1, 2


def opened(path: Path, generation: str, tilt: float, shift_x: float, shift_y: float) -> Single:
    """An event of `generation`; tilt in degrees and shift in mm of the detector in the beam."""
    at = evolve(GENERATIONS[generation], tilt=radians(tilt), shift=(shift_x, shift_y, 0.0))
    return Single(path, lambda: _event(path, DETECTORS[generation], at))


open_a, open_b, open_c = (partial(opened, generation=g) for g in "ABC")


def claims(path: Path) -> str:
    """Why the file is none of these, or nothing."""
    try:
        with npz(path) as file:
            return "" if "reco_hits" in file else "it has no reco_hits"
    except EventError as fault:
        return str(fault)


def _event(path: Path, detector: Detector, geometry: Geometry) -> Events:
    with npz(path) as file:
        hits = numbers(file["reco_hits"], "reco_hits", (None, 6))
        cells = _cells(hits[:, :4], file, geometry)
        columns = {"index": cells, "charge": hits[:, 4]}
        tau_mode = _integer(file, "tau_decay_mode", -1)
        if "true_hits" in file:
            columns |= _labels(file, hits, tau_mode)
        streams = {"3dcal": Rows(np.array([len(hits)]), columns)} | _rear(file, geometry.generation)
        truth = _truth(file, geometry, tau_mode)
        return build(detector, [_key(path, file)], streams, truth)


def _cells(hits: Array, file: Npz, geometry: Geometry) -> Array:
    """Cells (n, 3) of hits x, y, z, module (n, 4); EventError if this generation has no such ones."""
    generation = geometry.generation
    planes = file["rear_hcal_modules"].size if "rear_hcal_modules" in file else 0
    if planes == 9 and generation != "A":
        raise EventError(_other("rear_hcal_modules has 9 planes", "A"))
    found = _fit(hits, geometry)
    if found is not None:
        return found
    for name, other in GENERATIONS.items():
        if name != generation and len(hits) and _fit(hits, other) is not None:
            raise EventError(_other("reco_hits stand on its cubes", name))
    raise EventError(
        f"reco_hits: do not stand on the cubes of generation {generation}, nor of another "
        "(tilt, shift_x and shift_y of the detector in the beam are options)"
    )


def _other(why: str, generation: str) -> str:
    names = {"A": "fasercal_a", "B": "fasercal", "C": "fasercal_c"}
    return f"{why}: generation {generation}, which is the detector {names[generation]!r}"


def _fit(hits: Array, geometry: Geometry) -> Array | None:
    """Cells of hits if all stand in the middles of cubes of their modules."""
    axes = geometry.axes()
    points = geometry.to_detector(hits[:, :3].astype(np.float64))
    cells, inside = cells_of_points(points, axes)
    middles = np.stack([axis.centres[i] for axis, i in zip(axes, cells.T, strict=True)], axis=1)
    module = cells[:, 2] // geometry.module.planes
    fits = inside & (np.abs(points - middles) < _OFF).all(axis=1) & (module == hits[:, 3])
    return cells if fits.all() else None


def _labels(file: Npz, hits: Array, tau_mode: int) -> dict[str, Array]:
    """Row labels, by the links from each reconstructed voxel to true hits."""
    n = len(hits)
    true = numbers(file["true_hits"], "true_hits")
    if true.ndim != 2 or true.shape[1] not in (9, 13):
        raise EventError(f"true_hits: has shape {true.shape}, not (any, 9) or (any, 13)")
    index = integers(file["true_index"], "true_index", (None,))
    weight = numbers(file["link_weight"], "link_weight", (len(index),)).astype(np.float64)
    starts = integers(file["indptr"], "indptr", (n + 1,))
    links = Ranges.of_ends(starts[1:], len(index), "indptr")
    if starts[0]:
        raise EventError(f"indptr: begins at {starts[0]}, not 0")
    if ((index < 0) | (index >= len(true))).any():
        raise EventError(f"true_index: names true hits beyond the {len(true)} there are")
    if not ((weight >= 0) & (weight <= 1.001)).all():
        raise EventError("link_weight: must be between 0 and 1")
    flag = integers(hits[:, 5], "reco_hits")
    if not np.isin(flag, (_REAL, _GHOST_FLAG, _UNMATCHED)).all():
        raise EventError(f"reco_hits: flag {flag.max()} is not 0, 1 or 2")
    energy = links.total(true[index, 8].astype(np.float64))
    row = np.repeat(np.arange(n), links.counts)
    ghost = np.where((flag == _GHOST_FLAG) | (energy < _GHOST), 1, 0)
    ghost[flag == _UNMATCHED] = -1
    weight[ghost[row] != 0] = 0.0  # a ghost has no origin
    kinds = category(true[index, 3], tau_mode)
    return {
        "ghost": ghost,
        "hierarchy": shares(row, _hierarchy(true)[index], weight, n, 3),
        "category": shares(row, kinds, weight, n, 3),
    }


def _hierarchy(true: Array) -> Array:
    """Class of ``hierarchy`` of true hits: flags where the file has them, else by the numbers.

    A particle whose parent is its own primary is a direct daughter of one.
    """
    track, parent, primary = true[:, :3].T
    if true.shape[1] > 9:
        first, second = true[:, 9] > 0.5, true[:, 10] > 0.5
    else:
        first, second = (parent == 0) & (track == primary), (parent != 0) & (parent == primary)
    return np.where(first, PRIMARY, np.where(second, SECONDARY, BACKGROUND))


def _rear(file: Npz, generation: str) -> dict[str, Rows]:
    """What stands behind the 3DCal, where the file has it: MeV."""
    found = {}
    if "rear_cal_modules" in file and generation in "AB":
        found["ecal"] = _whole(numbers(file["rear_cal_modules"], "rear_cal_modules", (5, 5)))
    if generation == "A":
        if "rear_hcal_modules" in file:
            found["hcal"] = _whole(numbers(file["rear_hcal_modules"], "rear_hcal_modules", (9,)))
        if "rear_mucal_energy" in file:
            energy = numbers(file["rear_mucal_energy"], "rear_mucal_energy", ())
            found["mutag"] = _whole(energy.reshape(1))
    return found


def _whole(values: Array) -> Rows:
    return Rows(np.array([1]), {"energy": values[None]})


def _truth(file: Npz, geometry: Geometry, tau_mode: int) -> dict[str, Array]:
    """Event truth, as far as the file has it and it was filled in."""
    found: dict[str, Any] = {}
    neutrino = _integer(file, "in_neutrino_pdg", 0)
    if "is_cc" in file:
        found["flavour"] = flavour(bool(_integer(file, "is_cc", 0)), neutrino, tau_mode)
    name = "is_charmed" if "is_charmed" in file else "charm"
    if name in file:
        found["charm"] = charm(bool(_integer(file, name, 0)), _products(file))
    if "primary_vertex" in file:
        vertex = known(numbers(file["primary_vertex"], "primary_vertex", (3,)))
        # No event happens exactly where a vertex stands before it is filled in.
        found["vertex"] = geometry.to_detector(vertex) if vertex.any() else np.full(3, np.nan)
    for label, column in (("p_visible", "vis_sp_momentum"), ("p_jet", "jet_momentum")):
        if column in file:
            momentum = known(numbers(file[column], column, (3,)))
            found[f"{label}_beam"] = momentum
            found[label] = momentum @ geometry.rotation
    if "in_neutrino_energy" in file:
        energy = known(numbers(file["in_neutrino_energy"], "in_neutrino_energy", ()))
        found["energy"] = energy if energy > 0 else np.nan
    if neutrino:
        found["neutrino"] = neutrino
    return {name: np.asarray(value)[None] for name, value in found.items()}


def _products(file: Npz) -> Array:
    """PDG numbers of what charmed hadrons decay to."""
    if "charm_decay" in file:
        found = file["charm_decay"]
        if "pdg" not in (found.dtype.names or ()):
            raise EventError("charm_decay: has no column 'pdg'")
        return integers(found["pdg"].reshape(-1), "charm_decay")
    return (
        integers(file["charmdecay"].reshape(-1), "charmdecay")
        if "charmdecay" in file
        else np.zeros(0, np.int64)
    )


def _integer(file: Npz, name: str, missing: int) -> int:
    """A single whole number; `missing` if the file does not have it."""
    if name not in file:
        return missing
    return int(integers(file[name], name, ()))


def _key(path: Path, file: Npz) -> str:
    if "run_number" in file and "event_id" in file:
        return f"{_integer(file, 'run_number', 0)}/{_integer(file, 'event_id', 0)}"
    if match := re.match(r"(\d+)_(\d+)(?:_|$)", path.stem):
        return f"{match[1]}/{match[2]}"
    raise EventError("run_number, event_id: missing, and the file is not called RUN_EVENT.npz")
