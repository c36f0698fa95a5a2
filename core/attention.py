"""Transformer blocks over padded rows.

Shape letters: R rows, L slots of a row that ask, K slots that are looked at, D width, H heads, B events.
"""

from __future__ import annotations

import torch
from attrs import frozen
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention


class Attention(nn.Module):
    """Multi-head attention from `x` to `context`."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(dim, 2 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x_rld: Tensor, context_rkd: Tensor, mask: Tensor) -> Tensor:
        """(R, L, D); `mask`, broadcast to (R, L, K), is true where a slot may look."""
        key, value = self.key_value(context_rkd).chunk(2, -1)
        q, k, v = (self._heads(y) for y in (self.query(x_rld), key, value))
        y = scaled_dot_product_attention(q, k, v, mask[:, None])
        out: Tensor = self.out(y.transpose(1, 2).flatten(2))
        return out

    def _heads(self, x_rld: Tensor) -> Tensor:
        """(R, H, L, D / H); in float32 on a CPU, where bfloat16 attention is slower (measured)."""
        width = x_rld.shape[2] // self.heads
        x_rhld = x_rld.reshape(*x_rld.shape[:2], self.heads, width).transpose(1, 2)
        return x_rhld.float() if x_rhld.is_cpu and x_rhld.dtype == torch.bfloat16 else x_rhld


@frozen(eq=False)
class Owners:
    """Whose the slots of packed rows are: event (R, L), `n` where a slot is empty; n events."""

    event: Tensor
    n: int


class DropPath(nn.Module):
    """Skips a block's contribution for whole events, at random and only in training.

    Of stochastic depth (arXiv:1603.09382, section 3) per sample: with probability `rate` all slots of
    an event are zero, otherwise they are divided by ``1 - rate``, which keeps the mean.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x_rld: Tensor, owners: Owners | None = None) -> Tensor:
        """(R, L, D); without `owners` a row is an event."""
        if not self.training or self.rate == 0:
            return x_rld
        keep = 1 - self.rate
        n = len(x_rld) if owners is None else owners.n + 1
        factor = (torch.rand(n, device=x_rld.device) < keep).to(x_rld.dtype) / keep
        each = factor[:, None] if owners is None else factor[owners.event]
        return x_rld * each[..., None]


class Block(nn.Module):
    """Pre-norm attention and MLP, each added to its input (arXiv:2010.11929, figure 1).

    cross: attention to another set of tokens, with a norm of its own, instead of to itself.
    """

    def __init__(
        self, dim: int, heads: int, mlp: int, *, cross: bool = False, drop_path: float = 0.0
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.norm_context = nn.LayerNorm(dim) if cross else None
        self.norm_mlp = nn.LayerNorm(dim)
        self.attention = Attention(dim, heads)
        self.mlp = nn.Sequential(nn.Linear(dim, mlp * dim), nn.GELU(), nn.Linear(mlp * dim, dim))
        self.drop_path = DropPath(drop_path)

    def forward(
        self,
        x_rld: Tensor,
        mask: Tensor,
        context_rkd: Tensor | None = None,
        owners: Owners | None = None,
    ) -> Tensor:
        """(R, L, D); `mask` is true where a slot may look, see `Attention`; `owners` drop together."""
        asked = self.norm(x_rld)
        context = asked
        if self.norm_context is not None and context_rkd is not None:
            context = self.norm_context(context_rkd)
        x_rld = x_rld + self.drop_path(self.attention(asked, context, mask), owners)
        out: Tensor = x_rld + self.drop_path(self.mlp(self.norm_mlp(x_rld)), owners)
        return out


def xavier(module: nn.Module) -> None:
    """Start a linear layer with Xavier's weights and no bias (arXiv:2111.06377, appendix A)."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)


def lay(x_td: Tensor, source: Tensor, mask: Tensor) -> Tensor:
    """Items (t, D) in padded rows (R, L, D) as a plan says; empty slots are zero.

    source: (R * L,) item of each slot, t for an empty one. mask: any tensor of shape (R, L, ...).
    """
    padded = torch.cat([x_td, x_td.new_zeros(1, x_td.shape[1])])
    return padded[source].reshape(*mask.shape[:2], x_td.shape[1])


def sine_table(shape: tuple[int, ...], dim: int) -> Tensor:
    """Sine and cosine features of every position of a grid of `shape`, (prod(shape), dim).

    The width is shared by the axes, one frequency 10000^(-j / pairs) per sine-cosine pair
    (arXiv:1706.03762, section 3.5); numbers left over by an odd split are zero, so any width will do.
    """
    table = torch.zeros(*shape, dim)
    pairs = max(1, dim // (2 * len(shape)))
    rate = 10000.0 ** (-torch.arange(pairs) / pairs)
    for axis, size in enumerate(shape):
        angle = torch.arange(size)[:, None] * rate
        features = torch.cat([angle.sin(), angle.cos()], 1)
        first = axis * 2 * pairs
        width = min(2 * pairs, dim - first)
        if width > 0:
            view = [1] * len(shape) + [width]
            view[axis] = size
            table[..., first : first + width] = features[:, :width].reshape(view)
    return table.flatten(0, -2)
