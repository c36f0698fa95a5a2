"""The command line; the only door to typer and rich."""

from __future__ import annotations

from .app import main

__all__ = ["main"]
