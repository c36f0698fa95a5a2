"""Losses between predicted and true voxels of patches, which forgive a near miss.

Distances are Chebyshev distances in cells, inside a patch: the truth beyond its border is not known
to it. Their cost follows the patches decoded, whatever the size of the grid.

Shape letters: h patches of X by Y by Z cells (P in all), m occupied cells, F columns, r radii.
"""

from __future__ import annotations

from itertools import pairwise
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn.functional import smooth_l1_loss, softplus

from .streams import Triple


def distance(occupied: Tensor, h: int, patch: Triple, reach: int) -> Tensor:
    """Distance of every cell to the nearest occupied one of its patch, at most `reach`, (h, P).

    occupied: (m,) flat numbers among h * P. In a patch without any, every cell is `reach` away.
    """
    near = torch.zeros(h * prod(patch), dtype=torch.uint8, device=occupied.device)
    near[occupied] = 1
    # Patches last: neighbours along any axis are then whole lines of memory (five times faster).
    near = near.reshape(h, *patch).permute(1, 2, 3, 0).contiguous()
    covered = near.clone()
    for _ in range(1, reach):
        for axis in range(3):
            near = _spread(near, axis)
        covered += near
    return (reach - covered).flatten(0, 2).T.contiguous().float()


def _spread(near: Tensor, axis: int) -> Tensor:
    """`near` (X, Y, Z, h) or its neighbours along `axis`."""
    wide, n = near.clone(), near.shape[axis] - 1
    if n:
        wide.narrow(axis, 0, n).bitwise_or_(near.narrow(axis, 1, n))
        wide.narrow(axis, 1, n).bitwise_or_(near.narrow(axis, 0, n))
    return wide


class _Odds(Function):
    """See `odds`; its gradient needs three operations on all cells, and neither exp nor log."""

    @staticmethod
    def forward(ctx: Any, logits_hp: Tensor) -> tuple[Tensor, Tensor]:
        p = logits_hp.sigmoid()
        ctx.save_for_backward(p)
        return p, softplus(logits_hp)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (p,) = ctx.saved_tensors
        of_p, of_cost = gradients
        gradient: Tensor = p * torch.addcmul(of_cost, 1 - p, of_p)
        return gradient


def odds(logits_hp: Tensor) -> tuple[Tensor, Tensor]:
    """The probability p of each cell, and ``-log(1 - p)``: what the losses of cells share."""
    found: tuple[Tensor, Tensor] = _Odds.apply(logits_hp)  # type: ignore[no-untyped-call]
    return found


