"""Segmentation at work.

Shape letters: v voxels, C classes, L classes of the label, E decoder width, B events.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax, one_hot

from intarsia.core.batch import Batch, GridPlan
from intarsia.core.decoder import Decoder, Places
from intarsia.core.encoder import Encoded
from intarsia.core.errors import DeclarationError, suggest
from intarsia.core.plan import cell_index
from intarsia.core.streams import VoxelGrid
from intarsia.core.task_module import Setting, TaskModule
from intarsia.core.voxel_head import VoxelHead
from intarsia.tasks.segmentation import Segment, stream_of


class Segmentation(TaskModule):
    """Logits of every voxel, from the token of its patch and the event's latents.

    classes: names of what is learned, in the order of the logits.
    """

    kept: Tensor  # numbers of these classes among those of the label

    def __init__(self, options: Segment, setting: Setting) -> None:
        super().__init__()
        grid = setting.detector.stream(stream_of(options, setting.detector))
        if not isinstance(grid, VoxelGrid):
            raise DeclarationError(f"stream {grid.name!r} has no voxels to classify")
        label = next(x for x in grid.labels if x.name == options.label)
        for name in options.leave_out:
            if name not in label.classes:
                raise DeclarationError(
                    f"leave_out: {label.name!r} has no class {name!r}"
                    f"{suggest(name, label.classes)} (it has: {', '.join(label.classes)})"
                )
        self.classes = tuple(c for c in label.classes if c not in options.leave_out)
        if len(self.classes) < 2:
            raise DeclarationError(f"segmentation of {label.name!r} needs two classes or more")
        self.grid, self.label, self.soft = grid, label.name, label.soft
        kept = [label.classes.index(c) for c in self.classes]
        self.register_buffer("kept", torch.tensor(kept), persistent=False)
        self.number = len(label.classes)
        self.terms = ("class",)
        self.most, self.balance, self.smoothing = options.voxels, options.balance, options.smoothing
        width = options.decoder.width
        self.token = nn.Linear(setting.model.dim, width)
        self.places = Places(grid, width)
        self.decoder = Decoder(setting.model.dim, options.decoder)
        self.voxels = VoxelHead(width, grid.patch, len(self.classes), options.modes)

    def forward(self, encoded: Encoded, batch: Batch) -> dict[str, Tensor]:
        """Logits (v, C), and the voxels ``rows`` (v,) that they are of, with their event (v,)."""
        plan = self._plan(encoded)
        query = self.token(encoded.tokens[self.grid.name]) + self.places(plan.place, plan.window)
        decoded = self.decoder(query, encoded, plan.rows)
        rows = torch.arange(len(plan.cell), device=plan.cell.device)
        if self.training and self.most and len(rows) > self.most:
            rows = torch.randint(len(rows), (self.most,), device=rows.device)
        logits = self.voxels.at(decoded, plan.token[rows], plan.cell[rows]).float()
        found = {"logits": logits, "rows": rows, "event": plan.event[plan.token[rows]]}
        if self.label in plan.labels:
            found["shares"] = self._shares(plan.labels[self.label][rows])
        return found

    def losses(
        self, out: Mapping[str, Tensor], encoded: Encoded, batch: Batch
    ) -> dict[str, Tensor]:
        """Cross-entropy with the shares of the classes, over the voxels that belong to them."""
        target, known = out["shares"], out["shares"].sum(1) > 0
        n = known.sum().clamp(min=1)
        frequency = (target.sum(0) / n).clamp(min=1e-6)
        weight = (target * frequency**-self.balance).sum(1)
        smooth = target * (1 - self.smoothing) + self.smoothing / len(self.classes)
        per_voxel = -(smooth * log_softmax(out["logits"], 1)).sum(1)
        return {"class": (per_voxel * weight * known).sum() / weight.sum().clamp(min=1e-6)}

    def predictions(self, out: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """``counts`` (B, C, C): voxels of each event by true class and predicted class."""
        if "shares" not in out:
            return {}
        c, known = len(self.classes), out["shares"].sum(1) > 0
        true, predicted = out["shares"].argmax(1), out["logits"].argmax(1)
        flat = ((out["event"] * c + true) * c + predicted)[known]
        return {"counts": torch.bincount(flat, minlength=len(batch) * c * c).reshape(-1, c, c)}

    def picture(self, out: Mapping[str, Tensor], encoded: Encoded) -> dict[str, Tensor]:
        """True and predicted classes of the voxels, as shares of all classes of the label."""
        plan = self._plan(encoded)
        if "shares" not in out:
            return {}
        where = (plan.window[plan.token], plan.place[plan.token], plan.cell)
        index = cell_index(self.grid, *(x.cpu().numpy() for x in where))
        likely = out["logits"].new_zeros(len(out["rows"]), self.number)
        likely[:, self.kept] = out["logits"].softmax(1)
        name = self.grid.name
        return {
            f"{name}/label_index": torch.from_numpy(index),
            f"{name}/{self.label}_predicted": likely,
            f"{name}/{self.label}_true": plan.labels[self.label],
        }

    def _plan(self, encoded: Encoded) -> GridPlan:
        plan = encoded.plan.streams[self.grid.name]
        if not isinstance(plan, GridPlan):
            raise DeclarationError(f"stream {self.grid.name!r} has no voxels to classify")
        return plan

    def _shares(self, label: Tensor) -> Tensor:
        """Shares (v, C) of the classes that are learned; 0 where unknown or mostly left out."""
        if self.soft:
            shares = torch.nan_to_num(label.float())
        else:
            number = label.long()
            shares = one_hot(number.clamp(min=0), self.number).float() * (number >= 0)[:, None]
        ours = shares[:, self.kept]
        total = ours.sum(1, keepdim=True)
        return torch.where(total > 0.5, ours / total.clamp(min=1e-6), torch.zeros_like(ours))
