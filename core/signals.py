"""Signals that end a job: Ctrl-C, and SIGTERM, with which batch systems do so."""

from __future__ import annotations

from signal import SIG_DFL, SIG_IGN, SIGINT, SIGTERM, signal
from typing import Any

ENDING = (SIGINT, SIGTERM)


def leave_to_parent(*_: Any) -> None:
    """In a worker process: leave these signals to the parent, which ends its workers in order.

    The whole group of processes gets them, from a terminal or a batch system. SIGTERM ends the worker
    only when it comes again, as from `Process.terminate`. Takes, and does not need, a worker's number.
    """
    signal(SIGINT, SIG_IGN)
    signal(SIGTERM, lambda *_: signal(SIGTERM, SIG_DFL))
