"""``intarsia export``: events or predictions as a Parquet or ROOT file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .terminal import say


def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An event file or predictions.")],
    out: Annotated[
        Path,
        typer.Option(
            "-o", "--out", metavar="FILE", help="The file to write, .parquet, .root or .csv."
        ),
    ],
) -> None:
    """Write events or predictions for other programs.

    One row (Parquet) or entry (ROOT) per event, with its key, truth and streams. Needs pyarrow or
    uproot: pip install 'intarsia[parquet]' or 'intarsia[root]'. As CSV: which event is in which
    split, for prepare --manifest.
    """
    from intarsia.core.export import export

    entries = export(file, out)
    say(f"{out}: {entries} entries of {file}, {out.stat().st_size / 1e6:.1f} MB")
