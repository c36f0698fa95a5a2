"""What people see: text, tables and progress bars. A pipe gets neither colours nor line breaks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console


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
def progress(title: str, total: int) -> Iterator[Callable[[int, int], None]]:
    """A bar with count, rate and time left, moved by calling it with (done, total)."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as TimeLeft

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeLeft(),
    )
    screen = console(sys.stderr)
    with Progress(*columns, console=screen, disable=not screen.is_terminal) as bar:
        job = bar.add_task(title, total=total, rate="")

        def move(done: int, of: int) -> None:
            speed = bar.tasks[0].speed
            bar.update(job, completed=done, total=of, rate=f"{speed:.0f}/s" if speed else "")

        yield move
