"""Where the events of a foreign file begin and end, however it says so.

Every scheme becomes `Ranges` of rows. Ranges of ranges (a file whose events own clusters that own
voxels) are taken one after the other: the rows of the outer ones are the next table's ranges.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from attrs import frozen

from intarsia.core.errors import EventError
from intarsia.core.events import Array

from .values import integers


@frozen(eq=False)
class Ranges:
    """Event b owns the rows ``first[b]`` to ``first[b] + counts[b]``; both (B,) int64."""

    first: Array
    counts: Array

    def __len__(self) -> int:
        return len(self.first)

    @property
    def rows(self) -> Array:
        """The rows of all events end to end, (n,) int64."""
        ends = np.cumsum(self.counts)
        before = np.repeat(self.first - (ends - self.counts), self.counts)
        rows: Array = np.arange(len(before)) + before
        return rows

    @property
    def contiguous(self) -> bool:
        """Whether each event begins where the one before ends."""
        return bool((self.first[1:] == (self.first + self.counts)[:-1]).all())

    def total(self, values: Array) -> Array:
        """Sum over each event of `values`, one per row of `rows`; (B,), 0 for an empty event.

        With the counts of inner ranges as `values`: the inner rows of each event.
        """
        sums = np.concatenate([[0], np.cumsum(values)])
        ends = np.cumsum(self.counts)
        result: Array = sums[ends] - sums[ends - self.counts]
        return result

    @classmethod
    def of_extents(cls, first: Array, n: Array, rows: int, field: str) -> Self:
        """Events given by first row and number, of a table of `rows` rows."""
        return cls._checked(integers(first, field), integers(n, field), rows, field)

    @classmethod
    def of_counts(cls, counts: Array, rows: int, field: str) -> Self:
        """Events end to end, given by their numbers of rows, which add up to `rows`."""
        n = integers(counts, field)
        if (n < 0).any():
            raise EventError(f"{field}: {n.min()} rows")
        total = sum(n.tolist())  # of any size
        if total != rows:
            raise EventError(f"{field}: the counts add up to {total}, there are {rows} rows")
        return cls(np.cumsum(n) - n, n)

    @classmethod
    def of_starts(cls, starts: Array, rows: int, field: str) -> Self:
        """Events end to end, given by their first rows; the last one ends at `rows`.

        `starts` may also hold the end of the last event as one more entry (CSR offsets) only if
        the caller cuts it off: a last event without rows looks the same.
        """
        edges = np.append(integers(starts, field), rows)
        if edges[0] != 0:
            raise EventError(f"{field}: begins at row {edges[0]}, not 0")
        return cls._between(edges, field)

    @classmethod
    def of_ends(cls, ends: Array, rows: int, field: str, inclusive: bool = False) -> Self:
        """Events end to end, given by the row after their last one, or their last if `inclusive`.

        What lies behind the last event belongs to none and is an error.
        """
        edges = np.concatenate([[0], integers(ends, field) + int(inclusive)])
        if edges[-1] != rows:
            raise EventError(f"{field}: ends at row {edges[-1]}, there are {rows} rows")
        return cls._between(edges, field)

    @classmethod
    def of_keys(cls, keys: Array, events: Array, field: str) -> tuple[Self, Array]:
        """Rows that name their event: ranges for `events` (B,), and the order (n,) to put rows in.

        An event that no row names is empty; the order of an event's rows is kept. EventError if a
        row names no event, or if an event comes twice in `events`.
        """
        sorted_events = np.argsort(events, kind="stable")
        known = events[sorted_events]
        if (known[1:] == known[:-1]).any():
            twice = known[1:][known[1:] == known[:-1]][0]
            raise EventError(f"{field}: event {twice} is listed twice")
        at = np.searchsorted(known, keys)
        missing = at == len(known)
        missing[~missing] = known[at[~missing]] != keys[~missing]
        if missing.any():
            worst = keys[missing][0]
            raise EventError(f"{field}: {missing.sum()} rows are of no event, e.g. of {worst}")
        event = sorted_events[at]
        counts = np.bincount(event, minlength=len(events)).astype(np.int64)
        return cls(np.cumsum(counts) - counts, counts), np.argsort(event, kind="stable")

    @classmethod
    def _between(cls, edges: Array, field: str) -> Self:
        counts = np.diff(edges)
        if (counts < 0).any():
            b = int(np.flatnonzero(counts < 0)[0])
            raise EventError(f"{field}: falls from {edges[b]} to {edges[b + 1]}")
        return cls(edges[:-1], counts)

    @classmethod
    def _checked(cls, first: Array, n: Array, rows: int, field: str) -> Self:
        if len(first) != len(n):
            raise EventError(f"{field}: {len(first)} first rows for {len(n)} numbers of rows")
        # An empty range may begin anywhere: some writers leave what was there before.
        wrong = (n < 0) | ((n > 0) & ((first < 0) | (first > rows) | (n > rows - first)))
        if wrong.any():
            b = np.flatnonzero(wrong)[0]
            raise EventError(f"{field}: {n[b]} rows from row {first[b]} on, there are {rows}")
        used = n > 0
        order = np.argsort(first[used], kind="stable")
        begins, ends = first[used][order], (first + n)[used][order]
        if (begins[1:] < ends[:-1]).any():
            b = int(np.flatnonzero(begins[1:] < ends[:-1])[0])
            raise EventError(f"{field}: rows from {begins[b + 1]} on belong to two entries")
        return cls(np.where(used, first, 0), n)
