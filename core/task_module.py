"""A task at work: what it makes of encoded events, and what that costs.

Shape letters: B events, Q latents, h hidden patches, D width.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen
from torch import Tensor, nn

from .batch import Batch
from .detector import Detector
from .dotted import load
from .encoder import Encoded
from .errors import PluginError
from .recipe import Model
from .task import TaskKind


@frozen(eq=False, kw_only=True)
class Setting:
    """What a task is built for."""

    detector: Detector
    model: Model
    normalisation: Mapping[str, Any]


class TaskModule(nn.Module):
    """Head and objective of a task. Subclasses take ``(options, setting)`` and fill in three methods.

    Each gets the encoding of its own view; `forward` makes named tensors, `losses` turns them into
    named scalars (unweighted), `predictions` into what is written to file, (B, ...) each. `terms`
    names the losses: each gets a learned weight. truth: the event truth that is predicted.
    """

    terms: tuple[str, ...] = ()
    truth: str = ""

    def forward(self, encoded: Encoded, batch: Batch) -> dict[str, Tensor]:
        """Whatever the task computes from encoded events."""
        raise NotImplementedError

    def losses(
        self, out: Mapping[str, Tensor], encoded: Encoded, batch: Batch
    ) -> dict[str, Tensor]:
        """Terms of the objective, a scalar each; without anything to learn from, zero."""
        raise NotImplementedError

    def predictions(self, out: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """What evaluation keeps of each event; nothing by default."""
        return {}

    def place(self, out: Mapping[str, Tensor]) -> Tensor | None:
        """The place that the task finds, (B, 3) in mm in the detector's frame; none by default."""
        return None

    def target(self, batch: Batch) -> Tensor | None:
        """Truth that is kept beside the predictions, (B, ...); None where events carry none."""
        return batch.truth.get(self.truth)

    def picture(self, out: Mapping[str, Tensor], encoded: Encoded) -> dict[str, Tensor]:
        """What can be drawn of a single event, named ``stream/quantity``; nothing by default.

        Of masked events: kept, hidden and predicted, each ``_index`` (n, 3) and ``_values`` (n, F) in
        physical units. Of labels: ``label_index`` (n, 3), ``<label>_true`` and ``<label>_predicted``
        (n, C) shares or (n,) probabilities of the last class.
        """
        return {}


def build(kind: TaskKind, options: Any, setting: Setting) -> TaskModule:
    """The task `kind` made with `options`; PluginError if its class is not a TaskModule."""
    made = load(kind.build)(options, setting)
    if not isinstance(made, TaskModule):
        raise PluginError(f"task {kind.name!r}: {kind.build} is not a TaskModule")
    return made
