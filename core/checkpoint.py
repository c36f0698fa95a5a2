"""Checkpoints that say what they are: safetensors, with a card in the header. No pickle anywhere."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from .card import KEY, Card, card_json, read_card
from .errors import CheckpointError


def save(path: Path, tensors: Mapping[str, Tensor], card: Card) -> None:
    """Write `tensors` and `card` to `path`, whole or not at all."""
    _write(path, tensors, {KEY: card_json(card)})


def load(path: Path) -> tuple[dict[str, Tensor], Card]:
    """Tensors and card of the checkpoint `path`; CheckpointError if it is not one of ours."""
    card = read_card(path)
    return _read(path), card


def digest(path: Path) -> str:
    """sha256 of the file `path`, which names it in the lineage of what starts from it."""
    with path.open("rb") as file:
        hashed = sha256()
        while block := file.read(1 << 20):
            hashed.update(block)
    return hashed.hexdigest()


def save_state(path: Path, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Write what resuming needs: `tensors`, and `state` as JSON in the header."""
    _write(path, tensors, {"resume": json.dumps(state)})


def load_state(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `save_state` wrote; CheckpointError if the file is something else."""
    try:
        with safe_open(path, "pt") as file:
            text = (file.metadata() or {}).get("resume")
    except SafetensorError as error:
        raise CheckpointError(f"{path}: not a whole safetensors file: {error}") from error
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror or error}") from error
    if text is None:
        raise CheckpointError(f"{path}: holds no state to resume from")
    state: dict[str, Any] = json.loads(text)
    return _read(path), state


def _write(path: Path, tensors: Mapping[str, Tensor], header: dict[str, str]) -> None:
    plain = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
    half = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        save_file(plain, half, header)
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except SafetensorError as error:
        raise CheckpointError(f"{path}: not a whole safetensors file: {error}") from error
