"""SuperFGD's dictionaries in .pt files, of particles that are drawn at random."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch


def drawn(seed: int, hits: int = 30, **keys: object) -> dict[str, object]:
    """A straight line of hits at the middles of cubes, and where the particle truly was."""
    rng = np.random.default_rng(seed)
    way = rng.normal(size=3)
    way /= np.linalg.norm(way)
    nodes = rng.uniform(-500, 500, 3) + 11.0 * np.arange(hits)[:, None] * way
    centres = 10.0 * np.floor(nodes / 10) + 5.0
    charge = rng.gamma(4.0, 12.0, hits)
    return {"reco_hits": np.column_stack([centres, charge]), "true_nodes": nodes, **keys}


def write_pt(path: Path, particle: dict[str, object]) -> None:
    """`particle` as torch.save writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(particle, path)
