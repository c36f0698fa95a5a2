"""larcv2's ROOT files: one that ROOT wrote, and ones like it as far as uproot can write them."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from .pilarnet import merged

FILE = Path(__file__).parent.parent / "genuine" / "larcv2.root"


def written() -> list[dict]:
    """The events of `FILE`, from the text it was made of; as `pilarnet.drawn` gives them."""
    words = iter(FILE.with_suffix(".txt").read_text().split())
    found = []
    for number in words:
        side, n = int(next(words)), int(next(words))
        event: dict = {"event": int(number), "side": side, "cells": [], "energy": []}
        particles = []
        for _ in range(n):
            voxels = int(next(words))
            particles.append([float(next(words)) for _ in range(6)])
            rows = np.array([next(words) for _ in range(4 * voxels)]).reshape(voxels, 4)
            event["cells"].append(rows[:, :3].astype(int))
            event["energy"].append(rows[:, 3].astype(np.float32))
        table = np.array(particles)
        own = table[:, 1] != 0
        event |= {"five": table[:, 0].astype(int), "pdg": table[own, 1].astype(int)}
        event |= {"primary": table[own, 2] == 1, "momentum": table[own, 3:]}
        found.append(event)
    return found


def products(events: list[dict]) -> dict[str, dict]:
    """Trees of energies and clusters of `events`, with the branches that a split tree has."""
    sides = np.array([e["side"] for e in events], "u8")
    common = {"_run": np.ones(len(events), "u8"), "_subrun": np.zeros(len(events), "u8")}
    common["_event"] = np.array([e["event"] for e in events], "u8")
    for axis in "xyz":
        common |= {f"_meta._{axis}num": sides, f"_meta._{axis}len": np.full(len(events), 3.0)}
        common[f"_meta._p1.{axis}"] = np.zeros(len(events))
    whole = [list(zip(*merged(e).items(), strict=True)) for e in events]
    each = [[_ids(np.array(c), e["side"]) for c in e["cells"]] for e in events]
    return {
        "sparse3d_data_tree": common
        | {
            "_voxel_v._id": [_ids(np.array(c), e["side"]) for (c, _), e in zip(whole, events, strict=True)],
            "_voxel_v._value": [np.array(v, "f4") for _, v in whole],
        },
        "cluster3d_mcst_tree": common
        | {
            "_voxel_vv._id": [np.arange(len(i), dtype="u2") for i in each],
            "_voxel_vv._voxel_v": [
                vectors(i, e["energy"]) for i, e in zip(each, events, strict=True)
            ],
        },
        "particle_mcst_tree": common
        | {"_part_v._pdg": [e["pdg"].astype("i4") for e in events]},
    }  # fmt: skip


def vectors(ids: list, values: list, checksum: int = 0x7A384FDA) -> np.ndarray:
    """Bytes of a vector of vectors of voxels, member by member as ROOT writes it."""
    body = struct.pack(">HHI", 0x400A, 0, checksum)
    for one, two in zip(ids, values, strict=True):
        body += struct.pack(">i", len(one))
        body += np.asarray(one, ">u8").tobytes() + np.asarray(two, ">f4").tobytes()
    return np.frombuffer(struct.pack(">I", 0x40000000 | len(body)) + body, "u1")


def _ids(cells, side):
    return ((cells[:, 2] * side + cells[:, 1]) * side + cells[:, 0]).astype("u8")
