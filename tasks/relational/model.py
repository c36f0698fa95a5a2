"""The relational pass at work.

Shape letters: t visible tokens, v visible voxels, C channels, E decoder width.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from intarsia.core.batch import Batch, GridPlan
from intarsia.core.decoder import Decoder, Places
from intarsia.core.encoder import Encoded
from intarsia.core.losses import classes, shares
from intarsia.core.plan import cell_index
from intarsia.core.streams import Label, VoxelGrid
from intarsia.core.task_module import Setting, TaskModule
from intarsia.core.voxel_head import VoxelHead
from intarsia.tasks.relational import Relational, ghosts, targets


class VoxelLabels(TaskModule):
    """Labels of the visible voxels, from the tokens of their patches and the event's latents.

    Evaluated at occupied voxels only. A label of two hard classes is one logit, any other has one
    channel per class.
    """

    def __init__(self, options: Relational, setting: Setting) -> None:
        super().__init__()
        self.stream, names = targets(options, setting.detector)
        grid = setting.detector.stream(self.stream)
        if not isinstance(grid, VoxelGrid):
            raise TypeError(f"stream {self.stream!r} has no voxels to label")
        self.grid = grid
        self.labels = {label.name: label for label in grid.labels if label.name in names}
        self.terms = tuple(self.labels)
        self.ghosts = ghosts(options, setting.detector)
        self.smoothing, self.most = options.smoothing, options.voxels
        width = options.decoder.width
        channels = sum(_channels(label) for label in self.labels.values())
        self.token = nn.Linear(setting.model.dim, width)
        self.places = Places(grid, width)
        self.decoder = Decoder(setting.model.dim, options.decoder)
        self.voxels = VoxelHead(width, grid.patch, channels, options.modes)

    def forward(self, encoded: Encoded, batch: Batch) -> dict[str, Tensor]:
        """Logits (v, C) of each label, and the visible voxels ``rows`` (v,) that they are of."""
        plan = encoded.plan.streams[self.stream]
        if not isinstance(plan, GridPlan):
            raise TypeError(f"stream {self.stream!r} has no voxels to label")
        query = self.token(encoded.tokens[self.stream]) + self.places(plan.place, plan.window)
        decoded = self.decoder(query, encoded, plan.rows)
        rows = self._rows(plan.cell)
        logits = self.voxels.at(decoded, plan.token[rows], plan.cell[rows])
        sizes = [_channels(label) for label in self.labels.values()]
        labels = dict(zip(self.labels, torch.split(logits, sizes, 1), strict=True))
        return labels | {"rows": rows}

    def _rows(self, cell: Tensor) -> Tensor:
        """Numbers of the voxels to look at: in training at most as many as the options say."""
        if self.training and self.most and len(cell) > self.most:
            return torch.randint(len(cell), (self.most,), device=cell.device)
        return torch.arange(len(cell), device=cell.device)

    def losses(
        self, out: Mapping[str, Tensor], encoded: Encoded, batch: Batch
    ) -> dict[str, Tensor]:
        """Binary, hard or soft cross-entropy of each label over the voxels that have it."""
        losses = {}
        for name, label in self.labels.items():
            logits, true = out[name], self._true(name, encoded)[out["rows"]]
            if label.soft:
                losses[name] = shares(logits.float(), true, self.smoothing)
            elif _channels(label) == 1:
                losses[name] = self._binary(logits[:, 0].float(), true)
            else:
                losses[name] = classes(logits.float(), true, self.smoothing)
        return losses

    def _true(self, name: str, encoded: Encoded) -> Tensor:
        """Label `name` of the visible voxels, unknown for ghosts unless it is what tells them."""
        plan = encoded.plan.streams[self.stream]
        if not isinstance(plan, GridPlan):
            return torch.zeros(0)
        true = plan.labels[name]
        if name == self.ghosts or not self.ghosts:
            return true
        ghost = (plan.labels[self.ghosts] == 1).reshape(-1, *[1] * (true.ndim - 1))
        return true.masked_fill(ghost, torch.nan if self.labels[name].soft else -1)

    def picture(self, out: Mapping[str, Tensor], encoded: Encoded) -> dict[str, Tensor]:
        """True and predicted labels of the visible voxels."""
        plan, grid = encoded.plan.streams[self.stream], self.grid
        if not isinstance(plan, GridPlan):
            return {}
        where = (plan.window[plan.token], plan.place[plan.token], plan.cell)
        index = cell_index(grid, *(x.cpu().numpy() for x in where))
        drawn = {f"{self.stream}/label_index": torch.from_numpy(index)}
        for name in self.labels:
            logits = out[name]
            single = logits.shape[1] == 1
            likely = logits[:, 0].sigmoid() if single else logits.softmax(1)
            drawn[f"{self.stream}/{name}_predicted"] = likely
            drawn[f"{self.stream}/{name}_true"] = plan.labels[name]
        return drawn

    def _binary(self, logits: Tensor, true: Tensor) -> Tensor:
        """Cross-entropy of two classes with targets ``t (1 - s) + (1 - t) s``."""
        known = true >= 0
        target = true.clamp(min=0).float() * (1 - 2 * self.smoothing) + self.smoothing
        per_voxel = binary_cross_entropy_with_logits(logits, target, reduction="none")
        return (per_voxel * known).sum() / known.sum().clamp(min=1)


def _channels(label: Label) -> int:
    return 1 if len(label.classes) == 2 and not label.soft else len(label.classes)
