"""Options that mean the same in every command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RecipeName = Annotated[
    str,
    typer.Argument(metavar="RECIPE", help="A recipe file, or the name of an installed recipe."),
]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="KEY.SUB=VALUE",
        help="Changes of the recipe, e.g. stages.mae.epochs=2 or data.events=500.",
    ),
]
Scale = Annotated[
    str | None,
    typer.Option(
        "--scale", metavar="NAME", help="Lay the recipe's changes of this name over it, e.g. demo."
    ),
]
Plugins = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugin", metavar="FILE", help="A Python file with a detector or a task; repeatable."
    ),
]
Seed = Annotated[
    int | None,
    typer.Option("--seed", metavar="N", min=0, help="Seed of everything that is drawn at random."),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        min=0,
        help="Processes that work side by side (default: the cores).",
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where an interrupted run stopped.")]
Share = Annotated[
    str,
    typer.Option(
        "--shard",
        metavar="I/K",
        help="Make the I-th of K shares of the N events, e.g. 1/8: for a job each.",
    ),
]
