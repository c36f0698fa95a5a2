"""What a long piece of work says of itself while it runs; the command line draws it."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen


@frozen
class Progress:
    """`done` of `total` units of the work called `what`; `note` is a word on how it goes.

    unit: what is counted. A total of 0 means that it is not known.
    """

    what: str
    done: int
    total: int
    unit: str = "events"
    note: str = ""


Notify = Callable[[Progress], None]


def silent(_: Progress) -> None:
    """Tells nobody."""
