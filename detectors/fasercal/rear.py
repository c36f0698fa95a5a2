"""ECAL and AHCAL: signals of fast showers, by their average shapes.

What is few or slow is handed on to be followed layer by layer, see `calorimeters`. A calorimeter's
signal is the energy deposited in its scintillator, MeV. Sampling fractions are those of our own
transport of electrons and pions through the layers; resolutions are measured ones: LHCb's ECAL of
the same layers, 10 %/sqrt(E) + 1 % (JINST 3 (2008) S08005), and CALICE's iron AHCAL, pions
58 %/sqrt(E) (arXiv:1207.4210), which the transport has as well. A test compares both. MeV and mm.
"""
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from intarsia.core.simulation.compiled import Array, compiled
from intarsia.core.simulation.ionisation import landau_quantiles, mean_loss
from intarsia.core.simulation.materials import material
from intarsia.core.simulation.particles import (
    LAMBDA,
    M_MU,
    MASS,
    MU_MINUS,
    MU_PLUS,
    NEUTRON,
    POSITRON,
    PROTON,
)
from intarsia.core.simulation.random import circle, exponential, normals, uniform
from intarsia.core.simulation.showers import (
    electromagnetic_share,
    hadronic_depth,
    leakage,
    leaked,
    radius,
)
from intarsia.core.simulation.store import Store, clear

from .calorimeters import Calorimeter, behind, follow, taken
from .geometry import Geometry, Sandwich

ECAL_EM, ECAL_HADRON = 0.176, 0.155  # scintillator energy over incoming energy: e/h = 1.14
AHCAL_EM, AHCAL_HADRON = 0.0255, 0.0181  # 1.41
ECAL_SPREAD = 0.10  # sigma(E) / E at 1 GeV, electrons
HADRON_SPREAD = 0.50  # besides that of the electromagnetic share
LEAD_CRITICAL = 7.43  # MeV (PDG)
TILE_THRESHOLD = 0.16  # MeV, 0.3 of the most probable loss (0.53 MeV) of a muon in 3 mm
EM_CORE, EM_HALO = 9.0, 50.0  # mm, half of the energy of core and halo within
HADRON_EM, HADRON_WIDE = 12.0, 45.0
NUCLEON = 0.82  # their interaction length over that of pions (PDG), in lead as in iron
FORWARD = 0.05  # cosine; what leaves at larger angles meets nothing
SLOW = 600.0  # MeV; slower hadrons may stop before they collide: they are followed
SLOWEST = 20.0  # MeV; slower neutrons leave next to nothing
MOST_MUONS = 10  # behind the AHCAL
PER_GEV, MOST_SPOTS = 8.0, 400  # spots of a hadronic shower


class Rear(NamedTuple):
    """Numbers the kernels need; made by `rear`.

    sizes: (11,) ECAL front, depth mm, half width, tile, centre; AHCAL front, pitch, half width,
    tile, centre, layers. thick: (8,) of the ECAL: X0, interaction lengths, MIP MeV in
    scintillator, mean muon loss MeV; of an AHCAL layer: the same. leak: table of
    `showers.leakage`. landau: quantiles about their mean. ecal: (y, x) and ahcal: (x, y, layer)
    MeV of the event.
    """

    sizes: Array
    thick: Array
    leak: Array
    landau: Array
    ecal: Array
    ahcal: Array


def rear(geometry: Geometry) -> Rear:
    """Numbers of the ECAL and AHCAL of `geometry`, and room for their signals."""
    e, a = geometry.ecal, geometry.ahcal
    ecal, layer = _thickness(e, e.layers), _thickness(a, 1)
    sizes = (e.front, e.depth, e.half, e.tile, e.centre, a.front, a.pitch, a.half, a.tile, a.centre)
    quantiles = np.minimum(landau_quantiles(), 30.0)
    return Rear(
        np.array([*sizes, a.layers]),
        np.array([*ecal, *layer]),
        leakage(ecal[0], LEAD_CRITICAL),
        quantiles - quantiles.mean(),
        np.zeros((e.tiles, e.tiles)),
        np.zeros((a.tiles, a.tiles, a.layers)),
    )


def _thickness(s: Sandwich, layers: int) -> tuple[float, float, float, float]:
    """X0, interaction lengths, MIP in scintillator, mean loss of a 20 GeV muon, of `layers`."""
    parts = [(material(name), layers * t) for t, name in (s.absorber, s.scintillator)]
    x0 = sum(t / m.radiation_length for m, t in parts)
    lengths = sum(t / m.pion_length for m, t in parts)
    bg = np.array([20e3 / M_MU])
    mip = float(mean_loss(bg, parts[1][0], cut=3.0)[0]) * parts[1][1]
    loss = sum(float(mean_loss(bg, m)[0]) * t for m, t in parts)
    return x0, lengths, mip, loss


