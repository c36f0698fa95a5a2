"""The hooks a plugin may implement. There are four, none takes an argument."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pluggy

from .detector import Detector
from .task import StreamKind, TaskKind

hookspec = pluggy.HookspecMarker("intarsia")
hookimpl = pluggy.HookimplMarker("intarsia")


@hookspec
def intarsia_detectors() -> Iterable[Detector]:  # type: ignore[empty-body]
    """Detectors this plugin adds."""


@hookspec
def intarsia_tasks() -> Iterable[TaskKind]:  # type: ignore[empty-body]
    """Kinds of task (objective and head) this plugin adds."""


@hookspec
def intarsia_streams() -> Iterable[StreamKind]:  # type: ignore[empty-body]
    """Kinds of stream this plugin adds: a declaration class and its tokeniser."""


@hookspec
def intarsia_recipes() -> Iterable[Path]:  # type: ignore[empty-body]
    """Folders of YAML recipes this plugin ships."""
