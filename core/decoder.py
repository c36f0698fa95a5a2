"""A light decoder: queries that look at the latents of their event.

Shape letters: q queries, B events, Q latents, D encoder width, E decoder width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .attention import Block, lay, sine_table
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

    def forward(self, x_ble: Tensor, encoded: Encoded) -> Tensor:
        """Queries in one row per event, (B, L, E), after looking at the latents of their event."""
        context = self.context(encoded.latents)
        for block in self.blocks:
            x_ble = block(x_ble, encoded.mask[:, None], context)
        out: Tensor = self.norm(x_ble)
        return out

    def ragged(self, x_qe: Tensor, rows: Rows, encoded: Encoded) -> Tensor:
        """The same for queries (q, E) of any event, which `rows` lays out."""
        x_ble: Tensor = self(lay(x_qe, rows.source, rows.mask), encoded)
        return x_ble.flatten(0, 1)[rows.slot]


class Places(nn.Module):
    """Query vectors for the patches of a grid: one learned vector, its place and its window."""

    def __init__(self, grid: VoxelGrid, width: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.randn(width) * 0.02)
        self.place = nn.Parameter(sine_table(grid.window, width))
        self.window = nn.Parameter(sine_table(grid.windows, width))

    def forward(self, place: Tensor, window: Tensor) -> Tensor:
        """(q, E)."""
        return self.query + self.place[place] + self.window[window]
