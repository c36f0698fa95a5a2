"""The three generations of FASERCal, every number of them, in mm.

Source: the collaboration's public code, rubbiaa/FASER: DetectorConstruction.cc, TcalEvent.hh, the
GDML files and macros, at the commit that each record names. Generation B is that of
arXiv:2604.07037 as far as can be told (its ECAL of 5 x 5 towers and AHCAL of 18 x 18 x 40 tiles).
Of A and C the sizes alone count, no particle is followed through them: polyethylene, ESR and FR4 are
names, of which `materials` knows nothing.
"""

from __future__ import annotations

from math import radians

from intarsia.core.simulation.slabs import Slabs

from .geometry import Channels, Digit, DriftTubes, Geometry, Module, Sandwich

CUBES = Channels(
    (
        Digit("x", 1, 48),
        Digit("y", 10**3, 48),
        Digit("z", 10**6, 20),
        Digit("module", 10**9, 10),
        Digit("kind", 10**11, 1),  # 0: scintillator
    )
)
SILICON = Channels(
    (
        Digit("x", 1, 4800),  # pixels of 0.1 mm
        Digit("y", 10**4, 4800),
        Digit("module", 10**8, 10),
        Digit("plane", 10**10, 2, first=1),
        Digit("kind", 10**11, 1, first=1),
    )
)
TOWERS = Channels((Digit("x", 1, 5), Digit("y", 5, 5)))
TILES = Channels((Digit("x", 1, 18), Digit("y", 10**3, 18), Digit("z", 10**6, 40)))
PLANES = Channels((Digit("z", 1, 9),))
SCIFI = Channels((Digit("plane", 1, 4), Digit("station", 4, 11)))  # copy number of a fibre plane
TUBES = Channels(
    (Digit("tube", 1, 34), Digit("layer", 10**3, 3), Digit("station", 10**4, 4, first=1))
)

_LAYERS = ((5.0, "Al"), (1.0, "W"), (200.0, "PVT"), (5.0, "Al"), (30.0, "air"))
_MODULE = Module(slabs=_LAYERS, sensitive="PVT", cell=10.0)
# Of LHCb's modules, whose scintillator is polystyrene (JINST 3 (2008) S08005); DetectorConstruction.cc
# has them of G4_PLASTIC_SC_VINYLTOLUENE, where PS in a name is plastic scintillator. A muon loses 2 %
# less in it than in polystyrene.
_ECAL = Sandwich(
    front=1205.0,
    layers=66,
    slabs=((2.0, "Pb"), (4.0, "PVT")),
    active=1,
    tiles=5,
    tile=121.2,
    channels=TOWERS,
)

GENERATION_A = Geometry(
    generation="A",
    source="rubbiaa/FASER 02758a1 (runFASER_V5.mac), March to May 2025",
    modules=10,
    cells=(48, 48),
    module=_MODULE,
    channels=CUBES,
    gaps=(0.0,) * 9,
    ecal=_ECAL,
    # Nine planes, each read out as a whole.
    ahcal=Sandwich(
        front=1601.0,
        layers=9,
        slabs=((90.0, "Pb"), (10.0, "PVT")),
        active=1,
        tiles=1,
        tile=600.0,
        channels=PLANES,
    ),
    spectrometer=None,
    tag=Sandwich(
        front=2501.0,
        layers=1,
        slabs=((100.0, "polyethylene"), (40.0, "PVT")),
        active=1,
        tiles=1,
        tile=600.0,
        channels=Channels((Digit("plane", 1, 1),)),
    ),
)

# Of generation B. A station is 10 mm of fibres, then 10 mm of air, 150 mm of iron, 10 mm of air.
# Eleven are built; the first ten are used, as the paper counts. (1000 - 606) / 2 = 197 off axis.
SPECTROMETER = Slabs(
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
)

GENERATION_B = Geometry(
    generation="B",
    source="rubbiaa/FASER 7436b01 (runFASER_V6_tilted.mac, geometry_tilted_5degree.gdml)",
    modules=10,
    cells=(48, 48),
    module=Module(slabs=_LAYERS, sensitive="PVT", cell=10.0, silicon=(116.4, 120.4)),
    channels=CUBES,
    silicon=SILICON,
    gaps=(0.0,) * 9,
    ecal=_ECAL,
    # All parts behind the 3DCal share their lower edges in x and y: (720 - 606) / 2 = 57 off axis.
    ahcal=Sandwich(
        front=1601.0,
        layers=40,
        slabs=((20.0, "Fe"), (3.0, "PS")),
        active=1,
        tiles=18,
        tile=40.0,
        channels=TILES,
        centre=57.0,
    ),
    spectrometer=SPECTROMETER,
    tilt=radians(5.0),
    shift=(220.0, 170.0, 0.0),
)

_C_FRONT = -1430.0  # of the 3DCal; the collaboration counts z from there

GENERATION_C = Geometry(
    generation="C",
    source="rubbiaa/FASER 0c7a6ac (RunFASER_newgeo.mac, but with 1 mm of W), June 2026",
    modules=10,
    cells=(48, 48),
    module=_MODULE,
    channels=CUBES,
    gaps=(10.0, 100.0) * 4 + (10.0,),
    ecal=Sandwich(
        front=_C_FRONT + 3110.0,
        layers=40,
        slabs=((3.0, "Pb"), (3.0, "PVT"), (5.0, "air")),  # G4_PLASTIC_SC_VINYLTOLUENE too
        active=1,
        tiles=18,
        tile=40.0,
        channels=TILES,
    ),
    # The last layer has no steel, yet the code counts it in the depth, 40 x 25.13 + 39 x 4.5 = 1180.7
    # mm; so do we, for what stands behind is placed by it. All layers but the last are as below.
    ahcal=Sandwich(
        front=_C_FRONT + 3795.0,
        layers=40,
        slabs=(
            (0.065, "ESR"),
            (3.0, "PS"),
            (0.065, "ESR"),
            (2.5, "FR4"),
            (19.5, "Fe"),
            (4.5, "air"),
        ),
        active=1,
        tiles=18,
        tile=40.0,
        channels=TILES,
    ),
    spectrometer=DriftTubes(
        front=_C_FRONT + 5225.7,
        stations=4,
        layers=3,
        tubes=34,
        diameter=30.0,
        wall=0.4,
        length=860.0,
        plate=10.0,
        iron=400.0,
        gap=15.0,
        half=500.0,
        turn=250.0,
        field=-1.5,
        resolution=0.08,
        channels=TUBES,
    ),
    tilt=radians(4.5),
    shift=(450.0, 240.0, 0.0),
    shifted="after",
    origin=1430.0,
)

GENERATIONS = {g.generation: g for g in (GENERATION_A, GENERATION_B, GENERATION_C)}
