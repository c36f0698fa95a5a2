"""Heads that read the latents of an event. Shape letters: B events (or particles), Q latents, D width, G rows of L particles of one event."""

from __future__ import annotations

from math import log
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from .attention import Attention, Block, Readout, lay, xavier
from .batch import ArrayPlan, Rows
from .encoder import Encoded
from .hits import UNIT, ArrayTotal, HitPoints
from .panorama import Onlooker
from .recipe import Model
from .streams import DenseArray
from .task import Reading
from .task_module import Setting

POINTS = 4  # among the hits of each voxel stream
SPREAD = 0.02  # of the weights that say where they are, at the start: as of every learned token


class PooledHead(nn.Module):
    """Norm and linear map of [global latent, mean latent].

    scale: spread of the linear weights at the start (table III of arXiv:2604.07037: 2e-5), so that
    the first steps move the head and not a random direction of the encoder.
    """

    def __init__(self, model: Model, outputs: int, scale: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(2 * model.dim)
        self.out = Readout(2 * model.dim, outputs, scale)

    def forward(self, encoded: Encoded) -> Tensor:
        """(B, outputs)."""
        return _precise(self.norm, self.out, encoded.pooled())


class TokenHead(nn.Module):
    """A learned token of the task looks at the latents of the event; then norm and linear map.

    ``token = query + attention(norm(query), norm(latents))`` (arXiv:2604.07037, section IV D:
    task-specific tokens read out the latent representation). scale: as for `PooledHead`.
    """

    def __init__(self, model: Model, outputs: int, scale: float) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.randn(1, model.dim) * 0.02)
        self.norm_query = nn.LayerNorm(model.dim)
        self.norm_context = nn.LayerNorm(model.dim)
        self.attention = Attention(model.dim, model.heads).apply(xavier)
        self.norm = nn.LayerNorm(model.dim)
        self.out = Readout(model.dim, outputs, scale)

    def forward(self, encoded: Encoded) -> Tensor:
        """(B, outputs)."""
        query = self.query.expand(len(encoded.latents), 1, -1)
        context = self.norm_context(encoded.latents)
        seen = self.attention(self.norm_query(query), context, encoded.mask[:, None])
        return _precise(self.norm, self.out, (query + seen)[:, 0])


class ContextHead(nn.Module):
    """Particles of one event look at each other; then norm and linear map.

    Each particle is [its global latent, its mean latent] brought to width D; `depth` blocks of
    self-attention run over the particles of an event, and none sees another event's
    (arXiv:2604.07037, section IV E: a light context transformer). scale: as for `PooledHead`.
    """

    def __init__(self, model: Model, outputs: int, scale: float, depth: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(2 * model.dim)
        self.narrow = nn.Linear(2 * model.dim, model.dim).apply(xavier)
        blocks = (Block(model.dim, model.heads, model.mlp) for _ in range(depth))
        self.blocks = nn.ModuleList(blocks).apply(xavier)
        self.norm_out = nn.LayerNorm(model.dim)
        self.out = Readout(model.dim, outputs, scale)

    def forward(self, encoded: Encoded, together: Rows) -> Tensor:
        """(B, outputs); together: the B particles laid out by event."""
        x_bd = self.narrow(self.norm(encoded.pooled()))
        x_gld = lay(x_bd, together.slot, together.mask)
        for block in self.blocks:
            x_gld = block(x_gld, together.mask[:, None])
        x_bd = x_gld.flatten(0, 1).index_select(0, together.slot)
        out: Tensor = self.out(self.norm_out(x_bd))
        return out.float()


class HitHead(nn.Module):
    """Pooled latents, points among the hits of each voxel stream, totals of arrays; then two hidden layers.

    What latents say of places is coarse: in which direction energy flows from the vertex, and whether
    it balances across the beam, takes places to a cell. So is what they say of the energy in an array,
    which is one token to them. The `POINTS` of a stream all start as the middle of its hits, and enter in
    units of 100 mm from the middle of the grid, each beside the decades of its summed weights, which can be
    those of an energy, and a one; or as zeros without hits. scale: as for `PooledHead`. around: whether
    the network sees the charge around a place as well.
    """

    def __init__(self, setting: Setting, outputs: int, scale: float, around: bool = False) -> None:
        super().__init__()
        model, grids = setting.model, setting.detector.grids
        arrays = {s.name: s for s in setting.detector.streams if isinstance(s, DenseArray)}
        scales = setting.normalisation["streams"]
        self.totals = nn.ModuleDict({n: ArrayTotal(a, scales[n]) for n, a in arrays.items()})
        totals = sum(1 + sum(c.width for c in array.columns) for array in arrays.values())
        width, seen = 2 * model.dim, 5 * len(grids) * POINTS + totals
        self.around = Onlooker(setting) if around else None
        self.points = HitPoints(model, grids, POINTS, SPREAD)
        self.norm = nn.LayerNorm(width)
        self.hidden = nn.Linear((2 if around else 1) * width + seen, width).apply(xavier)
        self.further = nn.Linear(width, width).apply(xavier)
        self.out = Readout(width, outputs, scale)
        middles = [[axis.middle for axis in grid.axes] for grid in grids.values()]
        self.middle: Tensor
        self.register_buffer("middle", torch.tensor(middles)[:, None], persistent=False)

    def forward(self, encoded: Encoded) -> Tensor:
        """(B, outputs)."""
        points, weight = self.points(encoded)
        there = torch.isfinite(weight)[..., None]
        away = torch.where(there, (points - self.middle) / UNIT, 0.0)
        decades = torch.where(there, weight[..., None] / log(10), 0.0)
        seen = torch.cat([away, decades, there.to(away.dtype)], -1).flatten(1)
        known = [self.norm(encoded.pooled())]
        if self.around is not None and encoded.around is not None:
            known.append(self.around(encoded.around))
        with torch.autocast(seen.device.type, enabled=False):
            totals = [
                total(cast("ArrayPlan", encoded.plan.streams[name]), len(seen))
                for name, total in self.totals.items()
            ]
            x_bd = torch.cat([*(x.to(seen.dtype) for x in known), seen, *totals], 1)
            out: Tensor = self.out(gelu(self.further(gelu(self.hidden(x_bd)))))
        return out


def head(options: Reading, setting: Setting, outputs: int) -> nn.Module:
    """The head that the options of a task name."""
    if options.head == "hits":
        return HitHead(setting, outputs, options.head_scale, bool(options.seen_from))
    make = {"tokens": TokenHead, "pooled": PooledHead}[options.head]
    return make(setting.model, outputs, options.head_scale)


def _precise(norm: nn.LayerNorm, out: nn.Linear, x_bd: Tensor) -> Tensor:
    """Norm and linear map without autocast: bfloat16 knows a position to 1/256 of itself only."""
    with torch.autocast(x_bd.device.type, enabled=False):
        y: Tensor = out(norm(x_bd.to(out.weight.dtype)))
    return y
