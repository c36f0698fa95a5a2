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
from .store import EventFile, EventWriter, atomic


class Parts:
    """The parts of the file `out`, of the sample that `about` tells of: ``.NAME.parts/0.h5``, ...

    RunError if there are some of this sample and `resume` is false, or of another and it is true;
    otherwise those of another are removed.
    """

    def __init__(
        self, out: Path, detector: Detector, about: Mapping[str, Any], resume: bool
    ) -> None:
        self._out, self._detector, self._about = out, detector, dict(about)
        self._folder = out.with_name(f".{out.name}.parts")
        self._count = 0
        told = self._folder / "sample.json"
        if not told.exists():
            shutil.rmtree(self._folder, ignore_errors=True)
            return
        same = json.loads(told.read_text()) == json.loads(json.dumps(self._about))
        if resume and not same:
            raise RunError(
                f"{out}: another sample has been begun (in {self._folder}); ask for that one, or "
                "begin again without --resume"
            )
        if same and not resume:
            raise RunError(
                f"{out}: has been begun; go on with --resume, or remove {self._folder} to begin again"
            )
        if not same:
            shutil.rmtree(self._folder)
        while self._part(self._count).exists():
            self._count += 1

    def __len__(self) -> int:
        return self._count

    def _part(self, number: int) -> Path:
        return self._folder / f"{number}.h5"

    @contextmanager
    def kept(self) -> Iterator[None]:
        """After an exception whole parts stay; without any, nothing does."""
        try:
            yield
        except BaseException:
            if not self._count:
                shutil.rmtree(self._folder, ignore_errors=True)
            raise

    def add(self, events: Iterable[Any]) -> None:
        """Write the next part; it counts when it is whole."""
        with EventWriter(self._part(self._count), self._detector, {}) as file:
            for some in events:
                file.append(some)
        if not self._count:
            with atomic(self._folder / "sample.json") as half:
                half.write_text(json.dumps(self._about))
        self._count += 1

    def join(self, provenance: Mapping[str, Any], asked: int) -> int:
        """Make the file of all parts and remove them; how many physical events it has.

        RunError if there is none although some were `asked` for.
        """
        # one file is open at a time: each keeps a megabyte for every dataset it has read
        paths = [self._part(i) for i in range(self._count)]
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
