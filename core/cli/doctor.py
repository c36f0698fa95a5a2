"""``intarsia doctor``: whether this machine can do what intarsia needs."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from tempfile import gettempdir
from typing import Literal

import intarsia
from intarsia.core.plugins import registry

from .terminal import table

Verdict = tuple[Literal["ok", "warning", "fault"], str, str]  # verdict, subject, what was found

_NEEDED = (
    *("attrs", "cattrs", "h5py", "jinja2", "lightning", "matplotlib", "mplhep", "numba", "numpy"),
    *("particle", "pluggy", "PyYAML", "safetensors", "scikit-learn", "torch"),
)
_OPTIONAL = {
    "pythia8mc": "neutrinos interact by the built-in generator",
    "spconv-cu120": "patches are embedded by torch",
    "uproot": "no ROOT files",
}
_FOLDERS = ("core", "detectors", "tasks", "recipes")
_ROOM = 2e9  # bytes: a run at demo scale writes about 0.5 GB
_SHARED = Path("/dev/shm")  # noqa: S108  (where Linux has it; loader workers hand batches over there)
_BATCHES = 1e9  # bytes: a few batches of each of many workers


def doctor() -> int:
    """Say whether this machine is ready.

    Looks at installed packages, devices, folders and disk. Exit code 1 if something is wrong.
    """
    found = [verdict for look in LOOKS for verdict in look()]
    table(("", "", "found"), found)
    return 1 if any(verdict == "fault" for verdict, _, _ in found) else 0


def _python() -> Iterator[Verdict]:
    good = sys.version_info >= (3, 11)
    yield "ok" if good else "fault", "python", f"{platform.python_version()}, {platform.platform()}"
    yield "ok", "intarsia", intarsia.__version__


def _packages() -> Iterator[Verdict]:
    for name in _NEEDED:
        try:
            yield "ok", name, version(name)
        except PackageNotFoundError:
            yield "fault", name, f"is not installed: pip install {name}"
    for name, without in _OPTIONAL.items():
        try:
            yield "ok", name, version(name)
        except PackageNotFoundError:
            yield "ok", name, f"is not installed (optional; without it {without})"


def _devices() -> Iterator[Verdict]:
    if find_spec("torch") is None:
        return
    import torch

    cores = os.cpu_count() or 1
    yield "ok", "threads", f"{torch.get_num_threads()} of torch, {cores} cores"
    devices = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    yield "ok", "devices", ", ".join(devices) or "no GPU: everything runs on the CPU"


def _links() -> Iterator[Verdict]:
    package = Path(intarsia.__file__).parent
    missing = [name for name in _FOLDERS if not (package / name).is_dir()]
    if missing:
        yield "fault", "folders", f"{', '.join(missing)} missing in {package}"
    else:
        yield "ok", "folders", str(package)


def _kernels() -> Iterator[Verdict]:
    """Where compiled kernels are kept, as core/simulation/compiled.py chooses it."""
    beside = Path(intarsia.__file__).parent / "core" / "simulation"
    elsewhere = Path(os.environ.get("XDG_CACHE_HOME", gettempdir()))
    named = os.environ.get("NUMBA_CACHE_DIR")
    place = Path(named) if named else beside if writable(beside) else elsewhere
    if writable(place):
        yield "ok", "kernels", f"compiled ones are kept in {place}"
    else:
        yield "fault", "kernels", f"{place} cannot be written to: set NUMBA_CACHE_DIR"


def _disk() -> Iterator[Verdict]:
    here = Path.cwd()
    free = shutil.disk_usage(here).free
    room = f"{free / 1e9:.1f} GB free in {here}"
    yield ("ok" if free > _ROOM else "warning"), "disk", room
    if not writable(here):
        yield "warning", "folder", f"{here} cannot be written to: give runs another --out"


def _shared() -> Iterator[Verdict]:
    if not _SHARED.is_dir():
        return
    free = shutil.disk_usage(_SHARED).free
    room = f"{free / 1e9:.1f} GB free in {_SHARED}"
    few = f"{room}: many loader workers need more (docker run --shm-size), or give --workers 2"
    yield ("ok", "memory", room) if free > _BATCHES else ("warning", "memory", few)


def _plugins() -> Iterator[Verdict]:
    found = registry()
    names = [*found.names("detectors"), *found.names("tasks")]
    yield "ok", "plugins", ", ".join(names) or "none"
    for broken in found.broken:
        yield "warning", "plugin", f"not loaded: {broken}"


LOOKS: tuple[Callable[[], Iterator[Verdict]], ...] = (
    _python,
    _packages,
    _devices,
    _links,
    _kernels,
    _disk,
    _shared,
    _plugins,
)


def writable(folder: Path) -> bool:
    """Whether files can be made in `folder`, or in the nearest folder above that exists."""
    while not folder.exists():
        folder = folder.parent
    return os.access(folder, os.W_OK)
