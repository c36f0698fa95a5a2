"""Electrons, muons and charged hadrons: step by step through layers and cells.

Sources: PDG review 34 (restricted Bethe loss with Landau fluctuations, Highland's scattering,
bremsstrahlung, delta rays), Birks' law for the light. Multiple scattering: the variance of the
angle grows by h(t + dt) - h(t) with h(t) = t (1 + 0.038 ln t)^2, t the radiation lengths seen by
the particle so far, so that any thickness, however it is cut in steps, has Highland's width.
"""
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import math

from .compiled import Array, compiled
from .electromagnetic import ELECTRON_CUT, knock_on, next_photon, radiate, radiative_loss
from .endings import decay, stopped
from .field import BENDING, CHARGE, LARGEST, bend, strength
from .hadronic import QUENCHED, interact
from .ionisation import LANDAU_SIZE, LOG_LOW, LOG_SIZE, LOG_STEPS, SPREAD_SIZE, SPREAD_STEPS
from .medium import Medium
from .particles import (
    CATEGORY,
    ELECTRON,
    FLIGHT,
    GAMMA,
    M_E,
    MASS,
    MUONIC,
    PI_MINUS,
    PI_PLUS,
    POSITRON,
    PROTON,
)  # fmt: skip
from .random import exponential, normals, uniform
from .store import Store, deposit, leave, locate, push
from .vectors import deflect

FAR = 1e30
NUDGE = 1e-5  # mm beyond a boundary, so that the next step begins in the next cell
HEAVY_CUT = 0.3  # MeV; slower muons and hadrons stop
STRIDE = 20.0  # mm; longest step in layers without cells
MIN_ANGLE2 = 2.0e-5  # rad^2; scattering is saved up until its width is 4.5 mrad ...
PATIENCE = 0.25  # ... or for that many radiation lengths
SAME = 0.98  # the loss per mm is kept until the energy has fallen by this factor
NOTHING, PHOTON, COLLISION, STOP, DECAY = range(5)  # what ends a step


@compiled
def highland(t: float) -> float:
    """h(t): variance of the plane angle in units of (13.6 MeV / beta p)^2 after t X0 (PDG 34.16)."""
    if t < 1e-4:
        return 0.42 * t  # (1 + 0.038 ln 1e-4)^2
    f = 1.0 + 0.038 * math.log(t)
    return t * f * f


@compiled
def _to_cell(u: float, here: float, low: float, pitch: float, i: int) -> float:
    """Path along direction component 1 / u to the border of cell `i`."""
    return ((i + 1 if u > 0.0 else i) * pitch + low - here) * u


@compiled
def _inverse(u: float) -> float:
    return 1.0 / u if abs(u) > 1e-9 else 1e9


