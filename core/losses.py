"""Losses that tasks share, each defined as zero when there is nothing to learn from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, log_softmax, smooth_l1_loss, softplus


def occupancy(logits_hp: Tensor, occupied: Tensor) -> Tensor:
    """Binary cross-entropy over all cells of some patches, per occupied cell.

    logits_hp: (h, P). occupied: (o,) flat numbers of the occupied cells among h * P. For a logit x
    and a target t of 0 or 1 the cross-entropy is ``softplus(x) - t x``. The sum over cells is divided
    by the number of occupied ones, so that its size does not depend on how empty a patch is. Zero
    for no patches.
    """
    total = softplus(logits_hp).sum() - logits_hp.reshape(-1)[occupied].sum()
    return total / max(1, len(occupied))


def regression(predicted: Tensor, true: Tensor, beta: float = 1.0) -> Tensor:
    """Smooth L1 loss (arXiv:1504.08083, equation 3) over finite targets: quadratic below `beta`."""
    there = torch.isfinite(true)
    per_entry = smooth_l1_loss(
        predicted, torch.where(there, true, predicted.detach()), reduction="none", beta=beta
    )
    return per_entry.sum() / there.sum().clamp(min=1)


def classes(logits_bc: Tensor, true: Tensor, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy over events whose class is known (not negative), with label smoothing."""
    known = true >= 0
    per_event = cross_entropy(
        logits_bc, true.long().clamp(min=0), label_smoothing=smoothing, reduction="none"
    )
    return (per_event * known).sum() / known.sum().clamp(min=1)


def shares(logits_vc: Tensor, shares_vc: Tensor, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy with soft targets over the rows whose shares are known (not NaN).

    The target is ``t (1 - s) + s / C`` for smoothing s and C classes.
    """
    known = torch.isfinite(shares_vc).all(1)
    target = torch.nan_to_num(shares_vc.to(logits_vc.dtype))
    target = target * (1 - smoothing) + smoothing / logits_vc.shape[1]
    per_row = -(target * log_softmax(logits_vc, 1)).sum(1)
    return (per_row * known).sum() / known.sum().clamp(min=1)


class Weights(nn.Module):
    """Learned weights of several losses: sum of ``exp(-s) L + s / 2`` (arXiv:1705.07115, eq. 7-10).

    s starts at zero. In this form s / 2 = log of the noise that the task is credited with.
    """

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__()
        self.log_variance = nn.ParameterDict(
            {_key(n): nn.Parameter(torch.zeros(())) for n in names}
        )

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum of `losses`; a loss that is absent takes no part."""
        s = self.log_variance
        terms = [torch.exp(-s[_key(n)]) * v + 0.5 * s[_key(n)] for n, v in losses.items()]
        return torch.stack(terms).sum()


def _key(name: str) -> str:
    return name.replace(".", "/")  # a module's names have no dots
