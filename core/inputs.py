"""What ``prepare`` is given: files, folders and patterns, and which reader each file is for."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .detector import Detector, Option, Reader, option_faults
from .dotted import load
from .errors import EventError, RunError, suggest

Options = Mapping[str, Option]


def readers_of(detector: Detector, name: str = "") -> tuple[Reader, ...]:
    """The reader called `name`, or all of `detector`; RunError if there is none."""
    known = {r.name: r for r in detector.readers}
    if not known:
        raise RunError(f"detector {detector.name!r} has no reader of other files")
    if name and name not in known:
        raise RunError(
            f"detector {detector.name!r} has no reader {name!r}{suggest(name, known)} "
            f"(it has: {', '.join(known)})"
        )
    return (known[name],) if name else tuple(known.values())


def files_of(inputs: Sequence[Path | str], readers: Sequence[Reader], named: bool) -> list[Path]:
    """The files that `inputs` mean, each once: files, what readers know in folders, patterns.

    named: the user has chosen the reader, so that a file may have any suffix. RunError listing
    every input that is not there or that no reader knows.
    """
    suffixes = tuple(dict.fromkeys(s for r in readers for s in r.suffixes))
    found: dict[Path, None] = {}
    faults = []
    for given in map(str, inputs):
        some = False
        for file in _files(given, suffixes):
            some = True
            if not _is_text(file):
                faults.append(f"{str(file)!a}: the name is no text in UTF-8; give the file another")
            elif not named and not file.name.lower().endswith(suffixes):
                faults.append(f"{file}: no reader is for such a file (known: {_endings(readers)})")
            found[file] = None
        if not some:
            folder = Path(given).is_dir()
            wanted = f" that ends in {' or '.join(suffixes)}"
            faults.append(
                f"{given}: {f'has no file{wanted}' if folder else 'there is no such file'}"
            )
    if faults:
        raise RunError("\n".join(faults))
    return list(found)


def options_of(readers: Sequence[Reader], given: Options) -> None:
    """RunError listing every option of `given` that no reader has, or that is of another type."""
    known = {name: value for r in readers for name, value in r.options.items()}
    if faults := option_faults(known, given):
        names = ", ".join(r.name for r in readers)
        raise RunError("\n".join(f"reader {names}: {fault}" for fault in faults))


def opened(path: Path, readers: Sequence[Reader], options: Options) -> tuple[Reader, Any]:
    """The reader for the file at `path`, and its `Records`; EventError without the file's name.

    By suffix, then by content where a reader can tell.
    """
    reader = _chosen(path, readers)
    if faults := option_faults(reader.options, options):
        raise EventError(f"reader {reader.name}: {'; '.join(faults)}")
    own = {name: options.get(name, value) for name, value in reader.options.items()}
    return reader, function_of(reader, reader.open)(path, **own)


def function_of(reader: Reader, name: str) -> Any:
    """The function of `reader` called `name`; EventError if a library that it needs is not there."""
    try:
        return load(name)
    except ModuleNotFoundError as fault:
        if fault.name is None or name.startswith(fault.name.partition(".")[0]):
            raise
        extra = ": pip install 'intarsia[root]'" if fault.name == "uproot" else ""
        raise EventError(
            f"reader {reader.name!r} needs {fault.name}, which is not installed{extra}"
        ) from fault


def _files(given: str, suffixes: tuple[str, ...]) -> Iterator[Path]:
    path = Path(given)
    if path.is_dir():
        inside = (f for f in path.rglob("*") if f.name.lower().endswith(suffixes))
        yield from sorted(f for f in inside if f.is_file())
    elif path.is_file():
        yield path
    else:
        yield from sorted(Path(f) for f in glob.glob(given, recursive=True) if Path(f).is_file())


def _is_text(path: Path) -> bool:
    """Whether the name of a file, which may be any bytes, can be written down."""
    return str(path).encode("utf-8", "replace").decode() == str(path)


def _endings(readers: Sequence[Reader]) -> str:
    return ", ".join(f"{' '.join(r.suffixes)} by {r.name}" for r in readers)


def _chosen(path: Path, readers: Sequence[Reader]) -> Reader:
    if len(readers) == 1:
        return readers[0]
    known = [r for r in readers if path.name.lower().endswith(r.suffixes)]
    against = {r.name: function_of(r, r.claims)(path) if r.claims else "" for r in known}
    fitting = [r for r in known if not against[r.name]]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        names = ", ".join(r.name for r in fitting)
        raise EventError(f"{names} could all read it: say which with --reader")
    reasons = "; ".join(f"not {name}: {why}" for name, why in against.items())
    raise EventError(f"no reader knows what is in it ({reasons})")
