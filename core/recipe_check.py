"""Whether a recipe makes sense: its detector, its stages, what its tasks need.

Works on plain values, which need not be right in form, so that faults of form and of meaning are
reported together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from math import inf
from typing import Any

from attrs import evolve, fields

from .detector import Detector, alike
from .errors import KINDS, DeclarationError, EventError, IntarsiaError, PluginError, spell, suggest
from .faults import Fault
from .manifest import find_manifest, read_manifest
from .plugins import Registry
from .recipe import Instance, Model
from .task import Needs, Reading, View
from .yaml import Steps

Instances = Mapping[str, Mapping[str, Instance]]  # stage: task: instance

_STAGE = re.compile(r"[\w-]+(/[\w-]+(@[1-9]\d*)?)?")


def check(values: Mapping[str, Any], instances: Instances, registry: Registry) -> Iterator[Fault]:
    """Every fault of meaning of a recipe's plain `values`; what is wrong in form is passed over."""
    detector = None
    name = values.get("detector")
    if isinstance(name, str):
        try:
            detector = registry.detector(name)
        except PluginError as error:
            yield ("detector",), str(error)
    yield from _stages(values.get("stages"))
    yield from _sizes(values.get("model"))
    if detector:
        yield from _options(values.get("data"), detector)
        yield from _grids(_depths(values.get("model")), detector, ("model", "depths"))
        yield from _augment(values.get("stages"), detector)
        yield from _transfers(values.get("stages"), detector)
        yield from _needs(instances, detector, registry)
        yield from _seen_from(instances, detector, registry)
        yield from _published(values.get("published"), instances, detector, registry)
    yield from _manifest(values.get("data"), registry)


def _stages(stages: Any) -> Iterator[Fault]:
    if not isinstance(stages, dict):
        return
    if not stages:
        yield ("stages",), "there is none"
    earlier: list[str] = []
    for name, stage in stages.items():
        if not _STAGE.fullmatch(name):
            yield ("stages", name), "a stage is named with letters, digits, '_' and '-'"
        if isinstance(stage, dict):
            if _no_tasks(stage) and ("tasks" in stage or not suggest("tasks", stage)):
                yield ("stages", name), "has no tasks"
            if stage.get("start") is not None and stage.get("transfer") is not None:
                yield ("stages", name, "transfer"), "a stage has either a start or a transfer"
            if stage.get("budgets") and "/" not in name:
                yield ("stages", name, "budgets"), "only a stage with starts has budgets of labels"
            start = stage.get("start")
            if isinstance(start, str) and start not in earlier:
                yield ("stages", name, "start"), _no_start(start, earlier, stages)
        earlier.append(name)


def _no_tasks(stage: Mapping[str, Any]) -> bool:
    tasks = stage.get("tasks", {})
    return isinstance(tasks, dict) and all(task is False for task in tasks.values())


def _no_start(start: str, earlier: list[str], stages: Mapping[str, Any]) -> str:
    if start in stages:
        return f"stage {start!r} does not come earlier (stages run as written)"
    known = ", ".join(earlier) or "none"
    return f"there is no stage {start!r}{suggest(start, earlier)} (earlier stages: {known})"


def _options(data: Any, detector: Detector) -> Iterator[Fault]:
    options = data.get("options") if isinstance(data, dict) else None
    if not isinstance(options, dict) or not options:
        return
    if detector.simulation is None:
        yield ("data", "options"), f"{detector.name} has no simulation that could take options"
        return
    known = detector.simulation.options
    for name, value in options.items():
        steps = ("data", "options", name)
        if name not in known:
            yield (
                steps,
                (
                    f"the simulation of {detector.name} has no option {name!r}{suggest(name, known)} "
                    f"(it has: {', '.join(known) or 'none'})"
                ),
            )
        elif not alike(value, known[name]):
            yield steps, f"must be {KINDS[type(known[name])]}, not {spell(value)}"


def _manifest(data: Any, registry: Registry) -> Iterator[Fault]:
    name = data.get("manifest") if isinstance(data, dict) else None
    if not isinstance(name, str):
        return
    if not data.get("files"):
        said = (
            "splits the events of data.files; those that are simulated go by the hash of their key"
        )
        yield ("data", "manifest"), said
    try:
        read_manifest(find_manifest(name, registry.recipes))
    except EventError as error:
        yield ("data", "manifest"), str(error)


def _sizes(model: Any) -> Iterator[Fault]:
    """The one rule between two keys of the model, which Model itself checks when all are right."""
    sizes: dict[str, Any] = {k: getattr(fields(Model), k).default for k in ("dim", "heads")}
    sizes |= {k: v for k, v in model.items() if k in sizes} if isinstance(model, dict) else {}
    if all(type(v) is int and v > 0 for v in sizes.values()):
        try:
            Model(**sizes)
        except ValueError as error:
            yield ("model", "dim"), str(error)


def _depths(model: Any) -> Any:
    return model.get("depths") if isinstance(model, dict) else None


def _transfers(stages: Any, detector: Detector) -> Iterator[Fault]:
    for stage, settings in stages.items() if isinstance(stages, dict) else ():
        transfer = settings.get("transfer") if isinstance(settings, dict) else None
        streams = transfer.get("streams") if isinstance(transfer, dict) else None
        steps = ("stages", stage, "transfer", "streams")
        yield from _grids(streams, detector, steps)


