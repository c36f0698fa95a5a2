"""ECAL and AHCAL from what leaves the 3DCal, by average shower shapes; muons go on.

A calorimeter's signal is the energy deposited in its scintillator, MeV. Sampling fractions are those
of our own transport of electrons and pions through the layers; resolutions are measured ones: LHCb's
ECAL of the same layers, 10 %/sqrt(E) + 1 % (JINST 3 (2008) S08005), and CALICE's iron AHCAL, pions
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
from intarsia.core.simulation.trackfit import scattering

from .geometry import Geometry, Sandwich

ECAL_EM, ECAL_HADRON = 0.176, 0.125  # scintillator energy over incoming energy
AHCAL_EM, AHCAL_HADRON = 0.0255, 0.0181  # e/h = 1.41 in both
ECAL_SPREAD = 0.10  # sigma(E) / E at 1 GeV, electrons
HADRON_SPREAD = 0.50  # besides that of the electromagnetic share
LEAD_CRITICAL = 7.43  # MeV (PDG)
TILE_THRESHOLD = 0.16  # MeV, 0.3 of the most probable loss (0.53 MeV) of a muon in 3 mm
EM_CORE, EM_HALO = 9.0, 50.0  # mm, half of the energy of core and halo within
HADRON_EM, HADRON_WIDE = 12.0, 45.0
RADIATIVE = 1.9e-6  # per mm: b of iron (PDG, 1 TeV) at 0.7 of its density
SOFT = 200.0  # MeV; hadrons below leave their energy in the ECAL
MINIMUM = 500.0  # MeV; slower muons do not count behind the AHCAL
PER_GEV, MOST_SPOTS = 5.0, 400  # spots of a hadronic shower


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
    """The track of a charged hadron or muon, `lengths` pion interaction lengths long."""
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
    n = 8 + int(min(1.0 * MOST_SPOTS, PER_GEV * gev))
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
def _through(r: Rear, state: Array, row: Array, muons: Array, n: int) -> int:
    """Take a muon through ECAL and AHCAL: (x, y, tx, ty, p GeV/c, charge) at the AHCAL's back."""
    energy = row[7]
    tx, ty = row[4] / row[6], row[5] / row[6]
    x, y, z = row[1], row[2], row[3]
    slant = math.sqrt(1.0 + tx * tx + ty * ty)
    layers = r.sizes[10]
    for part in range(2):
        length = r.sizes[1] if part == 0 else layers * r.sizes[6]
        front = r.sizes[0] if part == 0 else r.sizes[5]
        lost = r.thick[3] if part == 0 else layers * r.thick[7]
        x0 = r.thick[0] if part == 0 else layers * r.thick[4]
        half, centre = r.sizes[2 + 5 * part], r.sizes[4 + 5 * part]
        middle = front - z + 0.5 * length
        inside = abs(x + tx * middle - centre) < half and abs(y + ty * middle - centre) < half
        x += tx * (front - z + length)
        y += ty * (front - z + length)
        z = front + length
        if not inside:
            continue
        energy -= (lost + RADIATIVE * energy * length) * slant
        if energy < MINIMUM:
            return n
        theta = scattering(1e-3 * (energy + M_MU), x0 * slant)
        a, b = normals(state)
        c, d = normals(state)
        x += theta * length * (0.5 * a + 0.288675 * c)  # PDG 34.21: displacement and angle
        y += theta * length * (0.5 * b + 0.288675 * d)
        tx += theta * a
        ty += theta * b
    if n >= muons.shape[0]:
        return n
    out = muons[n]
    out[0], out[1], out[2], out[3] = x, y, tx, ty
    out[4] = 1e-3 * math.sqrt(energy * (energy + 2.0 * M_MU))
    out[5] = 1.0 if row[0] == MU_PLUS else -1.0
    return n + 1


@compiled
def respond(r: Rear, state: Array, left: Array, n: int, muons: Array) -> int:
    """Signals of the `n` particles of `left` in `r.ecal` and `r.ahcal`; number of muons behind.

    muons: (m, 6), what `trackfit.cross` needs, at the back of the AHCAL.
    """
    r.ecal[:, :] = 0.0
    r.ahcal[:, :, :] = 0.0
    found = 0
    for i in range(n):
        row = left[i]
        kind, e = int(row[0]), row[7]
        if row[6] < 0.05:
            continue
        tx, ty = row[4] / row[6], row[5] / row[6]
        gap = r.sizes[0] - row[3]
        x, y = row[1] + tx * gap, row[2] + ty * gap
        muon = kind in (MU_MINUS, MU_PLUS)
        if not muon and max(abs(x - r.sizes[4]), abs(y - r.sizes[4])) > r.sizes[2]:
            continue
        if kind <= POSITRON:
            _electromagnetic(r, state, x, y, tx, ty, e)
        elif muon:
            _ionise(r, state, x, y, tx, ty, 1e9)
            found = _through(r, state, row, muons, found)
        elif e < SOFT:
            if kind < NEUTRON:
                _tower(r.ecal, r.sizes, x, y, 0.15 * min(e, 100.0))
        else:
            start = exponential(state)
            if kind < NEUTRON:
                _ionise(r, state, x, y, tx, ty, start)
            rest = 0.0 if kind in (PROTON, NEUTRON) else MASS[kind]
            if start < r.thick[1] + r.sizes[10] * r.thick[5]:
                _hadronic(r, state, x, y, tx, ty, e + 0.5 * rest, start)
    return found
