"""Photons: straight lines between pairs, Compton scattering and absorption."""
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from .compiled import Array, inlined
from .electromagnetic import COMPTON_CUT, ELECTRON_CUT, convert, recoil, scattered
from .medium import Medium
from .particles import ELECTRON
from .random import circle, exponential, uniform
from .store import Store, cell_of, deposit, leave, locate, push, to_side
from .tables import place
from .vectors import Vector


@inlined
def _absorb(
    s: Store, medium: Medium, layer: int, at: Vector, energy: float, generation: float
) -> None:
    """Leave `energy` of slow electrons in the cell at `at`, if there is one."""
    cell = cell_of(medium.layers, medium.grid, layer, at)
    if cell >= 0:
        light = medium.grid[8] * energy
        deposit(s.slot, s.cell, s.deposit, s.used, cell, 0, int(generation), energy, light)


@inlined
def _release(
    s: Store, medium: Medium, layer: int, at: Vector, way: Vector, energy: float, gen: float
) -> None:
    """An electron knocked out by a photon: followed, or absorbed if it is slow."""
    if energy > ELECTRON_CUT:
        push(s.stack, s.used, ELECTRON, at, way, energy, gen)
    else:
        _absorb(s, medium, layer, at, energy, min(gen, 2.0))


@inlined
def _walk(
    layers: Array, rates: Array, j: int, layer: int, z: float, uz: float, depth: float
) -> tuple[int, float, bool]:
    """Go `depth` mean free paths: layer, path, and whether it is still between front and back.

    rates: (M, SIZE) per mm, of which place `j` counts. uz: component along z of the direction.
    """
    path = 0.0
    v = 1.0 / uz if abs(uz) > 1e-9 else 1e9
    ahead = 1 if uz > 0.0 else -1
    while True:
        mu = rates[int(layers[layer, 2]), j]
        d = max((layers[layer, 1 if uz > 0.0 else 0] - z) * v, 0.0)
        if depth < mu * d:
            return layer, path + depth / mu, True
        path += d
        if layer + ahead < 0 or layer + ahead >= layers.shape[0]:
            return layer, path, False
        depth -= mu * d
        z += d * uz
        layer += ahead


@inlined
def follow_photon(s: Store, medium: Medium, state: Array, row: Array) -> None:
    """Follow the photon of `row`, also after it scattered, until it is absorbed or leaves."""
    energy, own = row[7], row[8]
    at, way = (row[1], row[2], row[3]), (row[4], row[5], row[6])
    layers, grid, photons = medium.layers, medium.grid, medium.photons
    x_high, y_high = grid[0] + grid[3] * grid[2], grid[1] + grid[4] * grid[2]
    layer = locate(layers, at[2], s.used[4])
    s.used[4] = layer
    while energy > COMPTON_CUT:
        j = place(energy)
        start, depth = at, exponential(state)
        layer, path, inside = _walk(layers, photons[2], j, layer, at[2], way[2], depth)
        at = (at[0] + path * way[0], at[1] + path * way[1], at[2] + path * way[2])
        if not inside or at[0] <= grid[0] or at[0] >= x_high or at[1] <= grid[1] or at[1] >= y_high:
            to_x = to_side(grid[0], x_high, start[0], way[0])
            path = min(path, min(to_x, to_side(grid[1], y_high, start[1], way[1])))
            at = (start[0] + path * way[0], start[1] + path * way[1], start[2] + path * way[2])
            leave(s.left, s.used, row, at, way, energy)
            return
        m = int(layers[layer, 2])
        r = uniform(state) * photons[2, m, j]
        if r < photons[0, m, j]:
            convert(s.stack, s.used, state, at, way, energy, own + 1.0)
            return
        if r >= photons[1, m, j]:
            _release(s, medium, layer, at, way, energy, own + 1.0)
            return
        after, c = scattered(state, energy)
        way, struck = recoil(way, after, energy, c, circle(state))
        _release(s, medium, layer, at, struck, energy - after, own + 1.0)
        energy = after
    _absorb(s, medium, layer, at, energy, own)