def focal(
    logits_hp: Tensor,
    occupied: Tensor,
    distance_hp: Tensor,
    gamma: float,
    border: int,
    balance: float,
    known: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """Focal cross-entropy of occupancy with a border of near misses, per occupied cell.

    With p the sigmoid of a logit, an occupied cell costs ``-(1 - p)^gamma log p`` and an empty one
    ``-w p^gamma log(1 - p)`` (arXiv:1708.02002, equation 4). Up to `border` cells from an occupied
    one w = 1, so that the edge of a shower is learned; beyond, w is such that the far cells of a
    batch count as `balance` for each occupied one together: the expectation of drawing so many of
    them. A border of zero cells means w = 1 everywhere, which without gamma is plain cross-entropy.
    Zero for a perfect prediction and for no patches. known: `odds` of the logits, here and below.
    """
    _, cost = known or odds(logits_hp)
    at_hits = logits_hp.reshape(-1).index_select(0, occupied)
    missed = softplus(-at_hits)  # -log p
    if gamma:
        missed = missed * torch.exp(-gamma * softplus(at_hits))
        cost = cost * torch.exp(gamma * (logits_hp - cost))
    weight = (distance_hp > border).to(cost.dtype)
    if border:
        weight *= balance * len(occupied) / weight.sum().clamp(min=1) - 1
        weight += distance_hp > 0
    return (missed.sum() + _dot(cost, weight)) / max(1, len(occupied))


def _dot(a_hp: Tensor, b_hp: Tensor) -> Tensor:
    """Sum of products; with no table of them in between, twice as fast on a CPU."""
    return torch.dot(a_hp.reshape(-1), b_hp.reshape(-1).to(a_hp.dtype))


def chamfer(
    logits_hp: Tensor,
    occupied: Tensor,
    distance_hp: Tensor,
    patch: Triple,
    reach: int,
    known: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """Soft chamfer distance of predicted and true voxels, in cells, at most ``2 reach``.

    The chamfer distance (arXiv:1612.00603, equation 1, unsquared) is the mean distance of predicted
    voxels to the nearest true one, plus that of true voxels to the nearest predicted one. Here cells
    are predicted with probability p, so both are expectations, and distances end at `reach`::

        sum_c p_c d_c / sum_c p_c  +  mean_t sum_(r < reach) prod_(|c - t| <= r) (1 - p_c)

    The product is the probability that nothing is predicted within r of the true cell t. For
    certain predictions this is the chamfer distance itself. Zero for a perfect prediction and for
    no patches; a patch with nothing to find costs where something is predicted.
    """
    if not len(logits_hp):
        return logits_hp.sum()
    p, cost = known or odds(logits_hp)
    # A batch with less than a millionth of a cell predicted is wrong nowhere.
    there = _dot(p, distance_hp) / p.sum().clamp(min=1e-6)
    if not len(occupied):
        return there
    inside = around(cost, occupied, patch, reach)
    return there + torch.exp(-inside).sum() / len(occupied)


def around(values_hp: Tensor, occupied: Tensor, patch: Triple, reach: int) -> Tensor:
    """Sums over the cubes of radius 0 to reach - 1 around each occupied cell, (m, reach).

    Cells outside the patch do not count. By sums over boxes that begin in the patch's corner: eight
    of them, with signs, make any box.
    """
    if not len(occupied):
        return values_hp.new_zeros(0, reach)
    token, cell = occupied // prod(patch), occupied % prod(patch)
    # Empty patches come last and need no sums; a GPU would have to be waited for to know how many.
    h = int(token.max()) + 1 if occupied.device.type == "cpu" else len(values_hp)
    place = (_corners(patch, reach, occupied.device) * h).index_select(0, cell)
    place += token[:, None]
    sign = values_hp.new_tensor([-1, 1])
    signs = (sign[:, None, None] * sign[:, None] * sign).reshape(8, 1)
    sums: Tensor = _Boxes.apply(values_hp[:h], patch)  # type: ignore[no-untyped-call]
    found = sums.reshape(-1).index_select(0, place.reshape(-1))
    return (found.reshape(-1, 8) @ signs).reshape(-1, reach)


def _corners(patch: Triple, reach: int, device: torch.device) -> Tensor:
    """Corners of the cubes of radius 0 to reach - 1 around every cell, (P, reach * 8).

    As numbers of the points of a lattice of (X + 1) by (Y + 1) by (Z + 1).
    """
    radius = torch.arange(reach, device=device)
    steps = ((patch[1] + 1) * (patch[2] + 1), patch[2] + 1, 1)
    ends = []
    for n, step in zip(patch, steps, strict=True):
        c = torch.arange(n, device=device)[:, None]
        ends.append(step * torch.stack([c - radius, c + radius + 1], 2).clamp(0, n))
    x, y, z = ends  # (n, r, 2) each
    xy = x[:, None, :, :, None] + y[None, :, :, None, :]
    whole = xy[:, :, None, :, :, :, None] + z[None, None, :, :, None, None, :]
    return whole.reshape(prod(patch), -1)


class _Boxes(Function):
    """Sums over the boxes from each patch's corner to point (i, j, k), (X + 1, Y + 1, Z + 1, h).

    Running sums in place, and so are their gradients: a fifth of the time of products with triangles
    of ones.
    """

    @staticmethod
    def forward(ctx: Any, values_hp: Tensor, patch: Triple) -> Tensor:
        x, y, z = patch
        sums = values_hp.new_zeros(x + 1, y + 1, z + 1, len(values_hp))
        sums[1:, 1:, 1:] = values_hp.T.reshape(*patch, -1)
        _run(sums[1:, 1:, 1:], 1)
        return sums

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        gradient = gradients[0][1:, 1:, 1:].clone()
        _run(gradient, -1)
        return gradient.flatten(0, 2).T, None


def _run(table: Tensor, direction: int) -> None:
    """Replace `table` (X, Y, Z, h) by its running sums along x, y and z, from the end if -1."""
    for axis in range(3):
        slices = table.unbind(axis)[::direction]
        for before, after in pairwise(slices):
            after += before


def charge(predicted_mf: Tensor, true_mf: Tensor, weight_f: Tensor) -> Tensor:
    """Smooth L1 loss of the charge of occupied cells, in which large charges count more.

    ``sum w l / sum w`` with w = 1 + weight * abs(true), `weight_f` being of each column, and l the
    smooth L1 loss (arXiv:1504.08083, equation 3). Charges are logarithms over their root mean square,
    so w is of order one (the reference implementation takes the root of the charge over a quantile
    of the batch, which grows as slowly). Numbers that are not finite do not count. Zero for a perfect
    prediction and for no cells.
    """
    there = torch.isfinite(true_mf)
    true = torch.where(there, true_mf, predicted_mf.detach())
    w = there * (1 + weight_f * true.abs())
    cost = w * smooth_l1_loss(predicted_mf, true.to(predicted_mf.dtype), reduction="none")
    return cost.sum() / w.sum().clamp(min=1)


def deposits(
    logits_hp: Tensor,
    values_hfp: Tensor,
    occupied: Tensor,
    true_mf: Tensor,
    distance_hp: Tensor,
    reach: int,
    known: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """Distance-weighted regression of what each cell is expected to hold, per occupied cell.

    A cell is expected to hold e = p v: the probability that it is occupied times its predicted
    columns. An occupied cell costs ``abs(e - true)``, an empty one ``abs(e) d / reach`` for its
    distance d from an occupied one, summed over columns: charge a cell off its place costs little,
    charge in the middle of nowhere all of it. Zero for a perfect prediction and for no patches.
    """
    p, _ = known or odds(logits_hp)
    stray = _dot(values_hfp.abs().sum(1), p * distance_hp) / reach
    token, cell = occupied // p.shape[1], occupied % p.shape[1]
    p_at, v_at = p.reshape(-1).index_select(0, occupied), values_hfp[token, :, cell]
    there = torch.isfinite(true_mf)
    miss = p_at[:, None] * v_at - torch.where(there, true_mf, 0)
    return (stray + (miss.abs() * there).sum()) / max(1, len(occupied))
