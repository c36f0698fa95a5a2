"""Units by name. Lengths are in mm, energies and momenta in GeV, times in ns where none is named."""

from __future__ import annotations

from .errors import DeclarationError, suggest

mm, cm, m = 1.0, 10.0, 1000.0
MeV, GeV, TeV = 1e-3, 1.0, 1e3
ns = 1.0

# name: (dimension, size in the unit that this project computes in)
UNITS: dict[str, tuple[str, float]] = {
    "1": ("number", 1.0),
    "um": ("length", 1e-3 * mm),
    "mm": ("length", mm),
    "cm": ("length", cm),
    "m": ("length", m),
    "eV": ("energy", 1e-9 * GeV),
    "keV": ("energy", 1e-6 * GeV),
    "MeV": ("energy", MeV),
    "GeV": ("energy", GeV),
    "TeV": ("energy", TeV),
    "MeV/c": ("momentum", MeV),
    "GeV/c": ("momentum", GeV),
    "c/GeV": ("inverse momentum", 1 / GeV),
    "ns": ("time", ns),
    "us": ("time", 1e3 * ns),
    "e": ("charge", 1.0),
    "p.e.": ("light", 1.0),
    "ADC": ("counts", 1.0),
    "rad": ("angle", 1.0),
}


def known(unit: str) -> str:
    """`unit` if it is a unit; DeclarationError with the nearest name otherwise."""
    if unit not in UNITS:
        raise DeclarationError(
            f"there is no unit {unit!r}{suggest(unit, UNITS)} (known: {', '.join(UNITS)})"
        )
    return unit


def factor(unit: str, to: str) -> float:
    """Number by which a value in `unit` is multiplied to be in `to`.

    DeclarationError if either is unknown or they measure different things.
    """
    (dimension, size), (wanted, scale) = UNITS[known(unit)], UNITS[known(to)]
    if dimension != wanted:
        raise DeclarationError(f"{unit} is a unit of {dimension}, {to} of {wanted}")
    return size / scale
