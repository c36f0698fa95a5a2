"""From a token to the cells of its patch, through a separable basis.

Shape letters: h tokens, v voxels, C channels, M modes, I J K basis functions along x, y and z,
P cells of a patch of X by Y by Z.
"""

from __future__ import annotations

from math import pi, prod, sqrt

import torch
from torch import Tensor, nn

from .attention import Readout
from .streams import Triple

SHARE = (
    0.4,
    0.4,
    0.6,
)  # basis functions per cell along x, y, z (reference implementation's alphas)


def cosines(cells: int, functions: int) -> Tensor:
    """The first orthonormal DCT-II functions, (cells, functions).

    ``B[l, k] = c_k cos(pi (l + 1/2) k / cells)``, c_0 = sqrt(1 / cells), c_k = sqrt(2 / cells).
    """
    place = torch.arange(cells)[:, None] + 0.5
    table = torch.cos(pi * place * torch.arange(functions) / cells) * sqrt(2 / cells)
    table[:, 0] /= sqrt(2)
    return table


class VoxelHead(nn.Module):
    """Channels for the cells of a patch: modes of a separable basis, DCT at the start and learned.

    A token gives coefficients of `modes` modes, (M, I, J, K), normalised over the modes; a linear map
    mixes the modes into channels before anything is expanded, so the cost of a cell does not depend
    on the number of modes.
    """

    def __init__(self, dim: int, patch: Triple, channels: int, modes: int) -> None:
        super().__init__()
        self.patch = patch
        self.size = tuple(
            min(n, max(2, round(share * n))) for n, share in zip(patch, SHARE, strict=True)
        )
        self.norm = nn.LayerNorm(dim)
        self.coefficients = Readout(dim, modes * prod(self.size))
        self.norm_modes = nn.LayerNorm(modes)
        self.mix = nn.Linear(modes, channels)
        self.basis = nn.ParameterList(
            nn.Parameter(cosines(n, k)) for n, k in zip(patch, self.size, strict=True)
        )
        self.bias = nn.Parameter(torch.zeros(channels))
        self.modes = modes

    def _channels(self, x_hd: Tensor) -> Tensor:
        """Coefficients of the channels, (h, C, I, J, K).

        The norm over the modes is written out and joined to their mixing: `LayerNorm` of rows of eight
        numbers takes three times as long, and wants the modes last.
        """
        c = self.coefficients(self.norm(x_hd)).reshape(len(x_hd), self.modes, prod(self.size))
        c = c.to(self.norm_modes.weight.dtype)  # a norm in bfloat16 would be too coarse
        c = c - c.mean(1, keepdim=True)
        c = c * torch.rsqrt(c.square().mean(1, keepdim=True) + self.norm_modes.eps)
        weight = self.mix.weight * self.norm_modes.weight
        bias = self.mix(self.norm_modes.bias)
        mixed = torch.baddbmm(bias[:, None], weight.expand(len(x_hd), -1, -1), c)
        return mixed.reshape(*mixed.shape[:2], *self.size)

    def forward(self, x_hd: Tensor) -> Tensor:
        """Every cell of every patch, (h, C, P)."""
        c = self._channels(x_hd)
        h, channels, i = c.shape[:3]
        n = h * channels
        bx, by, bz = self.basis
        along_yz = torch.einsum("yj,zk->jkyz", by, bz).flatten(2).flatten(0, 1)
        planes = (c.reshape(n * i, len(along_yz)) @ along_yz).reshape(n, i, along_yz.shape[1])
        # x last and no matmul, so that neither cells nor their gradients are copied to be transposed.
        bias = self.bias.repeat(h)[:, None, None]
        cells = torch.baddbmm(bias, bx.expand(n, -1, -1), planes)
        return cells.reshape(h, channels, prod(self.patch))

    def _planes(self) -> Tensor:
        """Products of the basis functions along x and y, (X * Y, I * J)."""
        bx, by, _ = self.basis
        return torch.einsum("xi,yj->xyij", bx, by).flatten(2).flatten(0, 1)

    def at(self, x_hd: Tensor, token: Tensor, cell: Tensor) -> Tensor:
        """Chosen cells only, (v, C): cell number `cell` (v,) of the patch of token `token` (v,).

        The basis is contracted along z once per patch and along x and y once per chosen cell.
        """
        z = self.patch[2]
        planes = torch.einsum("hcijk,zk->hzcij", self._channels(x_hd), self.basis[2])
        plane = planes.flatten(0, 1).flatten(2).index_select(0, token * z + cell % z)
        across = self._planes().index_select(0, cell // z)
        return torch.einsum("vcf,vf->vc", plane, across) + self.bias
