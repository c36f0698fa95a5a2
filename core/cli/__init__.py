"""The command line; the only door to typer and rich."""

from __future__ import annotations


def main() -> int:
    """Run the command line."""
    return 0
