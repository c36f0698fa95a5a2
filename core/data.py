"""Batches in an order that a seed decides, made in loader workers.

An epoch is planned in full before it begins: which events make which batch, and which random
numbers mask it. Events are read in blocks that lie together in the file, shuffled inside a buffer
of several blocks.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from attrs import define, evolve, field, frozen
from torch.utils.data import DataLoader, Dataset

from .augment import augmented
from .augmentation import Augmentation
from .batch import Batch
from .events import Array, Events
from .memory import give_back
from .planner import Planner
from .signals import leave_to_parent
from .split import event_of
from .store import EventFile
from .task import View

T = TypeVar("T")
CACHED = (
    1024  # events of a small sample that are kept in memory between batches (0.2 GB of FASERCal)
)


def draws(*numbers: int | str) -> np.random.Generator:
    """The generator that belongs to `numbers`: seed, purpose, epoch, ..."""
    key = [n if isinstance(n, int) else int.from_bytes(n.encode(), "big") for n in numbers]
    return np.random.default_rng(key)


@frozen(kw_only=True)
class Order:
    """How an epoch's events become batches.

    batch: events of a batch over all ranks. block and buffer: as in the recipe. lanes: sequences of
    batches that take turns, each reading blocks of its own; one per loader worker.
    """

    batch: int
    block: int = 64
    buffer: int = 8
    lanes: int = 1
    shuffle: bool = True

    def batches(
        self, events: Array, rng: np.random.Generator, whole: list[Array] | None = None
    ) -> list[Array]:
        """Numbers of the events of each batch.

        events: ascending. whole: those that must share a batch, see `together`; a batch then has so
        many of them as make `batch` events on average. A shuffled epoch leaves out what does not
        fill a batch, unless there is no other batch; an unshuffled one has all events, in order.
        """
        if whole:
            firsts = np.array([w[0] for w in whole])
            order = evolve(self, batch=max(1, round(self.batch * len(whole) / len(events))))
            each = (np.searchsorted(firsts, b).tolist() for b in order.batches(firsts, rng))
            return [np.concatenate([whole[i] for i in b]) for b in each]
        if not self.shuffle:
            return [events[i : i + self.batch] for i in range(0, len(events), self.batch)]
        cut = self._cut(np.concatenate([np.zeros(0, np.int64), *self._pools(events, rng)]))
        lanes = self.lanes if len(cut) >= 2 * self.lanes else 1
        turns = len(cut) // lanes
        return [cut[lane * turns + turn] for turn in range(turns) for lane in range(lanes)]

    def _pools(self, events: Array, rng: np.random.Generator) -> list[Array]:
        block = events // self.block
        blocks = np.split(events, np.flatnonzero(np.diff(block)) + 1) if len(events) else []
        order = rng.permutation(len(blocks))
        pools = [
            np.concatenate([blocks[j] for j in order[i : i + self.buffer]])
            for i in range(0, len(order), self.buffer)
        ]
        return [rng.permutation(p) for p in pools]

    def _cut(self, events: Array) -> list[Array]:
        whole = len(events) // self.batch * self.batch
        if not whole:
            return [events] if len(events) else []
        return np.split(events[:whole], whole // self.batch)


def together(file: EventFile, events: Array) -> list[Array] | None:
    """The numbers `events` of each physical event whose particles are samples of their own.

    In the order of their first ones; None where samples are whole events.
    """
    if not len(events) or file.keys[events[0]].count("/") < 2:
        return None
    found: dict[str, list[int]] = {}
    for number in events.tolist():
        found.setdefault(event_of(file.keys[number]), []).append(number)
    return [np.array(numbers) for numbers in found.values()]


@frozen(eq=False, kw_only=True)
class Sample:
    """Events to learn from: `events` (numbers in `file`) seen through `views`.

    purpose names the random stream, so that stages differ; augment changes events as they are read,
    by draws of their own, so that order and masks are the same with and without; rank and world are those of the process.
    """

    file: EventFile
    events: Array
    planner: Planner
    views: tuple[View, ...]
    order: Order
    seed: int
    purpose: str
    labels: bool = True
    augment: tuple[Augmentation, ...] = ()
    rank: int = 0
    world: int = 1

    def epoch(self, number: int) -> Epoch:
        """The batches of epoch `number`."""
        rng = draws(self.seed, self.purpose, "order", number)
        batches = self.order.batches(self.events, rng, together(self.file, self.events))
        return Epoch(sample=self, number=number, batches=batches)

    def steps(self) -> int:
        """Batches of an epoch; the same for every epoch."""
        return len(self.epoch(0))


@define(eq=False, kw_only=True)
class Epoch(Dataset[Batch]):
    """One epoch as a data set whose items are whole batches."""

    sample: Sample
    number: int
    batches: list[Array]
    _blocks: dict[int, Events] = field(factory=dict, init=False)

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, i: int) -> Batch:
        s = self.sample
        common = draws(s.seed, s.purpose, "views", self.number, i)  # equal on all ranks
        views = tuple(v for v in s.views if common.random() < v.probability)
        own = draws(s.seed, s.purpose, "masks", self.number, i, s.rank)
        events = self._events(self._mine(self.batches[i]))
        if s.augment:
            luck = draws(s.seed, s.purpose, "augment", self.number, i, s.rank)
            events = augmented(events, s.planner.detector, s.augment, luck)
        return s.planner(events, views, own)

    def _mine(self, numbers: Array) -> Array:
        """Those of the batch `numbers` that this process has; particles of one event together."""
        s = self.sample
        whole = together(s.file, numbers) if s.world > 1 else None
        if not whole:
            return numbers[s.rank :: s.world]
        return np.concatenate([numbers[:0], *whole[s.rank :: s.world]])

    def _events(self, numbers: Array) -> Events:
        """The events `numbers`, block by block."""
        if not len(numbers):  # of the last batch, where there are more ranks than events
            return self.sample.file.take(numbers, labels=self.sample.labels)
        block = numbers // self.sample.order.block
        parts = []
        for b in dict.fromkeys(block.tolist()):
            first = np.searchsorted(self.sample.events, b * self.sample.order.block)
            place = np.searchsorted(self.sample.events, numbers[block == b]) - first
            parts.append(self._block(b).take(place))
        return Events.collate(parts)

    def _block(self, b: int) -> Events:
        """The sample's events of block `b`, from memory if it was read a short while ago."""
        s = self.sample
        if b in self._blocks:
            self._blocks[b] = self._blocks.pop(b)
            return self._blocks[b]
        if len(s.events) > CACHED and len(self._blocks) >= 2 * s.order.buffer:
            del self._blocks[next(iter(self._blocks))]
        self._blocks[b] = s.file.take(s.events[s.events // s.order.block == b], labels=s.labels)
        return self._blocks[b]


def loader(epoch: Dataset[T], workers: int, pin: bool) -> DataLoader[T]:
    """A loader of the items of `epoch`; in the process itself without workers."""
    # Of many workers each need not be far ahead: batches that wait are memory.
    extra: dict[str, Any] = {}
    if workers:
        give_back()
        extra = {"prefetch_factor": max(2, 4 // workers), "worker_init_fn": leave_to_parent}
    return DataLoader(epoch, batch_size=None, num_workers=workers, pin_memory=pin, **extra)
