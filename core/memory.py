"""Memory that was freed, and to whom it belongs then."""

from __future__ import annotations

import ctypes
import sys


def give_back() -> None:
    """Give freed memory back to the system, where the C library is one that can (glibc).

    To be called before processes are forked: each would keep a copy of what training leaves free.
    """
    if sys.platform == "linux":
        getattr(ctypes.CDLL(None), "malloc_trim", lambda _: 0)(0)
