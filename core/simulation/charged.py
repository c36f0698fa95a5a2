"""Electrons, muons and charged hadrons: step by step through layers and cells.

Sources: PDG review 34 (restricted Bethe loss with Landau fluctuations, Highland's scattering,
bremsstrahlung, delta rays), Birks' law for the light. Multiple scattering: the variance of the
angle grows by h(t + dt) - h(t) with h(t) = t (1 + 0.038 ln t)^2, t the radiation lengths seen by
the particle so far, so that any thickness, however it is cut in steps, has Highland's width.
"""

from __future__ import annotations

import math

from .compiled import Array, compiled
from .electromagnetic import ELECTRON_CUT, PHOTON_CUT, knocked, michel, radiated, radiation_rate
from .hadronic import QUENCHED, interact, neutral_pion
from .ionisation import CUT, LANDAU_SIZE, LOG_LOW, LOG_SIZE, LOG_STEPS, SPREAD_SIZE, SPREAD_STEPS
from .particles import CATEGORY, FLIGHT, M_E, M_K, M_MU, M_PI, M_PI0, MASS
from .random import exponential, isotropic, normals, uniform
from .store import deposit, push
from .vectors import deflect, split

NUDGE = 1e-5  # mm beyond a boundary, so that the next step begins in the next cell
HEAVY_CUT = 0.3  # MeV; slower muons and hadrons stop
STRIDE = 20.0  # mm; longest step in layers without cells
MIN_ANGLE2 = 2.0e-5  # rad^2; scattering is saved up until its width is 4.5 mrad
TRANSFER = 20.0  # MeV; smallest radiative loss of a muon that is made, as one photon or electron


@compiled
def highland(t: float) -> float:
    """h(t): variance of the plane angle in units of (13.6 MeV / beta p)^2 after t X0 (PDG 34.16)."""
    if t < 1e-4:
        return 0.42 * t  # (1 + 0.038 ln 1e-4)^2
    f = 1.0 + 0.038 * math.log(t)
    return t * f * f


@compiled
def _radiative(state: Array, energy: float, b: float, step: float) -> float:
    """Energy of a catastrophic muon loss within `step` mm, or 0.

    1/nu spectrum of loss nu between TRANSFER and E / 2, normalised to a mean of b(E) E per mm; b
    rises from a third of its 1 TeV value at 1 GeV (PDG muon tables, by eye).
    """
    high = 0.5 * energy
    b *= min(1.1, 0.35 + 0.65 * math.log10(energy * 1e-3) / 3.0)
    log = math.log(high / TRANSFER)
    rate = b * energy * log / (high - TRANSFER)
    if uniform(state) > rate * step:
        return 0.0
    return TRANSFER * math.exp(log * uniform(state))


@compiled
def _stopped(
    stack: Array,
    count: Array,
    state: Array,
    kind: int,
    x: float,
    y: float,
    z: float,
    generation: float,
) -> None:
    """What a particle at rest becomes: Michel electrons, annihilation, capture stars."""
    ax, ay, az = isotropic(state)
    if kind == 2:
        push(stack, count, 0, x, y, z, ax, ay, az, M_E, generation)
        push(stack, count, 0, x, y, z, -ax, -ay, -az, M_E, generation)
    elif kind == 4 or (kind == 3 and uniform(state) < 0.92):  # 8 % of mu- are captured in carbon
        push(stack, count, 2 if kind == 4 else 1, x, y, z, ax, ay, az, michel(state), generation)
    elif kind == 5:
        push(stack, count, 4, x, y, z, ax, ay, az, 4.12, generation)
    elif kind == 7:
        push(stack, count, 4, x, y, z, ax, ay, az, 152.5, generation)
    elif kind == 6 or kind == 8:
        for _ in range(3):
            bx, by, bz = isotropic(state)
            nucleon = 9 if uniform(state) < 0.35 else 10
            e = 2.0 + 18.0 * exponential(state)
            push(stack, count, nucleon, x, y, z, bx, by, bz, e, generation)


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
    """Decay in flight of a charged pion (mu nu) or kaon (mu nu 3 : pi pi0 1, the rest shared)."""
    mass = MASS[kind]
    positive = kind == 5 or kind == 7
    if kind <= 6 or uniform(state) < 0.75:
        e, ax, ay, az, _, _, _, _ = split(state, mass, energy + mass, ux, uy, uz, M_MU, 0.0)
        push(stack, count, 4 if positive else 3, x, y, z, ax, ay, az, e - M_MU, generation)
        return
    e, ax, ay, az, e0, bx, by, bz = split(state, M_K, energy + M_K, ux, uy, uz, M_PI, M_PI0)
    push(stack, count, 5 if positive else 6, x, y, z, ax, ay, az, e - M_PI, generation)
    neutral_pion(stack, count, state, x, y, z, bx, by, bz, e0, generation)


