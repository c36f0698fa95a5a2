"""Weights from one network to another, by role, with an account of every tensor.

``encoder.shared.*`` is of no detector and travels, ``encoder.detector.*`` belongs to one and does
not, ``tasks.*`` belongs to a task. Between stages of one detector all of the encoder goes on, and
every task that both stages have. Nothing is ever skipped in silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from attrs import frozen
from torch import Tensor, nn

from .card import Card
from .checkpoint import load
from .detector import Detector, declaration, difference
from .errors import CheckpointError, suggest
from .recipe import CORE, Model, Transfer
from .structure import structure

SHARED, WINDOWS = "encoder.shared.", "encoder.shared.windows."
DETECTOR = "encoder.detector."
_PATCHES = ("kind", "embed.weight", "embed.bias")  # below the name of a stream
Streams = Mapping[str, str | None]  # stream of the detector: the checkpoint's that plays it


@frozen(kw_only=True)
class Fate:
    """What became of a tensor: copied (from `source`), fresh in the target, or unused of the source."""

    name: str
    fate: str
    shape: tuple[int, ...]
    source: str = ""
    why: str = ""

    @property
    def parameters(self) -> int:
        """Numbers in the tensor."""
        return int(torch.Size(self.shape).numel())


@frozen(kw_only=True)
class Moved:
    """An account of every tensor of target and source. streams: which played which."""

    tensors: tuple[Fate, ...]
    streams: Streams
    card: Card

    def names(self, fate: str) -> tuple[str, ...]:
        """Names of the tensors that are copied, fresh or unused."""
        return tuple(t.name for t in self.tensors if t.fate == fate)

    def core(self, fate: str = "") -> int:
        """Parameters of the target's shared encoder, or those of one fate."""
        shared = (t for t in self.tensors if t.fate != "unused" and t.name.startswith(SHARED))
        return sum(t.parameters for t in shared if fate in ("", t.fate))

    @property
    def reused(self) -> float:
        """Share of the target's shared encoder that is copied."""
        return self.core("copied") / max(1, self.core())

    def __str__(self) -> str:
        return ", ".join(f"{len(self.names(f))} {f}" for f in ("copied", "fresh", "unused"))


def go_on(network: nn.Module, checkpoint: Path) -> Moved:
    """Start `network` from the `checkpoint` of an earlier stage of the same detector.

    CheckpointError, and nothing copied, if a tensor of the encoder is missing or of another shape.
    """
    source, card = load(checkpoint)
    tasks = {k.split(".")[1] for k in source if k.startswith("tasks.")}
    names = network.state_dict()
    wanted = {k: k for k in names if k.startswith("encoder.") or _task(k) in tasks}
    return _copied(network, checkpoint, source, card, wanted, {s: s for s in stacks(source)})


def bring(network: nn.Module, model: Model, detector: Detector, how: Transfer) -> Moved:
    """Start `network`, of `detector`, from the shared part of a checkpoint of any detector.

    A checkpoint of the very same detector lends its own part as well. CheckpointError, and nothing
    copied, if the file is not whole, is of other sizes, or lacks what was asked for.
    """
    checkpoint = Path(how.checkpoint)
    source, card = load(checkpoint)
    _same_sizes(checkpoint, card, model)
    plays = played(checkpoint, stacks(source), detector, how)
    target = network.state_dict()
    wanted = {k: v for k in target if (v := _origin(k, plays, how.take))}
    if set(how.take) >= set(CORE) and not difference(card.declaration, declaration(detector)):
        wanted |= {k: k for k in target if k.startswith(DETECTOR)}
    lent = (_lender(k, plays, how.take) for k in source)
    left = [k for k, taken in zip(source, lent, strict=True) if taken and k not in wanted.values()]
    return _copied(network, checkpoint, source, card, wanted, plays, left)


def played(checkpoint: Path, stacks: tuple[str, ...], detector: Detector, how: Transfer) -> Streams:
    """Which of the checkpoint's `stacks` plays each voxel stream of `detector`, None for no one.

    As `how` says; otherwise the stack of the same name, or else the first.
    """
    given = how.streams
    plays: dict[str, str | None] = {}
    for grid in detector.grids:
        usual = grid if grid in stacks else next(iter(stacks), None)
        plays[grid] = given.get(grid, usual)
        if plays[grid] is not None and plays[grid] not in stacks:
            raise CheckpointError(
                f"{checkpoint} has no voxel stream {plays[grid]!r}"
                f"{suggest(str(plays[grid]), stacks)} (it has: {', '.join(stacks) or 'none'})"
            )
    if unknown := [s for s in given if s not in plays]:
        raise CheckpointError(
            f"{detector.name} has no voxel stream {unknown[0]!r}{suggest(unknown[0], plays)} "
            f"(it has: {', '.join(plays) or 'none'})"
        )
    return plays


def model_of(checkpoint: Path, card: Card) -> Model:
    """Sizes of the encoder in a checkpoint; CheckpointError if its card does not give them."""
    made, faults = structure(card.recipe.get("model"), Model)
    if faults:
        said = "; ".join(f"{'.'.join(steps) or 'model'}: {what}" for steps, what in faults)
        raise CheckpointError(f"{checkpoint}: its card does not say how large the model is: {said}")
    found: Model = made
    return found


