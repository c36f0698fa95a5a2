"""Vertex regression at work. Shape letters: B events."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from intarsia.core.batch import Batch
from intarsia.core.encoder import Encoded
from intarsia.core.heads import head
from intarsia.core.losses import regression
from intarsia.core.streams import VoxelGrid
from intarsia.core.task_module import Setting, TaskModule
from intarsia.tasks.vertex import Vertex
from intarsia.tasks.vertex.hits import HitHead


class VertexRegression(TaskModule):
    """The vertex in mm.

    Heads that read latents work in units of the spread of the training split's vertices, about their
    mean; both are kept in the checkpoint as part of the normalisation. `HitHead` gives mm, and the mean
    for an event without hits.
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
            grids = {s.name: s for s in setting.detector.streams if isinstance(s, VoxelGrid)}
            self.head: nn.Module = HitHead(setting.model, grids, options.unit, options.head_scale)
        else:
            self.head = head(options, setting.model, width)
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(scale["mean"]).reshape(-1))
        self.register_buffer("std", torch.tensor(scale["std"]).reshape(-1))

    def forward(self, encoded: Encoded, batch: Batch) -> dict[str, Tensor]:
        """Position (B, 3) in mm."""
        if self.hits:
            return {"position": self.head(encoded, self.mean)}
        return {"position": self.head(encoded) * self.std + self.mean}

    def losses(
        self, out: Mapping[str, Tensor], encoded: Encoded, batch: Batch
    ) -> dict[str, Tensor]:
        """Smooth L1 loss over the events whose vertex is known."""
        true = batch.truth[self.truth].reshape(out["position"].shape)
        return {"position": regression(out["position"] / self.unit, true / self.unit, self.beta)}

    def predictions(self, out: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """``prediction`` (B, 3) in mm."""
        return {"prediction": out["position"]}
