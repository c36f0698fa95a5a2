"""FASERCal files in the layouts of the collaboration's code, of events that are drawn at random."""

from collections import defaultdict
from pathlib import Path

import numpy as np

from intarsia.detectors.fasercal.generations import GENERATIONS

PDG = (11, -11, 22, 111, 13, -13, 15, 211, -211, 2212, 321, 1000060120)


def drawn(seed: int, generation: str = "A", hits: int = 40) -> dict[str, np.ndarray]:
    """The arrays of one event in the layout of main: reco_hits, true_hits and their links."""
    rng = np.random.default_rng(seed)
    geometry = GENERATIONS[generation]
    axes = geometry.axes()
    shape = tuple(a.n for a in axes)
    cells = np.stack(np.unravel_index(rng.choice(np.prod(shape), hits, replace=False), shape), 1)
    middles = np.stack([a.centres[i] for a, i in zip(axes, cells.T, strict=True)], 1)
    place, module = geometry.to_beam(middles), cells[:, 2] // geometry.module.planes
    flag = rng.choice([0, 0, 0, 1, 2], hits)
    links = np.where(flag == 0, rng.integers(1, 4, hits), 0)
    row = np.repeat(np.arange(hits), links)
    energy = rng.exponential(2.0, len(row)) * rng.choice([1.0, 1e-5], len(row), p=[0.9, 0.1])
    primary = rng.integers(1, 6, len(row))
    parent = np.where(rng.random(len(row)) < 0.3, 0, rng.integers(1, 12, len(row)))
    track = np.where(parent == 0, primary, rng.integers(6, 40, len(row)))
    true = np.concatenate(
        [
            np.stack([track, parent, primary, rng.choice(PDG, len(row))], 1),
            place[row],
            np.stack([module[row], energy], 1),
        ],
        axis=1,
    )
    order = rng.permutation(len(row))
    total = np.bincount(row, energy, minlength=hits)
    charge = rng.exponential(3.0, hits)
    vector = {n: rng.normal(0, 30, 3) for n in ("sp", "vis_sp", "jet")}
    neutrino = int(rng.choice([12, -14, 16, -16]))
    return {
        "run_number": np.int64(7),
        "event_id": np.int64(seed),
        "is_cc": np.bool_(rng.random() < 0.7),
        "is_tau": np.bool_(abs(neutrino) == 16),
        "charm": np.bool_(rng.random() < 0.5),
        "charmdecay": rng.choice([11, -13, 211, 321], rng.integers(0, 4)),
        "e_vis": np.float64(100.0),
        "primary_vertex": geometry.to_beam(middles[0] + rng.normal(0, 5, 3)),
        **{f"{n}_momentum": v for n, v in vector.items()},
        "true_hits": true[order].astype(np.float32),
        "reco_hits": np.concatenate(
            [place, np.stack([module, charge, flag], 1)], axis=1
        ).astype(np.float32),
        "true_index": np.argsort(order).astype(np.int32),
        "indptr": np.concatenate([[0], np.cumsum(links)]).astype(np.int32),
        "link_weight": (energy / total[row]).astype(np.float32),
        "ghost_mask": flag == 1,
        "in_neutrino_pdg": np.int64(neutrino),
        "in_neutrino_energy": np.float64(rng.uniform(10, 3000)),
        "tau_decay_mode": np.int64(rng.choice([1, 2, 3, 5]) if abs(neutrino) == 16 else -1),
        "rear_cal_modules": rng.exponential(100.0, (5, 5)),
        "rear_hcal_modules": rng.exponential(10.0, 9),
        "rear_mucal_energy": np.float64(rng.exponential(3.0)),
        "cells": cells,
    }  # fmt: skip


