"""Heads that read the pooled latents. Shape letters: B events, D width."""

from __future__ import annotations

from torch import Tensor, nn

from .encoder import Encoded
from .recipe import Model


class PooledHead(nn.Module):
    """Norm and linear map of [global latent, mean latent].

    scale: spread of the linear weights at the start (table III of arXiv:2604.07037: 2e-5), so that
    the first steps move the head and not a random direction of the encoder.
    """

    def __init__(self, model: Model, outputs: int, scale: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(2 * model.dim)
        self.out = nn.Linear(2 * model.dim, outputs)
        nn.init.trunc_normal_(self.out.weight, std=scale)
        nn.init.zeros_(self.out.bias)

    def forward(self, encoded: Encoded) -> Tensor:
        """(B, outputs)."""
        out: Tensor = self.out(self.norm(encoded.pooled()))
        return out.float()
