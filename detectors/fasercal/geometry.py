"""FASERCal, generation B, as data: what stands where, in mm, in the detector frame.

Source: the collaboration's public code at rubbiaa/FASER 7436b01 (generation "V6", the one of
arXiv:2604.07037): DetectorConstruction.cc, TcalEvent.hh, geometry_tilted_5degree.gdml. The origin
is the centre of the 3DCal container, z points downstream. Nothing here computes on events.
"""

from __future__ import annotations

from math import radians

from attrs import frozen

from intarsia.core.simulation.slabs import Slabs
from intarsia.core.streams import Axis


@frozen(kw_only=True)
class Module:
    """One of equal 3DCal modules: slabs along z as (thickness mm, material), one is read out."""

    slabs: tuple[tuple[float, str], ...]
    sensitive: str
    cell: float

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
    """A sampling calorimeter: `layers` of absorber and scintillator, cut into square tiles.

    front: z of its face; tiles: along x and y; tile: mm; centre: lateral, of both axes.
    """

    front: float
    layers: int
    absorber: tuple[float, str]
    scintillator: tuple[float, str]
    tiles: int
    tile: float
    centre: float

    @property
    def pitch(self) -> float:
        """Length of a layer in mm."""
        return self.absorber[0] + self.scintillator[0]

    @property
    def depth(self) -> float:
        """Length along z in mm."""
        return self.layers * self.pitch

    @property
    def half(self) -> float:
        """Lateral half width in mm."""
        return 0.5 * self.tiles * self.tile


@frozen(kw_only=True)
class Geometry:
    """The whole detector. tilt: rad, about y; shift: mm; both from the detector to the beam."""

    modules: int
    cells: tuple[int, int]
    module: Module
    ecal: Sandwich
    ahcal: Sandwich
    spectrometer: Slabs
    tilt: float
    shift: tuple[float, float, float]

    @property
    def length(self) -> float:
        """Length of the 3DCal container in mm."""
        return self.modules * self.module.length

    def axes(self) -> tuple[Axis, Axis, Axis]:
        """Cells of the 3DCal."""
        m = self.module
        n, planes = self.modules, m.planes
        gap = m.length - planes * m.cell
        x, y = (Axis(k, m.cell, -0.5 * k * m.cell) for k in self.cells)
        return x, y, Axis(n * planes, m.cell, -0.5 * self.length + m.front, (gap,) * (n - 1))

    def tiles(self) -> tuple[Axis, Axis, Axis]:
        """Cells of the AHCAL; along z their centres are the middles of the scintillators."""
        a = self.ahcal
        across = Axis(a.tiles, a.tile, a.centre - a.half)
        middle = a.front + a.absorber[0] + 0.5 * a.scintillator[0]
        return across, across, Axis(a.layers, a.pitch, middle - 0.5 * a.pitch)


GENERATION_B = Geometry(
    modules=10,
    cells=(48, 48),
    # Two silicon planes of 0.2 mm stand in the air gap; they are neither read out nor felt.
    module=Module(
        slabs=((5.0, "Al"), (1.0, "W"), (200.0, "PVT"), (5.0, "Al"), (30.0, "air")),
        sensitive="PVT",
        cell=10.0,
    ),
    ecal=Sandwich(
        front=1205.0,
        layers=66,
        absorber=(2.0, "Pb"),
        scintillator=(4.0, "PS"),
        tiles=5,
        tile=121.2,
        centre=0.0,
    ),
    # Aligned with the lower edges of the ECAL's envelope: (720 - 606) / 2 = 57 mm off its axis.
    ahcal=Sandwich(
        front=1601.0,
        layers=40,
        absorber=(20.0, "Fe"),
        scintillator=(3.0, "PS"),
        tiles=18,
        tile=40.0,
        centre=57.0,
    ),
    # A station is 10 mm of fibres, then 10 mm of air, 150 mm of iron, 10 mm of air. Eleven are
    # built; the first ten are used, as the paper counts. (1000 - 606) / 2 = 197 mm off axis.
    spectrometer=Slabs(
        stations=10,
        first=2526.0,
        pitch=180.0,
        front=15.0,
        thickness=150.0,
        centre=197.0,
        half=500.0,
        turn=250.0,
        field=-1.5,
        resolution=0.1,
    ),
    tilt=radians(5.0),
    shift=(220.0, 170.0, 0.0),
)
