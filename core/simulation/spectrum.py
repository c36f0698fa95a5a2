"""Energies of the neutrinos that interact: histograms, one for each kind of neutrino, in GeV.

A file of histograms is CSV with the header ``low,high,nue,nuebar,numu,numubar,nutau,nutaubar``, one
bin a row: its edges and the interactions in it, on any scale; or NPZ with ``edges``, one more than
there are bins, and an array of each of the six names. Within a bin all energies are equally likely.
"""
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import csv
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from intarsia.core.errors import RunError

from .compiled import Array, compiled
from .random import uniform

LOWEST, HIGHEST = 20.0, 10_000.0  # GeV, what the generators are good for
NAMES = {12: "nue", -12: "nuebar", 14: "numu", -14: "numubar", 16: "nutau", -16: "nutaubar"}


class Spectra(NamedTuple):
    """edges: (N + 1,) GeV. below: (6, N), share of the interactions below the end of each bin.

    Rows of `below` are in the order of NAMES.
    """

    edges: Array
    below: Array


def spectra(edges: Array, counts: Mapping[int, Array]) -> Spectra:
    """From the `edges` (N + 1,) of the bins and the interactions (N,) for each PDG number."""
    rows = [np.cumsum(counts[pdg]) / np.sum(counts[pdg]) for pdg in NAMES]
    return Spectra(np.asarray(edges, np.float64), np.array(rows, np.float64))


@compiled
def draw_energy(state: Array, edges: Array, below: Array, neutrino: int) -> float:
    """Energy in GeV of a neutrino of PDG number `neutrino`; the others are those of a `Spectra`."""
    row = abs(neutrino) - 12 + (1 if neutrino < 0 else 0)
    i = min(np.searchsorted(below[row], uniform(state), side="right"), below.shape[1] - 1)
    return edges[i] + (edges[i + 1] - edges[i]) * uniform(state)


def read(path: Path) -> Spectra:
    """The histograms of a file. RunError, with every fault found, if it is not as it should be."""
    readers: dict[str, Callable[[Path], dict[str, Array]]] = {".csv": _csv, ".npz": _npz}
    if path.suffix not in readers:
        raise RunError(f"{path}: a spectrum is a .csv or .npz file, not {path.suffix!r}")
    if not path.is_file():
        raise RunError(f"{path}: there is no such file (a spectrum as .csv or .npz)")
    try:
        columns = readers[path.suffix](path)
    except (ValueError, OSError) as fault:
        raise RunError(f"{path}: {fault}") from None
    if faults := list(_faults(columns)):
        raise RunError("\n".join(f"{path}: {fault}" for fault in faults))
    return spectra(columns["edges"], {pdg: columns[name] for pdg, name in NAMES.items()})


def _csv(path: Path) -> dict[str, Array]:
    wanted = ["low", "high", *NAMES.values()]
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            header, rows = reader.fieldnames or (), list(reader)
    except (UnicodeDecodeError, csv.Error):
        raise ValueError("is no CSV file: it must be text in UTF-8, with commas") from None
    if missing := [n for n in wanted if n not in header]:
        raise ValueError(f"no column {', '.join(missing)} (header: {','.join(wanted)})")
    columns = {n: np.array([_number(r[n], n, i) for i, r in enumerate(rows, 2)]) for n in wanted}
    low, high = columns.pop("low"), columns.pop("high")
    if len(low) and (gaps := np.flatnonzero(~np.isclose(low[1:], high[:-1], rtol=1e-9))).size:
        raise ValueError(f"line {gaps[0] + 3}: the bin does not begin where the last one ends")
    return columns | {"edges": np.append(low, high[-1:])}


def _number(text: str | None, name: str, line: int) -> float:
    try:
        return float(text or "")
    except ValueError:
        raise ValueError(f"line {line}: {name} must be a number, not {text!r}") from None


def _npz(path: Path) -> dict[str, Array]:
    wanted = ["edges", *NAMES.values()]
    try:
        zipfile.ZipFile(path).close()
    except zipfile.BadZipFile:
        wrong = "is no NPZ archive: it must be one of arrays, as numpy.savez writes it"
        raise ValueError(wrong) from None
    with np.load(path, allow_pickle=False) as file:
        if missing := [n for n in wanted if n not in file.files]:
            raise ValueError(f"no array {', '.join(missing)} (it needs {', '.join(wanted)})")
        return {n: _row(file, n) for n in wanted}


def _row(file: Mapping[str, Array], name: str) -> Array:
    """The array `name` (N,) of an archive, as float64."""
    try:
        values = np.asarray(file[name])
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error):
        raise ValueError(f"{name} cannot be read: it must be an array of numbers") from None
    if values.dtype.kind not in "iuf":
        raise ValueError(f"{name} must be real numbers, not {values.dtype}")
    if values.ndim != 1:
        raise ValueError(f"{name} must have one dimension, not {values.ndim}")
    return values.astype(np.float64)


def _faults(columns: Mapping[str, Array]) -> Iterator[str]:
    edges = columns["edges"]
    if len(edges) < 2:
        yield "there are no bins"
        return
    if not (np.diff(edges) > 0).all():
        yield "the edges of the bins must increase"
    if not (edges[0] >= LOWEST and edges[-1] <= HIGHEST):
        yield f"energies must be from {LOWEST:g} to {HIGHEST:g} GeV"
    for name in NAMES.values():
        counts = columns[name]
        if len(counts) != len(edges) - 1:
            yield f"{name} has {len(counts)} values for {len(edges) - 1} bins"
        elif not (np.isfinite(counts).all() and (counts >= 0).all()):
            yield f"{name} must be finite and not negative"
        elif not counts.sum() > 0:
            yield f"{name} has no interactions"
