"""Neutrons, neutral kaons and Lambdas: straight lines to where they interact or decay."""
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import math

from .compiled import Array, compiled, inlined
from .electromagnetic import FAR
from .endings import decay_neutral
from .hadronic import QUENCHED, interact
from .medium import Medium
from .particles import FLIGHT, K_SHORT, LAMBDA, MASS, NEUTRON, PROTON
from .random import exponential, isotropic, uniform
from .store import Store, cell_of, deposit, leave, locate, push, to_side
from .vectors import Vector

SLOW_NEUTRON = 20.0  # MeV; below, elastic scattering on protons and nuclei dominates
ELASTIC = 0.27  # barn per electron of the material: 11 cm in plastic, a rough average


@compiled
def _per_mm(matter: Array, kind: int, energy: float, m: int) -> float:
    """Interactions per mm in material `m`."""
    if kind == NEUTRON and energy < SLOW_NEUTRON:
        return ELASTIC * matter[m, 3]
    return matter[m, 1 if kind in (NEUTRON, LAMBDA) else 2]


@inlined
def _collide(
    s: Store, medium: Medium, state: Array, kind: int, at: Vector, way: Vector, energy: float,
    own: float, layer: int,
) -> None:  # fmt: skip
    """What happens where a neutral particle interacts."""
    cell = cell_of(medium.layers, medium.grid, layer, at)
    spot = 0.0
    if kind == NEUTRON and energy < SLOW_NEUTRON:
        spot = uniform(state) * energy
        if energy - spot > 0.5:
            push(s.stack, s.used, NEUTRON, at, isotropic(state), energy - spot, own)
    elif energy > 30.0:
        hit = PROTON if kind == LAMBDA else kind
        spot = interact(s.stack, s.used, state, hit, at, way, energy, own + 1.0)
    if spot > 0.3 and cell >= 0:
        later = int(min(own + 1.0, 2.0))
        deposit(s.slot, s.cell, s.deposit, s.used, cell, 2, later, spot, QUENCHED * spot)


@compiled
def _life(state: Array, kind: int, energy: float) -> float:
    """Path in mm before the particle decays."""
    if kind < K_SHORT:
        return FAR
    momentum = math.sqrt(energy * (energy + 2.0 * MASS[kind]))
    return exponential(state) * FLIGHT[kind] * momentum / MASS[kind]


@inlined
def follow_neutral(s: Store, medium: Medium, state: Array, row: Array) -> None:
    """Follow the neutral particle of `row` until it interacts, decays or leaves."""
    kind, energy, own = int(row[0]), row[7], row[8]
    x, y, z, way = row[1], row[2], row[3], (row[4], row[5], row[6])
    ux, uy, uz = way
    layers, grid, matter = medium.layers, medium.grid, medium.matter
    layer = locate(layers, z, s.used[4])
    s.used[4] = layer
    depth, life = exponential(state), _life(state, kind, energy)
    to_x = to_side(grid[0], grid[0] + grid[3] * grid[2], x, ux)
    to_y = to_side(grid[1], grid[1] + grid[4] * grid[2], y, uy)
    side = min(to_x, to_y)
    while True:
        mu = _per_mm(matter, kind, energy, int(layers[layer, 2]))
        d = max(to_side(layers[layer, 0], layers[layer, 1], z, uz), 0.0)
        step = min(min(d, side), min(life, depth / mu))
        x, y, z = x + step * ux, y + step * uy, z + step * uz
        if step == side:
            leave(s.left, s.used, row, (x, y, z), way, energy)
            return
        if step == life:
            decay_neutral(s.stack, s.used, state, kind, (x, y, z), way, energy, own + 1.0)
            return
        if step < d:
            _collide(s, medium, state, kind, (x, y, z), way, energy, own, layer)
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
