"""Masked reconstruction at work.

Shape letters: h hidden patches asked for, B events, E decoder width, P cells of a patch, F columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import log
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from intarsia.core.attention import Readout
from intarsia.core.batch import ArrayPlan, Batch, GridPlan, TrackPlan
from intarsia.core.decoder import Decoder, Places
from intarsia.core.encoder import Encoded
from intarsia.core.losses import regression
from intarsia.core.normalise import unscaled
from intarsia.core.plan import cell_index
from intarsia.core.streams import DenseArray, TrackSet, VoxelGrid
from intarsia.core.task_module import Setting, TaskModule
from intarsia.core.voxel_head import VoxelHead
from intarsia.tasks.mae import MaskedReconstruction
from intarsia.tasks.mae.voxels import VoxelLoss

OCCUPANCY = 0.02  # share of a patch's cells that are hit, as measured on FASERCal (1.5 to 2.5 %)


class MaskedAutoencoder(TaskModule):
    """Decodes hidden patches of every voxel stream, and every array and track set, from the latents.

    Arrays and tracks are asked for in every event, also where they were visible: the decoder sees
    nothing but latents, and what nobody asks of the latents they lose.
    """

    def __init__(self, options: MaskedReconstruction, setting: Setting) -> None:
        super().__init__()
        width = options.decoder.width
        self.setting = setting
        self.decoder = Decoder(setting.model.dim, options.decoder)
        self.places, self.voxels, self.voxel_losses = (nn.ModuleDict() for _ in range(3))
        self.single, self.queries = nn.ModuleDict(), nn.ParameterDict()
        for stream in setting.detector.streams:
            if isinstance(stream, VoxelGrid):
                self.terms += (f"{stream.name}_occupancy", f"{stream.name}_charge")
                columns = sum(c.width for c in stream.columns)
                self.places[stream.name] = Places(stream, width)
                head = VoxelHead(width, stream.patch, 1 + columns, options.modes)
                nn.init.constant_(head.bias[0], log(OCCUPANCY / (1 - OCCUPANCY)))
                self.voxels[stream.name] = head
                self.voxel_losses[stream.name] = VoxelLoss(options.hybrid, stream)
            elif isinstance(stream, DenseArray | TrackSet):
                count = (f"{stream.name}_count",) if isinstance(stream, TrackSet) else ()
                self.terms += (*count, stream.name)
                self.queries[stream.name] = nn.Parameter(torch.randn(width) * 0.02)
                self.single[stream.name] = Readout(width, _numbers(stream))

    def forward(self, encoded: Encoded, batch: Batch) -> dict[str, Tensor]:
        """``stream`` to (h, 1 + F, P), the occupancy logit first, or to (B, numbers)."""
        out: dict[str, Tensor] = {}
        for name, head in self.voxels.items():
            plan = encoded.plan.streams[name]
            if isinstance(plan, GridPlan):
                query = self.places[name](plan.asked.place, plan.asked.window)
                out[name] = head(self.decoder(query, encoded, plan.asked.rows))
        if self.queries:
            query = torch.stack(list(self.queries.values())).expand(len(batch), -1, -1)
            decoded = self.decoder(query, encoded)
            for i, (name, head) in enumerate(self.single.items()):
                out[name] = head(decoded[:, i])
        return out

    def losses(
        self, out: Mapping[str, Tensor], encoded: Encoded, batch: Batch
    ) -> dict[str, Tensor]:
        """Occupancy and charge of each voxel stream, one regression for each other stream.

        The number of tracks has a term of its own: among fifty numbers of a track it would hardly
        count, and latents that do not say whether there is a muon are of little use.
        """
        losses: dict[str, Tensor] = {}
        for name, predicted in out.items():
            plan = encoded.plan.streams[name]
            if isinstance(plan, GridPlan):
                cells, columns = self.voxel_losses[name](predicted, plan.asked)
                losses[f"{name}_occupancy"], losses[f"{name}_charge"] = cells, columns
            elif isinstance(plan, ArrayPlan):
                losses[name] = regression(predicted[plan.event].float(), plan.values)
            elif isinstance(plan, TrackPlan):
                x, true = predicted.float(), track_targets(plan, predicted)
                losses[f"{name}_count"] = regression(x[:, :1], true[:, :1])
                losses[name] = regression(x[:, 1:], true[:, 1:])
        return losses

    def picture(self, out: Mapping[str, Tensor], encoded: Encoded) -> dict[str, Tensor]:
        """Kept, hidden and predicted voxels of every voxel stream.

        Predicted are the likeliest cells of all hidden patches, as many as there truly are: losses may
        weigh cells, and then what is predicted says which are likelier, but not how likely.
        """
        drawn: dict[str, Tensor] = {}
        for name in self.voxels:
            plan, grid = encoded.plan.streams[name], self.setting.detector.stream(name)
            if not isinstance(plan, GridPlan) or not isinstance(grid, VoxelGrid):
                continue
            asked = plan.asked
            token, cell = likeliest(out[name][:, 0].float(), len(asked.cell))
            sets = {
                "kept": (plan.window[plan.token], plan.place[plan.token], plan.cell, plan.values),
                "hidden": (
                    asked.window[asked.token],
                    asked.place[asked.token],
                    asked.cell,
                    asked.values,
                ),
                "predicted": (
                    asked.window[token],
                    asked.place[token],
                    cell,
                    out[name][token, 1:, cell].float(),
                ),
            }
            scale = self.setting.normalisation["streams"][name]
            for what, (window, place, cells, values) in sets.items():
                where = (x.cpu().numpy() for x in (window, place, cells))
                drawn[f"{name}/{what}_index"] = torch.from_numpy(cell_index(grid, *where))
                drawn[f"{name}/{what}_values"] = physical(grid, scale, values)
        return drawn


def likeliest(logits_hp: Tensor, number: int) -> tuple[Tensor, Tensor]:
    """Patch and cell of the `number` likeliest cells, in order of patches."""
    chosen = logits_hp.flatten().topk(number).indices.sort().values
    return chosen // logits_hp.shape[1], chosen % logits_hp.shape[1]


def physical(grid: VoxelGrid, scale: Mapping[str, Any], values_nf: Tensor) -> Tensor:
    """Columns (n, F) in their declared units, from the scaled ones the model works with."""
    columns, first = [], 0
    for column in grid.columns:
        part = values_nf[:, first : first + column.width].cpu().numpy()
        columns.append(unscaled(column, part * np.asarray(scale[column.name]["rms"])))
        first += column.width
    return torch.from_numpy(np.concatenate(columns, 1))


def track_targets(plan: TrackPlan, like: Tensor) -> Tensor:
    """What is rebuilt of tracks, (B, numbers): log1p of their number, and the leading one.

    The leading track's columns, then its points; NaN where there is none.
    """
    targets = torch.full_like(like, torch.nan, dtype=torch.float32)
    targets[:, 0] = torch.log1p(plan.counts.float())
    points = torch.where(plan.hit[..., None], plan.points, torch.nan)
    rows = torch.cat([plan.columns, points.flatten(1)], 1)[plan.leading]
    targets[plan.event[plan.leading], 1:] = rows
    return targets


def _numbers(stream: DenseArray | TrackSet) -> int:
    """Numbers that describe one event's row of `stream`."""
    if isinstance(stream, DenseArray):
        return stream.size
    points = stream.planes * sum(c.width for c in stream.points)
    return 1 + sum(c.width for c in stream.columns) + points
