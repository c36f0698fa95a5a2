"""An open foreign file: records that become events, a block at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from intarsia.core.errors import EventError, IntarsiaError
from intarsia.core.events import Events

_LONGEST = 400  # characters of a message


class Records(ABC):
    """A foreign file as a sequence of records; what a reader's `open` returns.

    A record is what the file calls an event or an image; it becomes one event, several (one per
    particle) or none. splits: where the events may go if the file belongs to a published split:
    ("test",), or ("train", "val") for a training set from which validation is still to be taken;
    empty where nothing is known.
    """

    splits: tuple[str, ...] = ()

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    @abstractmethod
    def __len__(self) -> int:
        """Records in the file."""

    @abstractmethod
    def events(self, first: int, last: int) -> Events:
        """Events of the records `first` to `last`.

        EventError beginning with the field that is wrong; which record it was is found out by
        whoever asked, by reading the records one by one.
        """

    def close(self) -> None:  # noqa: B027 (not every format keeps a file open)
        """Close the file."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def read(self, first: int = 0, last: int | None = None) -> Events:
        """Events of the records `first` to `last` (default: all), which must be some.

        EventError with file, record, field and what is wrong, whatever the reader raised.
        """
        last = len(self) if last is None else last
        try:
            return self.events(first, last)
        except Exception as fault:
            if last - first > 1:
                for record in range(first, last):
                    self.read(record, record + 1)
            raise EventError(broken(self.path, first, last, fault)) from fault

    def salvage(
        self, first: int, last: int, check: Callable[[Events], Events]
    ) -> Iterator[tuple[int, Events | str]]:
        """Events of the records `first` to `last` in pieces, or what is wrong with a record.

        Each with the number of its first record, in order. check: raises if events are not as
        they should be.
        """
        try:
            yield first, check(self.events(first, last))
        # Whatever a reader raises over a damaged record costs that record, not the others.
        except Exception as fault:  # noqa: BLE001
            if last - first == 1:
                yield first, broken(self.path, first, last, fault)
            else:
                for record in range(first, last):
                    yield from self.salvage(record, record + 1, check)


class Single(Records):
    """A file that holds one record: `read_one` makes its events when they are asked for."""

    def __init__(
        self, path: Path | str, read_one: Callable[[], Events], splits: tuple[str, ...] = ()
    ) -> None:
        super().__init__(path)
        self.splits = splits
        self._read_one = read_one

    def __len__(self) -> int:
        return 1

    def events(self, first: int, last: int) -> Events:
        """The events of the file."""
        return self._read_one()


def broken(path: Path, first: int, last: int, fault: Exception) -> str:
    """What is wrong with the records `first` to `last`: ``FILE, event 3: FIELD: ...``."""
    which = f"event {first}" if last - first == 1 else f"events {first} to {last}"
    return f"{path}, {which}: {told(fault)}"


def told(fault: Exception) -> str:
    """What `fault` says, on one line and no longer than a person reads: libraries quote bytes."""
    said = str(fault) if isinstance(fault, IntarsiaError) else f"{type(fault).__name__}: {fault}"
    line = " ".join(said.split("\n"))
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."
