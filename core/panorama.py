"""The charge of an event as seen from a place: in which direction it lies, and how far away.

Shape letters: B events, n hits and t tokens of a stream, S streams, D width.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from math import asinh, cos, pi, sin
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from .batch import GridPlan, Plan
from .events import Array
from .hits import charge, places
from .streams import VoxelGrid
from .task_module import Setting

SIDE = 24  # cells of a picture along x and along y
SHELLS = 10  # of distance
WIDTHS = (32, 32, 64, 128)  # of the convolutions, at a resolution of 1, 1, 1/2 and 1/4
FORWARD = 0.01  # rad about the beam within which all angles are drawn alike (docs/experiments.md)


class Panorama(nn.Module):
    """Pictures of the charge all around a place; has no weights.

    There is one picture for each stream of voxels and shell of distance. A hit at the angle theta to the
    beam and the azimuth phi is drawn at

        rho (cos phi, sin phi),   rho = asinh(theta / FORWARD) / asinh(pi / FORWARD)

    in the unit disc, an azimuthal projection about the beam that is stretched where the products of
    a collision with a target at rest go; the rim is straight back. A cell is log1p of the charge that lies
    there, in units of a typical hit's. A shower looks the same wherever in the detector it began, so that
    convolutions can learn what it looks like, where patches cut it anywhere. The pictures have the
    same size for every detector; drawing them is a sum over hits.
    """

    def __init__(self, setting: Setting) -> None:
        super().__init__()
        grids, scales = setting.detector.grids, setting.normalisation["streams"]
        edges, frame = shells(grids.values()), setting.detector.frame
        tilt = frame.tilt_y if frame else 0.0
        self.streams = nn.ModuleDict(
            {name: Sight(grid, scales[name], edges, tilt) for name, grid in grids.items()}
        )

    @torch.no_grad()
    def forward(self, plan: Plan, place_b3: Tensor) -> Tensor:
        """(B, S * SHELLS, SIDE, SIDE), the shells of the first stream first; zeros without hits.

        From places in mm in the detector's frame, which get no gradient.
        """
        with torch.autocast(place_b3.device.type, enabled=False):
            drawn = [
                sight(cast("GridPlan", plan.streams[name]), place_b3)
                for name, sight in self.streams.items()
            ]
        return torch.cat(drawn, 1)


class Onlooker(nn.Module):
    """A network that looks at the pictures of a `Panorama`, as each task that needs them has one."""

    def __init__(self, setting: Setting) -> None:
        super().__init__()
        self.look = _convolutions(len(setting.detector.grids) * SHELLS)
        self.out = nn.Linear(WIDTHS[-1] * (SIDE // 8) ** 2, 2 * setting.model.dim)

    def forward(self, pictures: Tensor) -> Tensor:
        """What is seen, (B, 2 D)."""
        return gelu(self.out(self.look(pictures)))


class Sight(nn.Module):
    """Draws the hits of one stream.

    scales: its normalisation. edges: between shells, mm. tilt: of the beam about y, rad.
    """

    def __init__(
        self, grid: VoxelGrid, scales: Mapping[str, Any], edges: Array, tilt: float
    ) -> None:
        super().__init__()
        self.cos, self.sin = cos(tilt), sin(tilt)
        widths = [c.width for c in grid.columns]
        plain = widths.index(1) if 1 in widths else None
        self.column = None if plain is None else sum(widths[:plain])
        self.scale = "identity" if plain is None else grid.columns[plain].scale
        rms = 1.0 if plain is None else float(scales[grid.columns[plain].name]["rms"])
        self.rms: Tensor
        self.corner: Tensor
        self.cell: Tensor
        self.edges: Tensor
        where = places(grid)
        self.register_buffer("rms", torch.tensor(rms), persistent=False)
        self.register_buffer("corner", torch.from_numpy(where["corner"]), persistent=False)
        self.register_buffer("cell", torch.from_numpy(where["cell"]), persistent=False)
        self.register_buffer("edges", torch.from_numpy(edges), persistent=False)

    def forward(self, plan: GridPlan, place_b3: Tensor) -> Tensor:
        """Pictures (B, SHELLS, SIDE, SIDE)."""
        from_t3 = self.corner.index_select(0, plan.patch) - place_b3.index_select(0, plan.event)
        away_n3 = from_t3.index_select(0, plan.token) + self.cell.index_select(0, plan.cell)
        event_n = plan.event.index_select(0, plan.token)
        shell_n, row_n, column_n = self._cell(away_n3)
        at_n = ((event_n * SHELLS + shell_n) * SIDE + row_n) * SIDE + column_n
        total = away_n3.new_zeros(len(place_b3) * SHELLS * SIDE**2)
        total = total.index_add(0, at_n, self._charge(plan).to(total.dtype))
        return torch.log1p(total).reshape(-1, SHELLS, SIDE, SIDE)

    def _cell(self, away_n3: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Shell, and number of the cell along x and y, of hits that lie so far away, mm."""
        x, y, z = away_n3.unbind(1)
        x, z = self.cos * x + self.sin * z, self.cos * z - self.sin * x
        across = torch.hypot(x, y)
        rho = torch.asinh(torch.atan2(across, z) / FORWARD) / asinh(pi / FORWARD)
        turn = rho / across.clamp(min=1e-3)  # a micrometre: straight ahead has no azimuth
        row, column = ((SIDE / 2 * (1 + turn * w)).long().clamp(0, SIDE - 1) for w in (x, y))
        return torch.bucketize(torch.hypot(across, z), self.edges), row, column

    def _charge(self, plan: GridPlan) -> Tensor:
        """Charge of each hit in units of what is one on the scale of the input, (n,); none below zero."""
        if self.column is None:
            return plan.values.new_ones(len(plan.values))
        return charge(self.scale, plan.values[:, self.column], self.rms)


def shells(grids: Iterable[VoxelGrid]) -> Array:
    """Distances between the shells in mm, (SHELLS - 1,) float32, each the same factor above the last.

    From one and a half of the smallest cells to half of the longest side of all `grids` together.
    """
    axes = [axis for grid in grids for axis in grid.axes]
    first = [axis.lower[0] for axis in axes]
    last = [axis.lower[-1] + axis.pitch for axis in axes]
    longest = max(max(last[i::3]) - min(first[i::3]) for i in range(3))
    nearest = 1.5 * min(axis.pitch for axis in axes)
    return np.geomspace(nearest, max(longest / 2, 2 * nearest), SHELLS - 1, dtype=np.float32)


def _convolutions(channels: int) -> nn.Sequential:
    """Mixes shells and streams, then neighbours, three times and each time at half the resolution."""
    layers: list[nn.Module] = []
    for i, (before, after) in enumerate(pairwise((channels, *WIDTHS))):
        size = 3 if i else 1
        layers += [nn.Conv2d(before, after, size, padding=size // 2), nn.GroupNorm(1, after)]
        layers += [nn.GELU(), nn.MaxPool2d(2)] if i else [nn.GELU()]
    return nn.Sequential(*layers, nn.Flatten())
