"""A head that finds the vertex among the hits.

Shape letters: B events, t tokens, n hits of a stream, m hits of all, D width, P planes of a patch.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from intarsia.core.attention import sine_table, xavier
from intarsia.core.batch import GridPlan
from intarsia.core.encoder import Encoded
from intarsia.core.events import Array
from intarsia.core.recipe import Model
from intarsia.core.streams import VoxelGrid

WAVES = 8  # enough to tell the 5 to 16 planes of a patch apart, and smooth at the start


class HitHead(nn.Module):
    """The mean place of an event's hits, weighted by how likely each is to be the vertex.

    A patch says a number for each of its planes of cells along x, y and z, and a shift s in mm. Hit i
    in the cell (j, k, l) of its patch lies at x_i mm and has

        logit_i = X_j + Y_k + Z_l,   vertex = sum_i softmax(logit)_i (x_i + s)

    with the softmax over all hits of the event. So a patch need not know where in it the vertex is: that
    Z falls with l is enough to find the first hit. It is attention to hits with their places as
    values, for three additions a hit; the latents know where a window lies, not where a hit does. An
    event without hits has `nowhere`.

    unit: mm of a shift of one. scale: spread of the last linear weights at the start.
    """

    def __init__(
        self, model: Model, grids: Mapping[str, VoxelGrid], unit: float, scale: float
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(2 * model.dim)
        self.ask = nn.Linear(2 * model.dim, model.dim).apply(xavier)
        self.patches = nn.ModuleDict(
            {name: PatchVotes(grid, model, unit, scale) for name, grid in grids.items()}
        )

    def forward(self, encoded: Encoded, nowhere: Tensor) -> Tensor:
        """(B, 3) in mm; nowhere: (3,) mm."""
        asked_bd = self.ask(self.norm(encoded.pooled()))
        event, logit, place = [], [], []
        for name, votes in self.patches.items():
            plan = encoded.plan.streams[name]
            if isinstance(plan, GridPlan):
                logit_n, place_n3 = votes(encoded.tokens[name], asked_bd, plan)
                event.append(plan.event.index_select(0, plan.token))
                logit.append(logit_n)
                place.append(place_n3)
        return mean_by_event(
            torch.cat(logit), torch.cat(place), torch.cat(event), nowhere.expand(len(asked_bd), 3)
        )


class PatchVotes(nn.Module):
    """What the patches of one stream say of their hits.

    Token t and the pooled latents g of its event give ``out(gelu(own(norm(t)) + asked(g)))``: the
    shift, and for each axis how much of each of `WAVES` sines and cosines its numbers are.
    """

    def __init__(self, grid: VoxelGrid, model: Model, unit: float, scale: float) -> None:
        super().__init__()
        self.unit = unit
        self.norm = nn.LayerNorm(model.dim)
        self.own = nn.Linear(model.dim, model.dim).apply(xavier)
        self.out = nn.Linear(model.dim, 3 * WAVES + 3)
        nn.init.trunc_normal_(self.out.weight, std=scale)
        nn.init.zeros_(self.out.bias)
        self.corner: Tensor
        self.cell: Tensor
        self.plane: Tensor
        self.waves: Tensor
        for name, values in places(grid).items():
            self.register_buffer(name, torch.from_numpy(values), persistent=False)

    def forward(self, x_td: Tensor, asked_bd: Tensor, plan: GridPlan) -> tuple[Tensor, Tensor]:
        """Logit (n,) of each hit, and its place with the shift of its patch, (n, 3) mm."""
        h_td = gelu(self.own(self.norm(x_td)) + asked_bd.index_select(0, plan.event))
        with torch.autocast(x_td.device.type, enabled=False):  # bfloat16 knows a metre to 4 mm
            said = self.out(h_td.to(self.out.weight.dtype))
            votes_tp, shift_t3 = said[:, :-3] @ self.waves, said[:, -3:]
            first_n1 = plan.token[:, None] * votes_tp.shape[1]
            where_n3 = first_n1 + self.plane.index_select(0, plan.cell)
            logit_n = votes_tp.reshape(-1).index_select(0, where_n3.reshape(-1))
            patch_t3 = self.corner.index_select(0, plan.patch) + self.unit * shift_t3
            place_n3 = patch_t3.index_select(0, plan.token) + self.cell.index_select(0, plan.cell)
        return logit_n.reshape(-1, 3).sum(1), place_n3


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


def mean_by_event(logit_m: Tensor, x_m3: Tensor, event_m: Tensor, nowhere_b3: Tensor) -> Tensor:
    """Mean of `x` by event with the weights softmax(logit), (B, 3); `nowhere` for events without any."""
    b = len(nowhere_b3)
    top_b = logit_m.new_full((b,), -torch.inf)
    top_b = top_b.scatter_reduce(0, event_m, logit_m.detach(), "amax")
    weight_m = (logit_m - top_b.index_select(0, event_m)).exp()
    total_b = logit_m.new_zeros(b).index_add(0, event_m, weight_m)
    sum_b3 = x_m3.new_zeros(b, 3).index_add(0, event_m, weight_m[:, None] * x_m3)
    some_b1 = (total_b > 0)[:, None]
    return torch.where(some_b1, sum_b3 / torch.where(some_b1, total_b[:, None], 1.0), nowhere_b3)