@compiled
def follow_charged(s: Store, medium: Medium, state: Array, row: Array) -> None:
    """Follow the charged particle of `row` until it stops, interacts, decays or leaves.

    Longer than other functions: splitting this loop would pass thirty numbers to and fro at each
    of some 30,000 steps of an event.
    """
    kind, energy, own = int(row[0]), row[7], row[8]
    x, y, z, ux, uy, uz = row[1], row[2], row[3], row[4], row[5], row[6]
    generation, category, daughter = int(own), CATEGORY[kind], own + 1.0
    mass = MASS[kind]
    electron, hadron = kind <= POSITRON, kind >= PI_PLUS
    layers, grid, matter = medium.layers, medium.grid, medium.matter
    landau, spread, field = medium.landau, medium.spread, medium.field
    charge, turning = CHARGE[kind], BENDING * strength(field)  # rad MeV/c per mm
    stack, slot, cells, dep, count = s.stack, s.slot, s.cell, s.deposit, s.used
    table = medium.light if electron else medium.heavy
    cut = ELECTRON_CUT if electron else HEAVY_CUT
    x_low, y_low, pitch, nx, ny, nz = grid[0], grid[1], grid[2], grid[3], grid[4], grid[5]
    x_high, y_high, per_pitch = x_low + nx * pitch, y_low + ny * pitch, 1.0 / pitch
    birks, xi = grid[6], grid[7]
    layer = locate(layers, z, count[4])
    count[4] = layer
    lengths = exponential(state) if hadron else FAR  # interaction lengths to go
    life = FAR  # mm to go before decay
    if FLIGHT[kind] > 0.0:
        life = exponential(state) * FLIGHT[kind] * math.sqrt(energy * (energy + 2 * mass)) / mass
    radiation = next_photon(state, energy) if electron else FAR  # radiation lengths to go
    # radiation lengths so far, and when a deflection is due; h(t) at the last one
    seen, due, applied = 0.0, PATIENCE, 0.0
    momentum = 0.0
    known, last, loss, width, beta2, limit, per_x0, mu = FAR, -1, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0
    vx, vy, vz = _inverse(ux), _inverse(uy), _inverse(uz)
    while True:
        m, active = int(layers[layer, 2]), layers[layer, 3] > 0.5
        z_low, z_high = layers[layer, 0], layers[layer, 1]
        ix, iy, iz = int((x - x_low) * per_pitch), int((y - y_low) * per_pitch), 0
        if active:
            iz = int((z - z_low) * per_pitch)
            step = min(
                _to_cell(vx, x, x_low, pitch, ix),
                min(_to_cell(vy, y, y_low, pitch, iy), _to_cell(vz, z, z_low, pitch, iz)),
            )
        else:
            step = min(STRIDE, ((z_high if vz > 0.0 else z_low) - z) * vz)
        step = max(step, 0.0) + NUDGE
        if turning > 0.0:
            momentum = math.sqrt(energy * (energy + 2.0 * mass))
            step = min(step, LARGEST * momentum / turning)
        if energy < known or m != last:
            p2, total = energy * (energy + 2.0 * mass), energy + mass
            beta2 = p2 / (total * total)
            width = (13.6 * total / p2) ** 2
            limit = 2.0 * M_E * p2 / (mass * mass)
            j = int((0.5 * math.log10(p2 / (mass * mass)) - LOG_LOW) * LOG_STEPS)
            loss = table[m, max(0, min(j, LOG_SIZE - 1))]
            per_x0 = matter[m, 0]
            if hadron:
                mu = matter[m, 1 if kind == PROTON else 2]
                if energy < 400.0 and kind <= PI_MINUS:
                    mu *= 1.35 if energy > 80.0 else 0.7  # Delta resonance, and below it
            known, last = SAME * energy, m
        event = NOTHING
        if radiation < step * per_x0:
            step, event = radiation / per_x0, PHOTON
        if hadron:
            if lengths < step * mu:
                step, event = lengths / mu, COLLISION
            if life < step:
                step, event = life, DECAY
        e = loss * step
        if e >= energy:
            step, e, event = step * energy / e, energy, STOP
        elif not electron and e > 0.25 * energy:
            step, e, event = step * 0.25 * energy / e, 0.25 * energy, NOTHING
        elif active:
            r = step / beta2
            j = min(int(r * SPREAD_STEPS), SPREAD_SIZE - 1)
            k = int(uniform(state) * spread[j, 0] * LANDAU_SIZE)
            e = max(e + xi * r * (landau[k] - spread[j, 1]), 0.1 * e)
            if e >= energy:
                e, event = energy, STOP
        radiation -= step * per_x0
        lengths -= step * mu
        life -= step
        energy -= e
        if energy <= cut:
            if electron:  # too slow to follow: what is left stays here
                e += energy
            event = STOP
        cell = -1
        if active:
            iz += int(layers[layer, 4])
            if ix >= 0 and ix < nx and iy >= 0 and iy < ny and iz >= 0 and iz < nz:
                cell = int((ix * ny + iy) * nz) + iz
                light = e / (1.0 + birks * e / max(step, 0.01))
                deposit(slot, cells, dep, count, cell, category, generation, e, light)
        x, y, z = x + ux * step, y + uy * step, z + uz * step
        if event == STOP:
            stopped(stack, count, state, kind, (x, y, z), daughter)
            return
        if turning > 0.0:
            ux, uy, uz = bend(field, (ux, uy, uz), charge, momentum, step)
            vx, vy, vz = _inverse(ux), _inverse(uy), _inverse(uz)
        if active and energy > 60.0:
            rate = xi * step / beta2
            energy -= knock_on(
                stack,
                count,
                state,
                (x, y, z),
                (ux, uy, uz),
                not electron,
                energy,
                limit,
                rate,
                daughter,
            )
        if category == MUONIC and energy > 5000.0:
            t = radiative_loss(state, energy, matter[m, 4], step)
            if t > 0.0:
                energy -= t
                shower = GAMMA if uniform(state) < 0.4 else ELECTRON
                push(stack, count, shower, (x, y, z), (ux, uy, uz), t, daughter)
        seen += step * per_x0
        if seen > due or (1.2 * seen - 0.9 * applied) * width > MIN_ANGLE2:  # else surely not yet
            h = highland(seen)
            if seen > due or (h - applied) * width > MIN_ANGLE2:
                theta = math.sqrt((h - applied) * width)
                a, b = normals(state)
                ux, uy, uz = deflect((ux, uy, uz), theta * a, theta * b)
                vx, vy, vz = _inverse(ux), _inverse(uy), _inverse(uz)
                applied, due = h, seen + PATIENCE
        if event == PHOTON:
            energy -= radiate(stack, count, state, (x, y, z), (ux, uy, uz), energy, daughter)
            radiation = next_photon(state, energy)
        elif event == COLLISION and energy > 30.0:
            spot = interact(stack, count, state, kind, (x, y, z), (ux, uy, uz), energy, daughter)
            if cell >= 0:
                deposit(
                    slot, cells, dep, count, cell, 2, min(generation + 1, 2), spot, QUENCHED * spot
                )
            return
        elif event == COLLISION:
            lengths = FAR
        elif event == DECAY:
            decay(stack, count, state, kind, (x, y, z), (ux, uy, uz), energy, daughter)
            return
        if x <= x_low or x >= x_high or y <= y_low or y >= y_high:
            leave(s.left, count, row, (x, y, z), (ux, uy, uz), energy)
            return
        if z >= z_high and uz > 0.0:
            layer += 1
            if layer >= layers.shape[0]:
                leave(s.left, count, row, (x, y, z_high), (ux, uy, uz), energy)
                return
            z = max(z, layers[layer, 0])
        elif z <= z_low and uz < 0.0:
            layer -= 1
            if layer < 0:
                return
            z = min(z, layers[layer, 1] - NUDGE)
        elif z > z_high or z < z_low:  # deflected while stepping over the boundary
            z = min(max(z, z_low + NUDGE), z_high - NUDGE)
