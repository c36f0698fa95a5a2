"""Transformer blocks over padded rows, or over items that only attention itself lays in rows.

Shape letters: R rows, L slots of a row that ask, K slots that are looked at, D width, H heads,
B events, n items that ask, k items that are looked at.
"""

from __future__ import annotations

import torch
from attrs import frozen
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from .batch import Rows


class Attention(nn.Module):
    """Multi-head attention from `x` to `context`.

    Either may be items (n, D) with the rows they belong in: then nothing but the products of queries
    and keys is done for empty slots. An item that may look at nothing but an empty slot sees zeros.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(dim, 2 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(
        self,
        x: Tensor,
        context: Tensor,
        mask: Tensor,
        rows: Rows | None = None,
        context_rows: Rows | None = None,
    ) -> Tensor:
        """(R, L, D), or (n, D) with `rows`; `mask`, broadcast to (R, L, K), is true where a slot may
        look.
        """
        query, key_value = self.query(x), self.key_value(context)
        if rows is not None:
            query = lay(query, rows.slot, rows.mask)
        if context_rows is not None:
            key_value = lay(key_value, context_rows.slot, context_rows.mask)
        q, k, v = (self._heads(y) for y in (query, *key_value.chunk(2, -1)))
        y = scaled_dot_product_attention(q, k, v, mask[:, None]).transpose(1, 2).flatten(2)
        out: Tensor = self.out(y if rows is None else y.flatten(0, 1).index_select(0, rows.slot))
        return out

    def _heads(self, x_rld: Tensor) -> Tensor:
        """(R, H, L, D / H); in float32 on a CPU, where bfloat16 attention is slower (measured)."""
        width = x_rld.shape[2] // self.heads
        x_rhld = x_rld.reshape(*x_rld.shape[:2], self.heads, width).transpose(1, 2)
        return x_rhld.float() if x_rhld.is_cpu and x_rhld.dtype == torch.bfloat16 else x_rhld


@frozen(eq=False)
class Owners:
    """Whose slots or items are: event (R, L), `n` where a slot is empty, or (items,); n events."""

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

    def forward(self, x: Tensor, owners: Owners | None = None) -> Tensor:
        """`x`, (R, L, D) or items (n, D); without `owners` a row is an event."""
        if not self.training or self.rate == 0:
            return x
        keep = 1 - self.rate
        n = len(x) if owners is None else owners.n + 1
        factor = (torch.rand(n, device=x.device) < keep).to(x.dtype) / keep
        each = factor[:, None] if owners is None else factor[owners.event]
        return x * each[..., None]


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
        x: Tensor,
        mask: Tensor,
        context: Tensor | None = None,
        *,
        owners: Owners | None = None,
        rows: Rows | None = None,
        context_rows: Rows | None = None,
    ) -> Tensor:
        """(R, L, D), or (n, D) with `rows`; `owners` drop together, the rest as for `Attention`."""
        asked = self.norm(x)
        if self.norm_context is None or context is None:
            context, context_rows = asked, rows
        else:
            context = self.norm_context(context)
        seen = self.attention(asked, context, mask, rows, context_rows)
        x = x + self.drop_path(seen, owners)
        out: Tensor = x + self.drop_path(self.mlp(self.norm_mlp(x)), owners)
        return out


class Readout(nn.Linear):
    """The linear layer that a head ends with, (..., width) to (..., outputs).

    What leaves it is no hidden vector, however wide, so the optimiser Muon leaves it alone (`core.optim`).
    scale: spread of its weights at the start, without bias then; by default torch's own start.
    """

    def __init__(self, width: int, outputs: int, scale: float | None = None) -> None:
        super().__init__(width, outputs)
        if scale is not None:
            nn.init.trunc_normal_(self.weight, std=scale)
            nn.init.zeros_(self.bias)


def xavier(module: nn.Module) -> None:
    """Start a linear layer with Xavier's weights and no bias (arXiv:2111.06377, appendix A)."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)


def lay(x_td: Tensor, slot: Tensor, mask: Tensor) -> Tensor:
    """Items (t, D) in padded rows (R, L, D) as a plan says; empty slots are zero.

    slot: (t,) of each item among R * L. mask: any tensor of shape (R, L, ...). Looked up by index
    instead, the gradient would be summed over all empty slots, one after the other on a GPU
    (pytorch/pytorch#41162); this one looks up the items alone.
    """
    rows, length = mask.shape[:2]
    empty = x_td.new_zeros(rows * length, x_td.shape[1])
    return empty.index_copy(0, slot, x_td).reshape(rows, length, x_td.shape[1])


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
