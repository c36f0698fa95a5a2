"""A light decoder: queries that look at the latents of their event.

Shape letters: q queries, B events, Q latents, D encoder width, E decoder width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .attention import Block, sine_table
from .batch import Rows
from .encoder import Encoded
from .recipe import DecoderSize
from .streams import VoxelGrid


class Decoder(nn.Module):
    """Cross-attention blocks from queries to latents; queries do not see each other."""

    def __init__(self, dim: int, size: DecoderSize) -> None:
        super().__init__()
        self.context = nn.Linear(dim, size.width)
        self.blocks = nn.ModuleList(
            Block(size.width, size.heads, 4, cross=True) for _ in range(size.depth)
        )
        self.norm = nn.LayerNorm(size.width)

    def forward(self, x: Tensor, encoded: Encoded, rows: Rows | None = None) -> Tensor:
        """Queries after looking at the latents of their event: (B, L, E), as many for each event, or
        (q, E) of any event, which `rows` lays out.
        """
        context = self.context(encoded.latents)
        for block in self.blocks:
            x = block(x, encoded.mask[:, None], context, rows=rows)
        out: Tensor = self.norm(x)
        return out


class Places(nn.Module):
    """Query vectors for the patches of a grid: one learned vector, its place and its window."""

    def __init__(self, grid: VoxelGrid, width: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.randn(width) * 0.02)
        self.place = nn.Parameter(sine_table(grid.window, width))
        self.window = nn.Parameter(sine_table(grid.windows, width))

    def forward(self, place: Tensor, window: Tensor) -> Tensor:
        """(q, E)."""
        return self.query + self.place.index_select(0, place) + self.window.index_select(0, window)