@compiled
def _tower(ecal: Array, sizes: Array, x: float, y: float, energy: float) -> None:
    """Add to the ECAL tower at (x, y); ecal is [y, x]."""
    i = math.floor((x - sizes[4] + sizes[2]) / sizes[3])
    j = math.floor((y - sizes[4] + sizes[2]) / sizes[3])
    if i >= 0 and j >= 0 and i < ecal.shape[1] and j < ecal.shape[0]:
        ecal[int(j), int(i)] += energy


@compiled
def _tile(ahcal: Array, sizes: Array, x: float, y: float, layer: int, energy: float) -> None:
    """Add to the AHCAL tile at (x, y); ahcal is [x, y, layer]."""
    i = math.floor((x - sizes[9] + sizes[7]) / sizes[8])
    j = math.floor((y - sizes[9] + sizes[7]) / sizes[8])
    inside = i >= 0 and j >= 0 and i < ahcal.shape[0] and j < ahcal.shape[1]
    if inside and layer >= 0 and layer < ahcal.shape[2]:
        ahcal[int(i), int(j), layer] += energy


@compiled
def _electromagnetic(
    r: Rear, state: Array, x: float, y: float, tx: float, ty: float, e: float
) -> None:
    """A photon or electron at the ECAL's face: spots in towers, leakage in the first layers."""
    if e < 20.0:
        _tower(r.ecal, r.sizes, x, y, 0.8 * ECAL_EM * e)
        return
    g, h = normals(state)
    gev = 1e-3 * e
    spread = math.sqrt(ECAL_SPREAD**2 / gev + 1e-4) if gev > 0.05 else 0.35
    seen = ECAL_EM * e * max(1.0 + spread * g, 0.0)
    share = leaked(r.leak, gev)
    n = 1 + int(min(24.0, 3.0 * gev))
    for _ in range(n):
        core = EM_CORE if uniform(state) < 0.85 else EM_HALO
        d, (a, b) = radius(state, core, 200.0), circle(state)
        sx, sy = x + 60.0 * tx + d * a, y + 60.0 * ty + d * b
        _tower(r.ecal, r.sizes, sx, sy, seen * (1.0 - share) / n)
    if share * e > 5.0:
        depth = r.sizes[1]
        for _ in range(3):
            layer = int(1.8 * exponential(state))
            sx, sy = x + depth * tx + 15.0 * h, y + depth * ty + 15.0 * normals(state)[0]
            _tile(r.ahcal, r.sizes, sx, sy, layer, AHCAL_EM * share * e / 3.0)


@compiled
def _ionise(
    r: Rear, state: Array, x: float, y: float, tx: float, ty: float, lengths: float
) -> None:
    """The track of a charged hadron, `lengths` pion interaction lengths long."""
    share = min(1.0, lengths / r.thick[1])
    mean = r.thick[2] / 6.0
    total = 0.0
    for _ in range(6):  # six paths of eleven layers each
        k = int(uniform(state) * r.landau.shape[0])
        total += max(mean + 0.40 * r.landau[k], 0.5 * mean)
    _tower(r.ecal, r.sizes, x + 100.0 * tx, y + 100.0 * ty, total * share)
    layers = int(min((lengths - r.thick[1]) / r.thick[5], r.sizes[10]))
    for i in range(layers):
        z = r.sizes[5] + (i + 1) * r.sizes[6] - r.sizes[0]
        k = int(uniform(state) * r.landau.shape[0])
        e = max(r.thick[6] + 0.0257 * r.landau[k], 0.1)  # xi of 3 mm of polystyrene
        _tile(r.ahcal, r.sizes, x + z * tx, y + z * ty, i, e)


