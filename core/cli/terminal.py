"""What people see: text, tables and progress bars. A pipe gets neither colours nor line breaks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, TextIO

from rich.console import Console

from intarsia.core.progress import Notify, Progress

if TYPE_CHECKING:
    from rich.progress import TaskID


def say(text: str = "") -> None:
    """Print `text` as it is."""
    console(sys.stdout).print(text)


def complain(text: str) -> None:
    """Print `text` to the standard error."""
    console(sys.stderr).print(text)


def console(file: TextIO) -> Console:
    """A console that writes text as it is: no markup, no wrapping, colours on a terminal alone."""
    terminal = file.isatty()
    return Console(
        file=file,
        force_terminal=terminal,
        color_system="auto" if terminal else None,
        width=None if terminal else 10_000,
        markup=False,
        emoji=False,
        highlight=False,
        soft_wrap=True,
    )


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print `rows` in columns, wrapped to the width of a terminal."""
    if not sys.stdout.isatty():
        widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
        for row in (header, *rows):
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
            say("  ".join(cells).rstrip())
        return
    from rich.table import Table

    shown = Table(*header, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        shown.add_row(*row)
    console(sys.stdout).print(shown, soft_wrap=False)


@contextmanager
def watch(kept: Callable[[], str]) -> Iterator[Notify]:
    """Draws a bar with count, rate and time left for each piece of work it is told of.

    Where there is no terminal, one line says when a piece is done. kept: what to tell if the work is
    interrupted.
    """
    try:
        with _drawn() as notify:
            yield notify
    except KeyboardInterrupt:
        complain(kept())
        raise


@contextmanager
def _drawn() -> Iterator[Notify]:
    screen = console(sys.stderr)
    if not screen.is_terminal:
        yield _Log()
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Bars(*columns, console=screen) as bars:
        jobs: dict[str, TaskID] = {}

        def draw(step: Progress) -> None:
            total = step.total or None
            if step.what not in jobs:
                jobs[step.what] = bars.add_task(step.what, total=total, rate="", note="")
            job = jobs[step.what]
            speed = next(t.speed for t in bars.tasks if t.id == job)
            rate = f"{speed:{'.0f' if speed >= 10 else '.2g'}} {step.unit}/s" if speed else ""
            bars.update(job, completed=step.done, total=total, rate=rate, note=step.note)

        yield draw


class _Log:
    """Says when a piece of work is done, and how long after the one before."""

    def __init__(self) -> None:
        self._since = monotonic()

    def __call__(self, step: Progress) -> None:
        if step.done == step.total:
            now = monotonic()
            note = f", {step.note}" if step.note else ""
            complain(f"{step.what}: {step.total} {step.unit} in {now - self._since:.0f} s{note}")
            self._since = now
