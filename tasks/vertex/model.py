"""Vertex regression at work. Shape letters: B events."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from intarsia.core.batch import Batch
from intarsia.core.encoder import Encoded
from intarsia.core.heads import head
from intarsia.core.hits import HitPoints
from intarsia.core.losses import regression
from intarsia.core.task_module import Setting, TaskModule
from intarsia.tasks.vertex import Vertex


class VertexRegression(TaskModule):
    """The vertex in mm.

    Heads that read latents work in units of the spread of the training split's vertices, about their
    mean; both are kept in the checkpoint as part of the normalisation. Hits give mm, and the mean where
    there are none.
    """

    def __init__(self, options: Vertex, setting: Setting) -> None:
        super().__init__()
        self.truth = options.truth
        self.terms = ("position",)
        self.unit, self.beta = options.unit, options.beta / options.unit
        width = setting.detector.label(options.truth).width
        scale = setting.normalisation["truth"][options.truth]
        self.hits = options.head == "hits"
        if self.hits:
            self.head: nn.Module = HitPoints(
                setting.model, setting.detector.grids, 1, options.head_scale
            )
        else:
            self.head = head(options, setting, width)
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(scale["mean"]).reshape(-1))
        self.register_buffer("std", torch.tensor(scale["std"]).reshape(-1))

    def forward(self, encoded: Encoded, batch: Batch) -> dict[str, Tensor]:
        """Position (B, 3) in mm."""
        if self.hits:
            return {"position": self._among_hits(encoded)}
        return {"position": self.head(encoded) * self.std + self.mean}

    def _among_hits(self, encoded: Encoded) -> Tensor:
        """The point among the hits of all streams; the mean of training for an event without any."""
        points_bs3, weights_bs = (x[:, :, 0] for x in self.head(encoded))
        some = torch.isfinite(weights_bs).any(1, keepdim=True)
        share = torch.where(some, weights_bs, 0.0).softmax(1)
        return torch.where(some, (share[..., None] * points_bs3).sum(1), self.mean)

    def losses(
        self, out: Mapping[str, Tensor], encoded: Encoded, batch: Batch
    ) -> dict[str, Tensor]:
        """Smooth L1 loss over the events whose vertex is known."""
        true = batch.truth[self.truth].reshape(out["position"].shape)
        return {"position": regression(out["position"] / self.unit, true / self.unit, self.beta)}

    def place(self, out: Mapping[str, Tensor]) -> Tensor:
        """The vertex, (B, 3) in mm."""
        return out["position"]

    def predictions(self, out: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """``prediction`` (B, 3) in mm."""
        return {"prediction": out["position"]}
