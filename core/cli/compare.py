"""``intarsia compare``: two detectors side by side, before a transfer."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from intarsia.core.detector import Detector
from intarsia.core.events import Events
from intarsia.core.plugins import Registry, registry

from .check import detector_of, kind
from .options import Plugins, Seed
from .terminal import complain, say, table

MOST = 500  # events of a file that are looked at

Side = Annotated[
    str, typer.Argument(metavar="DETECTOR", help="Name of a detector, or an event file.")
]


def compare(
    a: Side,
    b: Side,
    n: Annotated[
        int,
        typer.Option("-n", metavar="N", min=0, help="Events to simulate where no file is given."),
    ] = 50,
    seed: Seed = 0,
    plugin: Plugins = None,
) -> None:
    """Compare two detectors as a core sees them.

    Pitch, patches and windows side by side, and of their events (5, 50 and 95 % quantiles) how many
    patches are occupied and how charges are spread. Warns of what differs so much that a transferred
    core meets something new.
    """
    found = registry(plugin or ())
    (one, events_one), (two, events_two) = (_side(s, found, n, seed or 0) for s in (a, b))
    from intarsia.core.compare import compare as compared

    pairs = compared(one, two, events_one, events_two)
    for pair in pairs:
        table(("", f"{one.name} {pair.streams[0]}", f"{two.name} {pair.streams[1]}"), pair.rows)
        for warning in pair.warnings:
            complain(f"warning: {warning}")
        say()
    if not pairs:
        say(f"{one.name} and {two.name} do not both have voxels to compare")


def _side(name: str, found: Registry, n: int, seed: int) -> tuple[Detector, Events | None]:
    """A detector and some of its events: of the file, simulated, or none."""
    from intarsia.core.store import EventFile

    if kind(name) == "events":
        file = EventFile(Path(name))
        detector = detector_of(file.detector, file.declaration, found)
        return detector, file.read(0, min(MOST, len(file)))
    detector = found.detector(name)
    if detector.simulation is None or not n:
        return detector, None
    from intarsia.core.produce import produce

    with TemporaryDirectory() as folder:
        path = Path(folder) / "events.h5"
        produce(detector, n, seed, path, workers=1)
        file = EventFile(path)
        return detector, file.read(0, len(file))
