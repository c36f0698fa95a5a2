"""Figures, numbers and the HTML page of a run; the only door to matplotlib."""

from __future__ import annotations

from pathlib import Path


def write(out: Path) -> Path:
    """Make ``metrics.json``, ``figures/`` and ``report.html`` of the run folder `out`; gives the page.

    From what lies in the folder alone; what is missing is left out and said so. RunError if `out`
    is not the folder of a run.
    """
    from .page import page  # matplotlib takes a while to load

    return page(out)
