"""Weights from one network to another, by name, with an account of every tensor.

``encoder.shared.*`` is of no detector, ``encoder.detector.*`` belongs to one, ``tasks.*`` to a task.
Between stages of one detector all of the encoder goes on, and every task that both stages have.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from attrs import frozen
from torch import Tensor, nn

from .checkpoint import load
from .errors import CheckpointError


@frozen
class Moved:
    """What became of every tensor: copied, begun afresh in the target, unused of the source."""

    copied: tuple[str, ...]
    fresh: tuple[str, ...]
    unused: tuple[str, ...]

    def __str__(self) -> str:
        return f"{len(self.copied)} copied, {len(self.fresh)} fresh, {len(self.unused)} unused"


def go_on(network: nn.Module, checkpoint: Path) -> Moved:
    """Start `network` from the `checkpoint` of an earlier stage of the same detector.

    CheckpointError, and nothing copied, if a tensor of the encoder is missing or of another shape.
    """
    source, _ = load(checkpoint)
    target = network.state_dict()
    tasks = {k.split(".")[1] for k in source if k.startswith("tasks.")}
    wanted = [k for k in target if k.startswith("encoder.") or _task(k) in tasks]
    _fit(checkpoint, source, target, wanted)
    with torch.no_grad():
        for name in wanted:
            target[name].copy_(source[name])
    taken = set(wanted)
    return Moved(
        copied=tuple(wanted),
        fresh=tuple(k for k in target if k not in taken),
        unused=tuple(k for k in source if k not in taken),
    )


def _task(name: str) -> str:
    part, _, rest = name.partition(".")
    return rest.partition(".")[0] if part == "tasks" else ""


def _fit(
    checkpoint: Path, source: Mapping[str, Tensor], target: Mapping[str, Tensor], wanted: list[str]
) -> None:
    """CheckpointError listing every tensor of `wanted` that `source` lacks or has otherwise."""
    faults = []
    for name in wanted:
        here = tuple(target[name].shape)
        if name not in source:
            faults.append(f"{name}: not in the checkpoint")
        elif (there := tuple(source[name].shape)) != here:
            faults.append(f"{name}: {here} here, {there} in the checkpoint")
    if faults:
        raise CheckpointError(f"{checkpoint} does not fit:\n  " + "\n  ".join(faults))
