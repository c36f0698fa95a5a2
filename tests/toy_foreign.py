"""A foreign format for tests: a text file, one line an event, which may crash, hang or be wrong.

A line is ``NUMBER WHAT``: a number of hits, or a word that says what goes wrong.
"""

import os
import time
from pathlib import Path

import numpy as np

from intarsia.core.detector import Detector, Reader
from intarsia.core.errors import EventError
from intarsia.core.reading import Records, Rows, build
from intarsia.core.streams import Axis, Column, Label, VoxelGrid

GRID = VoxelGrid(
    name="cubes",
    axes=(Axis(8, 10.0),) * 3,
    patch=(4, 4, 4),
    window=(2, 2, 2),
    columns=(Column(name="charge", unit="MeV"),),
    labels=(Label(name="kind", classes=("a", "b")),),
)
READERS = (
    Reader(
        name="lines",
        suffixes=(".toy",),
        open="toy_foreign:Lines",
        claims="toy_foreign:why_not_lines",
        options={"scale": 1.0},
    ),
    Reader(name="other", suffixes=(".toy", ".else"), open="toy_foreign:Lines", claims="toy_foreign:why_not_other"),
)  # fmt: skip
DETECTOR = Detector(
    name="foreign",
    about="",
    streams=(GRID,),
    truth=(Label(name="energy", unit="GeV"), Label(name="flavour", classes=("e", "mu"))),
    readers=READERS,
)


def why_not_lines(path: Path) -> str:
    return "" if path.read_bytes()[:1] != b"@" else "it begins with @"


def why_not_other(path: Path) -> str:
    return "" if path.read_bytes()[:1] in (b"@", b"*") else "it does not begin with @"


class Lines(Records):
    def __init__(self, path: Path, scale: float = 1.0) -> None:
        super().__init__(path)
        self.scale = scale
        if path.stem == "crash":
            os.abort()
        if path.stem.startswith("test"):
            self.splits = ("test",)
        text = path.read_bytes().decode("ascii")
        self.lines = [line.split() for line in text.strip("@*").splitlines()]

    def __len__(self) -> int:
        return len(self.lines)

    def events(self, first: int, last: int):
        counts, keys = [], []
        for number, what in self.lines[first:last]:
            if what == "crash":
                os.kill(os.getpid(), 11)
            if what == "hang":
                time.sleep(600)
            if what == "exit":
                os._exit(3)
            if what == "memory":
                np.zeros(1 << 40, np.uint8)[:] = 1
            if what == "bug":
                raise ZeroDivisionError("division by zero")
            if what == "wrong":
                raise EventError("hits: are wrong")
            counts.append(5000 if what == "beyond" else int(what) if what.isdigit() else 0)
            keys.append(number if what == "key" else f"{self.path.stem.split('-')[0]}/{number}")
        n = np.array(counts)
        cells = np.concatenate([np.arange(k) for k in n])
        index = np.stack([cells % 8, cells // 8 % 8, cells // 64], axis=1)
        columns = {"index": index, "charge": self.scale * (1.0 + cells)}
        truth = {"flavour": np.full(len(n), -1)}
        if "bare" not in self.path.stem:
            columns["kind"] = cells % 2
            truth["energy"] = n * 0.5
        return build(DETECTOR, keys, {"cubes": Rows(n, columns)}, truth)
