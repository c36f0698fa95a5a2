"""From rows to tokens: one tokeniser for each kind of stream.

Shape letters: n rows, t tokens, K tracks, B events, D model width, P cells of a patch, F columns.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag

from .attention import Block, lay, sine_table
from .batch import ArrayPlan, GridPlan, TrackPlan
from .dotted import load
from .errors import DeclarationError
from .recipe import Model
from .streams import DenseArray, Stream, TrackSet, VoxelGrid


class PatchEmbedding(nn.Module):
    """A convolution whose kernel is its stride, over occupied patches only.

    Each cell of a patch has its own (F, D) weight, so a token is the sum over the patch's active
    cells of ``columns @ weight[cell]``: the same numbers as a dense convolution, at the cost of the
    occupied cells. Adds a learned embedding of the place of the patch inside its window.
    """

    def __init__(self, grid: VoxelGrid, model: Model) -> None:
        super().__init__()
        self.columns = sum(c.width for c in grid.columns)
        cells = prod(grid.patch)
        self.weight = nn.Parameter(torch.empty(cells * self.columns, model.dim))
        nn.init.xavier_uniform_(self.weight)
        self.bias = nn.Parameter(torch.zeros(model.dim))
        self.place = nn.Parameter(sine_table(grid.window, model.dim))
        self.window = nn.Parameter(sine_table(grid.windows, model.dim))

    def convolve(self, plan: GridPlan) -> Tensor:
        """The convolution alone, (t, D)."""
        column = torch.arange(self.columns, device=plan.cell.device)
        index = (plan.cell[:, None] * self.columns + column).reshape(-1)
        weights = plan.values.reshape(-1).to(self.weight.dtype)
        x_td = embedding_bag(
            index,
            self.weight,
            plan.bags * self.columns,
            mode="sum",
            per_sample_weights=weights,
        )
        return x_td + self.bias

    def forward(self, plan: GridPlan) -> Tensor:
        """Tokens of the visible patches, (t, D); none for an empty stream."""
        return self.convolve(plan) + self.place.index_select(0, plan.place)

    def from_spconv(self, weight: Tensor) -> None:
        """Take the weight of an spconv ``SparseConv3d``, (D, kx, ky, kz, F), kernel = stride."""
        with torch.no_grad():
            self.weight.copy_(weight.flatten(1).T)

    def to_spconv(self, grid: VoxelGrid) -> Tensor:
        """The weight in the layout of an spconv ``SparseConv3d``, (D, kx, ky, kz, F)."""
        return self.weight.detach().T.reshape(-1, *grid.patch, self.columns)


class ArrayEmbedding(nn.Module):
    """One token per event in which the array is there and not hidden."""

    def __init__(self, array: DenseArray, model: Model) -> None:
        super().__init__()
        self.project = nn.Sequential(
            nn.Linear(array.size, model.dim), nn.GELU(), nn.Linear(model.dim, model.dim)
        )

    def forward(self, plan: ArrayPlan) -> Tensor:
        """(t, D)."""
        out: Tensor = self.project(plan.values[plan.shown])
        return out


class TrackEmbedding(nn.Module):
    """One token per event: attention over the planes of each track, then over the tracks.

    A track is the numbers of its fit and its measured points, each with the place of its plane. The
    token asks with whether there is any track and with the logarithm of one plus their number
    (arXiv:2604.07037, appendix A 1), so an event without tracks has a token too, which says so.
    """

    def __init__(self, tracks: TrackSet, model: Model) -> None:
        super().__init__()
        columns = sum(c.width for c in tracks.columns)
        self.fit = nn.Linear(columns, model.dim) if columns else None
        self.point = nn.Linear(sum(c.width for c in tracks.points), model.dim)
        self.plane = nn.Parameter(sine_table((tracks.planes,), model.dim))
        self.planes = Block(model.dim, model.heads, model.mlp)
        self.query = nn.Parameter(torch.randn(model.dim) * 0.02)
        self.count = nn.Linear(2, model.dim)
        self.tracks = Block(model.dim, model.heads, model.mlp, cross=True)

    def forward(self, plan: TrackPlan) -> Tensor:
        """(t, D), t events in which the stream is not hidden."""
        x_kd = self._each(plan)
        tracks_bld = lay(x_kd, plan.rows.slot, plan.rows.mask)
        counts = plan.counts.to(self.query.dtype)
        presence = torch.stack([counts.clamp(max=1), torch.log1p(counts)], 1)
        query_b1d = (self.query + self.count(presence))[:, None]
        out: Tensor = self.tracks(query_b1d, plan.rows.mask[:, None], tracks_bld)
        return out[plan.shown, 0]

    def _each(self, plan: TrackPlan) -> Tensor:
        """One vector per track, (K, D)."""
        if not len(plan.event):
            return self.query.new_zeros(0, len(self.query))
        points = self.point(plan.points) + self.plane
        fit = points.new_zeros(points.shape[0], points.shape[2])
        if self.fit is not None:
            fit = self.fit(plan.columns)
        x = torch.cat([fit[:, None], points], 1)
        mask = torch.cat([torch.ones_like(plan.hit[:, :1]), plan.hit], 1)
        out: Tensor = self.planes(x, mask[:, None])
        return out[:, 0]


BUILT_IN: dict[type, Callable[..., nn.Module]] = {
    VoxelGrid: PatchEmbedding,
    DenseArray: ArrayEmbedding,
    TrackSet: TrackEmbedding,
}


def tokeniser(stream: Stream, model: Model, build: str = "") -> nn.Module:
    """The module that makes tokens of `stream`.

    build: ``package.module:Class`` of a kind that a plugin brings. DeclarationError if there is no
    tokeniser for this kind of stream.
    """
    make = load(build) if build else BUILT_IN.get(type(stream))
    if make is None:
        raise DeclarationError(
            f"stream {stream.name!r} is a {type(stream).__name__}, which has no tokeniser"
        )
    made: nn.Module = make(stream, model)
    return made
