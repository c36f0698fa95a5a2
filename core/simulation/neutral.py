"""Photons, neutrons, neutral kaons and Lambdas: straight lines to where they interact or decay."""

from __future__ import annotations

import math

from .compiled import Array, compiled
from .electromagnetic import COMPTON_CUT, LN_LOW, LN_SIZE, LN_STEPS, scattered
from .hadronic import QUENCHED, interact, neutral_pion
from .particles import FLIGHT, M_E, M_P, M_PI, M_PI0, MASS
from .random import exponential, isotropic, normals, uniform
from .store import deposit, push
from .vectors import deflect, polar, split

SLOW_NEUTRON = 20.0  # MeV; below, elastic scattering on protons and nuclei dominates
ELASTIC = 0.27  # barn per electron of the material: 11 cm in plastic, a rough average


@compiled
def _convert(
    stack: Array,
    count: Array,
    state: Array,
    x: float,
    y: float,
    z: float,
    ux: float,
    uy: float,
    uz: float,
    energy: float,
    generation: float,
) -> None:
    """Pair production: uniform sharing of the energy, opening angle of about m/E."""
    kinetic = energy - 2.0 * M_E
    share = uniform(state)
    a, b = normals(state)
    theta = 0.8 / energy
    vx, vy, vz = deflect(ux, uy, uz, theta * a, theta * b)
    push(stack, count, 1, x, y, z, vx, vy, vz, share * kinetic, generation)
    vx, vy, vz = deflect(ux, uy, uz, -theta * a, -theta * b)
    push(stack, count, 2, x, y, z, vx, vy, vz, (1.0 - share) * kinetic, generation)


@compiled
def _compton(
    stack: Array,
    count: Array,
    state: Array,
    x: float,
    y: float,
    z: float,
    ux: float,
    uy: float,
    uz: float,
    energy: float,
    own: float,
) -> None:
    """Compton scattering: the same photon goes on, its electron is a daughter."""
    after, c = scattered(state, energy)
    s = math.sqrt(max(0.0, 1.0 - c * c))
    phi = 2.0 * math.pi * uniform(state)
    if after > COMPTON_CUT:
        vx, vy, vz = polar(ux, uy, uz, math.acos(max(-1.0, min(1.0, c))), phi)
        push(stack, count, 0, x, y, z, vx, vy, vz, after, own)
    vx, vy, vz = polar(ux, uy, uz, math.atan2(after * s, energy - after * c), phi + math.pi)
    push(stack, count, 1, x, y, z, vx, vy, vz, energy - after, own + 1.0)


@compiled
def _decay(
    stack: Array,
    count: Array,
    state: Array,
    kind: int,
    x: float,
    y: float,
    z: float,
    ux: float,
    uy: float,
    uz: float,
    energy: float,
    generation: float,
) -> None:
    """Decay of K_S (PDG: 30.7 % to two pi0) or Lambda (as p pi-, 64 %, or n pi0)."""
    mass = MASS[kind]
    neutral = uniform(state) < (0.307 if kind == 12 else 0.359)
    if kind == 12:
        m1 = m2 = M_PI0 if neutral else M_PI
    else:
        m1, m2 = M_P, M_PI0 if neutral else M_PI
    e1, ax, ay, az, e2, bx, by, bz = split(state, mass, energy + mass, ux, uy, uz, m1, m2)
    if kind == 12 and neutral:
        neutral_pion(stack, count, state, x, y, z, ax, ay, az, e1, generation)
    else:
        first = 5 if kind == 12 else (10 if neutral else 9)
        push(stack, count, first, x, y, z, ax, ay, az, e1 - m1, generation)
    if neutral:
        neutral_pion(stack, count, state, x, y, z, bx, by, bz, e2, generation)
    else:
        push(stack, count, 6, x, y, z, bx, by, bz, e2 - m2, generation)


