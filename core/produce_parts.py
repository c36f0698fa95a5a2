"""A sample that is not yet one file: whole parts beside it, from which a production goes on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from .detector import Detector
from .errors import RunError
from .store import EventFile, EventWriter


class Parts:
    """The parts of the file `out`, of the sample that `about` tells of: ``.NAME.parts/0.h5``, ...

    RunError if there are some of this sample and `resume` is false, or of another and it is true;
    otherwise those of another are removed.
    """

    def __init__(
        self, out: Path, detector: Detector, about: Mapping[str, Any], resume: bool
    ) -> None:
        self._out, self._detector = out, detector
        self._folder = out.with_name(f".{out.name}.parts")
        told, plain = self._folder / "sample.json", json.dumps(about, sort_keys=True)
        if told.exists() and any(self._folder.glob("*.h5")):
            same = told.read_text() == plain
            if resume and not same:
                raise RunError(
                    f"{out}: another sample has been begun (in {self._folder}); ask for that one, "
                    "or begin again without --resume"
                )
            if same and not resume:
                raise RunError(
                    f"{out}: has been begun; go on with --resume, or remove {self._folder} to "
                    "begin again"
                )
            if same:
                return
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        told.write_text(plain)

    def path(self, number: int) -> Path:
        """The file of part `number`; it is there when the part is whole."""
        return self._folder / f"{number}.h5"

    @contextmanager
    def kept(self) -> Iterator[None]:
        """After an exception whole parts stay; without any, nothing does."""
        try:
            yield
        except BaseException:
            if not any(self._folder.glob("*.h5")):
                shutil.rmtree(self._folder, ignore_errors=True)
            raise

    def join(self, paths: Iterable[Path], provenance: Mapping[str, Any], asked: int) -> int:
        """Make the file of all parts, given in order, each copied while the next are made.

        Then removes them and gives the number of physical events; RunError if there is none
        although some were `asked` for.
        """
        written = 0
        with EventWriter(self._out, self._detector, provenance) as whole:
            for path in paths:
                part = EventFile(path)  # one is open at a time, however many there are
                whole.copy(part)
                written += len(np.unique(part.group))
            if asked and not written:
                shutil.rmtree(self._folder)
                raise RunError(f"{self._detector.name}: all of the {asked} events were left out")
            whole.provenance["left_out"] = asked - written
        shutil.rmtree(self._folder)
        return written
