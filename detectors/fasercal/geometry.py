"""What a generation of FASERCal is made of: records of sizes and places, and their arithmetic.

mm, in the detector's frame: z downstream along its axis, origin at the centre of the 3DCal. The
numbers are in `generations`. Nothing here computes on events.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
from attrs import frozen

from intarsia.core.errors import EventError
from intarsia.core.simulation.slabs import Slabs
from intarsia.core.streams import Axis

Array = np.ndarray[Any, Any]
Slab = tuple[float, str]  # thickness mm, material
HONEYCOMB = math.sqrt(0.75)  # distance of two layers of touching tubes over their diameter


@frozen
class Digit:
    """A place in a channel number: an index from `first` on, `n` of them, times `scale`."""

    name: str
    scale: int
    n: int
    first: int = 0


@frozen
class Channels:
    """The rule by which a channel's number holds its indices, its lowest place first."""

    digits: tuple[Digit, ...]

    def indices(self, numbers: Array) -> Array:
        """Indices (N, digits) int64 of channels `numbers` (N,), each from 0 on.

        EventError naming the first number that no channel has.
        """
        numbers = np.asarray(numbers, np.int64)
        scales = [d.scale for d in self.digits]
        columns = [numbers // a % (b // a) for a, b in pairwise(scales)]
        columns.append(numbers // scales[-1])
        found = np.stack(columns, axis=-1) - [d.first for d in self.digits]
        for place, digit in enumerate(self.digits):
            wrong = (found[..., place] < 0) | (found[..., place] >= digit.n)
            if wrong.any():
                number, index = numbers[wrong][0], found[..., place][wrong][0] + digit.first
                raise EventError(
                    f"channel {number}: {digit.name} {index} is not in "
                    f"{digit.first} to {digit.first + digit.n - 1}"
                )
        return found

    def numbers(self, indices: Array) -> Array:
        """Channel numbers (N,) int64 of `indices` (N, digits): the inverse of `indices`."""
        first = np.array([d.first for d in self.digits])
        scale = np.array([d.scale for d in self.digits])
        made: Array = ((np.asarray(indices, np.int64) + first) * scale).sum(-1)
        return made


@frozen(kw_only=True)
class Module:
    """One of equal 3DCal modules: slabs along z, the one of `sensitive` cut into cubes of `cell`.

    silicon: middles of tracker planes in the air, from the module's middle; neither read out nor
    felt by the simulation (0.2 mm each).
    """

    slabs: tuple[Slab, ...]
    sensitive: str
    cell: float
    silicon: tuple[float, ...] = ()

    @property
    def length(self) -> float:
        """Length along z in mm."""
        return sum(thickness for thickness, _ in self.slabs)

    @property
    def front(self) -> float:
        """Where the cells begin behind the module's front, in mm."""
        before = 0.0
        for thickness, material in self.slabs:
            if material == self.sensitive:
                return before
            before += thickness
        raise ValueError(f"no slab of {self.sensitive}")

    @property
    def planes(self) -> int:
        """Cells along z."""
        depth = next(t for t, material in self.slabs if material == self.sensitive)
        return round(depth / self.cell)


@frozen(kw_only=True)
class Sandwich:
    """A sampling calorimeter: equal layers of slabs, the `active` one read out in square tiles.

    front: z of its face; tiles: along x and y; tile: mm; centre: lateral, of both axes. Air at the
    end of a layer is between layers: the last has none.
    """

    front: float
    layers: int
    slabs: tuple[Slab, ...]
    active: int
    tiles: int
    tile: float
    channels: Channels
    centre: float = 0.0

    @property
    def scintillator(self) -> Slab:
        """The slab that is read out."""
        return self.slabs[self.active]

    @property
    def absorber(self) -> Slab:
        """The thickest of the other slabs."""
        return max(s for i, s in enumerate(self.slabs) if i != self.active)

    @property
    def pitch(self) -> float:
        """Length of a layer in mm."""
        return sum(thickness for thickness, _ in self.slabs)

    @property
    def depth(self) -> float:
        """Length along z in mm."""
        last, material = self.slabs[-1]
        return self.layers * self.pitch - (last if material == "air" else 0.0)

    @property
    def half(self) -> float:
        """Lateral half width in mm."""
        return 0.5 * self.tiles * self.tile

    def axes(self) -> tuple[Axis, Axis, Axis]:
        """Cells; along z their centres are the middles of the scintillators."""
        across = Axis(self.tiles, self.tile, self.centre - self.half)
        before = sum(thickness for thickness, _ in self.slabs[: self.active])
        middle = self.front + before + 0.5 * self.scintillator[0]
        return across, across, Axis(self.layers, self.pitch, middle - 0.5 * self.pitch)


@frozen(kw_only=True)
class DriftTubes:
    """Stations of drift tubes along x, packed as honeycomb, with a magnet between two stations.

    front: z of the first station's plate. Field along x inside the iron: `field` T where
    |y| < turn, and the opposite outside up to `half`. resolution: of the drift radius.
    """

    front: float
    stations: int
    layers: int
    tubes: int
    diameter: float
    wall: float
    length: float
    plate: float
    iron: float
    gap: float
    half: float
    turn: float
    field: float
    resolution: float
    channels: Channels

    @property
    def station(self) -> float:
        """Length of a station along z, plates included."""
        return 2 * self.plate + self.diameter * (1 + (self.layers - 1) * HONEYCOMB)

    @property
    def depth(self) -> float:
        """Length along z in mm."""
        between = self.iron + 2 * self.gap
        return self.stations * self.station + (self.stations - 1) * between

    def planes(self) -> Array:
        """z of the tubes' wires, (stations, layers)."""
        first = self.front + self.plate + 0.5 * self.diameter
        station = self.station + self.iron + 2 * self.gap
        layer = self.diameter * HONEYCOMB
        z: Array = (
            first + station * np.arange(self.stations)[:, None] + layer * np.arange(self.layers)
        )
        return z

    def wires(self, layer: int) -> Array:
        """y of the wires of `layer`, (tubes,); odd layers stand half a tube higher."""
        y: Array = self.diameter * (
            np.arange(self.tubes) - 0.5 * (self.tubes - 1) + 0.5 * (layer % 2)
        )
        return y


@frozen(kw_only=True)
class Geometry:
    """A generation of the whole detector.

    gaps: air between modules, beyond their own. tag: a scintillator at the end that only sums
    energy. tilt: rad, about y; shift: mm, added to detector coordinates before the tilt, or after
    it if `shifted` says so. origin: z of our origin in the collaboration's detector coordinates.
    """

    generation: str
    source: str
    modules: int
    cells: tuple[int, int]
    module: Module
    channels: Channels
    ecal: Sandwich
    ahcal: Sandwich
    spectrometer: Slabs | DriftTubes | None
    gaps: tuple[float, ...]
    tag: Sandwich | None = None
    silicon: Channels | None = None
    tilt: float = 0.0
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
    shifted: str = "before"
    origin: float = 0.0

    @property
    def length(self) -> float:
        """Length of the 3DCal in mm."""
        return self.modules * self.module.length + sum(self.gaps)

    @property
    def fronts(self) -> tuple[float, ...]:
        """z of the modules' front faces."""
        before = np.concatenate([[0.0], np.cumsum(self.gaps)])
        z = -0.5 * self.length + self.module.length * np.arange(self.modules) + before
        return tuple(z.tolist())

    def axes(self) -> tuple[Axis, Axis, Axis]:
        """Cells of the 3DCal."""
        m = self.module
        own = m.length - m.planes * m.cell
        x, y = (Axis(k, m.cell, -0.5 * k * m.cell) for k in self.cells)
        gaps = tuple(own + gap for gap in self.gaps)
        return x, y, Axis(self.modules * m.planes, m.cell, self.fronts[0] + m.front, gaps)

    def index(self, numbers: Array) -> Array:
        """Cells (N, 3) int64 of the 3DCal with channel `numbers` (N,), counted through all modules.

        EventError for a number that no cell has, as `Channels.indices`.
        """
        found = self.channels.indices(numbers)
        z = found[:, 3] * self.module.planes + found[:, 2]
        return np.stack([found[:, 0], found[:, 1], z], axis=1)

    @property
    def rotation(self) -> Array:
        """(3, 3): from the axes of the detector to those of the beam."""
        c, s = np.cos(self.tilt), np.sin(self.tilt)
        return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])

    @property
    def place(self) -> Array:
        """(3,): where the detector's origin stands in the frame of the beam."""
        shift = np.array(self.shift)
        middle = np.array([0.0, 0.0, self.origin])
        inside: Array = self.rotation @ (middle + (shift if self.shifted == "before" else 0.0))
        return inside if self.shifted == "before" else inside + shift

    def to_beam(self, points: Array) -> Array:
        """Points (..., 3) of the detector's frame in that of the beam, whose axis is the origin's z."""
        moved: Array = points @ self.rotation.T + self.place
        return moved

    def to_detector(self, points: Array) -> Array:
        """Points (..., 3) of the beam's frame in the detector's: the inverse of `to_beam`."""
        moved: Array = (points - self.place) @ self.rotation
        return moved
