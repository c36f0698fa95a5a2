"""The transfer card: what became of every tensor, and the proof that the core is still the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from attrs import asdict, evolve
from torch import Tensor, nn

from . import fingerprint
from .card import Card
from .checkpoint import digest, load, save
from .detector import Detector, declaration
from .encoder import Encoder, Fusion
from .errors import CheckpointError
from .network import Network, kinds, seeded
from .plugins import Registry
from .recipe import Model, Transfer
from .run_folder import versions
from .transfer import SHARED, WINDOWS, Moved, Streams, bring, model_of, plain, played, stacks
from .windows import Windows

FORMAT = 1
# What rounding may do where the weights were kept in half precision or the processor differs.
TOLERANCE = 1e-5


def transfer_card(
    moved: Moved, network: Network, model: Model, detector: Detector, checkpoint: Path
) -> dict[str, Any]:
    """The transfer card of weights that were just `moved`, as JSON values.

    CheckpointError if the copied core answers fixed tokens otherwise than the source's.
    """
    prints = dict(_prints(network, model, load(checkpoint)[0], moved))
    for part, found in prints.items():
        if not found["largest_difference"] <= TOLERANCE:
            raise CheckpointError(
                f"{checkpoint}: the copied {part} answers otherwise than the source, by "
                f"{found['largest_difference']:.1e}"
            )
    counts = {
        fate: {
            "tensors": len(moved.names(fate)),
            "parameters": sum(t.parameters for t in moved.tensors if t.fate == fate),
        }
        for fate in ("copied", "fresh", "unused")
    }
    return {
        "format": FORMAT,
        "source": {
            "file": checkpoint.name,
            "sha256": digest(checkpoint),
            "detector": moved.card.detector,
            "stage": moved.card.stage,
            "recipe": str(moved.card.recipe.get("name", "?")),
        },
        "target": detector.name,
        "streams": dict(moved.streams),
        "reused": moved.reused,
        "counts": counts,
        "fingerprint": prints,
        "tensors": plain(moved),
    }


def _prints(
    network: Network, model: Model, source: Mapping[str, Tensor], moved: Moved
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Answers of every part that was copied whole, here and in the source."""
    shared, copied = network.encoder.shared, {*moved.names("copied")}
    for name, origin in moved.streams.items():
        ours = cast("Windows", shared.windows[name])
        if origin and all(f"{WINDOWS}{name}.{k}" in copied for k in ours.state_dict()):
            theirs = Windows(model, len(ours.blocks), (0.0,) * len(ours.blocks))
            theirs.load_state_dict(_below(source, f"{WINDOWS}{origin}."))
            answers = (fingerprint.of_windows(m) for m in (ours, theirs))
            yield f"windows.{name}", _compared(*answers)
    if all(k in copied for k in _fusion(network)):
        rounds = nn.ModuleList(Fusion(model, 0.0, 0.0) for _ in shared.fusion)
        rounds.load_state_dict(_below(source, f"{SHARED}fusion."))
        norm = nn.LayerNorm(model.dim)
        norm.load_state_dict(_below(source, f"{SHARED}norm."))
        query = source[f"{SHARED}query"].float()
        ours_answer = fingerprint.of_fusion(shared.query, shared.fusion, shared.norm)
        yield "fusion", _compared(ours_answer, fingerprint.of_fusion(query, rounds, norm))


def _fusion(network: Network) -> list[str]:
    """Names of what is shared and of no stream."""
    every = (f"{SHARED}{k}" for k in network.encoder.shared.state_dict())
    return [k for k in every if not k.startswith(WINDOWS)]


def _below(source: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in source.items() if k.startswith(prefix)}


def _compared(ours: Tensor, theirs: Tensor) -> dict[str, Any]:
    largest = 0.0 if torch.equal(ours, theirs) else float((ours - theirs).abs().max())
    return {"largest_difference": largest, "numbers": fingerprint.numbers(ours)}


def start(
    registry: Registry,
    detector: Detector,
    how: Transfer,
    out: Path,
    least: float = 0.0,
    seed: int = 0,
) -> dict[str, Any]:
    """Write to `out` an encoder of `detector` that starts as `how` says; gives its transfer card.

    least: share of the core that must be reused. seed: of what begins afresh. CheckpointError, and
    nothing written, if the file does not fit or too little of the core is reused.
    """
    checkpoint = Path(how.checkpoint)
    source, card = load(checkpoint)
    model = _model(model_of(checkpoint, card), played(checkpoint, stacks(source), detector, how))
    with seeded(seed, "encoder"):
        builds = {declared: kind.build for declared, kind in kinds(registry, detector).items()}
        network = Network(Encoder(detector, model, builds=builds), {}, {}, {})
    moved = bring(network, model, detector, how)
    if moved.reused < least:
        raise CheckpointError(
            f"{checkpoint}: only {moved.reused:.1%} of the core of {detector.name} can be reused, "
            f"less than {least:.1%}; {moved.core('fresh'):,} of its {moved.core():,} parameters "
            "begin afresh"
        )
    written = transfer_card(moved, network, model, detector, checkpoint)
    own = Card(
        detector=detector.name,
        declaration=declaration(detector),
        recipe={"name": str(card.recipe.get("name", "?")), "model": asdict(model)},
        stage="transfer",
        versions=versions(),
        parents=(digest(checkpoint),),
        transfer=written,
    )
    encoder = {k: v for k, v in network.state_dict().items() if k.startswith("encoder.")}
    save(out, encoder, own)
    return written


def _model(theirs: Model, plays: Streams) -> Model:
    """Sizes of the checkpoint's model, each stream as deep as the one that plays it."""
    depths = {s: theirs.depths.get(of, theirs.depth) for s, of in plays.items() if of}
    return evolve(theirs, depths=depths)
