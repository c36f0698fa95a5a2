"""Photons, electrons and muons: their cross sections per mm, and what happens at a vertex.

Sources: Klein and Nishina (1929); `screening` for radiation and pairs; PDG review 34.2.5 (delta
rays) and 34.6 (radiation of muons). Energies in MeV, lengths in mm.
"""
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import math

import numpy as np

from . import screening
from .compiled import Array, compiled
from .ionisation import CUT, xi
from .materials import Material
from .particles import ELECTRON, GAMMA, M_E, POSITRON
from .random import normals, uniform
from .store import push
from .tables import GRID
from .vectors import Vector, deflect, rotate

PHOTON_CUT = 2.0  # bremsstrahlung above this is followed; softer photons are absorbed on the spot
ELECTRON_CUT = 1.5  # slower electrons leave their energy where they are
COMPTON_CUT = 0.25  # softer photons are absorbed where they scattered last
TRANSFER = 20.0  # smallest radiative loss of a muon that is made, as one photon or electron
FAR = 1e30
R_E2 = 0.0794078  # classical electron radius squared, barn


def photon_tables(materials: tuple[Material, ...]) -> Array:
    """Pairs; pairs and Compton; everything; per mm and cumulative, by energy: (3, M, SIZE)."""
    k = GRID / M_E
    a, log = 1.0 + 2.0 * k, np.log1p(2.0 * k)
    klein = (1 + k) / k**2 * (2 * (1 + k) / a - log / k) + log / (2 * k) - (1 + 3 * k) / a**2
    compton = 2.0 * np.pi * R_E2 * np.maximum(klein, 0.0)  # rounding spoils it below 1 keV
    rows = []
    for m in materials:
        pairs = screening.pairs(*screening.constants(m.z)) / m.radiation_length
        electrons = 0.06022 * m.density * m.za  # per barn and mm
        # Photoelectric absorption matters here in heavy absorbers alone: Z^5 E^-3, our normalisation
        photo = 0.01 * (m.z / 74.0) ** 4 * (0.5 / GRID) ** 3 * m.z if m.z > 20 else 0.0
        scatter = pairs + electrons * compton
        rows.append((pairs, scatter, scatter + electrons * photo))
    return np.array(rows).transpose(1, 0, 2).copy()


def electron_tables(materials: tuple[Material, ...]) -> tuple[Array, Array]:
    """Hard events (photons, delta rays) per mm and soft radiation in MeV/mm: (M, SIZE) each."""
    hard, soft = [], []
    for m in materials:
        many, energy = screening.photons(*screening.constants(m.z), PHOTON_CUT)
        knocked = xi(m) * np.maximum(1.0 / CUT - 2.0 / GRID, 0.0)
        hard.append(many / m.radiation_length + knocked)
        soft.append(energy / m.radiation_length)
    return np.array(hard), np.array(soft)


@compiled
def scattered(state: Array, energy: float) -> tuple[float, float]:
    """Compton scattering: energy of the photon afterwards and the cosine of its angle."""
    k = energy / M_E
    low = 1.0 / (1.0 + 2.0 * k)
    a, b = -math.log(low), 0.5 * (1.0 - low * low)
    while True:
        if uniform(state) * (a + b) < a:
            ratio = math.exp(-a * uniform(state))
        else:
            ratio = math.sqrt(low * low + (1.0 - low * low) * uniform(state))
        t = (1.0 - ratio) / (k * ratio)  # 1 - cos
        if uniform(state) < 1.0 - ratio * t * (2.0 - t) / (1.0 + ratio * ratio):
            return ratio * energy, 1.0 - t


@compiled
def knocked(state: Array, low: float, high: float) -> float:
    """Energy transfer between `low` and `high` from a 1/T^2 spectrum (delta rays)."""
    return low / (1.0 - uniform(state) * (1.0 - low / high))


@compiled
def michel(state: Array) -> float:
    """Kinetic energy of the electron of a muon that decays at rest: x^2 (3 - 2x), x = E / 52.8."""
    while True:
        x = uniform(state)
        if uniform(state) < x * x * (3.0 - 2.0 * x):
            return 52.83 * x


@compiled
def radiation(energy: float, b: float) -> float:
    """Catastrophic losses of a muon per mm.

    1/nu^2 spectrum of loss nu between TRANSFER and E / 2, normalised to a mean of b(E) E per mm; b
    rises from a third of its 1 TeV value at 1 GeV (PDG muon tables, by eye).
    """
    if energy < 1000.0:
        return 0.0
    high = 0.5 * energy
    b *= min(1.1, 0.35 + 0.65 * math.log10(energy * 1e-3) / 3.0)
    return b * energy / math.log(high / TRANSFER) * (1.0 / TRANSFER - 1.0 / high)


@compiled
def knock_on(
    stack: Array, count: Array, state: Array, at: Vector, way: Vector, high: float, gen: float
) -> float:
    """Make a delta ray between CUT and `high`; its energy."""
    t = knocked(state, CUT, high)
    theta = math.sqrt(2.0 * M_E / (t + 2.0 * M_E))
    phi = 2.0 * math.pi * uniform(state)
    turned = deflect(way, theta * math.cos(phi), theta * math.sin(phi))
    push(stack, count, ELECTRON, at, turned, t, gen)
    return t


@compiled
def radiate(
    stack: Array, count: Array, state: Array, at: Vector, way: Vector, energy: float,
    shield: float, log: float, gen: float,
) -> float:  # fmt: skip
    """Make one bremsstrahlung photon above PHOTON_CUT; its energy, 0 if `energy` is too low."""
    if energy < 1.05 * PHOTON_CUT:
        return 0.0
    total = energy + M_E
    low = math.log(PHOTON_CUT / energy)
    for _ in range(100):
        t = energy * math.exp(low * uniform(state))
        if 1.36 * uniform(state) < screening.bremsstrahlung(t / total, total, shield, log):
            break
    a, b = normals(state)
    theta = M_E / total  # plane angle; the polar one is then about m/E, as it should
    push(stack, count, GAMMA, at, deflect(way, theta * a, theta * b), t, gen)
    return t


@compiled
def convert(
    stack: Array, count: Array, state: Array, at: Vector, way: Vector, energy: float, gen: float
) -> None:
    """Pair production: shares as with complete screening, opening angle of about m/E."""
    kinetic = energy - 2.0 * M_E
    share = uniform(state)
    while uniform(state) > 1.0 - 4.0 / 3.0 * share * (1.0 - share):
        share = uniform(state)
    a, b = normals(state)
    a, b = M_E / energy * a, M_E / energy * b
    push(stack, count, ELECTRON, at, deflect(way, a, b), share * kinetic, gen)
    push(stack, count, POSITRON, at, deflect(way, -a, -b), (1.0 - share) * kinetic, gen)


@compiled
def recoil(way: Vector, after: float, energy: float, c: float, phi: float) -> tuple[Vector, Vector]:
    """Directions of photon and electron after Compton scattering from `energy` to `after`.

    c: cosine of the photon's angle, phi: its azimuth.
    """
    s = math.sqrt(max(0.0, 1.0 - c * c))
    x, y = s * math.cos(phi), s * math.sin(phi)
    along, across = energy - after * c, after * s
    q = 1.0 / math.sqrt(along * along + across * across + 1e-30)
    f = -after * q
    return rotate(way, x, y, c), rotate(way, f * x, f * y, along * q)
