"""The encoder: tokens, attention inside windows, then a Perceiver over all streams.

One class serves every detector and every stage. Parameters named ``detector.*`` belong to a
detector; those named ``shared.*`` do not, and travel.

Shape letters: t tokens, B events, Q latents of an event, n latents and k keys of all, D width.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

import torch
from attrs import frozen
from torch import Tensor, nn

from .attention import Block, Owners, lay, xavier
from .batch import GridPlan, Plan
from .detector import Detector
from .recipe import Model
from .streams import Stream, VoxelGrid
from .tokens import PatchEmbedding, tokeniser
from .windows import Windows


@frozen(eq=False)
class Encoded:
    """What tasks see: latents (B, Q, D) with their mask (B, Q), the first of them the global one.

    Where the mask is false latents are zero.

    tokens: (t, D) of each stream after the attention inside windows. plan: the view behind it.
    around: pictures of the charge around a place that another task finds (`Panorama`), for one that looks
    from there.
    """

    latents: Tensor
    mask: Tensor
    tokens: Mapping[str, Tensor]
    plan: Plan
    around: Tensor | None = None

    def pooled(self) -> Tensor:
        """Global latent and mean latent side by side, (B, 2 D) (decision 5 of the design)."""
        weight = self.mask.to(self.latents.dtype)[..., None]
        mean = (self.latents * weight).sum(1) / weight.sum(1)
        return torch.cat([self.latents[:, 0], mean], 1)


class Fusion(nn.Module):
    """One round: the latents look at every token, then at each other."""

    def __init__(self, model: Model, cross: float, own: float) -> None:
        super().__init__()
        size = model.dim, model.heads, model.mlp
        self.cross = Block(*size, cross=True, drop_path=cross)
        self.own = Block(*size, drop_path=own)

    def forward(self, x_nd: Tensor, keys_kd: Tensor, plan: Plan, owners: Owners) -> Tensor:
        """Latents after the round; latents and keys are items that the plan lays out per event."""
        latents, keys = plan.latents, plan.keys
        x_nd = self.cross(
            x_nd, keys.mask[:, None], keys_kd, owners=owners, rows=latents, context_rows=keys
        )
        out: Tensor = self.own(x_nd, latents.mask[:, None], owners=owners, rows=latents)
        return out


class DetectorPart(nn.Module):
    """What belongs to one stream of one detector: its tokeniser, and a vector that names it."""

    def __init__(self, stream: Stream, model: Model, build: str) -> None:
        super().__init__()
        self.embed = tokeniser(stream, model, build)
        self.kind = nn.Parameter(torch.randn(model.dim) * 0.02)


class SharedPart(nn.Module):
    """What any detector can use: window stacks, fusion, the global query and norms."""

    def __init__(self, detector: Detector, model: Model, drop_path: float) -> None:
        super().__init__()
        depths = {
            s.name: model.depths.get(s.name, model.depth)
            for s in detector.streams
            if isinstance(s, VoxelGrid)
        }
        blocks = max(depths.values(), default=0) + 2 * model.rounds
        rates = tuple(drop_path * i / max(1, blocks - 1) for i in range(blocks))
        self.windows = nn.ModuleDict({k: Windows(model, d, rates) for k, d in depths.items()})
        self.query = nn.Parameter(torch.randn(1, model.dim) * 0.02)
        late = rates[blocks - 2 * model.rounds :]
        self.fusion = nn.ModuleList(
            Fusion(model, late[2 * i], late[2 * i + 1]) for i in range(model.rounds)
        )
        self.norm = nn.LayerNorm(model.dim)


class Encoder(nn.Module):
    """Any detector's streams to one set of latents per event.

    builds: the tokenisers, by declaration class, of stream kinds that plugins bring.
    """

    def __init__(
        self,
        detector: Detector,
        model: Model,
        drop_path: float = 0.0,
        builds: Mapping[type, str] | None = None,
    ) -> None:
        super().__init__()
        builds = builds or {}
        self.detector = nn.ModuleDict(
            {s.name: DetectorPart(s, model, builds.get(type(s), "")) for s in detector.streams}
        )
        self.shared = SharedPart(detector, model, drop_path)
        self.apply(xavier)

    def forward(self, plan: Plan) -> Encoded:
        """Latents of each event of a planned batch."""
        latents = [self.shared.query.expand(len(plan.latents.mask), -1)]
        tokens: dict[str, Tensor] = {}
        keys = []
        for name, part in cast("Iterable[tuple[str, DetectorPart]]", self.detector.items()):
            stream = plan.streams[name]
            x_td = part.embed(stream)
            if isinstance(stream, GridPlan) and isinstance(part.embed, PatchEmbedding):
                summaries, x_td = self.shared.windows[name](x_td, stream)
                position = part.embed.window
                latents.append(
                    summaries + position.index_select(0, stream.summary_window) + part.kind
                )
                x_td = x_td + position.index_select(0, stream.window)
            tokens[name] = x_td
            keys.append(x_td + part.kind)
        x_nd, keys_kd, rows = torch.cat(latents), torch.cat(keys), plan.latents
        owners = Owners(rows.slot // rows.mask.shape[1], len(rows.mask))
        for block in self.shared.fusion:
            x_nd = block(x_nd, keys_kd, plan, owners)
        x_bqd = lay(self.shared.norm(x_nd), rows.slot, rows.mask)
        return Encoded(x_bqd, rows.mask, tokens, plan)
