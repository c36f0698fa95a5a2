"""All events of foreign files in order, read by processes that a damaged file may take with it.

What comes is the same, in the same order, whatever the number of processes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from attrs import define, field, frozen

from .events import Events
from .foreign_pool import Answer, Asked, Job, Pool

_BLOCK = 32  # records asked of a process at a time
_AHEAD = 3  # blocks per process that are read or waiting to be taken
_LOST = 3  # crashes after which the rest of a file is given up


@frozen(eq=False)
class Piece:
    """Events of the records `first` to `last` of file number `file`, or what is wrong there.

    A whole file that cannot be read has no records; one that has none gives None.
    """

    file: int
    first: int
    last: int
    what: Events | str | None
    reader: str = ""
    splits: tuple[str, ...] = ()


def read_foreign(
    asked: Asked,
    workers: int,
    timeout: float,
    start: tuple[int, int] = (0, 0),
    block: int = _BLOCK,
) -> Iterator[Piece]:
    """All events of all files in order, from record `start` (file, record) on.

    A block that crashes its process, or takes longer than `timeout` s, is read once more record by
    record. After three such records the rest of the file is one fault.
    """
    pool = Pool(asked, workers, timeout)
    try:
        yield from _Line(asked, pool, block, start, workers * _AHEAD).pieces()
    finally:
        pool.close()


@define(eq=False)
class _Slot:
    """A job in the line and its answer, None until it is done."""

    job: Job
    sent: bool = False
    answer: Answer | None = None


@define(eq=False)
class _File:
    """A file in the line: its opening, blocks of it, the first record not yet in a block."""

    number: int
    next: int
    opening: _Slot
    slots: deque[_Slot] = field(factory=deque)
    crashes: int = 0

    @property
    def about(self) -> Answer | None:
        return self.opening.answer

    @property
    def left(self) -> int:
        """Records not yet in a block."""
        return max(self.about.records - self.next, 0) if self.about else 0


class _Line:
    """Jobs in the order in which their events are wanted, about `length` at a time."""

    def __init__(
        self, asked: Asked, pool: Pool, block: int, start: tuple[int, int], length: int
    ) -> None:
        self._asked, self._pool, self._block, self._length = asked, pool, block, length
        self._files: deque[_File] = deque()
        self._coming = start

    def pieces(self) -> Iterator[Piece]:
        """See `read_foreign`."""
        while True:
            self._fill()
            if not self._files:
                return
            head = self._files[0]
            if head.slots and head.slots[0].answer:
                yield from self._taken(head, head.slots.popleft())
            elif head.about and not head.slots and not head.left:
                yield from self._opened(head, head.about)
                self._files.popleft()
            else:
                self._wait()

    def _fill(self) -> None:
        """Cut open files into blocks and open more, then give processes what they can take."""
        n = sum(len(f.slots) + (f.about is None) for f in self._files)
        for file in self._files:
            # The first file may always go on: those behind may have filled the line.
            while file.left and (n < self._length or (file is self._files[0] and not file.slots)):
                last = file.next + min(self._block, file.left)
                file.slots.append(_Slot(Job(file.number, file.next, last)))
                file.next = last
                n += 1
        while n < self._length and self._coming[0] < len(self._asked.files):
            number, first = self._coming
            self._files.append(_File(number, first, _Slot(Job(number))))
            self._coming = number + 1, 0
            n += 1
        for slot in [s for f in self._files for s in (f.opening, *f.slots)]:
            if not slot.sent and self._pool.free:
                slot.sent = True
                self._pool.send(slot.job)

    def _wait(self) -> None:
        slots = {s.job: s for f in self._files for s in (f.opening, *f.slots)}
        for job, answer in self._pool.wait():
            if job in slots:  # not of a file that has been given up
                slots[job].answer = answer

    def _opened(self, file: _File, about: Answer) -> Iterator[Piece]:
        """What is to be said of a file once it is done: that it failed, or that it is empty."""
        for _, fault in about.pieces:
            yield Piece(file.number, 0, 0, fault)
        if not about.records and not about.pieces:
            yield Piece(file.number, 0, 0, None, about.reader)

    def _taken(self, file: _File, slot: _Slot) -> Iterator[Piece]:
        """What the first slot of the first file gives."""
        job, answer, about = slot.job, slot.answer, file.about
        assert answer is not None  # noqa: S101 (or it would not be its turn)
        assert about is not None  # noqa: S101
        if answer.crashed and job.last - job.first > 1:
            single = [_Slot(Job(job.file, i, i + 1)) for i in range(job.first, job.last)]
            file.slots.extendleft(reversed(single))
            return
        ends = [*(first for first, _ in answer.pieces[1:]), job.last]
        for (first, what), last in zip(answer.pieces, ends, strict=True):
            yield Piece(job.file, first, last, what, about.reader, about.splits)
        file.crashes += answer.crashed
        if file.crashes == _LOST and job.last < about.records:
            path, n = self._asked.files[job.file], about.records
            said = f"{path}: given up after {_LOST} crashes, without events {job.last} to {n}"
            file.slots.clear()
            file.next = n
            yield Piece(job.file, job.last, n, said, about.reader, about.splits)
