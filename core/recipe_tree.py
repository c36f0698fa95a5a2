"""From a recipe's files to one tree of values: extends, scales, overrides and starts.

Every value keeps the place where it was written.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .errors import RecipeError, suggest
from .plugins import Registry
from .yaml import Place, Steps, Tree, parse, read

OWN_KEYS = ("extends", "scales")  # of a recipe's file; used up before a Recipe is made


def find(name: str | Path, registry: Registry) -> Path:
    """The file of a recipe: the path itself, or a name or path among the installed recipes."""
    path = Path(name)
    if path.is_file():
        return path
    if not path.is_absolute() and ".." not in path.parts:
        # recipes/x.yaml means the installed one where there is no such folder
        inside = Path(*path.parts[1:]) if path.parts[:1] == ("recipes",) else path
        places = [folder / inside for folder in registry.recipes]
        files = [f for p in places for f in (p, p.with_name(f"{p.name}.yaml")) if f.is_file()]
        if len(files) > 1:
            raise RecipeError(f"{name}: which one? {' or '.join(map(str, files))}")
        if files:
            return files[0]
    known = registry.names("recipes")
    near = suggest(path.stem, known)
    raise RecipeError(
        f"there is no recipe {str(name)!r}{near} "
        f"(no such file here; installed: {', '.join(known) or 'none'})"
    )


def written(file: Path, registry: Registry) -> Tree:
    """What stands in `file` and in the recipes it extends."""
    return _extended(file, registry, ())


def scales(tree: Tree) -> tuple[str, ...]:
    """Names of the scales of a recipe as `written`."""
    found = tree.get("scales")
    return tuple(found) if isinstance(found, dict) else ()


def assembled(tree: Tree, scale: str | None, overrides: Sequence[str]) -> Tree:
    """The recipe as `written`, at `scale`, with `overrides`, the latest winning, and its starts."""
    _check_scales(tree)
    base = tree.without(*OWN_KEYS)
    if scale is not None:
        known = scales(tree)
        if scale not in known:
            raise RecipeError(
                f"{tree.place(()).source}: there is no scale {scale!r}{suggest(scale, known)} "
                f"(it has: {', '.join(known) or 'none'})"
            )
        base = tree.at("scales", scale).over(base)
    return _starts(_overridden(base, overrides))


def _extended(file: Path, registry: Registry, seen: tuple[Path, ...]) -> Tree:
    chain = (*seen, file.resolve())
    tree = read(file)
    base = tree.get("extends")
    if base is None:
        return tree
    at = f"{tree.place(('extends',))}: extends"
    if not isinstance(base, str):
        raise RecipeError(f"{at}: must be the name of a file, not {base!r}")
    beside = file.parent / base
    if not beside.is_file():
        try:
            beside = find(base, registry)
        except RecipeError:
            near = suggest(base, [f.name for f in sorted(file.parent.glob("*.yaml"))])
            raise RecipeError(f"{at}: there is no file {str(beside)!r}{near}") from None
    if beside.resolve() in chain:
        circle = " -> ".join(f.name for f in (*chain, beside))
        raise RecipeError(f"{at}: goes round in a circle: {circle}")
    return tree.without("extends").over(_extended(beside, registry, chain))


def _check_scales(tree: Tree) -> None:
    found = tree.get("scales")
    if found is None:
        return
    if not isinstance(found, dict):
        raise RecipeError(f"{tree.place(('scales',))}: scales: must be a mapping of names")
    for name, values in found.items():
        if not isinstance(values, dict):
            at = ("scales", name)
            raise RecipeError(f"{tree.place(at)}: {'.'.join(at)}: must be a mapping of changes")


def _overridden(tree: Tree, overrides: Sequence[str]) -> Tree:
    faults = []
    for text in overrides:
        try:
            tree = _override(tree, text)
        except RecipeError as error:
            faults.append(str(error))
    if faults:
        raise RecipeError("\n".join(faults))
    return tree


def _override(tree: Tree, text: str) -> Tree:
    source = f"command line, {text}"
    key, equals, value = text.partition("=")
    steps = tuple(key.split("."))
    if not equals or not all(steps):
        raise RecipeError(f"command line: {text!r} is not key=value or key.sub=value")
    new = Tree(parse(value, source), {(): Place(source, 0, steps)})
    into = _to_start(steps, tree, source)
    merged = new.under(*into).over(tree)
    around = {into[:n]: Place(source, 0, into[:n]) for n in range(1, len(into))}  # if they are new
    return Tree(merged.values, {**around, **merged.places})


def _to_start(steps: Steps, tree: Tree, source: str) -> Steps:
    """`steps`, with ``stages.X/name`` as the start that this stage will come from."""
    stages = tree.get("stages")
    if len(steps) < 2 or steps[0] != "stages" or not isinstance(stages, dict):
        return steps
    stage, _, start = steps[1].partition("/")
    if start and start in (_mapping(tree.get("stages", stage, "starts")) or ()):
        return ("stages", stage, "starts", start, *steps[2:])
    if steps[1] not in stages:
        names = [n for s in stages for n in (s, *_names(tree, s))]
        raise RecipeError(
            f"{source}: stages: there is no stage {steps[1]!r}{suggest(steps[1], names)} "
            f"(there are: {', '.join(names)})"
        )
    return steps


def _names(tree: Tree, stage: str) -> list[str]:
    starts = _mapping(tree.get("stages", stage, "starts")) or {}
    return [f"{stage}/{n}" for n, own in starts.items() if own is not False]


def _mapping(value: Any) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None


def _starts(tree: Tree) -> Tree:
    """Each stage with starts replaced, in its place, by one for every start and each of its budgets."""
    stages = tree.get("stages")
    if not isinstance(stages, dict) or not any(_names(tree, s) for s in stages):
        return tree
    new = Tree({}, {(): tree.place(("stages",))})
    for stage in stages:
        shared = tree.at("stages", stage)
        if not (names := _names(tree, stage)):
            new = shared.under(stage).over(new)
            continue
        for name in names:
            start = name.removeprefix(f"{stage}/")
            own = tree.at("stages", stage, "starts", start)
            if own.values is None:
                own = Tree({}, own.places)
            base = shared.without("starts")
            if name in stages:
                raise RecipeError(f"{tree.place(('stages', name))}: stages.{name}: there twice")
            new = _budgets(name, own.over(base)).over(new)
    return new.under("stages").over(_emptied(tree))


def _budgets(name: str, stage: Tree) -> Tree:
    """A start, and one more for each of its budgets; what is no list of numbers is left to be refused."""
    budgets, at = stage.get("budgets"), stage.place(("budgets",))
    if not isinstance(budgets, list) or not all(type(n) is int and n > 0 for n in budgets):
        return stage.under(name)
    alone = stage.without("budgets")
    new = alone.under(name)
    for i, labels in enumerate(budgets):
        if labels in (*budgets[:i], stage.get("labels")):
            raise RecipeError(f"{at}: {'.'.join(at.steps)}: {labels} labels are there twice")
        one = Tree({"labels": labels}, {("labels",): at})
        new = one.over(alone).under(f"{name}@{labels}").over(new)
    return new


def _emptied(tree: Tree) -> Tree:
    """`tree` with no stage, its other keys in their order."""
    places = {s: p for s, p in tree.places.items() if s[:1] != ("stages",) or len(s) == 1}
    return Tree({**tree.values, "stages": {}}, places)
