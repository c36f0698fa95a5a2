"""Photons, electrons and muons: their cross sections per mm, and what happens at a vertex.

Sources: Klein and Nishina (1929); `screening` for radiation and pairs; PDG review 34.2.5 (delta
rays) and 34.6 (radiation of muons). Energies in MeV, lengths in mm.
"""
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import math

import numpy as np

from . import screening
from .annihilation import R_E2, annihilations
from .compiled import Array, compiled
from .ionisation import CUT, xi
from .materials import Material
from .particles import ELECTRON, GAMMA, M_E, POSITRON
from .random import circle, uniform
from .store import push
from .tables import GRID
from .vectors import Vector, deflect, rotate

SOFT = 0.02  # of the critical energy, but LEAST at the least: photons radiated with less are ...
LEAST = 0.4  # ... absorbed on the spot. They are 4 / 3 SOFT of a shower's energy
ELECTRON_CUT = 1.5  # slower electrons leave their energy where they are
COMPTON_CUT = 0.15  # softer photons are absorbed where they scattered last
TRANSFER = 20.0  # smallest radiative loss of a muon that is made, as one photon or electron
FAR = 1e30


def photon_tables(materials: tuple[Material, ...]) -> Array:
    """Pairs; pairs and Compton; everything; per mm and cumulative, by energy: (3, M, SIZE)."""
    k = GRID / M_E
    a, log = 1.0 + 2.0 * k, np.log1p(2.0 * k)
    klein = (1 + k) / k**2 * (2 * (1 + k) / a - log / k) + log / (2 * k) - (1 + 3 * k) / a**2
    compton = 2.0 * np.pi * R_E2 * np.maximum(klein, 0.0)  # rounding spoils it below 1 keV
    rows = []
    for m in materials:
        pairs = screening.pairs(*screening.constants(m.z)) * triplets(m.z) / m.radiation_length
        electrons = 0.06022 * m.density * m.za  # per barn and mm
        # Photoelectric absorption matters here in heavy absorbers alone: Z^5 E^-3, our normalisation
        photo = 0.01 * (m.z / 74.0) ** 4 * (0.5 / GRID) ** 3 * m.z if m.z > 20 else 0.0
        scatter = pairs + electrons * compton
        rows.append((pairs, scatter, scatter + electrons * photo))
    return np.array(rows).transpose(1, 0, 2).copy()


def triplets(z: float) -> Array:
    """What late pairs in the fields of electrons leave of all pairs, (SIZE,).

    Beside z^2 of the nucleus electrons count xi z, xi = ln(1194 / z^(2/3)) / ln(184.15 / z^(1/3))
    (Tsai, PDG 34.4.2), yet only from 4 m_e on and slowly. The power is our fit to the attenuation
    in carbon and hydrogen of NIST (XAAMDI).
    """
    xi = math.log(1194.0 / z ** (2.0 / 3.0)) / math.log(184.15 / z ** (1.0 / 3.0))
    late = np.minimum(4.0 * M_E / GRID, 1.0) ** 0.4
    return 1.0 - xi / (z + xi) * late


def photon_cut(m: Material) -> float:
    """Least energy in MeV of a radiated photon that is followed; the critical energy is Rossi's.

    610 MeV / (Z + 1.24) (PDG 34.19, of solids).
    """
    return max(LEAST, SOFT * 610.0 / (m.z + 1.24))


def electron_tables(materials: tuple[Material, ...]) -> tuple[Array, Array]:
    """Hard events per mm, (2, M, SIZE), and soft radiation in MeV/mm, (M, SIZE).

    Electrons: photons and delta rays; positrons: annihilation in flight too.
    """
    hard, soft = [], []
    for m in materials:
        many, energy = screening.photons(*screening.constants(m.z), photon_cut(m))
        knocked = xi(m) * np.maximum(1.0 / CUT - 2.0 / GRID, 0.0)
        hard.append(many / m.radiation_length + knocked)
        soft.append(energy / m.radiation_length)
    electrons = np.array(hard)
    return np.stack([electrons, electrons + annihilations(materials)]), np.array(soft)


@compiled
def scattered(state: Array, energy: float) -> tuple[float, float]:
    """Compton scattering: energy of the photon afterwards and the cosine of its angle.

    By rejection from x = energy / energy afterwards, without a slow function (Kahn, "Applications of
    Monte Carlo", RAND RM-1237-AEC, 1954).
    """
    k = energy / M_E
    high = 1.0 + 2.0 * k
    while True:
        if uniform(state) * (8.0 + high) < high:
            x = 1.0 + 2.0 * k * uniform(state)
            t, share = (x - 1.0) / k, 4.0 * (x - 1.0) / (x * x)
        else:
            x = high / (1.0 + 2.0 * k * uniform(state))
            t = (x - 1.0) / k  # 1 - cos
            share = 0.5 * ((1.0 - t) * (1.0 - t) + 1.0 / x)
        if uniform(state) < share:
            return energy / x, 1.0 - t


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
    x, y = circle(state)
    push(stack, count, ELECTRON, at, deflect(way, theta * x, theta * y), t, gen)
    return t


@compiled
def narrow(state: Array, total: float) -> float:
    """2 tan(theta / 2) of what an electron of `total` energy radiates, or a photon makes of it.

    dN / d(theta^2) goes with 1 / (1 + (theta E / m)^2)^2, the leading term (Jackson, 15.2).
    """
    share = uniform(state)
    return M_E / total * math.sqrt(share / (1.0 - share))


@compiled
def radiate(
    stack: Array, count: Array, state: Array, at: Vector, way: Vector, energy: float,
    matter: Array, gen: float,
) -> float:  # fmt: skip
    """Make one bremsstrahlung photon above `photon_cut`; its energy, 0 if `energy` is too low.

    matter: row of the material in a `Medium`.
    """
    shield, log, cut = matter[6], matter[7], matter[10]
    if energy < 1.05 * cut:
        return 0.0
    total = energy + M_E
    low = math.log(cut / energy)
    for _ in range(100):
        t = energy * math.exp(low * uniform(state))
        if 1.36 * uniform(state) < screening.bremsstrahlung(t / total, total, shield, log):
            break
    theta = narrow(state, total)
    x, y = circle(state)
    push(stack, count, GAMMA, at, deflect(way, theta * x, theta * y), t, gen)
    return t


@compiled
def convert(
    stack: Array, count: Array, state: Array, at: Vector, way: Vector, energy: float, gen: float
) -> None:
    """Pair production: shares as with complete screening, directions opposite in azimuth."""
    kinetic = energy - 2.0 * M_E
    share = uniform(state)
    while uniform(state) > 1.0 - 4.0 / 3.0 * share * (1.0 - share):
        share = uniform(state)
    x, y = circle(state)
    for kind, part in ((ELECTRON, share * kinetic), (POSITRON, (1.0 - share) * kinetic)):
        theta = narrow(state, part + M_E)
        push(stack, count, kind, at, deflect(way, theta * x, theta * y), part, gen)
        x, y = -x, -y


@compiled
def recoil(
    way: Vector, after: float, energy: float, c: float, turn: tuple[float, float]
) -> tuple[Vector, Vector]:
    """Directions of photon and electron after Compton scattering from `energy` to `after`.

    c: cosine of the photon's angle; turn: cosine and sine of its azimuth.
    """
    s = math.sqrt(max(0.0, 1.0 - c * c))
    x, y = s * turn[0], s * turn[1]
    along, across = energy - after * c, after * s
    q = 1.0 / math.sqrt(along * along + across * across + 1e-30)
    f = -after * q
    return rotate(way, x, y, c), rotate(way, f * x, f * y, along * q)
