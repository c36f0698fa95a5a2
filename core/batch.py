"""A batch as the model sees it: tensors of the events, and one plan per view.

`intarsia.core.planner` makes them.

Shape letters: n rows, F columns side by side, t visible tokens, h patches asked for, m rows
of those patches, w active windows, S summaries, R rows of L slots, B events, K tracks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any, Self

import torch
from attrs import evolve, fields, frozen
from torch import Tensor

from . import plan
from .events import Array
from .task import View


class Tensors:
    """An attrs record of tensors that moves as a whole."""

    def each(self, change: Callable[[Any], Any], kind: type = Tensor) -> Self:
        """The same record with every tensor, or `kind`, in it changed."""
        return evolve(
            self,
            **{  # type: ignore[misc]
                f.name: _each(getattr(self, f.name), change, kind)
                for f in fields(type(self))  # type: ignore[arg-type]
            },
        )

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> Self:
        """The same record on `device`."""
        return self.each(lambda x: x.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Self:
        """The same record in page-locked memory (called by the data loader)."""
        return self.each(lambda x: x.pin_memory())


def _each(value: Any, change: Callable[[Any], Any], kind: type) -> Any:
    if isinstance(value, kind):
        return change(value)
    if isinstance(value, Tensors):
        return value.each(change, kind)
    if isinstance(value, Mapping):
        return {k: _each(v, change, kind) for k, v in value.items()}
    return value


@frozen(eq=False)
class Rows(Tensors):
    """Ragged items in one padded row per event.

    slot: (items,) where each item lies among B * L slots. mask: (B, L), true where a slot may be
    looked at.
    """

    slot: Tensor
    mask: Tensor

    @classmethod
    def of(cls, events: Sequence[Array], b: int) -> Self:
        """Rows for kinds of items of the given events, see `plan.per_event`."""
        return cls(*map(torch.from_numpy, plan.per_event(events, b)))


@frozen(eq=False)
class StreamPlan(Tensors):
    """One stream of a batch seen through a view."""

    @property
    def owner(self) -> Tensor:
        """Event of each of the stream's tokens, (t,)."""
        raise NotImplementedError


@frozen(eq=False)
class Asked(Tensors):
    """Patches a decoder is asked for: window, place (h,), laid out in rows; token, cell (m,) of
    their rows, with values (m, F) scaled like the input.
    """

    rows: Rows
    window: Tensor
    place: Tensor
    token: Tensor
    cell: Tensor
    values: Tensor


@frozen(eq=False)
class GridPlan(StreamPlan):
    """A voxel stream: its visible tokens, their windows, and what is asked.

    cell: (n,) and values: (n, F) of the visible rows in token order; bags: (t,) first row of each
    token; token: (n,) token of each row. event, window, place, patch: (t,). slot: (w * S + t,)
    lays summaries (w * S, first) and tokens (t) in rows; document: (R, L) window of each slot.
    summary_event, summary_window: (w * S,). labels: of the visible rows. rows: the tokens
    laid out per event.
    """

    cell: Tensor
    values: Tensor
    bags: Tensor
    token: Tensor
    event: Tensor
    window: Tensor
    place: Tensor
    patch: Tensor
    slot: Tensor
    document: Tensor
    summary_event: Tensor
    summary_window: Tensor
    labels: Mapping[str, Tensor]
    rows: Rows
    asked: Asked

    @property
    def owner(self) -> Tensor:
        """Event of each token, (t,)."""
        return self.event


@frozen(eq=False)
class ArrayPlan(StreamPlan):
    """A dense array: values (k, size) of the k events that have one, their event (k,).

    shown: (v,) the rows that are not hidden, one token each.
    """

    values: Tensor
    event: Tensor
    shown: Tensor

    @property
    def owner(self) -> Tensor:
        """Event of each token, (v,)."""
        return self.event[self.shown]


@frozen(eq=False)
class TrackPlan(StreamPlan):
    """Tracks: columns (K, F), points (K, planes, G), hit (K, planes) bool, their event (K,).

    rows: the tracks laid out per event; counts: (B,); leading: (l,) the first track of each event
    that has one. shown: (v,) the events where the stream is not hidden, one token each, also for an
    event without tracks.
    """

    columns: Tensor
    points: Tensor
    hit: Tensor
    event: Tensor
    rows: Rows
    counts: Tensor
    leading: Tensor
    shown: Tensor

    @property
    def owner(self) -> Tensor:
        """Event of each token, (v,)."""
        return self.shown


@frozen(eq=False)
class Plan(Tensors):
    """One view of a batch: its streams, and how latents and keys are laid out per event.

    Latents are numbered: one query per event, then the summaries of each voxel stream. Keys: the
    tokens of each stream in the order declared.
    """

    streams: Mapping[str, StreamPlan]
    latents: Rows
    keys: Rows


@frozen(eq=False)
class Batch(Tensors):
    """Events ready for the model: truth (B, ...) and a plan for each view that takes part.

    together: the samples laid out by physical event, one row each: particles of one event share it.
    """

    truth: Mapping[str, Tensor]
    plans: Mapping[View, Plan]
    keys: tuple[str, ...]
    together: Rows

    def __len__(self) -> int:
        return len(self.keys)

    def __reduce__(self) -> tuple[Callable[..., Batch], tuple[Any, ...]]:
        """Pickled with one tensor for each type, of which all tensors of the batch are pieces.

        A loader worker sends each tensor through a socket of its own: for the eighty of a batch that
        took it as long as planning them, and the receiver a sixth of a training step (demo scale).
        """
        whole: dict[torch.dtype, list[Tensor]] = {}
        first: dict[torch.dtype, int] = {}

        def piece(x: Tensor) -> Piece:
            whole.setdefault(x.dtype, []).append(x.reshape(-1))
            begin = first.get(x.dtype, 0)
            first[x.dtype] = begin + x.numel()
            return Piece(x.dtype, begin, x.shape)

        pieces = {f.name: _each(getattr(self, f.name), piece, Tensor) for f in fields(Batch)}
        return _joined, (pieces, {k: torch.cat(v) for k, v in whole.items()})


@frozen
class Piece:
    """Where a tensor lies in the one that holds all of its type."""

    dtype: torch.dtype
    first: int
    shape: tuple[int, ...]


def _joined(pieces: Mapping[str, Any], whole: Mapping[torch.dtype, Tensor]) -> Batch:
    def tensor(p: Piece) -> Tensor:
        return whole[p.dtype][p.first : p.first + prod(p.shape)].view(p.shape)

    return Batch(**{k: _each(v, tensor, Piece) for k, v in pieces.items()})