def _grids(named: Any, detector: Detector, steps: Steps) -> Iterator[Fault]:
    """A fault for every key of `named` that is no voxel stream of `detector`."""
    grids = list(detector.grids)
    for name in named if isinstance(named, dict) else ():
        if name not in grids:
            has = ", ".join(grids) or "none"
            said = f"{detector.name} has no voxel stream {name!r}{suggest(name, grids)}"
            yield (*steps, name), f"{said} (it has: {has})"


def _augment(stages: Any, detector: Detector) -> Iterator[Fault]:
    known = {a.kind: a for a in detector.augmentations}
    for stage, settings in stages.items() if isinstance(stages, dict) else ():
        asked = settings.get("augment") if isinstance(settings, dict) else None
        for kind, size in asked.items() if isinstance(asked, dict) else ():
            steps = ("stages", stage, "augment", kind)
            if kind not in known:
                has = ", ".join(known) or "none"
                yield (
                    steps,
                    (
                        f"{detector.name} declares no augmentation {kind!r}{suggest(kind, known)} "
                        f"(it has: {has})"
                    ),
                )
            elif type(size) in (int, float) and not 0 <= size < inf:
                yield steps, f"must be a size of at least 0, not {size:g}"
            elif type(size) in (int, float):
                try:
                    evolve(known[kind], size=size)
                except DeclarationError as error:
                    yield steps, str(error).removeprefix(f"{kind}: ")


def _needs(instances: Instances, detector: Detector, registry: Registry) -> Iterator[Fault]:
    for stage, tasks in instances.items():
        for name, instance in tasks.items():
            steps = ("stages", stage, "tasks", name)
            try:
                needs = registry.task(instance.kind).needs(instance.options, detector)
            except IntarsiaError as error:
                yield steps, f"task {name!r}: {error}"
                continue
            reading = isinstance(instance.options, Reading) and instance.options.head
            if reading == "hits" and not detector.grids:
                yield (*steps, "head"), f"{detector.name} has no voxels for the head 'hits'"
            for missing in _missing(needs, detector):
                yield steps, f"task {name!r} needs {missing}"


def _seen_from(instances: Instances, detector: Detector, registry: Registry) -> Iterator[Fault]:
    """A fault for every task that cannot look from where it is told to."""
    for stage, tasks in instances.items():
        for name, instance in tasks.items():
            options = instance.options
            if isinstance(options, Reading) and options.seen_from:
                steps = ("stages", stage, "tasks", name, "seen_from")
                if said := _no_place(options, options.seen_from, tasks, detector, registry):
                    yield steps, said


def _no_place(
    options: Reading,
    name: str,
    tasks: Mapping[str, Instance],
    detector: Detector,
    registry: Registry,
) -> str:
    """Why a task with `options` cannot look from the place that task `name` finds, or ``""``."""
    if options.head != "hits":
        return f"goes with the head 'hits', not {options.head!r}"
    if name not in tasks:
        return f"the stage has no task {name!r}{suggest(name, tasks)} (it has: {', '.join(tasks)})"
    found = tasks[name].options
    if not registry.task(tasks[name].kind).finds_place(found, detector):
        return f"task {name!r} finds no place in {detector.name}"
    if getattr(found, "seen_from", None):
        return f"task {name!r} looks from a place itself"
    if getattr(found, "view", View()) != options.view:
        return f"task {name!r} has another view of the events"
    return ""


def _missing(needs: Needs, detector: Detector) -> Iterator[str]:
    """What `needs` asks for and `detector` does not have."""
    streams = {s.name: s for s in detector.streams}
    for wanted in needs.labels:
        stream, _, label = wanted.rpartition(".")
        if stream not in streams:
            known = ", ".join(streams)
            yield f"stream {stream!r}{suggest(stream, streams)}; {detector.name} has: {known}"
            continue
        labels = [x.name for x in streams[stream].labels]
        if label not in labels:
            known = ", ".join(labels) or "none"
            yield f"label {label!r} of stream {stream!r}; {detector.name} has: {known}"
    truth = [t.name for t in detector.truth]
    for wanted in needs.truth:
        if wanted not in truth:
            yield f"event truth {wanted!r}; {detector.name} has: {', '.join(truth) or 'none'}"


def _published(
    published: Any, instances: Instances, detector: Detector, registry: Registry
) -> Iterator[Fault]:
    """A fault for every task of `published` that no stage has, and confusion of other classes."""
    tasks = {name: task for stage in instances.values() for name, task in stage.items()}
    for name, given in published.items() if isinstance(published, dict) else ():
        if name not in tasks:
            has = ", ".join(tasks) or "none"
            yield (
                ("published", name),
                f"no stage has this task{suggest(name, tasks)} (it has: {has})",
            )
            continue
        try:
            named = registry.task(tasks[name].kind).needs(tasks[name].options, detector).truth
        except IntarsiaError:  # told of the task itself
            continue
        n = next((len(t.classes) for t in detector.truth if t.name in named), 0)
        confusion = given.get("confusion") if isinstance(given, dict) else None
        for method, rows in confusion.items() if isinstance(confusion, dict) else ():
            sizes = (
                [len(r) if isinstance(r, list) else 0 for r in rows]
                if isinstance(rows, list)
                else []
            )
            if sizes != [n] * n:
                steps = ("published", name, "confusion", method)
                yield steps, f"must be {n} rows of {n} shares, as task {name!r} has classes"