@compiled
def follow_neutral(
    stack: Array,
    left: Array,
    slot: Array,
    cell: Array,
    dep: Array,
    count: Array,
    layers: Array,
    grid: Array,
    matter: Array,
    photons: Array,
    state: Array,
    row: Array,
) -> None:
    """Follow one neutral particle until it interacts, decays or leaves; arguments as `transport`.

    Longer than other functions: one loop over layers with everything in registers.
    """
    kind = int(row[0])
    x, y, z, ux, uy, uz, energy = row[1], row[2], row[3], row[4], row[5], row[6], row[7]
    own = row[8]
    if kind == 0 and energy < COMPTON_CUT:
        return
    x_low, y_low, pitch, nx, ny, nz = grid[0], grid[1], grid[2], grid[3], grid[4], grid[5]
    x_high, y_high = x_low + nx * pitch, y_low + ny * pitch
    layer = 0
    while layer + 1 < layers.shape[0] and z >= layers[layer, 1]:
        layer += 1
    depth = exponential(state)
    life = 1e30
    if kind >= 12:
        momentum = math.sqrt(energy * (energy + 2.0 * MASS[kind]))
        life = exponential(state) * FLIGHT[kind] * momentum / MASS[kind]
    j = 0
    if kind == 0:
        j = int((math.log(energy) - LN_LOW) * LN_STEPS)
        j = max(0, min(j, LN_SIZE - 1))
    to_x = (x_high - x) / ux if ux > 1e-12 else ((x_low - x) / ux if ux < -1e-12 else 1e30)
    to_y = (y_high - y) / uy if uy > 1e-12 else ((y_low - y) / uy if uy < -1e-12 else 1e30)
    side = min(to_x, to_y)  # path that is left before the sides of the detector
    while True:
        m = int(layers[layer, 2])
        if kind == 0:
            mu = photons[2, m, j]
        elif kind == 10 and energy < SLOW_NEUTRON:
            mu = ELASTIC * matter[m, 3]
        else:
            mu = matter[m, 1] if kind == 10 or kind == 13 else matter[m, 2]
        if uz > 1e-12:
            d = (layers[layer, 1] - z) / uz
        elif uz < -1e-12:
            d = (layers[layer, 0] - z) / uz
        else:
            d = 1e30
        d = max(min(d, side), 0.0)
        s = depth / mu
        if s < d and s < life:
            break
        if life < d:
            _decay(
                stack,
                count,
                state,
                kind,
                x + ux * life,
                y + uy * life,
                z + uz * life,
                ux,
                uy,
                uz,
                energy,
                own + 1.0,
            )
            return
        if d >= side:
            return
        depth -= d * mu
        life -= d
        side -= d
        x += ux * d
        y += uy * d
        layer += 1 if uz > 0.0 else -1
        if layer < 0:
            return
        if layer >= layers.shape[0]:
            if count[2] < left.shape[0]:
                out = left[count[2]]
                out[0], out[1], out[2], out[3] = kind, x, y, layers[layer - 1, 1]
                out[4], out[5], out[6], out[7], out[8] = ux, uy, uz, energy, own
                count[2] += 1
            return
        z = layers[layer, 0] if uz > 0.0 else layers[layer, 1]
    x += ux * s
    y += uy * s
    z += uz * s
    if kind == 0:
        r = uniform(state) * mu
        if r < photons[0, m, j]:
            _convert(stack, count, state, x, y, z, ux, uy, uz, energy, own + 1.0)
        elif r < photons[1, m, j]:
            _compton(stack, count, state, x, y, z, ux, uy, uz, energy, own)
        else:
            push(stack, count, 1, x, y, z, ux, uy, uz, energy, own + 1.0)
        return
    spot = 0.0
    if kind == 10 and energy < SLOW_NEUTRON:
        spot = uniform(state) * energy
        if energy - spot > 0.5:
            vx, vy, vz = isotropic(state)
            push(stack, count, 10, x, y, z, vx, vy, vz, energy - spot, own)
    elif energy > 30.0:
        hit = 9 if kind == 13 else kind
        spot = interact(stack, count, state, hit, x, y, z, ux, uy, uz, energy, own + 1.0)
    if spot > 0.3 and layers[layer, 3] > 0.5:
        ix, iy = int((x - x_low) / pitch), int((y - y_low) / pitch)
        iz = int(layers[layer, 4]) + int((z - layers[layer, 0]) / pitch)
        if ix >= 0 and ix < nx and iy >= 0 and iy < ny and iz >= 0 and iz < nz:
            index = int((ix * ny + iy) * nz) + iz
            generation = int(min(own + 1.0, 2.0))
            deposit(slot, cell, dep, count, index, 2, generation, spot, QUENCHED * spot)  # fmt: skip
