"""Photons, neutrons, neutral kaons and Lambdas: straight lines to where they interact or decay."""
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import math

from .compiled import Array, compiled
from .electromagnetic import COMPTON_CUT, ELECTRON_CUT, FAR, LN_LOW, LN_SIZE, LN_STEPS, scattered
from .hadronic import QUENCHED, interact, neutral_pion
from .medium import Medium
from .particles import (
    ELECTRON,
    FLIGHT,
    GAMMA,
    K_SHORT,
    LAMBDA,
    M_E,
    M_P,
    M_PI,
    M_PI0,
    MASS,
    NEUTRON,
    PI_MINUS,
    PI_PLUS,
    POSITRON,
    PROTON,
)  # fmt: skip
from .random import exponential, isotropic, normals, uniform
from .store import Store, cell_of, deposit, leave, locate, push
from .vectors import Vector, deflect, polar, split

SLOW_NEUTRON = 20.0  # MeV; below, elastic scattering on protons and nuclei dominates
ELASTIC = 0.27  # barn per electron of the material: 11 cm in plastic, a rough average
UNQUENCHED = 0.98  # light per MeV of a slow electron


@compiled
def _convert(
    stack: Array, count: Array, state: Array, at: Vector, way: Vector, energy: float, gen: float
) -> None:
    """Pair production: uniform sharing of the energy, opening angle of about m/E."""
    kinetic = energy - 2.0 * M_E
    share = uniform(state)
    a, b = normals(state)
    a, b = 0.8 / energy * a, 0.8 / energy * b
    push(stack, count, ELECTRON, at, deflect(way, a, b), share * kinetic, gen)
    push(stack, count, POSITRON, at, deflect(way, -a, -b), (1.0 - share) * kinetic, gen)


@compiled
def _compton(
    s: Store, state: Array, at: Vector, way: Vector, e: float, own: float, cell: int
) -> None:
    """Compton scattering: the same photon goes on; slow electrons stay in `cell`, if it is >= 0."""
    after, c = scattered(state, e)
    sine = math.sqrt(max(0.0, 1.0 - c * c))
    phi = 2.0 * math.pi * uniform(state)
    if after > COMPTON_CUT:
        turned = polar(way, math.acos(max(-1.0, min(1.0, c))), phi)
        push(s.stack, s.used, GAMMA, at, turned, after, own)
    gen = min(own + 1.0, 2.0)
    if e - after <= ELECTRON_CUT:
        if cell >= 0:
            deposit(
                s.slot,
                s.cell,
                s.deposit,
                s.used,
                cell,
                0,
                int(gen),
                e - after,
                UNQUENCHED * (e - after),
            )
        return
    turned = polar(way, math.atan2(after * sine, e - after * c), phi + math.pi)
    push(s.stack, s.used, ELECTRON, at, turned, e - after, gen)


@compiled
def _decay(
    stack: Array, count: Array, state: Array, kind: int, at: Vector, way: Vector, energy: float,
    gen: float,
) -> None:  # fmt: skip
    """Decay of K_S (PDG: 30.7 % to two pi0) or Lambda (as p pi-, 64 %, or n pi0)."""
    mass = MASS[kind]
    neutral = uniform(state) < (0.307 if kind == K_SHORT else 0.359)
    m1 = m2 = M_PI0 if neutral else M_PI
    if kind == LAMBDA:
        m1 = M_P
    e1, way1, e2, way2 = split(state, mass, energy + mass, way, m1, m2)
    if kind == K_SHORT and neutral:
        neutral_pion(stack, count, state, at, way1, e1, gen)
    elif kind == K_SHORT:
        push(stack, count, PI_PLUS, at, way1, e1 - m1, gen)
    else:
        push(stack, count, NEUTRON if neutral else PROTON, at, way1, e1 - m1, gen)
    if neutral:
        neutral_pion(stack, count, state, at, way2, e2, gen)
    else:
        push(stack, count, PI_MINUS, at, way2, e2 - m2, gen)


@compiled
def _per_mm(photons: Array, matter: Array, kind: int, energy: float, m: int, j: int) -> float:
    """Interactions per mm in material `m`; `j` is the photon's place in the tables."""
    if kind == GAMMA:
        return photons[2, m, j]
    if kind == NEUTRON and energy < SLOW_NEUTRON:
        return ELASTIC * matter[m, 3]
    return matter[m, 1 if kind in (NEUTRON, LAMBDA) else 2]


