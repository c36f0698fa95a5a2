"""Finding plugins, and saying exactly which one is at fault when one is.

Three ways in, one registry: a module or folder in ``detectors/`` or ``tasks/``, an installed
package with an entry point in the group ``intarsia``, a file named on the command line. Adding a
plugin that is wrong in any way leaves the registry as it was.
"""

from __future__ import annotations

import importlib
import logging
import pkgutil
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args

import pluggy
from attrs import define, field, fields, frozen, has, resolve_types

import intarsia

from . import hookspecs
from .detector import Detector
from .errors import IntarsiaError, PluginError, suggest
from .plugin_file import import_file, raised
from .task import StreamKind, TaskKind, View

Kind = Literal["detectors", "tasks", "streams", "recipes"]

KINDS: tuple[Kind, ...] = get_args(Kind)
RETURNS: Mapping[str, type] = {
    "intarsia_detectors": Detector,
    "intarsia_tasks": TaskKind,
    "intarsia_streams": StreamKind,
    "intarsia_recipes": Path,
}

_log = logging.getLogger("intarsia")


@frozen
class Source:
    """Where a plugin comes from: the distribution and its version (none for a file), the place."""

    place: str
    distribution: str = ""
    version: str = ""

    def __str__(self) -> str:
        whose = f"{self.distribution} {self.version}".strip()
        return f"{whose}, {self.place}" if whose else self.place


@frozen
class Broken:
    """An installed plugin that could not be used, and why."""

    source: Source
    reason: str

    def __str__(self) -> str:
        return f"{self.source}: {self.reason}"


@frozen
class Registered:
    """A thing a plugin returned, and where that plugin comes from."""

    value: Any
    source: Source


@define
class Registry:
    """All detectors, tasks, stream kinds and recipe folders of an installation.

    broken: installed plugins that were left out. They are quoted when a name is not found.
    """

    broken: list[Broken] = field(factory=list)
    _sources: dict[str, Source] = field(factory=dict)
    _found: dict[str, dict[str, Registered]] = field(factory=lambda: {k: {} for k in KINDS})

    @property
    def sources(self) -> Mapping[str, Source]:
        """Every plugin that is in use, by its name."""
        return MappingProxyType(self._sources)

    @property
    def recipes(self) -> tuple[Path, ...]:
        """Folders of recipes, in the order they were added."""
        return tuple(r.value for r in self._found["recipes"].values())

    def add(self, plugin: object, name: str, source: Source) -> None:
        """Register all that `plugin` gives; PluginError, and nothing added, if any of it is wrong."""
        if name in self._sources:
            raise PluginError(
                f"plugin {name!r} is provided twice: by {self._sources[name]} and by {source}"
            )
        where = f"plugin {name!r} ({source})"
        new: dict[str, dict[str, Registered]] = {kind: {} for kind in KINDS}
        for hook, value in _values(plugin, name, where):
            kind = hook.removeprefix("intarsia_")
            key = str(value) if isinstance(value, Path) else value.name
            known = self._found[kind] | new[kind]
            if other := known.get(key) or _same_declaration(value, known):
                raise PluginError(
                    f"{where}: {hook}(): {key!r} is already provided by {other.source}"
                )
            new[kind][key] = Registered(value, source)
        self._sources[name] = source
        for kind, things in new.items():
            self._found[kind] |= things

    def load_built_in(self) -> None:
        """Register every module and folder of the project's own plugin packages, and its recipes."""
        for package in ("intarsia.detectors", "intarsia.tasks"):
            for info in pkgutil.iter_modules(importlib.import_module(package).__path__):
                if not info.name.startswith("_"):
                    place = f"{package}.{info.name}"
                    source = Source(place, "intarsia", intarsia.__version__)
                    self.add(importlib.import_module(place), info.name, source)
        folder = Path(intarsia.__file__).parent / "recipes"
        source = Source("intarsia.recipes", "intarsia", intarsia.__version__)
        self._found["recipes"][str(folder)] = Registered(folder, source)

    def load_installed(self) -> None:
        """Register the plugins of installed packages; one that fails is kept in `broken`."""
        found = [(point.dist, point) for point in entry_points(group="intarsia") if point.dist]
        for dist, point in sorted(found, key=lambda pair: pair[0].name.lower()):
            source = Source(f"entry point {point.value}", dist.name, dist.version)
            self._try(point.name, source, point.load)

    def load_file(self, path: Path) -> None:
        """Register the plugin in the Python file at `path`; PluginError if it fails."""
        with import_file(path) as module:
            self.add(module, path.stem, Source(str(path)))

    def _try(self, name: str, source: Source, load: Callable[[], object]) -> None:
        try:
            self.add(load(), name, source)
        # A stranger's package: whatever it raises, leaving Python included, must not stop us.
        except (Exception, SystemExit) as error:  # noqa: BLE001
            whole = str(error) if isinstance(error, IntarsiaError) else raised(error)
            reason = whole.removeprefix(f"plugin {name!r} ({source}): ")
            self.broken.append(Broken(source, reason))
            _log.warning("plugin %r is not loaded: %s: %s", name, source, reason.splitlines()[0])

    def names(self, kind: Kind) -> list[str]:
        """Names of everything of that kind, sorted: of recipes, those of the files."""
        if kind == "recipes":
            return sorted({f.stem for folder in self.recipes for f in folder.glob("*.yaml")})
        return sorted(self._found[kind])

    def source(self, kind: Kind, name: str) -> Source:
        """Where the thing of that kind and name comes from; PluginError if there is none."""
        return self._get(kind, name).source

    def detector(self, name: str) -> Detector:
        """The detector called `name`; PluginError with the nearest name if there is none."""
        found: Detector = self._get("detectors", name).value
        return found

    def task(self, name: str) -> TaskKind:
        """The kind of task called `name`; PluginError with the nearest name if there is none."""
        found: TaskKind = self._get("tasks", name).value
        return found

    def stream_kind(self, declaration: type) -> StreamKind:
        """The kind of stream declared by the class `declaration`; PluginError if there is none."""
        for known in self._found["streams"].values():
            if known.value.declaration is declaration:
                kind: StreamKind = known.value
                return kind
        raise PluginError(
            f"no plugin makes tokens of {declaration.__name__} streams{self._known('streams')}"
        )

    def _get(self, kind: Kind, name: str) -> Registered:
        try:
            return self._found[kind][name]
        except KeyError:
            near = suggest(name, self.names(kind))
            what = kind.removesuffix("s")
            raise PluginError(f"there is no {what} {name!r}{near}{self._known(kind)}") from None

    def _known(self, kind: Kind) -> str:
        known = ", ".join(self.names(kind)) or "none"
        return f" (registered: {known})" + "".join(f"\n  not loaded: {b}" for b in self.broken)


