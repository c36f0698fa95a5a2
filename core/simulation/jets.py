"""Hadrons from a nucleon that lost a quark: remains, gluons, strings and decays, in GeV.

A quark of the sea leaves its partner behind: an antiquark goes into a meson, a quark into a baryon.
Charm that is struck comes from a gluon of the nucleon: its partner ends the string and the nucleon's
own quarks stay a baryon, except that a left-behind c at times takes two of them. A radiated gluon
becomes a pair of quarks and splits a string in two, with half of its momentum at the end of either.
Quarks and hadrons add up, so that charge, baryon number and the quark flavours are conserved, as is
four-momentum.
"""
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import math

from .charm import decay_excited, species
from .compiled import Array, compiled
from .decays import decay_resonances
from .gluons import LIGHTEST, charm_of_gluon, radiate, string_mass
from .random import uniform
from .strings import baryon, fragment, meson, new_quark
from .vectors import boost, rotate

TRIES = 20
CHARM_NEEDS, DIQUARK_NEEDS = 1.9, 1.0  # GeV, what a string with such an end needs more than others
# A left-behind c ends in a baryon with probability PARTNER_BARYON + (PARTNER_MASS / W)^2, the second
# where there is no room for meson and nucleon; tuned to Pythia 8 at 100 GeV to 5 TeV
PARTNER_BARYON, PARTNER_MASS = 0.04, 6.0  # GeV


@compiled
def remains(state: Array, w: float, proton: bool, struck: int, sea: bool) -> tuple[int, int, float]:
    """End of the string and hadron left when quark `struck` is hit: (end, PDG number, mass).

    w: mass of all hadrons, GeV. struck: as the ends of `strings`, negative for an antiquark. sea:
    whether a quark is of the sea. The PDG number is 0 if a diquark is all that is left.
    """
    if struck > 0 and not sea:
        return (11 if struck == 2 else 12) if proton else (11 if struck == 1 else 10), 0, 0.0
    valence = 2 if (uniform(state) < 2.0 / 3.0) == proton else 1
    pair = 11 if (valence == 2) == proton else (12 if proton else 10)
    if abs(struck) == 4:
        joins = PARTNER_BARYON + (PARTNER_MASS / w) ** 2
        if struck > 0 or uniform(state) > joins:
            pdg, mass = baryon(state, pair, valence)
            return -struck, pdg, mass
    if struck > 0:
        pdg, mass = meson(state, valence, struck)
        return pair, pdg, mass
    pdg, mass = baryon(state, pair, -struck)
    return valence, pdg, mass


@compiled
def _piece(
    state: Array, chain: Array, i: int, n: int, forward: int, backward: int, extra: int,
    extra_mass: float, spare: Array, rows: Array,
) -> int:  # fmt: skip
    """Hadrons of the string between partons i and i + 1 of n; 0 if it cannot be."""
    a, b = 1.0 if i == 0 else 0.5, 1.0 if i == n - 2 else 0.5
    m = string_mass(chain, i, n)
    made = fragment(state, m, forward, backward, extra, extra_mass, rows)
    if made == 0 or n == 2:
        return made
    e = a * chain[i, 3] + b * chain[i + 1, 3]
    vx, vy = (
        (a * chain[i, 0] + b * chain[i + 1, 0]) / e,
        (a * chain[i, 1] + b * chain[i + 1, 1]) / e,
    )
    vz = (a * chain[i, 2] + b * chain[i + 1, 2]) / e
    for k in range(4):
        spare[0, k] = chain[i, k]
    boost(spare[0], -vx, -vy, -vz, e / m)
    q = 1.0 / math.sqrt(spare[0, 0] ** 2 + spare[0, 1] ** 2 + spare[0, 2] ** 2)
    axis = (spare[0, 0] * q, spare[0, 1] * q, spare[0, 2] * q)
    for j in range(made):
        rows[j, 0], rows[j, 1], rows[j, 2] = rotate(axis, rows[j, 0], rows[j, 1], rows[j, 2])
        boost(rows[j], vx, vy, vz, e / m)
    return made


@compiled
def _needs(end: int) -> float:
    """GeV that a string with such an `end` needs more than one between light quarks."""
    return CHARM_NEEDS if abs(end) == 4 else (DIQUARK_NEEDS if abs(end) >= 10 else 0.0)


@compiled
def _pair(state: Array, chain: Array, i: int, n: int, before: float, after: float) -> int:
    """Flavour of the quarks that the gluon in row `i` of n becomes.

    before, after: GeV that the strings on its two sides need for their other ends.
    """
    least = LIGHTEST + CHARM_NEEDS
    fits = (
        string_mass(chain, i - 1, n) > least + before and string_mass(chain, i, n) > least + after
    )
    if fits and uniform(state) < charm_of_gluon(chain, i):
        return 4
    return new_quark(state)


@compiled
def _attempt(
    state: Array, w: float, current: int, end: int, extra: int, extra_mass: float, chain: Array,
    spare: Array, rows: Array,
) -> int:  # fmt: skip
    sign, last = 1 if current > 0 else -1, _needs(end) + extra_mass
    n = radiate(state, w, _needs(current), last, chain, spare)
    made, forward = 0, current
    for i in range(n - 2):
        quark = sign * _pair(state, chain, i + 1, n, _needs(forward), last if i == n - 3 else 0.0)
        k = _piece(state, chain, i, n, forward, -quark, 0, 0.0, spare, rows[made:])
        if k == 0:
            return 0
        made, forward = made + k, quark
    k = _piece(state, chain, n - 2, n, forward, end, extra, extra_mass, spare, rows[made:])
    return made + k if k > 0 else 0


@compiled
def hadrons(
    state: Array, w: float, current: int, end: int, extra: int, extra_mass: float, chain: Array,
    spare: Array, rows: Array,
) -> tuple[int, int]:  # fmt: skip
    """Hadrons of mass `w` at rest, the quark `current` along +z: (rows, PDG number of charm or 0).

    end, extra, extra_mass: as of `remains`. chain, spare: (MOST, 4) to work with. Resonances have
    decayed, charmed hadrons and pi0 have not. No rows if `w` is too small.
    """
    n = 0
    for _ in range(TRIES):
        n = _attempt(state, w, current, end, extra, extra_mass, chain, spare, rows)
        if n > 0:
            break
    charmed = 0
    for i in range(n):
        size = abs(rows[i, 4])
        if 400 < size < 500 or 4000 < size < 5000:
            n = decay_excited(state, rows, i, n)
            charmed = int(rows[i, 4]) if species(int(rows[i, 4])) >= 0 else charmed
    return decay_resonances(state, rows, n), charmed