@compiled
def _to_side(low: float, high: float, x: float, u: float) -> float:
    """Path to the side of the detector at `low` or `high`."""
    if u > 1e-12:
        return (high - x) / u
    return (low - x) / u if u < -1e-12 else FAR


@compiled
def _collide(
    s: Store, medium: Medium, state: Array, kind: int, at: Vector, way: Vector, energy: float,
    own: float, layer: int, j: int,
) -> None:  # fmt: skip
    """What happens where a neutral particle interacts."""
    cell = cell_of(medium.layers, medium.grid, layer, at)
    if kind == GAMMA:
        photons, m = medium.photons, int(medium.layers[layer, 2])
        r = uniform(state) * photons[2, m, j]
        if r < photons[0, m, j]:
            _convert(s.stack, s.used, state, at, way, energy, own + 1.0)
        elif r < photons[1, m, j]:
            _compton(s, state, at, way, energy, own, cell)
        else:
            push(s.stack, s.used, ELECTRON, at, way, energy, own + 1.0)
        return
    spot = 0.0
    if kind == NEUTRON and energy < SLOW_NEUTRON:
        spot = uniform(state) * energy
        if energy - spot > 0.5:
            push(s.stack, s.used, NEUTRON, at, isotropic(state), energy - spot, own)
    elif energy > 30.0:
        hit = PROTON if kind == LAMBDA else kind
        spot = interact(s.stack, s.used, state, hit, at, way, energy, own + 1.0)
    if spot > 0.3 and cell >= 0:
        deposit(
            s.slot,
            s.cell,
            s.deposit,
            s.used,
            cell,
            2,
            int(min(own + 1.0, 2.0)),
            spot,
            QUENCHED * spot,
        )


@compiled
def _life(state: Array, kind: int, energy: float) -> float:
    """Path in mm before the particle decays."""
    if kind < K_SHORT:
        return FAR
    momentum = math.sqrt(energy * (energy + 2.0 * MASS[kind]))
    return exponential(state) * FLIGHT[kind] * momentum / MASS[kind]


@compiled
def follow_neutral(s: Store, medium: Medium, state: Array, row: Array) -> None:
    """Follow the neutral particle of `row` until it interacts, decays or leaves."""
    kind, energy, own = int(row[0]), row[7], row[8]
    if kind == GAMMA and energy < COMPTON_CUT:
        return
    x, y, z, way = row[1], row[2], row[3], (row[4], row[5], row[6])
    ux, uy, uz = way
    layers, grid, matter, photons = medium.layers, medium.grid, medium.matter, medium.photons
    layer = locate(layers, z, s.used[4])
    s.used[4] = layer
    depth, life, j = exponential(state), _life(state, kind, energy), 0
    if kind == GAMMA:
        j = max(0, min(int((math.log(energy) - LN_LOW) * LN_STEPS), LN_SIZE - 1))
    to_x = _to_side(grid[0], grid[0] + grid[3] * grid[2], x, ux)
    to_y = _to_side(grid[1], grid[1] + grid[4] * grid[2], y, uy)
    side = min(to_x, to_y)
    while True:
        mu = _per_mm(photons, matter, kind, energy, int(layers[layer, 2]), j)
        d = max(_to_side(layers[layer, 0], layers[layer, 1], z, uz), 0.0)
        step = min(min(d, side), min(life, depth / mu))
        x, y, z = x + step * ux, y + step * uy, z + step * uz
        if step == side:
            leave(s.left, s.used, row, (x, y, z), way, energy)
            return
        if step == life:
            _decay(s.stack, s.used, state, kind, (x, y, z), way, energy, own + 1.0)
            return
        if step < d:
            _collide(s, medium, state, kind, (x, y, z), way, energy, own, layer, j)
            return
        depth -= step * mu
        life -= step
        side -= step
        layer += 1 if uz > 0.0 else -1
        if layer < 0:
            return
        if layer >= layers.shape[0]:
            leave(s.left, s.used, row, (x, y, layers[layer - 1, 1]), way, energy)
            return
        z = layers[layer, 0] if uz > 0.0 else layers[layer, 1]
