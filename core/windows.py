"""Attention inside windows, with summary tokens that speak for each window.

Shape letters: t tokens, w active windows, S summaries of a window, R rows of L slots, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .attention import Block, Owners, lay
from .batch import GridPlan
from .recipe import Model


class Windows(nn.Module):
    """Self-attention among the tokens of each window and its learned summaries.

    Windows are packed into rows under a block-diagonal mask: cost follows the occupied patches. All
    windows of an event drop a path together, whatever rows they lie in.
    """

    def __init__(self, model: Model, depth: int, drop_path: tuple[float, ...]) -> None:
        super().__init__()
        self.summary = nn.Parameter(torch.randn(model.summaries, model.dim) * 0.02)
        self.blocks = nn.ModuleList(
            Block(model.dim, model.heads, model.mlp, drop_path=rate) for rate in drop_path[:depth]
        )
        self.norm = nn.LayerNorm(model.dim)

    def forward(self, x_td: Tensor, plan: GridPlan) -> tuple[Tensor, Tensor]:
        """Summaries (w * S, D) and tokens (t, D) after attention inside their windows."""
        active = len(plan.summary_event) // len(self.summary)
        items = torch.cat([self.summary.repeat(active, 1), x_td])
        x_rld = lay(items, plan.slot, plan.document)
        mask = plan.document[:, :, None] == plan.document[:, None, :]
        owners = self._owners(plan)
        for block in self.blocks:
            x_rld = block(x_rld, mask, owners=owners)
        out = self.norm(x_rld.flatten(0, 1).index_select(0, plan.slot))
        return out[: len(plan.summary_event)], out[len(plan.summary_event) :]

    def _owners(self, plan: GridPlan) -> Owners:
        n = len(plan.rows.mask)
        of_window = plan.summary_event[:: len(self.summary)]
        empty = of_window.new_full((1,), n)  # an empty slot's document is -1, the last
        return Owners(torch.cat([of_window, empty])[plan.document], n)
