"""Event classification at work. Shape letters: B events, C classes."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from intarsia.core.batch import Batch
from intarsia.core.encoder import Encoded
from intarsia.core.heads import ContextHead, head
from intarsia.core.losses import classes
from intarsia.core.task_module import Setting, TaskModule
from intarsia.tasks.classify import Classify, Pid


class Classifier(TaskModule):
    """Logits of the classes, trained by smoothed cross-entropy."""

    def __init__(self, options: Classify, setting: Setting) -> None:
        super().__init__()
        label = setting.detector.label(options.truth)
        self.truth, self.smoothing = options.truth, options.smoothing
        self.terms = ("class",)
        self.head = head(options, setting, len(label.classes))

    def forward(self, encoded: Encoded, batch: Batch) -> dict[str, Tensor]:
        """Logits (B, C)."""
        return {"logits": self.head(encoded)}

    def losses(
        self, out: Mapping[str, Tensor], encoded: Encoded, batch: Batch
    ) -> dict[str, Tensor]:
        """Cross-entropy over the events whose class is known."""
        return {"class": classes(out["logits"], batch.truth[self.truth], self.smoothing)}

    def predictions(self, out: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """``scores`` (B, C) that sum to one."""
        return {"scores": out["logits"].softmax(1)}


class Identifier(Classifier):
    """Classes of particles; with context, particles of one event look at each other before."""

    def __init__(self, options: Pid, setting: Setting) -> None:
        super().__init__(options, setting)
        self.context = options.context > 0
        if self.context:
            classes = len(setting.detector.label(options.truth).classes)
            scale = options.head_scale
            self.head = ContextHead(setting.model, classes, scale, options.context)

    def forward(self, encoded: Encoded, batch: Batch) -> dict[str, Tensor]:
        """Logits (B, C)."""
        if not self.context:
            return super().forward(encoded, batch)
        return {"logits": self.head(encoded, batch.together)}
