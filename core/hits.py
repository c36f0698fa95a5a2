"""What is read of hits beside tokens: points among them, by attention with their places as values; totals.

Shape letters: B events, t tokens, n hits of a stream, K points, D width, F columns, P planes of a patch.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import log, prod
from typing import Any, cast

import numpy as np
import torch
from attrs import frozen
from torch import Tensor, nn
from torch.nn.functional import gelu

from .attention import Readout, sine_table, xavier
from .batch import ArrayPlan, GridPlan
from .encoder import Encoded
from .events import Array
from .recipe import Model
from .streams import DenseArray, VoxelGrid

WAVES = 8  # enough to tell the 5 to 16 planes of a patch apart, and smooth at the start
UNIT = 100.0  # mm of a shift of one


class HitPoints(nn.Module):
    """K mean places of the hits of each voxel stream, weighted by what their patches say.

    For each point a patch says a number for each of its planes of cells along x, y and z, one for each
    column, and a shift s in mm. Hit i in the cell (j, k, l) of its patch, with the scaled columns v_i, lies
    at x_i mm and has

        logit_i = X_j + Y_k + Z_l + c . v_i,   point = sum_i softmax(logit)_i (x_i + s)

    with the softmax over the hits of the event in the stream. So a patch need not know where in it the
    first hit is: that Z falls with l is enough to find it, and a c that undoes the logarithmic scale of a
    charge makes of the point the centre of charge. The latents know where a window lies, not where a hit
    does.

    points: K. scale: spread of the last linear weights at the start.
    """

    def __init__(
        self, model: Model, grids: Mapping[str, VoxelGrid], points: int, scale: float
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(2 * model.dim)
        self.ask = nn.Linear(2 * model.dim, model.dim).apply(xavier)
        self.streams = nn.ModuleDict(
            {name: PatchVotes(grid, model, points, scale) for name, grid in grids.items()}
        )

    def forward(self, encoded: Encoded) -> tuple[Tensor, Tensor]:
        """Points (B, S, K, 3) in mm and log of their summed weights (B, S, K), for S streams.

        Of a stream without hits in an event the points are zero and the weights minus infinity.
        """
        asked_bd = self.ask(self.norm(encoded.pooled()))
        found = [
            votes(encoded.tokens[name], asked_bd, cast("GridPlan", encoded.plan.streams[name]))
            for name, votes in self.streams.items()
        ]
        points, weights = zip(*found, strict=True)
        return torch.stack(points, 1), torch.stack(weights, 1)


class PatchVotes(nn.Module):
    """What the patches of one stream say of their hits.

    Token t and the pooled latents g of its event give ``out(gelu(own(norm(t)) + asked(g)))``: for each
    point how much of each of `WAVES` sines and cosines its numbers along each axis are, the weights of
    the columns, and the shift.
    """

    def __init__(self, grid: VoxelGrid, model: Model, points: int, scale: float) -> None:
        super().__init__()
        self.sizes = (3 * WAVES, sum(c.width for c in grid.columns), 3)
        self.points = points
        self.norm = nn.LayerNorm(model.dim)
        self.own = nn.Linear(model.dim, model.dim).apply(xavier)
        self.out = Readout(model.dim, points * sum(self.sizes), scale)
        self.corner: Tensor
        self.cell: Tensor
        self.plane: Tensor
        self.waves: Tensor
        for name, values in places(grid).items():
            self.register_buffer(name, torch.from_numpy(values), persistent=False)

    def forward(self, x_td: Tensor, asked_bd: Tensor, plan: GridPlan) -> tuple[Tensor, Tensor]:
        """Points (B, K, 3) in mm, and log of their summed weights (B, K)."""
        h_td = gelu(self.own(self.norm(x_td)) + asked_bd.index_select(0, plan.event))
        with torch.autocast(x_td.device.type, enabled=False):  # bfloat16 knows a metre to 4 mm
            said = self.out(h_td.to(self.out.weight.dtype)).unflatten(1, (self.points, -1))
            waves, columns_tkf, shift_tk3 = said.split(self.sizes, 2)
            votes_pk = (waves @ self.waves).transpose(1, 2).reshape(-1, self.points)
            first_n1 = plan.token[:, None] * self.waves.shape[1]
            where_n3 = first_n1 + self.plane.index_select(0, plan.cell)
            logit_nk = votes_pk.index_select(0, where_n3.reshape(-1)).unflatten(0, (-1, 3)).sum(1)
            columns_nkf = columns_tkf.index_select(0, plan.token)
            logit_nk = logit_nk + (columns_nkf * plan.values[:, None].to(said.dtype)).sum(2)
            patch_tk3 = self.corner.index_select(0, plan.patch)[:, None] + UNIT * shift_tk3
            cell_n3 = self.cell.index_select(0, plan.cell)
            return means(
                logit_nk, cell_n3, patch_tk3, Ownership(plan.token, plan.event, len(asked_bd))
            )


@frozen(eq=False)
class Ownership:
    """Whose hits are: token (n,) of each, event (t,) of each token, and how many events there are."""

    token: Tensor
    event: Tensor
    events: int

    def by_token(self, x_n: Tensor) -> Tensor:
        """Sums over the hits of each token, (t, ...)."""
        return x_n.new_zeros(len(self.event), *x_n.shape[1:]).index_add(0, self.token, x_n)

    def by_event(self, x_t: Tensor) -> Tensor:
        """Sums over the tokens of each event, (B, ...)."""
        return x_t.new_zeros(self.events, *x_t.shape[1:]).index_add(0, self.event, x_t)

    def largest(self, x_nk: Tensor) -> Tensor:
        """The largest number of each event (B, K), minus infinity where there is none."""
        k = x_nk.shape[1]
        by_token = x_nk.new_full((len(self.event), k), -torch.inf)
        by_token = by_token.scatter_reduce(0, self.token[:, None].expand(-1, k), x_nk, "amax")
        by_event = x_nk.new_full((self.events, k), -torch.inf)
        return by_event.scatter_reduce(0, self.event[:, None].expand(-1, k), by_token, "amax")


class ArrayTotal(nn.Module):
    """How much a dense array holds: log10(1 + the sum of each of its F numbers over its cells), and a one.

    A sum is in units of what is one on the scale of the input. scales: the array's normalisation.
    """

    def __init__(self, array: DenseArray, scales: Mapping[str, Any]) -> None:
        super().__init__()
        self.scales = [c.scale for c in array.columns for _ in range(c.width)]
        self.shape = (-1, prod(array.shape), len(self.scales))
        self.mean: Tensor
        self.std: Tensor
        self.rms: Tensor
        for key in ("mean", "std", "rms"):
            each = [np.broadcast_to(scales[c.name][key], c.width) for c in array.columns]
            values = torch.from_numpy(np.concatenate(each).astype(np.float32))
            self.register_buffer(key, values, persistent=False)

    def forward(self, plan: ArrayPlan, events: int) -> Tensor:
        """(B, F + 1) of `events`; zeros where there is no array to see."""
        shown_tcf = plan.values.index_select(0, plan.shown).to(self.mean.dtype).reshape(self.shape)
        numbers = ((shown_tcf * self.std + self.mean) / self.rms).unbind(2)
        parts = zip(self.scales, numbers, self.rms, strict=True)
        totals = [charge(scale, x_tc, rms).sum(1) for scale, x_tc, rms in parts]
        known = torch.stack(
            [*(torch.log1p(t) / log(10) for t in totals), torch.ones_like(totals[0])], 1
        )
        return known.new_zeros(events, known.shape[1]).index_add(0, plan.owner, known)


def charge(scale: str, x: Tensor, rms: Tensor) -> Tensor:
    """Numbers `x` of a column on its `scale`, over their `rms`, in units of what is one there; none below zero."""
    x = x.clamp(min=0)
    if scale == "log1p":
        return torch.expm1(x * rms) / torch.expm1(rms)
    return x.square() if scale == "sqrt" else x


def means(
    logit_nk: Tensor, cell_n3: Tensor, patch_tk3: Tensor, owners: Ownership
) -> tuple[Tensor, Tensor]:
    """Means of places by event, (B, K, 3), with the weights softmax(logit), and logsumexp(logit), (B, K).

    A hit lies at the sum of what its patch and its cell say. Zero and minus infinity for an event
    without any. Sums go by token first: on a GPU thousands of hits would wait to be added to one event.
    """
    top_bk = owners.largest(logit_nk.detach())
    top_nk = top_bk.index_select(0, owners.event).index_select(0, owners.token)
    weight_nk = (logit_nk - top_nk).exp()
    total_tk = owners.by_token(weight_nk)
    total_bk = owners.by_event(total_tk)
    inside_tk3 = owners.by_token(weight_nk[..., None] * cell_n3[:, None])
    sum_bk3 = owners.by_event(total_tk[..., None] * patch_tk3 + inside_tk3)
    some = total_bk > 0
    safe = torch.where(some, total_bk, 1.0)
    log_bk = torch.where(some, safe.log() + torch.where(some, top_bk, 0.0), -torch.inf)
    return sum_bk3 / safe[..., None], log_bk


def places(grid: VoxelGrid) -> dict[str, Array]:
    """Where the cells of a grid are.

    ``corner``: centre of the first cell of each patch, (patches, 3) float32 mm; ``cell``: of each cell of
    a patch from there on, (cells, 3) mm; ``plane``: (cells, 3) number of its plane along each axis,
    those along y counted on from those along x, and z from y; ``waves``: (3 WAVES, P) functions of the
    number of a plane, float32.
    """

    def product(axes: list[Array], dtype: type) -> Array:
        found = np.stack([a.ravel() for a in np.meshgrid(*axes, indexing="ij")], 1)
        return found.astype(dtype)

    sides = list(zip(grid.axes, grid.patch, strict=True))
    x, y, _ = grid.patch
    return {
        "corner": product([axis.centres[::n] for axis, n in sides], np.float32),
        "cell": product([np.arange(n) * axis.pitch for axis, n in sides], np.float32),
        "plane": product([np.arange(n) for n in grid.patch], np.int64) + np.array([0, x, x + y]),
        "waves": _side_by_side([sine_table((n,), WAVES).T.numpy() for n in grid.patch]),
    }


def _side_by_side(blocks: list[Array]) -> Array:
    """A matrix with `blocks` on its diagonal."""
    rows, columns = np.cumsum([[0, 0], *(b.shape for b in blocks)], axis=0).T
    whole = np.zeros((rows[-1], columns[-1]), np.float32)
    for i, block in enumerate(blocks):
        whole[rows[i] : rows[i + 1], columns[i] : columns[i + 1]] = block
    return whole
