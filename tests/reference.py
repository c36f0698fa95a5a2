"""The encoder once more, event by event, window by window, without any packing or padding.

Only the weights are taken from the modules under test; every formula is written out.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
import torch
from torch import Tensor

from intarsia.core.batch import GridPlan, Plan
from intarsia.core.streams import DenseArray, TrackSet, VoxelGrid


def norm(layer, x: Tensor) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    spread = (centred.square().mean(-1, keepdim=True) + layer.eps).sqrt()
    return centred / spread * layer.weight + layer.bias


def linear(layer, x: Tensor) -> Tensor:
    return x @ layer.weight.T + layer.bias


def gelu(x: Tensor) -> Tensor:
    return 0.5 * x * (1 + torch.erf(x / sqrt(2)))


def attention(module, x_ld: Tensor, context_kd: Tensor) -> Tensor:
    """Plain attention of one set of queries to one set of keys; without keys zeros are seen."""
    dim = x_ld.shape[1]
    if not len(context_kd):
        return linear(module.out, torch.zeros_like(x_ld))
    both = linear(module.key_value, context_kd)
    q, k, v = linear(module.query, x_ld), both[:, :dim], both[:, dim:]
    size = dim // module.heads
    heads = []
    for h in range(module.heads):
        part = slice(h * size, (h + 1) * size)
        weights = torch.softmax(q[:, part] @ k[:, part].T / sqrt(size), 1)
        heads.append(weights @ v[:, part])
    return linear(module.out, torch.cat(heads, 1))


def block(module, x_ld: Tensor, context_kd: Tensor | None = None) -> Tensor:
    asked = norm(module.norm, x_ld)
    context = asked if context_kd is None else norm(module.norm_context, context_kd)
    x_ld = x_ld + attention(module.attention, asked, context)
    hidden = gelu(linear(module.mlp[0], norm(module.norm_mlp, x_ld)))
    return x_ld + linear(module.mlp[2], hidden)


def conv(embed, grid: VoxelGrid, cells: Tensor, values: Tensor) -> Tensor:
    """Dense convolution of one event: (px, py, pz, D). cells: (n, 3). values: (n, F)."""
    dense = values.new_zeros(values.shape[1], *grid.shape)
    dense[:, cells[:, 0], cells[:, 1], cells[:, 2]] = values.T
    kernel = embed.to_spconv(grid).permute(0, 4, 1, 2, 3)
    out = torch.nn.functional.conv3d(dense[None], kernel, embed.bias, stride=grid.patch)
    return out[0].permute(1, 2, 3, 0)


def stream_tokens(encoder, stream, plan, event: int) -> tuple[Tensor, Tensor, Tensor]:
    """Of one event: tokens after windows (t, D), keys (t, D), latents (w * S, D)."""
    part = encoder.detector[stream.name]
    none = part.kind.new_zeros(0, len(part.kind))
    if isinstance(stream, VoxelGrid):
        return grid_tokens(encoder, stream, plan, event)
    if isinstance(stream, DenseArray):
        mine = [i for i in plan.shown.tolist() if plan.event[i] == event]
        if not mine:
            return none, none, none
        project = part.embed.project
        x = linear(project[2], gelu(linear(project[0], plan.values[mine])))
    elif isinstance(stream, TrackSet):
        if event not in plan.shown.tolist():
            return none, none, none
        x = track_token(part.embed, plan, event)
    return x, x + part.kind, none


def track_token(embed, plan, event: int) -> Tensor:
    mine = (plan.event == event).nonzero()[:, 0].tolist()
    tracks = []
    for k in mine:
        points = [
            linear(embed.point, plan.points[k, p]) + embed.plane[p]
            for p in plan.hit[k].nonzero()[:, 0].tolist()
        ]
        x = torch.stack([linear(embed.fit, plan.columns[k]), *points])
        tracks.append(block(embed.planes, x)[0])
    presence = torch.tensor([float(bool(mine)), np.log(1 + len(mine))], dtype=embed.query.dtype)
    query = (embed.query + linear(embed.count, presence))[None]
    # Without tracks the query looks at one slot of zeros.
    context = torch.stack(tracks) if tracks else torch.zeros_like(query)
    return block(embed.tracks, query, context)


def grid_tokens(encoder, grid, plan: GridPlan, event: int) -> tuple[Tensor, Tensor, Tensor]:
    part, windows = encoder.detector[grid.name], encoder.shared.windows[grid.name]
    rows = plan.event[plan.token] == event
    cell = np.stack(np.unravel_index(plan.cell[rows].numpy(), grid.patch), 1)
    patch = np.stack(np.unravel_index(plan.patch[plan.token[rows]].numpy(), grid.patches), 1)
    cells = torch.from_numpy(patch * np.array(grid.patch) + cell)
    dense = conv(part.embed, grid, cells, plan.values[rows]).flatten(0, 2)
    mine = (plan.event == event).nonzero()[:, 0].tolist()
    tokens = part.kind.new_zeros(len(mine), len(part.kind))
    latents = []
    position = part.embed.window
    window_of = [window_and_place(grid, int(plan.patch[t])) for t in mine]
    for w in sorted({w for w, _ in window_of}):
        inside = [i for i, (v, _) in enumerate(window_of) if v == w]
        x = torch.stack(
            [dense[plan.patch[mine[i]]] + part.embed.place[window_of[i][1]] for i in inside]
        )
        x = torch.cat([windows.summary, x])
        for layer in windows.blocks:
            x = block(layer, x)
        x = norm(windows.norm, x)
        number = len(windows.summary)
        latents.append(x[:number] + position[w] + part.kind)
        tokens[inside] = x[number:] + position[w]
    none = tokens[:0]
    return tokens, tokens + part.kind, torch.cat(latents) if latents else none


def window_and_place(grid: VoxelGrid, patch: int) -> tuple[int, int]:
    x, y, z = np.unravel_index(patch, grid.patches)
    a, b, c = grid.window
    window = np.ravel_multi_index((x // a, y // b, z // c), grid.windows)
    return int(window), int(np.ravel_multi_index((x % a, y % b, z % c), grid.window))


def encode(encoder, detector, plan: Plan, event: int) -> tuple[Tensor, dict[str, Tensor]]:
    """Latents (Q, D) of one event, and its tokens (t, D) of each stream."""
    shared = encoder.shared
    latents, keys, tokens = [shared.query], [], {}
    for stream in detector.streams:
        own, key, more = stream_tokens(encoder, stream, plan.streams[stream.name], event)
        tokens[stream.name] = own
        keys.append(key)
        latents.append(more)
    x, context = torch.cat(latents), torch.cat(keys)
    for layer in shared.fusion:
        x = block(layer.cross, x, context)
        x = block(layer.own, x)
    return norm(shared.norm, x), tokens
