"""A plugin that is one Python file, and where in a file something went wrong."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from .errors import IntarsiaError, PluginError

_OURS = "intarsia plugin file"


@contextmanager
def import_file(path: Path) -> Iterator[ModuleType]:
    """The module in the file at `path`, which stays imported unless the block raises.

    It is importable by its name from then on, also in worker processes, so that the dotted names
    in its declarations can be resolved. PluginError naming file and line if it cannot be imported.
    """
    _check(path)
    name, folder = path.stem, str(path.resolve().parent)
    before = sys.modules.get(name)
    added = folder not in sys.path
    if added:
        sys.path.append(folder)
    try:
        yield _run(path, name)
    except BaseException:
        sys.modules.pop(name, None)
        if before:
            sys.modules[name] = before
        if added:
            sys.path.remove(folder)
        raise


def raised(error: BaseException, file: str | Path | None = None) -> str:
    """What `error` says, and where if it went through `file`: ``x.py:3: ValueError: no``."""
    said = str(error) if isinstance(error, IntarsiaError) else f"{type(error).__name__}: {error}"
    if isinstance(error, SyntaxError):
        said = f"{type(error).__name__}: {error.msg}"
    line = _line(error, str(file)) if file else None
    return f"{Path(str(file)).name}:{line}: {said}" if line else said


def _line(error: BaseException, file: str) -> int | None:
    if isinstance(error, SyntaxError) and error.filename == file:
        return error.lineno
    frames = traceback.extract_tb(error.__traceback__)
    return next((f.lineno for f in reversed(frames) if f.filename == file), None)


def _check(path: Path) -> None:
    if not path.is_file():
        raise PluginError(f"{path}: there is no such file")
    if path.suffix != ".py" or not path.stem.isidentifier():
        raise PluginError(
            f"{path}: a plugin's file is named with letters, digits and underscores, then .py"
        )
    try:
        known = importlib.util.find_spec(path.stem)
    except ValueError:  # a module without a spec, such as __main__
        known = None
    if known and known.loader_state != _OURS and known.origin != str(path.resolve()):
        where = known.origin or "Python itself"
        raise PluginError(
            f"{path}: the module name {path.stem!r} is taken by {where}; rename the file"
        )


def _run(path: Path, name: str) -> ModuleType:
    file = str(path.resolve())
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise PluginError(f"{path} is not a Python file")
    spec.loader_state = _OURS
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    # A plugin's own code: whatever it raises is reported as that plugin's fault.
    except (Exception, SystemExit) as error:
        line = raised(error, file)
        within = line.startswith(f"{path.name}:")
        raise PluginError(
            f"{path}{line[len(path.name) :]}" if within else f"{path}: {line}"
        ) from error
    return module
