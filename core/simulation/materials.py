"""Materials by name, with the constants of the Particle Data Group.

Source: PDG, "Atomic and nuclear properties of materials" (pdg.lbl.gov/AtomicNuclearProperties):
Sternheimer's density-effect parameters, radiation lengths, nuclear interaction lengths of protons
and pions, and the muon's radiative loss coefficient b at 1 TeV. Fermi momenta: Moniz et al., PRL 26
(1971) 445, of the measured nucleus nearest in mass (C, Mg, Ca, Ni, Ta, Pb).
"""

from __future__ import annotations

from attrs import frozen

from intarsia.core.errors import DeclarationError, suggest


@frozen(kw_only=True)
class Material:
    """A material in PDG's units.

    density g/cm3; za = <Z/A>; z a typical atomic number; excitation eV; sternheimer (a, k, x0, x1,
    C, delta0); x0, proton and pion (interaction lengths) g/cm2; b: 1e-6 cm2/g, muons of 1 TeV;
    fermi: momentum in GeV/c of the nucleons in its nuclei, hydrogen not told apart.
    """

    name: str
    density: float
    za: float
    z: float
    excitation: float
    sternheimer: tuple[float, float, float, float, float, float]
    x0: float
    proton: float
    pion: float
    b: float
    fermi: float

    @property
    def radiation_length(self) -> float:
        """Radiation length in mm."""
        return 10.0 * self.x0 / self.density

    @property
    def interaction_length(self) -> float:
        """Nuclear interaction length of protons in mm."""
        return 10.0 * self.proton / self.density

    @property
    def pion_length(self) -> float:
        """Nuclear interaction length of pions in mm."""
        return 10.0 * self.pion / self.density


MATERIALS = (
    Material(
        name="air", density=1.205e-3, za=0.49919, z=7.3, excitation=85.7,
        sternheimer=(0.10914, 3.3994, 1.7418, 4.2759, 10.5961, 0.0),
        x0=36.62, proton=90.1, pion=122.0, b=1.9, fermi=0.221,
    ),
    Material(  # polyvinyltoluene, plastic scintillator
        name="PVT", density=1.032, za=0.54141, z=5.6, excitation=64.7,
        sternheimer=(0.16101, 3.2393, 0.1464, 2.4855, 3.1997, 0.0),
        x0=43.90, proton=81.3, pion=113.7, b=1.7, fermi=0.221,
    ),
    # What FASERG4's DetectorConstruction.cc makes of polyvinyltoluene: hydrogen and carbon as 10 : 9
    # by mass, where 10 : 9 are their atoms. Bragg's rule from PDG's elements; density effect by
    # Sternheimer and Peierls (PRB 3, 3681). For comparison with the collaboration's samples.
    Material(
        name="FASERG4 plastic", density=1.03, za=0.7588, z=1.8, excitation=30.1,
        sternheimer=(0.07077, 3.0, 0.2, 2.0, 1.3337, 0.0),
        x0=51.44, proton=63.9, pion=94.6, b=1.8, fermi=0.221,
    ),
    Material(  # polystyrene
        name="PS", density=1.060, za=0.53768, z=5.7, excitation=68.7,
        sternheimer=(0.16454, 3.2224, 0.1647, 2.5031, 3.2999, 0.0),
        x0=43.79, proton=81.7, pion=113.9, b=1.7, fermi=0.221,
    ),
    Material(
        name="Al", density=2.699, za=0.48181, z=13.0, excitation=166.0,
        sternheimer=(0.08024, 3.6345, 0.1708, 3.0127, 4.2395, 0.12),
        x0=24.01, proton=107.2, pion=136.7, b=2.6, fermi=0.235,
    ),
    Material(
        name="Fe", density=7.874, za=0.46557, z=26.0, excitation=286.0,
        sternheimer=(0.14680, 2.9632, -0.0012, 3.1531, 4.2911, 0.12),
        x0=13.84, proton=132.1, pion=160.8, b=3.4, fermi=0.260,
    ),
    Material(
        name="W", density=19.30, za=0.40252, z=74.0, excitation=727.0,
        sternheimer=(0.15509, 2.8447, 0.2167, 3.4960, 5.4059, 0.14),
        x0=6.76, proton=191.9, pion=218.7, b=8.2, fermi=0.265,
    ),
    Material(
        name="Pb", density=11.35, za=0.39575, z=82.0, excitation=823.0,
        sternheimer=(0.09359, 3.1608, 0.3776, 3.8073, 6.2018, 0.14),
        x0=6.37, proton=199.6, pion=226.2, b=8.8, fermi=0.265,
    ),
    Material(
        name="LAr", density=1.396, za=0.45059, z=18.0, excitation=188.0,
        sternheimer=(0.19559, 3.0000, 0.2000, 3.0000, 5.2146, 0.0),
        x0=19.55, proton=119.7, pion=149.0, b=3.3, fermi=0.251,
    ),
)  # fmt: skip


def material(name: str) -> Material:
    """The material called `name`; DeclarationError naming the nearest one otherwise."""
    for m in MATERIALS:
        if m.name == name:
            return m
    names = [m.name for m in MATERIALS]
    raise DeclarationError(
        f"there is no material {name!r}{suggest(name, names)} (known: {', '.join(names)})"
    )
