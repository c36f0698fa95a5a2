"""The state of a stage between epochs: weights, averages, moments of the optimiser. No pickle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .checkpoint import load_state, save_state
from .errors import CheckpointError
from .train_module import StageModule


def keep(path: Path, module: StageModule, optimiser: torch.optim.Optimizer, facts: Any) -> None:
    """Write everything that `restore` needs to go on after this epoch; `facts` are JSON."""
    tensors = {f"now.{k}": v for k, v in module.network.state_dict().items()}
    tensors |= {f"mean.{k}": v for k, v in module.averaged.state_dict().items()}
    tensors["averaged"] = module.average.n_averaged
    for name, parameter in module.network.named_parameters():
        for key, value in optimiser.state[parameter].items():
            tensors[f"optimiser.{name}.{key}"] = value
    save_state(path, tensors, facts)


def restore(path: Path, module: StageModule) -> None:
    """Weights and averages as they were when `keep` wrote `path`."""
    tensors, _ = load_state(path)
    _exactly(path, module.network, _part(tensors, "now."))
    _exactly(path, module.averaged, _part(tensors, "mean."))
    module.average.n_averaged.copy_(tensors["averaged"])


def restore_optimiser(path: Path, module: StageModule, optimiser: torch.optim.Optimizer) -> None:
    """Moments of the optimiser as they were when `keep` wrote `path`."""
    tensors, _ = load_state(path)
    for name, parameter in module.network.named_parameters():
        state = _part(tensors, f"optimiser.{name}.")
        if state:
            optimiser.state[parameter] = {k: v.to(parameter.device) for k, v in state.items()}


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _exactly(path: Path, module: torch.nn.Module, tensors: dict[str, Tensor]) -> None:
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        raise CheckpointError(f"{path} does not fit this recipe: {error}") from error
