"""A muon spectrometer as data: stations between equal slabs of magnetised iron."""

from __future__ import annotations

from typing import NamedTuple


class Slabs(NamedTuple):
    """Stations, a slab of iron behind each but the last; field along x, inside the iron only.

    The field is `field` T where |y - centre| < turn and the opposite further out, up to `half`.
    first: z of the first station; pitch: of stations; front: of the slab's face behind its
    station; thickness; centre: lateral, of both axes; half: lateral half width. resolution: of a
    point, in x and y. mm. Of the iron: x0 in mm; loss: GeV per mm by ionisation of a muon of 10
    GeV/c, from which follow the others; b: a muon of E GeV radiates b E GeV per mm.
    """

    stations: int
    first: float
    pitch: float
    front: float
    thickness: float
    centre: float
    half: float
    turn: float
    field: float
    resolution: float
    x0: float = 17.57  # PDG: 13.84 g/cm2 at 7.874 g/cm3
    loss: float = 1.5e-3  # PDG, muons in iron
    b: float = 2.7e-6  # PDG: 3.4e-6 cm2/g
