"""Particles shot into blocks of matter, layer by layer."""

import math

import numpy as np

from intarsia.core.simulation.medium import Layer, medium
from intarsia.core.simulation.random import seeded
from intarsia.core.simulation.store import CELLS, LEFT, LOST, clear, store
from intarsia.core.simulation.transport import transport


def block(layers, cells, pitch, planes):
    """A detector of `layers` (thickness, material, read out), `cells` wide in x and y."""
    slabs, z, plane = [], 0.0, 0
    for thickness, name, active in layers:
        slabs.append(Layer(z, z + thickness, name, plane if active else -1))
        plane += round(thickness / pitch) if active else 0
        z += thickness
    low = -0.5 * cells * pitch
    tables = medium(slabs, (cells, cells, planes), pitch, (low, low), 0.0)
    return tables, store(cells * cells * planes, rows=400_000), cells, planes


def shoot(where, kind, energy, event):
    """One particle along z: place (3, n) of the cells, MeV in them, what left."""
    tables, s, cells, planes = where
    clear(s)
    s.stack[0] = [kind, 0.1, 0.1, 0.01, 0.0, 0.0, 1.0, energy, 0.0, 0.0]
    s.used[0] = 1
    transport(s, tables, seeded(21, event))
    n = s.used[CELLS]
    assert s.used[LOST] == 0
    index = np.stack(np.unravel_index(s.cell[:n], (cells, cells, planes)))
    return index, s.deposit[:n, :3].sum(1), s.left[: s.used[LEFT]].copy()


def sampled(where, kind, energy, events):
    """Mean share of `energy`, MeV, in what is read out, and sigma sqrt(E / GeV) over the mean."""
    e = np.array([shoot(where, kind, energy, event)[1].sum() for event in range(events)]) / energy
    return e.mean(), e.std(ddof=1) / e.mean() * math.sqrt(energy / 1e3)
