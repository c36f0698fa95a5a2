"""PILArNet files in the layouts of larcv3 and PILArNet-M, of events that are drawn at random."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

EXTENT = np.dtype(
    {"names": ["first", "N"], "formats": ["<u8", "<u4"], "offsets": [0, 8], "itemsize": 16}
)
NUMBERED = np.dtype([("first", "<u8"), ("N", "<u4"), ("ID", "<u4")])
VOXEL = np.dtype(
    {"names": ["id", "value"], "formats": ["<u8", "<f4"], "offsets": [0, 8], "itemsize": 16}
)
META = np.dtype(
    {
        "names": ["valid", "projection_id", "image_sizes", "number_of_voxels", "origin"],
        "formats": ["u1", "<u8", ("<f8", (3,)), ("<u8", (3,)), ("<f8", (3,))],
        "offsets": [0, 8, 16, 40, 64],
        "itemsize": 96,
    }
)
_VERTEX = [(c, "<f8") for c in "xyzt"]
PARTICLE = np.dtype(
    [
        ("id", "<u2"), ("mcst_index", "<u2"), ("mct_index", "<u2"), ("_", "<u2"), ("shape", "<i4"),
        ("current_type", "<i2"), ("interaction_type", "<i2"), ("trackid", "<u4"), ("pdg", "<i4"),
        ("px", "<f8"), ("py", "<f8"), ("pz", "<f8"), ("vtx", _VERTEX), ("end_pt", _VERTEX),
        ("first_step", _VERTEX), ("last_step", _VERTEX), ("dist_travel", "<f8"),
        ("energy_init", "<f8"), ("energy_deposit", "<f8"), ("process", "S64"),
        ("parent_trackid", "<u4"), ("parent_pdg", "<i4"), ("parent_vtx", _VERTEX),
        ("ancestor_trackid", "<u4"), ("ancestor_pdg", "<i4"), ("ancestor_vtx", _VERTEX),
    ]
)  # fmt: skip
PDG = (22, 11, -11, 13, -13, 211, -211, 2212, 321)
MASS = {22: 0.0, 11: 0.511, 13: 105.658, 211: 139.57, 2212: 938.272, 321: 493.677}


def drawn(seed: int, events: int = 3, particles: int = 4, side: int = 96) -> list[dict]:
    """Events of a few particles, each a random walk of voxels; the last cluster is of none."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(events):
        start = rng.integers(side // 4, 3 * side // 4, 3)
        each = []
        for _ in range(particles + 1):
            way = rng.choice([0, 1], (int(rng.integers(10, 40)), 3))
            walk = np.clip(np.cumsum(way, 0) - way[0] + start, 0, side - 1)
            each.append(np.unique(walk, axis=0))
        energy = [rng.exponential(1.0, len(x)).astype(np.float32) + 0.01 for x in each]
        found.append(
            {
                "event": number + 1,
                "side": side,
                "cells": each,
                "energy": energy,
                "five": rng.integers(0, 5, particles + 1),
                "pdg": rng.choice(PDG, particles),
                "momentum": rng.normal(0, 200, (particles, 3)),
                "primary": rng.random(particles) < 0.7,
            }
        )
    return found


def merged(event: dict) -> dict[tuple[int, int, int], float]:
    """Energy of each voxel of an event, added up by plain loops."""
    total: dict[tuple[int, int, int], float] = {}
    for cells, energy in zip(event["cells"], event["energy"], strict=True):
        for cell, e in zip(map(tuple, cells.tolist()), energy.tolist(), strict=True):
            total[cell] = total.get(cell, 0.0) + e
    return total


def write_larcv3(path: Path, events: list[dict], clusters: bool = True) -> None:
    """A larcv3 file of `events`, with the producers data, fivetypes and mcst."""
    with h5py.File(path, "w") as file:
        ids = [(1, 0, e["event"]) for e in events]
        kinds = [(c, "<i8") for c in ("run", "subrun", "event")]
        file["Events/event_id"] = np.array(ids, kinds)
        total = [merged(e) for e in events]
        five = [_fivetypes(e) for e in events]
        _sparse(
            file,
            "sparse3d_data",
            events,
            [_linear(t, e) for t, e in zip(total, events, strict=True)],
        )
        _sparse(
            file,
            "sparse3d_fivetypes",
            events,
            [_linear(t, e) for t, e in zip(five, events, strict=True)],
        )
        if clusters:
            _clusters(file, "cluster3d_mcst", events)
        _particles(file, "particle_mcst", events)


def write_m(path: Path, events: list[dict], revision: str = "v2") -> None:
    """A PILArNet-M file of `events`; the cluster without a particle is the low-energy one."""
    semantic = np.array([1, 1, 0, 3, 2])  # of the five types
    kind = {22: 0, 11: 1, 13: 2, 211: 3, 2212: 4, 321: 5}
    points, clusters, extra = [], [], []
    for e in events:
        order = [len(e["pdg"]), *range(len(e["pdg"]))]
        rows, c, x = [], [], []
        for i in order:
            n = len(e["cells"][i])
            row = np.zeros((n, 8), np.float32)
            row[:, :3], row[:, 3], row[:, 4] = e["cells"][i], e["energy"][i], e["energy"][i]
            rows.append(row)
            low = i == len(e["pdg"])
            pid = -1 if low else kind[abs(int(e["pdg"][i]))]
            c.append([n, -1, -1, -1, 4, -1] if low else [n, i, i, 0, semantic[e["five"][i]], pid])
            size = 1e-3 * np.linalg.norm(e["momentum"][i]) if not low else -1
            x.append([-1] * 5 if low else [MASS[abs(int(e["pdg"][i]))], size, 0, 0, 0])
        points.append(np.concatenate(rows).reshape(-1))
        clusters.append(np.array(c)[:, : 5 + (revision == "v2")].reshape(-1))
        extra.append(np.array(x, np.float32).reshape(-1))
    with h5py.File(path, "w") as file:
        _ragged(file, "point", points, "<f4")
        _ragged(file, "cluster", clusters, "<i4")
        if revision == "v2":
            _ragged(file, "cluster_extra", extra, "<f4")


def _ragged(file, name, rows, dtype):
    data = file.create_dataset(name, (len(rows),), h5py.vlen_dtype(np.dtype(dtype)))
    for i, row in enumerate(rows):
        data[i] = row.astype(dtype)


def _fivetypes(event):
    """Class of each voxel: of the last cluster that has it."""
    found = {}
    for cells, five in zip(event["cells"], event["five"], strict=True):
        found |= {cell: float(five) for cell in map(tuple, cells.tolist())}
    return found


def _linear(values, event):
    """Voxel ids, last axis fastest, in ascending order, and their values."""
    side = event["side"]
    voxels = [((x * side + y) * side + z, v) for (x, y, z), v in values.items()]
    return np.array(sorted(voxels), VOXEL)


def _extents(counts, dtype=EXTENT):
    found = np.zeros(len(counts), dtype)
    found["N"] = counts
    found["first"] = np.cumsum(counts) - counts
    return found


def _meta(events):
    found = np.zeros(len(events), META)
    found["valid"] = 1
    for row, e in zip(found, events, strict=True):
        row["number_of_voxels"], row["image_sizes"] = e["side"], 0.3 * e["side"]
    return found


def _sparse(file, product, events, voxels):
    group = f"Data/{product}_group"
    file[f"{group}/extents"] = _extents(np.ones(len(events), int))
    file[f"{group}/voxel_extents"] = _extents(np.array([len(v) for v in voxels]), NUMBERED)
    file[f"{group}/image_meta"] = _meta(events)
    file[f"{group}/voxels"] = np.concatenate(voxels)


def _clusters(file, product, events):
    group = f"Data/{product}_group"
    each = [
        _linear(dict(zip(map(tuple, c.tolist()), v.tolist(), strict=True)), e)
        for e in events
        for c, v in zip(e["cells"], e["energy"], strict=True)
    ]
    file[f"{group}/extents"] = _extents(np.ones(len(events), int))
    owned = np.array([len(e["cells"]) for e in events])
    file[f"{group}/projection_extents"] = _extents(owned, NUMBERED)
    inner = _extents(np.array([len(v) for v in each]), NUMBERED)
    inner["ID"] = np.concatenate([np.arange(n) for n in owned])
    file[f"{group}/cluster_extents"] = inner
    file[f"{group}/image_meta"] = _meta(events)
    file[f"{group}/voxels"] = np.concatenate(each)


def _particles(file, product, events):
    group = f"Data/{product}_group"
    file[f"{group}/extents"] = _extents(np.array([len(e["pdg"]) for e in events]))
    rows = []
    for e in events:
        found = np.zeros(len(e["pdg"]), PARTICLE)
        found["id"], found["pdg"] = np.arange(len(found)), e["pdg"]
        found["trackid"] = 1 + np.arange(len(found))
        found["parent_trackid"] = np.where(e["primary"], found["trackid"], 0)
        found["px"], found["py"], found["pz"] = e["momentum"].T
        rows.append(found)
    file[f"{group}/particles"] = np.concatenate(rows)