@compiled
def _hadronic(
    r: Rear, state: Array, x: float, y: float, tx: float, ty: float, e: float, start: float
) -> None:
    """A hadronic shower that begins `start` interaction lengths behind the ECAL's face."""
    gev = 1e-3 * e
    electromagnetic = electromagnetic_share(state, gev)
    n = 15 + int(min(1.0 * MOST_SPOTS, PER_GEV * gev))
    seen = e * max(1.0 + HADRON_SPREAD * normals(state)[0] / math.sqrt(max(gev, 0.3)), 0.1)
    for _ in range(n):
        em = uniform(state) < electromagnetic
        dense = start > r.thick[1]
        ratio = r.thick[4] / r.thick[5] if dense else r.thick[0] / r.thick[1]
        depth = start + hadronic_depth(state, gev, em, ratio)
        d, (a, b) = radius(state, HADRON_EM if em else HADRON_WIDE, 400.0), circle(state)
        dx, dy = d * a, d * b
        part = seen / n * (0.4 + 1.2 * uniform(state))
        if depth < r.thick[1]:
            z = r.sizes[1] * depth / r.thick[1]
            fraction = ECAL_EM if em else ECAL_HADRON
            _tower(r.ecal, r.sizes, x + tx * z + dx, y + ty * z + dy, fraction * part)
        else:
            layer = int((depth - r.thick[1]) / r.thick[5])
            z = r.sizes[5] + (layer + 1) * r.sizes[6] - r.sizes[0]
            fraction = AHCAL_EM if em else AHCAL_HADRON
            _tile(r.ahcal, r.sizes, x + tx * z + dx, y + ty * z + dy, layer, fraction * part)


@compiled
def _hadron(
    r: Rear, state: Array, kind: int, x: float, y: float, tx: float, ty: float, e: float
) -> None:
    """A fast hadron at the ECAL's face: its track, and the shower of what that leaves of it."""
    start = exponential(state) * (NUCLEON if kind in (PROTON, NEUTRON, LAMBDA) else 1.0)
    if kind < NEUTRON:
        before = min(start, r.thick[1])
        lost = r.thick[3] * before / r.thick[1] + r.thick[7] * (start - before) / r.thick[5]
        _ionise(r, state, x, y, tx, ty, start * min(1.0, e / lost))
        e -= lost
    rest = 0.0 if kind in (PROTON, NEUTRON, LAMBDA) else MASS[kind]
    if e > 0.0 and start < r.thick[1] + r.sizes[10] * r.thick[5]:
        _hadronic(r, state, x, y, tx, ty, e + 0.5 * rest, start)


@compiled
def respond(
    r: Rear, state: Array, left: Array, n: int, ecal: Store, ahcal: Store, muons: Array
) -> int:
    """Signals of fast showers of the `n` particles of `left` in `r.ecal` and `r.ahcal`.

    Muons, slow hadrons and what meets the AHCAL only are put on the stacks of `ecal` and `ahcal`;
    muons that miss both are written to `muons`, see `calorimeters.behind`: returns how many.
    """
    r.ecal[:, :] = 0.0
    r.ahcal[:, :, :] = 0.0
    found = 0
    for i in range(n):
        row = left[i]
        kind, e = int(row[0]), row[7]
        if row[6] < FORWARD or (kind >= NEUTRON and e < SLOWEST):
            continue
        tx, ty = row[4] / row[6], row[5] / row[6]
        gap = r.sizes[0] - row[3]
        x, y = row[1] + tx * gap, row[2] + ty * gap
        muon = kind in (MU_MINUS, MU_PLUS)
        if max(abs(x - r.sizes[4]), abs(y - r.sizes[4])) >= r.sizes[2]:
            if not taken(ahcal, row, r.sizes[5], r.sizes[9], r.sizes[7]) and muon:
                found = behind(muons, found, row, r.sizes[5] + r.sizes[10] * r.sizes[6])
        elif muon or (kind > POSITRON and e < SLOW):
            taken(ecal, row, r.sizes[0], r.sizes[4], r.sizes[2])
        elif kind <= POSITRON:
            _electromagnetic(r, state, x, y, tx, ty, e)
        else:
            _hadron(r, state, kind, x, y, tx, ty, e)
    return found


def signals(
    r: Rear, calorimeters: tuple[Calorimeter, Calorimeter], state: Array, left: Array, n: int
) -> Array:
    """What the `n` particles of `left` leave in `r.ecal` and `r.ahcal`; the muons behind, (m, 6).

    Of a muon x, y, dx/dz, dy/dz, p in GeV/c and charge at the back of the AHCAL; MOST_MUONS at most.
    """
    ecal, ahcal = calorimeters
    clear(ecal.store)
    clear(ahcal.store)
    muons = np.zeros((MOST_MUONS, 6))
    found = respond(r, state, left, n, ecal.store, ahcal.store, muons)
    found = follow(ecal, ahcal, state, r.ecal, r.ahcal, muons, found)
    return muons[:found]
