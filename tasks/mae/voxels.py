"""The hybrid loss of masked reconstruction: occupancy and charge of the voxels of decoded patches.

Shape letters: h patches asked for, m occupied cells, P cells of a patch, F columns.
"""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor, nn

from intarsia.core.batch import Asked
from intarsia.core.losses import occupancy
from intarsia.core.losses_voxel import chamfer, charge, deposits, distance, focal, odds
from intarsia.core.streams import VoxelGrid
from intarsia.tasks.mae import Hybrid


class VoxelLoss(nn.Module):
    """Losses of one voxel stream, each a sum of its terms with the weights of `hybrid`.

    What is switched off is not computed: without focal exponent, border and distances there is plain
    cross-entropy. Only columns that are compressed, which energies are, count by their size.
    """

    weight_f: Tensor

    def __init__(self, hybrid: Hybrid, grid: VoxelGrid) -> None:
        super().__init__()
        self.hybrid, self.patch = hybrid, grid.patch
        weights = [
            hybrid.charge * (c.scale != "identity") for c in grid.columns for _ in range(c.width)
        ]
        self.register_buffer("weight_f", torch.tensor(weights), persistent=False)

    def forward(self, predicted: Tensor, asked: Asked) -> tuple[Tensor, Tensor]:
        """Loss of occupancy and of charge, from (h, 1 + F, P), the occupancy logit first."""
        with torch.autocast(predicted.device.type, enabled=False):
            logits, values = predicted.float().tensor_split((1,), 1)
            occupied = asked.token * prod(self.patch) + asked.cell
            return self._terms(logits[:, 0].contiguous(), values, occupied, asked)

    def _terms(
        self, logits: Tensor, values: Tensor, occupied: Tensor, asked: Asked
    ) -> tuple[Tensor, Tensor]:
        use = self.hybrid
        columns = charge(values[asked.token, :, asked.cell], asked.values, self.weight_f)
        if not (use.focal or use.border or use.chamfer or use.distance):
            return occupancy(logits, occupied), columns
        reach = max(use.reach, use.border + 1)
        away = distance(occupied, len(logits), self.patch, reach)
        known = odds(logits)
        if use.focal or use.border:
            cells = focal(logits, occupied, away, use.focal, use.border, use.balance, known)
        else:
            cells = occupancy(logits, occupied)
        if reach > use.reach:
            away = away.clamp(max=use.reach)
        if use.chamfer:
            cells = cells + use.chamfer * chamfer(
                logits, occupied, away, self.patch, use.reach, known
            )
        if use.distance:
            stray = deposits(logits, values, occupied, asked.values, away, use.reach, known)
            columns = columns + use.distance * stray
        return cells, columns
