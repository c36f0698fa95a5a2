"""Recipes from YAML and back. Every fault at once, as ``file:line: path: what is wrong``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from .errors import PluginError, RecipeError, spell
from .faults import Fault, key_of
from .plugins import Registry
from .recipe import Instance, Recipe
from .recipe_check import check
from .recipe_tree import OWN_KEYS, assembled, find, scales, written
from .structure import structure
from .yaml import Place, Tree
from .yaml import dump as to_yaml

_Line = tuple[tuple[bool, str, int], str]  # sorts the line; the line


def load(
    name: str | Path, registry: Registry, overrides: Sequence[str] = (), scale: str | None = None
) -> Recipe:
    """The recipe in a file, or an installed one by name; RecipeError listing every fault.

    scale: the named changes of the recipe laid over it. overrides: ``key.sub=value``, laid over
    all; of the same key the last counts.
    """
    tree = written(find(name, registry), registry)
    return _whole(assembled(tree, scale, overrides), registry)


def load_every(
    name: str | Path, registry: Registry, overrides: Sequence[str] = ()
) -> dict[str, Recipe]:
    """The recipe as it stands, under "", and at each of its scales; RecipeError for any fault."""
    tree = written(find(name, registry), registry)
    recipes: dict[str, Recipe] = {}
    lines: list[_Line] = []
    for scale in (None, *scales(tree)):
        recipe, found = _made(assembled(tree, scale, overrides), registry)
        lines += found
        if recipe:
            recipes[scale or ""] = recipe
    _refuse(lines)
    return recipes


def restore(values: Mapping[str, Any], registry: Registry, source: str = "recipe") -> Recipe:
    """The recipe that `dump` made `values` of, e.g. of a checkpoint's card; RecipeError if not."""
    return _whole(Tree(dict(values), {(): Place(source, 0, ())}), registry)


def dump(recipe: Recipe) -> dict[str, Any]:
    """`recipe` as plain JSON values, nothing left to defaults; `restore` gives it back."""
    values: dict[str, Any] = _plain(recipe)
    for stage in values["stages"].values():
        del stage["starts"], stage["budgets"]  # each is a stage by now
    return values


def dump_yaml(recipe: Recipe) -> str:
    """`recipe` as the text of a file that `load` gives back alike."""
    return to_yaml(dump(recipe))


def _plain(value: Any) -> Any:
    if isinstance(value, Instance):
        return {"kind": value.kind, **_plain(value.options)}
    if attrs.has(type(value)):
        return {key_of(f): _plain(getattr(value, f.name)) for f in attrs.fields(type(value))}
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value


def _whole(tree: Tree, registry: Registry) -> Recipe:
    recipe, lines = _made(tree, registry)
    _refuse(lines)
    assert recipe is not None  # noqa: S101  (it is None only with faults)
    return recipe


def _refuse(lines: Sequence[_Line]) -> None:
    if lines:
        ordered = sorted(lines, key=lambda line: line[0])
        raise RecipeError("\n".join(dict.fromkeys(text for _, text in ordered)))


def _made(tree: Tree, registry: Registry) -> tuple[Recipe | None, list[_Line]]:
    """The recipe of a tree, or None and a line for every fault."""
    instances: dict[str, dict[str, Instance]] = {}
    recipe, faults = structure(tree.values, Recipe, also=OWN_KEYS)
    stages = tree.get("stages")
    for stage in stages if isinstance(stages, dict) else ():
        instances[stage], found = _tasks(tree, stage, registry)
        faults += found
    faults += check(tree.values, instances, registry)
    if faults:
        return None, [_line(steps, message, tree) for steps, message in faults]
    stages = {k: attrs.evolve(s, tasks=instances[k]) for k, s in recipe.stages.items()}
    return attrs.evolve(recipe, stages=stages), []


def _line(steps: tuple[str, ...], message: str, tree: Tree) -> _Line:
    place = tree.place(steps)
    return place.order, f"{place}: {'.'.join(place.steps) or 'recipe'}: {message}"


def _tasks(tree: Tree, stage: str, registry: Registry) -> tuple[dict[str, Instance], list[Fault]]:
    made: dict[str, Instance] = {}
    faults: list[Fault] = []
    tasks = tree.get("stages", stage, "tasks")
    for name, values in tasks.items() if isinstance(tasks, dict) else ():
        if values is False:  # switched off
            continue
        instance, found = _instance(name, values, ("stages", stage, "tasks", name), registry)
        faults += found
        if instance:
            made[name] = instance
    return made, faults


def _instance(
    name: str, values: Any, steps: tuple[str, ...], registry: Registry
) -> tuple[Instance | None, list[Fault]]:
    values = {} if values is None else values
    if not isinstance(values, dict):
        return None, [(steps, f"must be a mapping, not {spell(values)}")]
    kind = values.get("kind", name)
    try:
        options = registry.task(kind).options
    except PluginError as error:
        return None, [((*steps, "kind") if "kind" in values else steps, str(error))]
    plain = {k: v for k, v in values.items() if k != "kind"}
    made, faults = structure(plain, options, steps, also=("kind",))
    return (None, faults) if faults else (Instance(kind=kind, options=made), [])