def write_npz(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    """As ``numpy.savez_compressed`` does on main; what begins with "cells" stays away."""
    np.savez_compressed(path, **{k: v for k, v in arrays.items() if k != "cells"})
    return path


def newer(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same event in the layout of develop_saul: other names, lists of particles, flags."""
    found = dict(arrays)
    found["is_charmed"], found["is_es"] = found.pop("charm"), np.bool_(False)
    names = ["g4_id", "track_id", "parent_id", "pdg"]
    products = np.zeros(len(found["charmdecay"]), [(n, np.int32) for n in names])
    products["pdg"] = found.pop("charmdecay")
    found["charm_decay"] = found["tau_decay"] = found["po"] = products
    true = found["true_hits"]
    first = (true[:, 1] == 0) & (true[:, 0] == true[:, 2])
    second = (true[:, 1] != 0) & (true[:, 1] == true[:, 2])
    flags = np.stack([first, second, np.zeros(len(true)), np.zeros(len(true))], 1)
    found["true_hits"] = np.concatenate([true, flags], 1).astype(np.float32)
    return found


def expected_labels(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Row labels of an event in the layout of main, worked out hit by hit."""
    n = len(arrays["reco_hits"])
    ghost, found = np.zeros(n, int), {k: np.full((n, 3), np.nan) for k in ("hierarchy", "category")}
    mode = int(arrays["tau_decay_mode"])
    for i in range(n):
        links = range(arrays["indptr"][i], arrays["indptr"][i + 1])
        energy, sums = 0.0, {k: defaultdict(float) for k in found}
        for link in links:
            track, parent, primary, pdg, *_, deposit = arrays["true_hits"][
                arrays["true_index"][link]
            ]
            weight = float(arrays["link_weight"][link])
            energy += float(deposit)
            direct = parent == primary and parent != 0
            level = 1 if parent == 0 and track == primary else 2 if direct else 0
            kind = 2 if abs(pdg) != 15 else {1: 0, 2: 1}.get(mode, 2)
            kind = 0 if abs(pdg) in (11, 22, 111) else 1 if abs(pdg) == 13 else kind
            sums["hierarchy"][level] += weight
            sums["category"][kind] += weight
        flag = arrays["reco_hits"][i, 5]
        ghost[i] = -1 if flag == 2 else int(flag == 1 or energy < 1e-3)
        for name, shares in sums.items():
            if ghost[i] == 0:
                total = sum(shares.values())
                found[name][i] = [shares[k] / total for k in range(3)]
    return found | {"ghost": ghost}


def calevent(seed: int, generation: str = "B") -> dict[str, object]:
    """The branches of a calEvent entry that are no pointers, by the names ROOT splits them into."""
    rng = np.random.default_rng(seed)
    one = lambda value, kind="f8": np.array([value], kind)
    sizes = {"A": (5, 9), "B": (5, 18), "C": (18, 18)}[generation]
    geometry = GENERATIONS[generation]
    towers = rng.permutation(25)[:7]
    tiles = (
        rng.integers(0, 18, 30) + 1000 * rng.integers(0, 18, 30) + 10**6 * rng.integers(0, 40, 30)
    )
    planes = np.arange(9)
    ecal = tiles[:12] if generation == "C" else towers
    hcal = planes if generation == "A" else tiles
    found = {
        "rearCalNxy": one(sizes[0], "i4"),
        "rearHCalNxy": one(sizes[1], "i4"),
        "fTiltAngleY": one(-geometry.tilt),
        "fFASERCal_LOS_shiftX": one(geometry.shift[0]),
        "fFASERCal_LOS_shiftY": one(geometry.shift[1]),
        "run_number": one(200, "i4"),
        "event_id": one(seed, "i4"),
        "isCC": one(True, "?"),
        "tau_decaymode": one(-1, "i4"),
        "in_neutrino.m_pdg_id": one(14, "i4"),
        "in_neutrino.m_energy": one(rng.uniform(100, 1000)),
        "POs.m_pdg_id": [np.array([14, 13, 211], "i4")],
        "POs.m_status": [np.array([4, 1, 1], "i4")],
        "POs.geanttrackID": [np.array([-1, 1, 2], "i4")],
        "rearcal.moduleID": [ecal.astype("i8")],
        "rearcal.energyDeposit": [rng.exponential(50, len(ecal))],
        "rearhcal.moduleID": [hcal.astype("i8")],
        "rearhcal.energyDeposit": [rng.exponential(5, len(hcal))],
        "rearmucal": one(rng.exponential(3)),
    }
    vertex = geometry.to_beam(rng.uniform(-200, 200, 3))
    found |= {f"prim_vx.fCoordinates.f{a}": one(v) for a, v in zip("XYZ", vertex, strict=True)}
    for start in ("vis_sp", "jetp"):
        found |= {f"{start}{a}": one(rng.normal(0, 50)) for a in "xyz"}
    return found


def recoevent(seed: int, entries: int = 5) -> dict[str, dict[str, object]]:
    """RecoEvent's voxel map and the flat tree of muons, as BatchReco writes them."""
    rng = np.random.default_rng(seed)
    voxels, muons = [], []
    for _ in range(entries):
        n, t = int(rng.integers(0, 50)), int(rng.integers(0, 3))
        cells = rng.choice(48 * 48 * 200, n, replace=False)
        x, y, z = cells % 48, cells // 48 % 48, cells // 48**2
        channel = x + 1000 * y + 10**6 * (z % 20) + 10**9 * (z // 20)
        voxels.append(
            (channel.astype("i8"), rng.exponential(2, n).astype("f4"), rng.random(n) < 0.3)
        )
        numbers = rng.normal(0, 30, (t, 5)).astype("f4")
        numbers[:, 3] = rng.exponential(5, t)
        muons.append((rng.choice([-1.0, 1.0], t).astype("f4"), numbers, rng.integers(1, 15, t)))
    return {
        "RecoEvent": {
            "PSvoxelmap.second.ID": [v[0] for v in voxels],
            "PSvoxelmap.second.RawEnergy": [v[1] for v in voxels],
            "PSvoxelmap.second.ghost": [v[2] for v in voxels],
        },
        "MuonSpectrometer": {
            "ntracks": np.array([len(m[0]) for m in muons], "i4"),
            "charge": [m[0] for m in muons],
            "px": [m[1][:, 0] for m in muons],
            "py": [m[1][:, 1] for m in muons],
            "pz": [m[1][:, 2] for m in muons],
            "chi2": [m[1][:, 3] for m in muons],
            "nDoF": [m[2].astype("i4") for m in muons],
        },
    }
