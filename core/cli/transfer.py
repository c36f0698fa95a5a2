"""``intarsia transfer``: a start for one detector from a checkpoint of another."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from intarsia.core.account import HEADS, rows, summary
from intarsia.core.errors import CheckpointError
from intarsia.core.plugins import registry
from intarsia.core.recipe import CORE, PARTS, Transfer

from .options import Plugins, Seed
from .terminal import say, table

Streams = Annotated[
    list[str] | None,
    typer.Option(
        "--stream",
        metavar="NEW=OLD",
        help="Which voxel stream of the checkpoint plays which new one, none if OLD is left out; "
        "repeatable (default: the one of the same name, or else the first).",
    ),
]
Parts = Annotated[
    list[str] | None,
    typer.Option(
        "--take",
        metavar="PART",
        help=f"Part to take: {', '.join(PARTS)}; repeatable (default: all of the core, that is "
        "all but patches, the patch embedding of a stream with patches of the same cells).",
    ),
]
Least = Annotated[
    float,
    typer.Option(
        "--min-core", metavar="SHARE", min=0, max=1, help="Fail if less of the core is reused."
    ),
]


def transfer(
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CHECKPOINT", help="Weights to start from.")
    ],
    detector: Annotated[str, typer.Argument(metavar="DETECTOR", help="Name of the new detector.")],
    out: Annotated[
        Path, typer.Option("-o", metavar="START", help="The checkpoint to write.")
    ] = Path("start.safetensors"),
    stream: Streams = None,
    take: Parts = None,
    min_core: Least = 0.0,
    seed: Seed = 0,
    plugin: Plugins = None,
) -> None:
    """Carry a pre-trained core over to another detector.

    What belongs to no detector is copied, the rest begins afresh. Says of every tensor what became
    of it, and writes that beside START as JSON. A recipe starts from it by transfer: {from: START}.
    """
    found = registry(plugin or ())
    record, how = found.detector(detector), _how(checkpoint, stream or (), take or ())
    from intarsia.core.transfer_card import start

    out.parent.mkdir(parents=True, exist_ok=True)
    card = start(found, record, how, out, least=min_core, seed=seed or 0)
    beside = out.with_suffix(".transfer.json")
    beside.write_text(json.dumps(card, indent=1) + "\n")
    table(HEADS, rows(card))
    for line in summary(card):
        say(line)
    say(f"{out} and {beside}")


def _how(checkpoint: Path, streams: Iterable[str], take: Sequence[str]) -> Transfer:
    if wrong := [t for t in take if t not in PARTS]:
        raise typer.BadParameter(f"--take must be one of {', '.join(PARTS)}, not {wrong[0]!r}")
    parts = tuple(p for p in PARTS if p in take) or CORE
    return Transfer(checkpoint=str(checkpoint), take=parts, streams=dict(map(_pair, streams)))


def _pair(text: str) -> tuple[str, str | None]:
    new, equals, old = text.partition("=")
    if not equals or not new:
        raise CheckpointError(f"command line: --stream {text!r} is not NEW=OLD")
    return new, old or None
