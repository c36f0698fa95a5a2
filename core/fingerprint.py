"""What the shared parts of an encoder answer to fixed tokens: the same before and after a transfer.

Tokens are drawn from a seed of their own, so that the answer depends on the weights alone, and on
no detector. Shape letters: R rows, L slots, Q latents, D width.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from .encoder import Fusion
from .windows import Windows

_SEED = 20_260_407
_ROWS, _SLOTS, _LATENTS = 3, 12, 4


def of_windows(stack: Windows) -> Tensor:
    """Answer of a window stack to rows of two windows, one of them without summaries, (R, L, D)."""
    with _still(stack):
        summaries = stack.summary.expand(_ROWS, -1, -1)
        x_rld = torch.cat([summaries, _tokens(_SLOTS, stack.summary.shape[1])], 1)
        window = torch.arange(x_rld.shape[1]) >= x_rld.shape[1] - _SLOTS // 3
        mask = (window[:, None] == window[None]).expand(_ROWS, -1, -1)
        for block in stack.blocks:
            x_rld = block(x_rld, mask)
        out: Tensor = stack.norm(x_rld)
        return out


def of_fusion(query: Tensor, rounds: nn.ModuleList, norm: nn.Module) -> Tensor:
    """Answer of the fusion to latents after the `query` and to tokens, the last of them masked."""
    with _still(rounds), _still(norm):
        x_bqd = torch.cat([query.expand(_ROWS, 1, -1), _tokens(_LATENTS, query.shape[-1])], 1)
        keys_bkd = _tokens(_SLOTS, query.shape[-1])
        seen = (torch.arange(_SLOTS) < _SLOTS - 2).expand(_ROWS, 1, -1)
        every = torch.ones(_ROWS, 1, x_bqd.shape[1], dtype=torch.bool)
        for each in rounds:
            assert isinstance(each, Fusion)  # noqa: S101  (what the list is made of)
            x_bqd = each.own(each.cross(x_bqd, seen, keys_bkd), every)
        out: Tensor = norm(x_bqd)
        return out


def numbers(answer: Tensor) -> list[float]:
    """Eight numbers of an answer, spread over it, to be kept."""
    flat = answer.flatten()
    return [float(v) for v in flat[:: max(1, len(flat) // 8)][:8]]


def _tokens(slots: int, dim: int) -> Tensor:
    generator = torch.Generator().manual_seed(_SEED + slots)
    return torch.randn(_ROWS, slots, dim, generator=generator)


@contextmanager
def _still(module: nn.Module) -> Iterator[None]:
    """Without gradients, and with nothing dropped."""
    training = module.training
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        module.train(training)
