"""Checkpoints that say what they are: safetensors, with a card in the header. No pickle anywhere.

A seal beside the card, sha256 of all that the file holds, tells a damaged file from a whole one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from .card import KEY, SEAL, Card, card_json, read_card, seal
from .errors import CheckpointError

LARGE = 1024  # numbers from which on half precision pays; less is kept exactly (scales, biases)


def save(path: Path, tensors: Mapping[str, Tensor], card: Card, half: bool = False) -> None:
    """Write `tensors` and `card` to `path`, whole or not at all.

    half: large tensors in half precision, good to a relative 2^-11 (0.05 %).
    """
    if half:
        large = {k for k, v in tensors.items() if v.dtype == torch.float32 and v.numel() >= LARGE}
        tensors = {k: v.half() if k in large else v for k, v in tensors.items()}
    _write(path, tensors, KEY, card_json(card))


def load(path: Path) -> tuple[dict[str, Tensor], Card]:
    """Tensors and card of the checkpoint `path`; CheckpointError if it is not a whole one of ours.

    What was written in half precision comes in full.
    """
    card = read_card(path)
    tensors = _read(path, KEY, "has no card")[0]
    return {k: v.float() if v.dtype == torch.float16 else v for k, v in tensors.items()}, card


def digest(path: Path) -> str:
    """sha256 of the file `path`, which names it in the lineage of what starts from it."""
    with path.open("rb") as file:
        hashed = sha256()
        while block := file.read(1 << 20):
            hashed.update(block)
    return hashed.hexdigest()


def save_state(path: Path, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Write what resuming needs: `tensors`, and `state` as JSON in the header."""
    _write(path, tensors, "resume", json.dumps(state))


def load_state(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `save_state` wrote; CheckpointError if the file is something else."""
    return _read(path, "resume", "holds no state to resume from")


def _write(path: Path, tensors: Mapping[str, Tensor], key: str, text: str) -> None:
    """`text`, a mapping in JSON, gets the seal as an entry: with two keys the order would vary."""
    plain = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
    values = json.loads(text)
    header = {key: json.dumps({**values, SEAL: _seal(plain, values)})}
    half = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        save_file(plain, half, header)
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)


def _read(path: Path, key: str, without: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors, and what the header says under `key`; CheckpointError unless all is as written."""
    try:
        with safe_open(path, "pt") as file:
            text = (file.metadata() or {}).get(key)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        values = None if text is None else json.loads(text)
    except (SafetensorError, ValueError, RecursionError) as error:
        said = str(error)[:200]
        raise CheckpointError(f"{path}: not a whole safetensors file: {said}") from error
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror or error}") from error
    if values is None:
        raise CheckpointError(f"{path}: {without}")
    written = values.pop(SEAL, None) if isinstance(values, dict) else None
    if written is None:
        raise CheckpointError(f"{path}: has no seal; it was not written by this intarsia")
    if written != _seal(tensors, values):
        raise CheckpointError(f"{path}: is damaged: it does not hold what was written")
    return tensors, values


def _seal(tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> str:
    each = ((name, tensors[name]) for name in sorted(tensors))
    return seal(((name, str(t.dtype), list(t.shape), _bytes(t)) for name, t in each), values)


def _bytes(tensor: Tensor) -> bytes:
    content: bytes = tensor.reshape(-1).view(torch.uint8).numpy().tobytes()
    return content