@compiled
def follow_charged(
    stack: Array,
    left: Array,
    slot: Array,
    cell: Array,
    dep: Array,
    count: Array,
    layers: Array,
    grid: Array,
    matter: Array,
    heavy: Array,
    light: Array,
    landau: Array,
    spread: Array,
    state: Array,
    row: Array,
) -> None:
    """Follow one charged particle until it stops, interacts or leaves; arguments as `transport`.

    Longer than other functions: splitting this loop would pass thirty numbers to and fro at each
    of some 30,000 steps of an event.
    """
    kind = int(row[0])
    x, y, z, ux, uy, uz, energy = row[1], row[2], row[3], row[4], row[5], row[6], row[7]
    own = row[8]
    generation, category = int(own), CATEGORY[kind]
    daughter = own + 1.0
    mass = MASS[kind]
    electron, hadron = kind <= 2, kind >= 5
    table = light if electron else heavy
    cut = ELECTRON_CUT if electron else HEAVY_CUT
    x_low, y_low, pitch, nx, ny, nz = grid[0], grid[1], grid[2], grid[3], grid[4], grid[5]
    birks, xi = grid[6], grid[7]
    per_pitch = 1.0 / pitch
    x_high, y_high = x_low + nx * pitch, y_low + ny * pitch
    layer = 0
    while layer + 1 < layers.shape[0] and z >= layers[layer, 1]:
        layer += 1
    lengths = exponential(state) if hadron else 1e30  # interaction lengths to go
    life = 1e30  # mm to go before decay
    if hadron and FLIGHT[kind] > 0.0:
        life = exponential(state) * FLIGHT[kind] * math.sqrt(energy * (energy + 2 * mass)) / mass
    radiation = 1e30  # radiation lengths to go before the next photon
    if electron and energy > 1.5 * PHOTON_CUT:
        radiation = exponential(state) / radiation_rate(energy)
    seen = applied = 0.0  # radiation lengths; and h at the last deflection
    known, last, loss, bp, beta2 = 1e300, -1, 0.0, 1.0, 1.0
    inverse = 0.0
    vx = vy = vz = 0.0
    turned = True
    while True:
        m = int(layers[layer, 2])
        active = layers[layer, 3] > 0.5
        z_low, z_high = layers[layer, 0], layers[layer, 1]
        if turned:
            vx = 1.0 / ux if abs(ux) > 1e-9 else 1e9
            vy = 1.0 / uy if abs(uy) > 1e-9 else 1e9
            vz = 1.0 / uz if abs(uz) > 1e-9 else 1e9
            turned = False
        ix, iy, iz = int((x - x_low) * per_pitch), int((y - y_low) * per_pitch), 0
        if active:
            iz = int((z - z_low) * per_pitch)
            dx = ((ix + 1 if vx > 0.0 else ix) * pitch + x_low - x) * vx
            dy = ((iy + 1 if vy > 0.0 else iy) * pitch + y_low - y) * vy
            dz = ((iz + 1 if vz > 0.0 else iz) * pitch + z_low - z) * vz
            step = min(dx, min(dy, dz))
        else:
            step = min(STRIDE, ((z_high if vz > 0.0 else z_low) - z) * vz)
        step = max(step, 0.0) + NUDGE
        if energy < 0.98 * known or m != last:  # the loss hardly changes from step to step
            p2 = energy * (energy + 2.0 * mass)
            total = energy + mass
            beta2 = p2 / (total * total)
            bp = p2 / total
            j = int((0.5 * math.log10(p2 / (mass * mass)) - LOG_LOW) * LOG_STEPS)
            loss = table[m, max(0, min(j, LOG_SIZE - 1))]
            inverse = matter[m, 0]
            known, last = energy, m
        event = 0  # 1 photon, 2 nuclear interaction, 3 stop, 4 decay
        if radiation * 1.0 < step * inverse:
            step = radiation / inverse
            event = 1
        if hadron:
            mu = matter[m, 1] if kind == 9 else matter[m, 2]
            if energy < 400.0 and kind <= 6:
                mu *= 1.35 if energy > 80.0 else 0.7  # Delta resonance, and below it
            if lengths < step * mu:
                step = lengths / mu
                event = 2
            if life < step:
                step = life
                event = 4
            lengths -= step * mu
            life -= step
        e = loss * step
        if e >= energy:
            step *= energy / e
            e = energy
            event = 3
        elif not electron and e > 0.25 * energy:
            cut_to = 0.25 * energy / e
            if hadron:
                lengths += step * (1.0 - cut_to) * mu
                life += step * (1.0 - cut_to)
            step *= cut_to
            e = 0.25 * energy
            event = 0
        elif active:
            r = step / beta2
            j = min(int(r * SPREAD_STEPS), SPREAD_SIZE - 1)
            k = int(uniform(state) * spread[j, 0] * LANDAU_SIZE)
            e = max(e + xi * r * (landau[k] - spread[j, 1]), 0.1 * e)
            if e >= energy:
                e = energy
                event = 3
        inside = active and ix >= 0 and ix < nx and iy >= 0 and iy < ny and iz >= 0
        index = 0
        if inside:
            iz += int(layers[layer, 4])
            inside = iz < nz
            index = int((ix * ny + iy) * nz) + iz
        x += ux * step
        y += uy * step
        z += uz * step
        energy -= e
        if electron and energy <= cut:  # too slow to follow: what is left stays here
            e += energy
            energy = 0.0
            event = 3
        if inside:
            q = e / (1.0 + birks * e / max(step, 0.01))
            deposit(slot, cell, dep, count, index, category, generation, e, q)
        radiation -= step * inverse
        if energy <= cut or event == 3:
            _stopped(stack, count, state, kind, x, y, z, daughter)
            return
        if active and energy > 60.0:
            high = 0.5 * energy
            if not electron:
                high = min(high, 2.0 * bp * bp / (beta2 * mass * mass) * M_E)
            # rate of transfers above CUT: xi / beta2 (1 / CUT - 1 / high)
            if high > 1.1 * CUT and uniform(state) < xi * step / beta2 * (1.0 / CUT - 1.0 / high):
                t = knocked(state, CUT, high)
                energy -= t
                theta = math.sqrt(2.0 * M_E / (t + 2.0 * M_E))
                phi = 2.0 * math.pi * uniform(state)
                ax, ay, az = deflect(ux, uy, uz, theta * math.cos(phi), theta * math.sin(phi))
                push(stack, count, 1, x, y, z, ax, ay, az, t, daughter)
        if category == 1 and energy > 5000.0:
            t = _radiative(state, energy, matter[m, 4], step)
            if t > 0.0:
                energy -= t
                shower = 0 if uniform(state) < 0.4 else 1
                push(stack, count, shower, x, y, z, ux, uy, uz, t, daughter)
        seen += step * inverse
        width = 13.6 / bp
        width *= width
        if (seen + 1e-4) * width * 1.2 > MIN_ANGLE2 + applied * width * 0.9:
            h = highland(seen)
            if (h - applied) * width > MIN_ANGLE2 or seen > 0.3 + applied:
                theta = math.sqrt(max(h - applied, 0.0) * width)
                a, b = normals(state)
                ux, uy, uz = deflect(ux, uy, uz, theta * a, theta * b)
                applied = h
                turned = True
        if event == 1:
            t = radiated(state, energy) if energy > 1.2 * PHOTON_CUT else 0.0
            if t > 0.0:
                energy -= t
                a, b = normals(state)
                theta = 0.6 / energy if energy > 1.0 else 0.6
                ax, ay, az = deflect(ux, uy, uz, theta * a, theta * b)
                push(stack, count, 0, x, y, z, ax, ay, az, t, daughter)
            if energy > 1.5 * PHOTON_CUT:
                radiation = exponential(state) / radiation_rate(energy)
            else:
                radiation = 1e30
            known = 1e300
        elif event == 2:
            if energy > 30.0:
                spot = interact(stack, count, state, kind, x, y, z, ux, uy, uz, energy, daughter)
                if inside:
                    g = min(generation + 1, 2)
                    deposit(slot, cell, dep, count, index, 2, g, spot, QUENCHED * spot)
                return
            lengths = 1e30
        elif event == 4:
            _decay(stack, count, state, kind, x, y, z, ux, uy, uz, energy, daughter)
            return
        if x <= x_low or x >= x_high or y <= y_low or y >= y_high:
            return
        if z >= z_high and uz > 0.0:
            layer += 1
            if layer >= layers.shape[0]:
                if count[2] < left.shape[0]:
                    out = left[count[2]]
                    out[0], out[1], out[2], out[3] = kind, x, y, z_high
                    out[4], out[5], out[6], out[7], out[8] = ux, uy, uz, energy, own
                    count[2] += 1
                return
            z = max(z, layers[layer, 0])
        elif z <= z_low and uz < 0.0:
            layer -= 1
            if layer < 0:
                return
            z = min(z, layers[layer, 1] - NUDGE)
        elif z > z_high or z < z_low:  # deflected while stepping over the boundary
            z = min(max(z, z_low + NUDGE), z_high - NUDGE)  # fmt: skip