def _same_sizes(checkpoint: Path, card: Card, model: Model) -> None:
    """Heads and the like do not show in shapes, so the cards are compared."""
    theirs = model_of(checkpoint, card)
    faults = [
        f"{name} {getattr(model, name)} here, {getattr(theirs, name)} in the checkpoint"
        for name in ("dim", "heads", "mlp", "summaries", "rounds")
        if getattr(model, name) != getattr(theirs, name)
    ]
    if faults:
        raise CheckpointError(f"{checkpoint} is of another model:\n  " + "\n  ".join(faults))


def stacks(source: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Streams that have a stack of window attention in a checkpoint."""
    names = (k.removeprefix(WINDOWS) for k in source if k.startswith(WINDOWS))
    return tuple(dict.fromkeys(k.partition(".")[0] for k in names))


def _origin(name: str, plays: Streams, take: tuple[str, ...]) -> str:
    """Name in the checkpoint of what the target calls `name`, "" if nothing is to be copied."""
    if name.startswith(DETECTOR) and "patches" in take:
        stream, _, rest = name.removeprefix(DETECTOR).partition(".")
        return f"{DETECTOR}{plays[stream]}.{rest}" if rest in _PATCHES and plays.get(stream) else ""
    if not name.startswith(SHARED) or name.removeprefix(SHARED).partition(".")[0] not in take:
        return ""
    if not name.startswith(WINDOWS):
        return name
    stream, _, rest = name.removeprefix(WINDOWS).partition(".")
    return f"{WINDOWS}{plays[stream]}.{rest}" if plays[stream] else ""


def _lender(name: str, plays: Streams, take: tuple[str, ...]) -> bool:
    """Whether a tensor of the checkpoint is of a part that travels."""
    if not name.startswith(SHARED) or name.removeprefix(SHARED).partition(".")[0] not in take:
        return False
    return not name.startswith(WINDOWS) or name.removeprefix(WINDOWS).partition(".")[0] in (
        s for s in plays.values() if s
    )


def _task(name: str) -> str:
    part, _, rest = name.partition(".")
    return rest.partition(".")[0] if part == "tasks" else ""


def _copied(
    network: nn.Module,
    checkpoint: Path,
    source: Mapping[str, Tensor],
    card: Card,
    wanted: Mapping[str, str],
    plays: Streams,
    left: list[str] | None = None,
) -> Moved:
    """Copy ``wanted``, target to source, if all of it fits."""
    target = network.state_dict()
    if faults := [*_misfits(source, target, wanted), *(f"{k}: not here" for k in left or ())]:
        raise CheckpointError(f"{checkpoint} does not fit:\n  " + "\n  ".join(faults))
    with torch.no_grad():
        for name, origin in wanted.items():
            target[name].copy_(source[origin])
    fates = [
        Fate(name=k, fate="copied", shape=tuple(v.shape), source=wanted[k])
        if k in wanted
        else Fate(name=k, fate="fresh", shape=tuple(v.shape), why=_why_fresh(k, plays))
        for k, v in target.items()
    ]
    used = set(wanted.values())
    fates += [
        Fate(name=k, fate="unused", shape=tuple(v.shape), why=_why_unused(k, card, plays))
        for k, v in source.items()
        if k not in used
    ]
    return Moved(tensors=tuple(fates), streams=plays, card=card)


def _misfits(
    source: Mapping[str, Tensor], target: Mapping[str, Tensor], wanted: Mapping[str, str]
) -> Iterator[str]:
    for name, origin in wanted.items():
        here = tuple(target[name].shape)
        if origin not in source:
            yield f"{origin}: not in the checkpoint"
        elif (there := tuple(source[origin].shape)) != here:
            yield f"{origin}: {here} here, {there} in the checkpoint"
        elif source[origin].dtype.is_floating_point and not source[origin].isfinite().all():
            yield f"{origin}: holds numbers that are not finite"


_DETECTOR = {
    "kind": "branch embedding",
    "embed.weight": "patch embedding",
    "embed.bias": "patch embedding",
    "embed.place": "positions inside a window",
    "embed.window": "positions of the windows",
    "embed.plane": "positions of the planes",
}


def _role(name: str) -> str:
    """What a tensor of the detector's part, ``encoder.detector.STREAM.*``, is."""
    return _DETECTOR.get(name.split(".", 3)[3], "tokeniser")


def _head(name: str) -> str:
    return "weight of a loss" if name.startswith("weights.") else "head"


def _why_fresh(name: str, plays: Streams) -> str:
    if name.startswith(DETECTOR):
        return f"{_role(name)}: belongs to the detector"
    if name.startswith(WINDOWS):
        stream = name.removeprefix(WINDOWS).partition(".")[0]
        return "not taken" if plays.get(stream) else f"no stream plays {stream!r}"
    return "not taken" if name.startswith(SHARED) else f"{_head(name)}: belongs to this stage"


def _why_unused(name: str, card: Card, plays: Streams) -> str:
    if name.startswith(DETECTOR):
        return f"{_role(name)}: belongs to {card.detector}"
    if name.startswith(WINDOWS):
        stream = name.removeprefix(WINDOWS).partition(".")[0]
        return "not taken" if stream in plays.values() else f"{stream!r} plays no stream"
    of = f"{_head(name)}: belongs to stage {card.stage!r}"
    return "not taken" if name.startswith(SHARED) else of


def plain(moved: Moved) -> list[dict[str, Any]]:
    """The account as JSON values."""
    return [
        {
            "name": t.name,
            "fate": t.fate,
            "shape": list(t.shape),
            "parameters": t.parameters,
            **({"source": t.source} if t.source else {}),
            **({"why": t.why} if t.why else {}),
        }
        for t in moved.tensors
    ]
