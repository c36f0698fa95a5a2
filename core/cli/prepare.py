"""``intarsia prepare``: an event file from the files of an experiment."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from intarsia.core.manifest import find_manifest
from intarsia.core.plugins import registry
from intarsia.core.yaml import parse

from .options import Plugins, Workers
from .terminal import complain, say, watch

if TYPE_CHECKING:
    from intarsia.core.prepare import Prepared

_SHOWN = 10  # faults that are printed


Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT... [KEY=VALUE...]",
        help="Files, folders or patterns; then options of the reader.",
    ),
]
Out = Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="The file to write.")]
Format = Annotated[
    str, typer.Option("--reader", metavar="NAME", help="The format (default: found out).")
]
SkipBroken = Annotated[
    bool, typer.Option("--skip-broken", help="Leave out, count and list what cannot be read.")
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with what an interrupted run has prepared.")
]
Split = Annotated[
    str,
    typer.Option(
        "--split", metavar="NAME", help="Put all events in train, val or test (default: 85/5/10)."
    ),
]
ManifestFile = Annotated[
    Path | None,
    typer.Option(
        "--manifest",
        metavar="FILE",
        help="Splits by a CSV file, or an installed one by name: event,split or file,split.",
    ),
]
ByFile = Annotated[bool, typer.Option("--by-file", help="Event keys begin with the file's name.")]
Timeout = Annotated[
    float, typer.Option("--timeout", metavar="S", min=1, help="Longest wait for 32 events, in s.")
]


def prepare(
    detector: Annotated[str, typer.Argument(metavar="DETECTOR", help="Name of a detector.")],
    inputs: Inputs,
    out: Out,
    reader: Format = "",
    skip_broken: SkipBroken = False,
    resume: Resume = False,
    split: Split = "",
    manifest: ManifestFile = None,
    by_file: ByFile = False,
    timeout: Timeout = 300.0,
    workers: Workers = None,
    plugin: Plugins = None,
) -> None:
    """Make an event file of an experiment's own files.

    The format is found by suffix and content. The file is the same whatever the number of
    workers. The first event that cannot be read ends it, unless --skip-broken is given.
    """
    _one_way(split, manifest)
    known = registry(plugin or ())
    files, options = _sorted_out(inputs)
    if not files:
        raise typer.BadParameter("name a file, a folder or a pattern to read")
    from intarsia.core.prepare import How, prepare

    how = How(
        reader=reader,
        options=options,
        split=split,
        manifest=find_manifest(manifest, known.recipes) if manifest else None,
        by_file=by_file,
        skip_broken=skip_broken,
        timeout=timeout,
        resume=resume,
        workers=workers or os.cpu_count() or 1,
    )
    with watch(lambda: "the same command with --resume goes on from what is prepared") as notify:
        made = prepare(known.detector(detector), files, out, how, notify)
    _tell(made, out, detector)


def _one_way(split: str, manifest: Path | None) -> None:
    """An error unless events are put into splits in one way."""
    if split not in ("", "train", "val", "test"):
        raise typer.BadParameter(f"--split is train, val or test, not {split!r}")
    if split and manifest:
        raise typer.BadParameter("give --split or --manifest, not both")


def _tell(made: Prepared, out: Path, detector: str) -> None:
    """Say what was done and what was left out."""
    for line in made.left_out[:_SHOWN]:
        complain(f"left out: {line}")
    if made.listed:
        complain(
            f"left out: {len(made.left_out)} faults, {made.records_left_out} events or files; "
            f"all are listed in {made.listed}"
        )
    if made.missing:
        complain(
            f"in the manifest, but in no file: {len(made.missing)}, the first {made.missing[0]}"
        )
    splits = ", ".join(f"{n} {name}" for name, n in made.splits.items())
    rate = made.events / max(made.seconds, 1e-9)
    files = f"{made.files} file{'s' if made.files > 1 else ''}"
    say(f"{out}: {made.events} events of {detector} ({splits}) from {files}, {rate:.0f} events/s")


def _sorted_out(words: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """Inputs and options among `words`; what exists as a file is one, whatever it looks like."""
    files, options = [], {}
    for word in words:
        if re.match(r"[A-Za-z_]\w*=", word) and not Path(word).exists():
            key, _, value = word.partition("=")
            options[key] = parse(value, f"command line, {word}")
        else:
            files.append(word)
    return files, options