def _same_declaration(value: object, known: Mapping[str, Registered]) -> Registered | None:
    """The kind of stream in `known` whose declaration `value` would take over."""
    if isinstance(value, StreamKind):
        return next((k for k in known.values() if k.value.declaration is value.declaration), None)
    return None


def registry(plugins: Sequence[Path] = ()) -> Registry:
    """All that is found here: built in, installed, and in the files `plugins`."""
    found = Registry()
    found.load_built_in()
    found.load_installed()
    for path in plugins:
        found.load_file(path)
    return found


def _values(plugin: object, name: str, where: str) -> Iterator[tuple[str, Any]]:
    """(hook, value) of all that a plugin gives, checked one by one."""
    hooks = _hooks(plugin, name, where)
    for hook, function in hooks.items():
        try:
            values = list(function())
        # A plugin's own code: whatever it raises is reported as that plugin's fault.
        except Exception as error:
            line = raised(error, getattr(plugin, "__file__", None))
            raise PluginError(f"{where}: {hook}() raised {line}") from error
        for value in values:
            _fits(value, f"{where}: {hook}()", RETURNS[hook])
            yield hook, value


def _hooks(plugin: object, name: str, where: str) -> dict[str, Callable[[], Any]]:
    """The hooks a plugin implements, validated by a manager of its own: nothing is left behind."""
    manager = pluggy.PluginManager("intarsia")
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(plugin, name)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginError(f"{where}: {_explain(plugin, error)}") from error
    found = {h: i.function for h in RETURNS for i in getattr(manager.hook, h).get_hookimpls()}
    if not found:
        raise PluginError(f"{where}: {_unmarked(plugin)}")
    return found


def _explain(plugin: object, error: pluggy.PluginValidationError) -> str:
    ours = [n for n in dir(plugin) if hasattr(getattr(plugin, n), "intarsia_impl")]
    for unknown in (n for n in ours if n not in RETURNS):
        return f"there is no hook {unknown!r}{suggest(unknown, RETURNS)}"
    return re.sub(r"\s+", " ", str(error)).strip()


def _unmarked(plugin: object) -> str:
    for hook in RETURNS:
        if callable(getattr(plugin, hook, None)):
            return f"{hook} is not marked: put @hookimpl of intarsia.core.hookspecs above it"
    return f"it implements no hook (there are: {', '.join(RETURNS)})"


def _fits(value: object, where: str, kind: type) -> None:
    if not isinstance(value, kind):
        raise PluginError(
            f"{where} must return {kind.__name__} objects, not {type(value).__name__}"
        )
    if isinstance(value, Path) and not value.is_dir():
        raise PluginError(f"{where}: there is no folder {str(value)!r}")
    if isinstance(value, TaskKind) and (fault := _options_fault(value)):
        raise PluginError(f"{where}: options of task {value.name!r} {fault}")


def _options_fault(task: TaskKind) -> str:
    if not has(task.options):
        return "must be an attrs class"
    try:
        known = {f.name: f.type for f in fields(resolve_types(task.options))}
    except NameError as error:
        return f"have a type that cannot be found: {error}"
    if "kind" in known:
        return "must not have one called 'kind', which recipes use for the kind of task"
    if known.get("view", View) is not View:
        return "have a view that is not a View"
    return ""
