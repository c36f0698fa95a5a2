"""The optimiser with layer-wise rates, and the schedule of its learning rate.

Muon in this file is the optimiser of that name, not the particle.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from math import cos, pi
from typing import Any

import torch
from torch import Tensor, nn

from .attention import Readout
from .network import Network
from .recipe import Optim

REFERENCE = (
    256  # events of batch for which a recipe's learning rate is meant (table III of the paper)
)
WEIGHTS_RATE = 0.1  # learning rate of loss weights relative to the rest (reference implementation)


def layer(name: str, depth: int) -> int:
    """Layer that parameter `name` belongs to: 0 for embeddings, then blocks, then fusion and heads.

    depth: blocks of the deepest window stack. Heads stand one above the last fusion block.
    """
    if match := re.match(r"encoder\.shared\.windows\.\w+\.(?:blocks\.(\d+)|norm)", name):
        return int(match[1]) + 1 if match[1] else depth
    if match := re.match(r"encoder\.shared\.fusion\.(\d+)\.(cross|own)", name):
        return depth + 2 * int(match[1]) + (1 if match[2] == "cross" else 2)
    if name.startswith("encoder.shared.norm"):
        return 10**6  # with the last layer; clipped by the caller
    return 0 if name.startswith("encoder.") else 10**6


def groups(
    network: Network, optim: Optim, lr: float, fresh: Collection[str] = ()
) -> list[dict[str, Any]]:
    """Parameter groups: rates fall by `layer_decay` per layer from the heads down.

    fresh: parameters that begin afresh beside others that were copied; they learn at the full rate.
    Vectors (norms, biases, embeddings of one token) and loss weights have no weight decay.
    """
    shared = network.encoder.shared
    stacks = [len(w.blocks) for w in shared.windows.values()]  # type: ignore[arg-type]
    depth = max(stacks, default=0)
    top = depth + 2 * len(shared.fusion) + 1
    found: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, p in network.named_parameters():
        below = 0 if name in fresh else top - min(top, layer(name, depth))
        scale = optim.layer_decay**below
        vector = p.ndim < 2 or name.endswith((".query", ".summary"))
        decay = 0.0 if vector else optim.weight_decay
        if name.startswith("weights."):
            scale, decay = WEIGHTS_RATE, 0.0
        found.setdefault((lr * scale, decay), []).append(p)
    return [{"params": p, "lr": lr, "weight_decay": wd} for (lr, wd), p in found.items()]


def hidden_matrices(network: Network) -> list[Tensor]:
    """Matrices of the linear layers between hidden vectors of `network`, the ones that Muon is for.

    Hidden is what has at least half the model's width. A `Readout` gives none whatever its width; it,
    embeddings and vectors are better left to AdamW (K. Jordan et al. 2024, "Muon: An optimizer for hidden
    layers in neural networks"; measured in docs/experiments.md).
    """
    least = len(network.encoder.shared.query[0]) / 2
    linear = [m for m in network.modules() if isinstance(m, nn.Linear)]
    return [m.weight for m in linear if not isinstance(m, Readout) and min(m.weight.shape) >= least]


class MuonAdamW(torch.optim.Optimizer):
    """Muon for some parameters and AdamW for the rest, as one optimiser.

    Muon moves a matrix by the orthogonal matrix next to its averaged gradient, so that all directions
    learn equally fast. Scaled by ``0.2 sqrt(max(rows, columns))`` a step is as large as AdamW's, and both
    can have the same learning rate (arXiv:2502.16982, equation 4).
    """

    def __init__(
        self,
        by_muon: list[dict[str, Any]],
        by_adamw: list[dict[str, Any]],
        betas: tuple[float, float],
    ) -> None:
        self.parts: tuple[torch.optim.Optimizer, ...] = (
            torch.optim.Muon(by_muon, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(by_adamw, betas=betas, fused=True),
        )
        super().__init__([g for part in self.parts for g in part.param_groups], {})
        for part in self.parts:
            part.state = self.state

    def step(self, closure: Any = None) -> Any:
        """One step of both. closure: makes loss and gradients before it; the loss is returned."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for part in self.parts:
            part.step()
        return loss


def optimiser(
    network: Network, optim: Optim, batch: int, fresh: Collection[str] = ()
) -> torch.optim.Optimizer:
    """The optimiser a recipe asks for, with its learning rate times batch / 256. fresh: see `groups`."""
    lr = optim.lr * batch / REFERENCE
    found = groups(network, optim, lr, fresh)
    if optim.method == "adamw":
        return torch.optim.AdamW(found, lr=lr, betas=optim.betas, fused=True)
    inside = {id(p) for p in hidden_matrices(network)}

    def part(chosen: bool) -> list[dict[str, Any]]:
        return [
            {**g, "params": [p for p in g["params"] if (id(p) in inside) == chosen]} for g in found
        ]

    return MuonAdamW(part(True), part(False), optim.betas)


def schedule(optim: Optim, steps_per_epoch: float, steps: int) -> Callable[[int], float]:
    """Factor of the learning rate at each step: linear warm-up, then cosine to zero."""
    warmup = optim.warmup_epochs * steps_per_epoch
    rest = steps - warmup if optim.decay_epochs is None else optim.decay_epochs * steps_per_epoch

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        return 0.5 * (1 + cos(pi * min(1.0, (step - warmup) / max(1.0, rest))))

    return factor


Tensors = tuple[Tensor, ...] | list[Tensor]


def averaging(decay: float) -> Callable[[Tensors, Tensors, Tensor | int], None]:
    """Update of averaged weights with decay min(decay, (1 + n) / (10 + n)) after n steps.

    The ramp lets short runs average too (decision 5 of the design).
    """

    def update(averaged: Tensors, current: Tensors, n: Tensor | int) -> None:
        number = float(n)
        share = 1 - min(decay, (1 + number) / (10 + number))
        torch._foreach_lerp_(averaged, current, share)

    return update
