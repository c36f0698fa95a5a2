"""Things that declarations name, so that listing them imports nothing heavy."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .errors import PluginError, suggest


def load(name: str) -> Any:
    """What ``package.module:name`` names; PluginError if the module lacks it."""
    module, _, attribute = name.partition(":")
    found = import_module(module)
    if not hasattr(found, attribute):
        raise PluginError(f"{module} has no {attribute!r}{suggest(attribute, dir(found))}")
    return getattr(found, attribute)
