import numpy as np
import pytest
import toy
from attrs import evolve

from intarsia.core.cli import main
from intarsia.core.compare import compare
from intarsia.core.plugins import registry
from intarsia.core.streams import Axis

EVENTS = toy.events(toy.GRID, 40)
FINE = evolve(
    toy.GRID,
    name="fine",
    streams=(evolve(toy.CUBES, axes=tuple(Axis(n, 1.0) for n in toy.CUBES.shape)),),
)


def quantiles(values):
    return " ".join(f"{v:.4g}" for v in np.quantile(values, [0.05, 0.5, 0.95]))


def test_numbers_are_those_of_the_declaration_and_of_the_events():
    (pair,) = compare(toy.GRID, toy.GRID, EVENTS, EVENTS)
    table, rows = EVENTS.streams["cubes"], {what: (x, y) for what, x, y in pair.rows}
    assert all(x == y for x, y in rows.values())
    one = {what: x for what, (x, _) in rows.items()}
    cells = [tuple(c) for c in np.column_stack([table.event, table["index"] // [6, 6, 5]])]
    tokens, hits = np.unique(cells, axis=0, return_counts=True)
    charge = table["charge"].astype(np.float64)
    squeezed = np.log1p(charge)
    assert one == {
        "cells": "24 24 40",
        "pitch [mm]": "10 10 10",
        "patch [cells]": "6 6 5",
        "patch [mm]": "60 60 50",
        "patches": "128",
        "patches of a window": "8",
        "windows": "16",
        "columns": "charge [MeV] log1p",
        "events": "40",
        "hits of an event": quantiles(table.counts),
        "occupied patches of an event": quantiles(np.bincount(tokens[:, 0], minlength=40)),
        "hits of an occupied patch": quantiles(hits),
        "charge": f"{quantiles(charge)} MeV",
        "charge over its rms": quantiles(squeezed / np.sqrt((squeezed**2).mean())),
    }
    assert pair.warnings == ()


def test_what_differs_wildly_is_warned_of():
    (pair,) = compare(toy.GRID, FINE)
    assert pair.warnings == (
        "patch [mm]: 60 60 50 in toygrid's cubes, 6 6 5 in fine's cubes: 10 times apart (more than 3)",
    )
    dense = toy.events(toy.GRID, 40)
    dense.streams["cubes"].columns["charge"][:-5] *= 1e-4
    (pair,) = compare(toy.GRID, toy.GRID, EVENTS, dense)
    assert [w.partition(":")[0] for w in pair.warnings] == ["charge over its rms"]
    (one, two) = compare(toy.GRID, toy.DETECTOR)
    assert (one.streams, two.streams) == (("cubes", "cubes"), ("cubes", "plates"))
    assert one.warnings == ()
    assert "charge [MeV] log1p, way [1] identity" in two.warnings[0]


def test_no_events_and_no_voxels_leave_out_what_is_not_known():
    empty = toy.no_rows(EVENTS, toy.GRID, "cubes")
    (pair,) = compare(toy.GRID, toy.GRID, EVENTS, empty)
    rows = {what: (x, y) for what, x, y in pair.rows}
    assert rows["hits of an occupied patch"][1] == "-"
    assert rows["charge"][1] == "- MeV"
    assert "hits of an event" not in {what for what, _, _ in compare(toy.GRID, toy.GRID)[0].rows}
    assert compare(toy.PLAIN, toy.GRID) == compare(toy.GRID, toy.PLAIN) == []


@pytest.mark.parametrize("first", registry().names("detectors"))
def test_every_two_detectors_are_compared(first):
    found = registry()
    for second in found.names("detectors"):
        assert compare(found.detector(first), found.detector(second))


def test_the_command_takes_names_and_event_files(tmp_path, capsys):
    toy.written(tmp_path / "e.h5", toy.GRID, 12)
    assert main(["compare", str(tmp_path / "e.h5"), "superfgd", "-n", "0"]) == 0
    said = capsys.readouterr()
    assert "toygrid cubes" in said.out
    assert "superfgd cubes" in said.out
    assert "warning: columns" not in said.err
    assert main(["compare", "superfgd", "superfdg", "-n", "0"]) == 2
    assert "did you mean 'superfgd'?" in capsys.readouterr().err
