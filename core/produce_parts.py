"""A sample that is not yet one file: whole parts beside it, from which a production goes on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
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

    def join(self, count: int, provenance: Mapping[str, Any], asked: int) -> int:
        """Make the file of all `count` parts and remove them; how many physical events it has.

        RunError if there is none although some were `asked` for.
        """
        # one file is open at a time: each keeps a megabyte for every dataset it has read
        paths = [self.path(i) for i in range(count)]
        written = sum(len(np.unique(EventFile(path).group)) for path in paths)
        if asked and not written:
            shutil.rmtree(self._folder)
            raise RunError(f"{self._detector.name}: all of the {asked} events were left out")
        about = {**provenance, "left_out": asked - written}
        with EventWriter(self._out, self._detector, about) as whole:
            for path in paths:
                whole.copy(EventFile(path))
        shutil.rmtree(self._folder)
        return written
