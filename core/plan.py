"""The index plan of a batch: which row feeds which token, which token sits in which slot.

Made with numpy in the loader worker, so that every size is known before the device sees the batch
and nothing on it has to be sorted, searched or counted.

Shape letters: n rows, t visible tokens, h hidden patches, w active windows, S summaries of a
window, R padded rows of L slots, B events.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from attrs import frozen

from .events import Array, Table, cumulated
from .streams import VoxelGrid
from .task import View

ABSENT = -1  # document of an empty slot


@frozen(eq=False)
class Patches:
    """The occupied patches of a batch, in order of event and patch: one candidate token each.

    rows: (n,) order that sorts the table's rows by patch. first: (t + 1,) where each patch's rows
    begin. cell: (n,) cell inside its patch, in sorted order. event, patch, window, place: (t,); the
    place is the patch's position inside its window.
    """

    rows: Array
    first: Array
    cell: Array
    event: Array
    patch: Array
    window: Array
    place: Array


def patches(table: Table, grid: VoxelGrid) -> Patches:
    """Group the rows of `table` by patch; an empty table has no patches."""
    index = table["index"].astype(np.int64)
    patch = np.array(grid.patch)
    flat = np.ravel_multi_index(tuple((index // patch).T), grid.patches)
    cell = np.ravel_multi_index(tuple((index % patch).T), grid.patch)
    key = table.event * np.prod(grid.patches) + flat
    order = np.argsort(key, kind="stable")
    sorted_key = key[order]
    new = np.ones(len(key), bool)
    new[1:] = sorted_key[1:] != sorted_key[:-1]
    start = np.flatnonzero(new)
    event, number = np.divmod(sorted_key[start], np.prod(grid.patches))
    window, place = _windows(number, grid)
    return Patches(
        rows=order,
        first=np.append(start, len(key)),
        cell=cell[order],
        event=event,
        patch=number,
        window=window,
        place=place,
    )


def _windows(patch: Array, grid: VoxelGrid) -> tuple[Array, Array]:
    """Window of each patch and its place in there, both (t,)."""
    where = np.stack(np.unravel_index(patch, grid.patches))
    size = np.array(grid.window)[:, None]
    window = np.ravel_multi_index(tuple(where // size), grid.windows)
    return window, np.ravel_multi_index(tuple(where % size), grid.window)


@frozen(eq=False)
class Empty:
    """Patches that hold nothing: event, window and place in the window, (e,) each."""

    event: Array
    window: Array
    place: Array


def empty(
    found: Patches, asked: Array, grid: VoxelGrid, b: int, share: float, rng: np.random.Generator
) -> Empty:
    """Patches without any hit, about `share` for each of those in `asked` of the same event.

    An event in which nothing is asked for counts as one in which one patch is. They are drawn from
    all patches of the grid; what is drawn twice or holds something is left out, so that the work
    follows the occupied patches and not the grid.
    """
    if not share:
        return Empty(*np.zeros((3, 0), np.int64))
    wanted = share * np.maximum(np.bincount(found.event[asked], minlength=b), 1)
    number = np.floor(wanted + rng.random(b)).astype(np.int64)
    patches = int(np.prod(grid.patches))
    key = np.repeat(np.arange(b), number) * patches + rng.integers(patches, size=number.sum())
    event, patch = np.divmod(np.setdiff1d(key, found.event * patches + found.patch), patches)
    return Empty(event, *_windows(patch, grid))


def mask(found: Patches, windows: int, view: View, rng: np.random.Generator) -> Array:
    """Which of the occupied patches are kept, (t,) bool.

    In each window the number kept is the share 1 - mask_ratio, rounded up or down at random so that
    it is right on average; a window with two patches or more keeps one and hides one at least.
    """
    if view.mask_ratio == 0:
        return np.ones(len(found.event), bool)
    group = found.event * windows + found.window
    order = np.lexsort((rng.random(len(group)), group))
    _, start, size = np.unique(group[order], return_index=True, return_counts=True)
    keep = np.floor(size * (1 - view.mask_ratio) + rng.random(len(size)))
    keep = np.where(size >= 2, np.clip(keep, 1, size - 1), size).astype(np.int64)
    rank = np.arange(len(group)) - np.repeat(start, size)
    kept = np.empty(len(group), bool)
    kept[order] = rank < np.repeat(keep, size)
    return kept


def ragged(first: Array, chosen: Array) -> tuple[Array, Array]:
    """Rows of the `chosen` patches: their positions (m,) and the offsets (len(chosen) + 1,)."""
    counts = first[1:][chosen] - first[:-1][chosen]
    offsets = cumulated(counts)
    rows = np.arange(offsets[-1]) + np.repeat(first[:-1][chosen] - offsets[:-1], counts)
    return rows, offsets


@frozen(eq=False)
class Layout:
    """Where ragged items sit in padded rows.

    slot: (items,) the slot of each item among R * L. document: (R, L) group of each slot, ABSENT for
    an empty one.
    """

    slot: Array
    document: Array


def pack(groups: Sequence[Array], length: int) -> Layout:
    """Lay items out so that items of one group share a row; several small groups share one too.

    groups: for each kind of item, the group number (items,) of each, ascending from 0; the kinds
    are numbered on. length: slots of a row, more if a group is larger. Windows of FASERCal events
    fill rows to 97 % or more (32 events, `tests/detectors/test_fasercal_cost.py`); with one row per
    window more than half would be padding.
    """
    group = np.concatenate(groups)
    counts = np.bincount(group) if len(group) else np.zeros(0, np.int64)
    length = max(length, int(counts.max(initial=1)))
    row, start = _best_fit(counts, length)
    order = np.argsort(group, kind="stable")
    rank = np.arange(len(group)) - np.repeat(np.cumsum(counts) - counts, counts)
    slot = np.empty(len(group), np.int64)
    slot[order] = (row * length + start)[group[order]] + rank
    rows = int(row.max(initial=0)) + 1
    document = np.full(rows * length, ABSENT, np.int64)
    document[slot] = group
    return Layout(slot, document.reshape(rows, length))


def _best_fit(counts: Array, length: int) -> tuple[Array, Array]:
    """Row and first slot of each group, (groups,): the largest first, where least room is left over.

    All groups of a size that find rows with the same room are placed at once, so the work depends
    on how many sizes there are and not on how many groups.
    """
    row, start = np.zeros((2, len(counts)), np.int64)
    rooms: dict[int, Array] = {}
    rows = 0
    for size in np.unique(counts[counts > 0])[::-1].tolist():
        waiting = np.flatnonzero(counts == size)
        while len(waiting):
            room = min((r for r in rooms if r >= size), default=0)
            if not room:
                needed = -(-len(waiting) // max(1, length // size))
                room, rooms[length] = length, np.arange(rows, rows + needed)
                rows += needed
            found = rooms.pop(room)
            placed, waiting = waiting[: len(found)], waiting[len(found) :]
            row[placed], start[placed] = found[: len(placed)], length - room
            left = {room - size: found[: len(placed)], room: found[len(placed) :]}
            for free, those in left.items():
                if len(those):
                    rooms[free] = np.concatenate([rooms.get(free, those[:0]), those])
    return row, start


def per_event(events: Sequence[Array], b: int) -> tuple[Array, Array]:
    """One padded row per event for items of `b` events: slot of each item (items,), mask (B, L).

    events: for each kind of item, the event (items,) of each. An event without items has one slot
    that may be looked at and is empty.
    """
    event = np.concatenate(events) if events else np.zeros(0, np.int64)
    counts = np.bincount(event, minlength=b)
    length = int(counts.max(initial=1))
    order = np.argsort(event, kind="stable")
    rank = np.arange(len(event)) - np.repeat(np.cumsum(counts) - counts, counts)
    slot = np.empty(len(event), np.int64)
    slot[order] = event[order] * length + rank
    return slot, np.arange(length) < np.maximum(counts, 1)[:, None]


def cell_index(grid: VoxelGrid, window: Array, place: Array, cell: Array) -> Array:
    """Cells (n, 3) along x, y and z from window, place in the window and cell in the patch, (n,)."""
    window_n3 = np.stack(np.unravel_index(window, grid.windows), -1)
    place_n3 = np.stack(np.unravel_index(place, grid.window), -1)
    cell_n3 = np.stack(np.unravel_index(cell, grid.patch), -1)
    index: Array = (window_n3 * np.array(grid.window) + place_n3) * np.array(grid.patch) + cell_n3
    return index
