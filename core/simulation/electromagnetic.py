"""Photons and electrons in matter: cross sections and what happens at a vertex.

Sources: PDG review 34.4 (bremsstrahlung, Rossi's form with complete screening; pair production
7/9 per radiation length); Klein and Nishina (1929). The turn-on of pair production below a few
hundred MeV and its absence below 1.5 MeV are our own fit by eye. Energies in MeV, lengths in mm.
"""
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import math

import numpy as np

from .compiled import Array, compiled
from .ionisation import CUT
from .materials import Material
from .particles import ELECTRON, GAMMA, M_E
from .random import exponential, normals, uniform
from .store import push
from .vectors import Vector, deflect

PHOTON_CUT = 2.0  # bremsstrahlung photons above this are followed, softer ones are not made
ELECTRON_CUT = 1.5  # slower electrons leave their energy where they are
COMPTON_CUT = 0.25  # softer photons are forgotten
TRANSFER = 20.0  # smallest radiative loss of a muon that is made, as one photon or electron
FAR = 1e30
R_E2 = 0.0794078  # classical electron radius squared, barn
# Photon tables are in ln(E), from LN_LOW in steps of 1 / LN_STEPS
LN_LOW, LN_STEPS, LN_SIZE = math.log(0.05), 40.0, 768


def photon_tables(materials: tuple[Material, ...]) -> Array:
    """Pairs; pairs and Compton; everything; per mm and cumulative: (3, M, LN_SIZE) float64."""
    energy = np.exp(LN_LOW + np.arange(LN_SIZE) / LN_STEPS)
    ramp = np.where(energy > 6.0, 1.0, np.clip((energy - 1.022) / 5.0, 0.0, 1.0))
    pair = 7.0 / 9.0 / (1.0 + (42.0 / energy) ** 0.765) * ramp * (energy > 1.5)
    k = energy / M_E
    a, log = 1.0 + 2.0 * k, np.log1p(2.0 * k)
    klein = (1 + k) / k**2 * (2 * (1 + k) / a - log / k) + log / (2 * k) - (1 + 3 * k) / a**2
    compton = 2.0 * np.pi * R_E2 * klein
    # Photoelectric absorption matters here in heavy absorbers alone: Z^5 E^-3, our normalisation
    photo = [
        0.01 * (m.z / 74.0) ** 4 * (0.5 / energy) ** 3 if m.z > 20 else 0 * k for m in materials
    ]
    electrons = [0.06022 * m.density * m.za for m in materials]  # per barn and mm
    pairs = np.array([pair / m.radiation_length for m in materials])
    rest = np.array(
        [n * (compton + p * m.z) for n, p, m in zip(electrons, photo, materials, strict=True)]
    )
    scatter = np.array([n * compton for n in electrons])
    return np.stack([pairs, pairs + scatter, pairs + rest])


@compiled
def radiation_rate(energy: float) -> float:
    """Photons above PHOTON_CUT that an electron radiates per radiation length."""
    f = PHOTON_CUT / energy
    return -4.0 / 3.0 * math.log(f) - 4.0 / 3.0 * (1.0 - f) + 0.5 * (1.0 - f * f)


@compiled
def radiated(state: Array, energy: float) -> float:
    """Energy of one bremsstrahlung photon: dN/dk ~ (4/3 - 4/3 y + y^2) / k above PHOTON_CUT."""
    log = math.log(PHOTON_CUT / energy)
    while True:
        y = math.exp(log * uniform(state))
        if uniform(state) * (4.0 / 3.0) < 4.0 / 3.0 - 4.0 / 3.0 * y + y * y:
            return y * energy


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
def radiative_loss(state: Array, energy: float, b: float, step: float) -> float:
    """Energy of a catastrophic muon loss within `step` mm, or 0.

    1/nu^2 spectrum of loss nu between TRANSFER and E / 2, normalised to a mean of b(E) E per mm; b
    rises from a third of its 1 TeV value at 1 GeV (PDG muon tables, by eye).
    """
    high = 0.5 * energy
    b *= min(1.1, 0.35 + 0.65 * math.log10(energy * 1e-3) / 3.0)
    rate = b * energy / math.log(high / TRANSFER) * (1.0 / TRANSFER - 1.0 / high)
    if uniform(state) > rate * step:
        return 0.0
    return knocked(state, TRANSFER, high)


@compiled
def knock_on(
    stack: Array, count: Array, state: Array, at: Vector, way: Vector, heavy: bool, energy: float,
    limit: float, rate: float, gen: float,
) -> float:  # fmt: skip
    """Make a delta ray above CUT, if there is one; its energy.

    limit: largest transfer to an electron at rest; rate: xi step / beta^2, MeV.
    """
    high = min(0.5 * energy, limit) if heavy else 0.5 * energy
    if high < 1.1 * CUT or uniform(state) > rate * (1.0 / CUT - 1.0 / high):
        return 0.0
    t = knocked(state, CUT, high)
    theta = math.sqrt(2.0 * M_E / (t + 2.0 * M_E))
    phi = 2.0 * math.pi * uniform(state)
    turned = deflect(way, theta * math.cos(phi), theta * math.sin(phi))
    push(stack, count, ELECTRON, at, turned, t, gen)
    return t


@compiled
def radiate(
    stack: Array, count: Array, state: Array, at: Vector, way: Vector, energy: float, gen: float
) -> float:
    """Make one bremsstrahlung photon; its energy."""
    if energy < 1.2 * PHOTON_CUT:
        return 0.0
    t = radiated(state, energy)
    a, b = normals(state)
    theta = 0.6 / max(energy - t, 1.0)
    push(stack, count, GAMMA, at, deflect(way, theta * a, theta * b), t, gen)
    return t


@compiled
def next_photon(state: Array, energy: float) -> float:
    """Radiation lengths before the next photon."""
    if energy <= 1.5 * PHOTON_CUT:
        return FAR
    return exponential(state) / radiation_rate(energy)
