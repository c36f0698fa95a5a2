"""A head that finds the vertex among the hits.

Shape letters: B events, t tokens, n hits of a stream, m hits of all, D width, E width of a code.
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

CODE = 32  # numbers that describe a cell of a patch


class HitHead(nn.Module):
    """The mean place of an event's hits, weighted by how likely each is to be the vertex.

    Of token t and the pooled latents g of its event, ``h = gelu(A norm(t) + B norm(g))`` gives a number
    a, a vector u of width E and a shift s. Hit i in cell c of that patch lies at x_i mm and has

        logit_i = a + u . code_c,   vertex = sum_i softmax(logit)_i (x_i + unit s)

    with the softmax over all hits of the event. So a patch need not say where in it the vertex is, only
    in which direction to look for the first hit (`code` starts as sines of the cell's place), and costs
    E multiplications a hit. This is attention to hits with their places as values; the latents alone
    tell where a window lies, not where a hit does. An event without hits has `nowhere`.

    unit: mm of a shift of one. scale: spread of the last linear weights at the start.
    """

    def __init__(
        self, model: Model, grids: Mapping[str, VoxelGrid], unit: float, scale: float
    ) -> None:
        super().__init__()
        self.unit = unit
        self.norm = nn.LayerNorm(2 * model.dim)
        self.ask = nn.Linear(2 * model.dim, model.dim).apply(xavier)
        self.patches = nn.ModuleDict({k: PatchVotes(g, model, scale) for k, g in grids.items()})

    def forward(self, encoded: Encoded, nowhere: Tensor) -> Tensor:
        """(B, 3) in mm; nowhere: (3,) mm."""
        asked_bd = self.ask(self.norm(encoded.pooled()))
        event, logit, place = [], [], []
        for name, votes in self.patches.items():
            plan = encoded.plan.streams[name]
            if isinstance(plan, GridPlan):
                own, at = votes(encoded.tokens[name], asked_bd, plan)
                event.append(plan.event.index_select(0, plan.token))
                logit.append(own)
                place.append(at[:, :3] + self.unit * at[:, 3:])
        b = len(asked_bd)
        return mean_by_event(
            torch.cat(logit), torch.cat(place), torch.cat(event), nowhere.expand(b, 3)
        )


class PatchVotes(nn.Module):
    """What the patches of one stream say of their hits."""

    def __init__(self, grid: VoxelGrid, model: Model, scale: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(model.dim)
        self.own = nn.Linear(model.dim, model.dim).apply(xavier)
        self.out = nn.Linear(model.dim, CODE + 4)
        nn.init.trunc_normal_(self.out.weight, std=scale)
        nn.init.zeros_(self.out.bias)
        self.code = nn.Parameter(sine_table(grid.patch, CODE))
        self.corner: Tensor
        self.cell: Tensor
        corner, cell = places(grid)
        self.register_buffer("corner", torch.from_numpy(corner), persistent=False)
        self.register_buffer("cell", torch.from_numpy(cell), persistent=False)

    def forward(self, x_td: Tensor, asked_bd: Tensor, plan: GridPlan) -> tuple[Tensor, Tensor]:
        """Logit (n,) of each hit, and its place in mm beside its shift, (n, 6)."""
        h_td = gelu(self.own(self.norm(x_td)) + asked_bd.index_select(0, plan.event))
        with torch.autocast(x_td.device.type, enabled=False):  # bfloat16 knows a metre to 4 mm
            said = self.out(h_td.to(self.out.weight.dtype)).index_select(0, plan.token)
            code = self.code.index_select(0, plan.cell)
            logit = (said[:, :CODE] * code).sum(1) + said[:, CODE]
            patch = plan.patch.index_select(0, plan.token)
            at = self.corner.index_select(0, patch) + self.cell.index_select(0, plan.cell)
        return logit, torch.cat([at.to(said.dtype), said[:, CODE + 1 :]], 1)


def places(grid: VoxelGrid) -> tuple[Array, Array]:
    """Centre of the first cell of each patch, and of each cell from there on, (.., 3) float32 mm."""

    def product(axes: list[Array]) -> Array:
        found = np.stack([a.ravel() for a in np.meshgrid(*axes, indexing="ij")], 1)
        return found.astype(np.float32)

    sides = list(zip(grid.axes, grid.patch, strict=True))
    corner = product([axis.centres[::n] for axis, n in sides])
    return corner, product([np.arange(n) * axis.pitch for axis, n in sides])


def mean_by_event(logit_m: Tensor, x_m3: Tensor, event_m: Tensor, nowhere_b3: Tensor) -> Tensor:
    """Mean of `x` by event with the weights softmax(logit), (B, 3); `nowhere` for events without any."""
    b = len(nowhere_b3)
    top = logit_m.new_full((b,), -torch.inf)
    top = top.scatter_reduce(0, event_m, logit_m.detach(), "amax")
    weight = (logit_m - top.index_select(0, event_m)).exp()
    total = logit_m.new_zeros(b).index_add(0, event_m, weight)
    summed = x_m3.new_zeros(b, 3).index_add(0, event_m, weight[:, None] * x_m3)
    some = (total > 0)[:, None]
    return torch.where(some, summed / torch.where(some, total[:, None], 1.0), nowhere_b3)
