"""Ctrl-C that is never lost, and SIGTERM, which means the same."""

from __future__ import annotations

import signal
import sys
from _thread import interrupt_main
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer, current_thread, main_thread
from typing import Any

from intarsia.core.signals import ENDING

AGAIN = 0.02  # s; by then Python has left the code whose errors it ignores


@contextmanager
def never_lost() -> Iterator[None]:
    """An interrupt that strikes where Python ignores errors strikes again, until it is heard.

    Such places are callbacks of weak references, `__del__`, callbacks of C libraries (HDF5's too) and
    what runs around a fork: there `KeyboardInterrupt` would only be printed, and the work go on.
    """
    before, timers = sys.unraisablehook, list[Timer]()

    def hook(ignored: Any) -> None:
        if not isinstance(ignored.exc_value, KeyboardInterrupt):
            before(ignored)
            return
        for earlier in timers:
            earlier.cancel()
        timers[:] = [Timer(AGAIN, _strike)]
        timers[0].daemon = True
        timers[0].start()

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before
        for timer in timers:
            timer.cancel()


@contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """SIGTERM, with which batch systems end a job, does what Ctrl-C does."""
    if current_thread() is not main_thread():  # signals are none of its business
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _strike() -> None:
    """Send the main thread, which may be waiting by now, the signal that interrupts it at this moment."""
    for number in ENDING:
        if callable(signal.getsignal(number)):
            if sys.platform == "win32":  # where no signal can be sent to a thread
                interrupt_main(number)
            else:
                signal.pthread_kill(main_thread().ident or 0, number)
            return
