"""The folder of a run: what lies where, and the facts about how it came to be.

``recipe.yaml`` (resolved), ``run.json``, ``data/``, ``<stage>/{best,last}.safetensors`` with
``log.csv``, ``predictions/``, ``pictures/``, ``metrics.json``, ``report.html``, ``figures/``.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from attrs import define, field

from .errors import RunError
from .recipe import Recipe
from .recipe_load import dump, dump_yaml
from .store import atomic

LIBRARIES = ("intarsia", "torch", "lightning", "numpy", "numba", "h5py", "scikit-learn")


@define
class Folder:
    """A run's folder. facts: what is known of the run, kept in ``run.json`` as it grows.

    writes: whether this process keeps the facts; of several in one run, one does.
    """

    path: Path
    facts: dict[str, Any] = field(factory=dict)
    writes: bool = True

    @classmethod
    def open(cls, path: Path, recipe: Recipe, resume: bool, writes: bool = True) -> Folder:
        """Make the folder `path`, or go on in it.

        RunError if it holds something and `resume` is not given, or holds the run of another recipe.
        """
        there = path / "recipe.yaml"
        if path.exists() and not path.is_dir():
            raise RunError(f"{path} is a file; a run needs a folder")
        if path.is_dir() and any(path.iterdir()):
            if not resume:
                raise RunError(
                    f"{path} is not empty; go on with its run by --resume, or choose another --out"
                )
            if there.exists() and there.read_text() != dump_yaml(recipe):
                raise RunError(
                    f"{path} holds the run of a recipe that differs from this one "
                    f"(compare {there}); choose another --out"
                )
        path.mkdir(parents=True, exist_ok=True)
        if writes:
            with atomic(there) as half:
                half.write_text(dump_yaml(recipe))
        known = path / "run.json"
        folder = cls(path, json.loads(known.read_text()) if known.exists() else {}, writes)
        folder.note(recipe=dump(recipe), versions=versions(), hardware=hardware())
        return folder

    def note(self, **facts: Any) -> None:
        """Add `facts` to ``run.json``."""
        self.facts |= facts
        if not self.writes:
            return
        with atomic(self.path / "run.json") as half:
            half.write_text(json.dumps(self.facts, indent=1))

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Note the seconds that `what` took, added to those of an earlier attempt."""
        start = time.monotonic()
        yield
        seconds = self.facts.get("seconds", {})
        spent = seconds.get(what, 0.0) + time.monotonic() - start
        self.note(seconds=seconds | {what: round(spent, 2)})

    def stage(self, name: str, seed: int, first: int) -> Path:
        """Folder of stage `name` with `seed`; the `first` seed's has the plain name."""
        return self.path / (name if seed == first else f"{name}-seed{seed}")

    def predictions(self, start: str, seed: int, first: int) -> Path:
        """File of the predictions of a start, in a folder that is made."""
        folder = self.path / "predictions"
        folder.mkdir(exist_ok=True)
        return folder / (f"{start}.h5" if seed == first else f"{start}-seed{seed}.h5")


def versions() -> dict[str, str]:
    """Versions of what a result depends on."""
    return {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES}


def hardware() -> dict[str, Any]:
    """The machine: processor, cores that may be used, CUDA devices."""
    import torch

    devices = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {"machine": platform.machine(), "cores": cores(), "devices": devices}


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
