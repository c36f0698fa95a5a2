"""YAML as recipes use it, and where every value was written: the only door to PyYAML.

Numbers and booleans are those of YAML 1.2: ``1e-4`` is a number, ``no``, ``12:30`` and ``017`` are
text. A key stands once in its mapping. Nothing is ever executed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from attrs import frozen

from .errors import RecipeError

Steps = tuple[str, ...]  # where a value stands: ("stages", "mae", "epochs")

_RULES = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(0|[1-9]\d*)", list("-+0123456789")),
    ("float", r"[-+]?(\.\d+|(0|[1-9]\d*)(\.\d*)?)([eE][-+]?\d+)?", list("-+.0123456789")),
)


class _Loader(yaml.SafeLoader):
    """The safe loader with the scalars of YAML 1.2."""


class _Dumper(yaml.SafeDumper):
    """Writes what `_Loader` reads back alike; no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


for _class in (_Loader, _Dumper):
    _class.yaml_implicit_resolvers = {}
    for _tag, _rule, _first in _RULES:
        _class.add_implicit_resolver(
            f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_rule})$"), _first
        )

_Dumper.add_representer(
    list, lambda dumper, v: dumper.represent_sequence("tag:yaml.org,2002:seq", v, flow_style=True)
)
# Quoted with escapes where plain text would not survive: PyYAML folds some line ends otherwise.
_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style=None if text.isprintable() else '"'
    ),
)

_SCALARS = {f"tag:yaml.org,2002:{tag}" for tag in ("null", "bool", "int", "float", "str")}
_COLLECTIONS = {f"tag:yaml.org,2002:{tag}" for tag in ("map", "seq")}


@frozen
class Place:
    """Where a value was written: the file and line, or the command line; and under which name."""

    source: str
    line: int
    steps: Steps

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" if self.line else self.source

    @property
    def order(self) -> tuple[bool, str, int]:
        """Sorts places by file and line, the command line last."""
        return not self.line, self.source, self.line


@frozen
class Tree:
    """Plain values and, for each step into them, the place it was written."""

    values: Any
    places: Mapping[Steps, Place]

    def place(self, steps: Steps) -> Place:
        """Where the value at `steps` is written, or the nearest one around it."""
        for n in range(len(steps), -1, -1):
            if known := self.places.get(steps[:n]):
                return Place(known.source, known.line, known.steps + steps[n:])
        return Place("recipe", 0, steps)

    def get(self, *steps: str) -> Any:
        """The value at `steps`; None if there is none."""
        value = self.values
        for step in steps:
            value = value.get(step) if isinstance(value, dict) else None
        return value

    def at(self, *steps: str) -> Tree:
        """The part at `steps`, which still knows where it was written."""
        n = len(steps)
        places = {s[n:]: p for s, p in self.places.items() if s[:n] == steps}
        return Tree(self.get(*steps), places)

    def under(self, *steps: str) -> Tree:
        """This tree as the value at `steps` of a larger one."""
        values = self.values
        for step in reversed(steps):
            values = {step: values}
        return Tree(values, {steps + s: p for s, p in self.places.items()})

    def without(self, *keys: str) -> Tree:
        """This mapping without `keys`."""
        return Tree(
            {k: v for k, v in self.values.items() if k not in keys},
            {s: p for s, p in self.places.items() if not s or s[0] not in keys},
        )

    def over(self, base: Tree) -> Tree:
        """This tree laid on `base`: mappings merge key by key, anything else replaces."""
        gone = _replaced(base.values, self.values, ())
        kept = {s: p for s, p in base.places.items() if not any(s[: len(g)] == g for g in gone)}
        return Tree(_lay(base.values, self.values), {**kept, **self.places})


def _lay(base: Any, over: Any) -> Any:
    if isinstance(base, dict) and isinstance(over, dict):
        return base | {k: _lay(base.get(k), v) for k, v in over.items()}
    return over


def _replaced(base: Any, over: Any, steps: Steps) -> list[Steps]:
    if isinstance(base, dict) and isinstance(over, dict):
        both = [k for k in over if k in base]
        return [g for k in both for g in _replaced(base[k], over[k], (*steps, k))]
    return [steps]


def read(file: Path) -> Tree:
    """The mapping in `file`; RecipeError with file and line if it is not one."""
    try:
        node = yaml.compose(file.read_text(encoding="utf-8"), _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise RecipeError(f"{file}{line}: not YAML: {error.problem or error.context}") from error
    except OSError as error:
        raise RecipeError(f"{file}: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise RecipeError(f"{file}: not YAML: it is not plain text") from error
    if not isinstance(node, yaml.MappingNode):
        raise RecipeError(f"{file}: a recipe is a mapping of keys to values")
    return _tree(node, str(file))


def parse(text: str, source: str) -> Any:
    """The value that `text` is in YAML; RecipeError naming `source` if it is not one."""
    try:
        node = yaml.compose(text, _Loader)
    except yaml.YAMLError as error:
        raise RecipeError(f"{source}: {text!r} is not a YAML value") from error
    return None if node is None else _tree(node, source, numbered=False).values


def dump(values: Mapping[str, Any]) -> str:
    """YAML text that `read` gives back alike."""
    text: str = yaml.dump(
        dict(values), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100
    )
    return text


def _tree(node: yaml.Node, source: str, numbered: bool = True) -> Tree:
    walk = _Walk(source, numbered)
    places: dict[Steps, Place] = {}
    values = walk.value(node, (), places)
    places[()] = Place(source, 1 if numbered else 0, ())
    if walk.faults:
        raise RecipeError("\n".join(walk.faults))
    return Tree(values, places)


class _Walk:
    """One pass over the nodes of a file: their values, their places and what is wrong."""

    def __init__(self, source: str, numbered: bool) -> None:
        self.source = source
        self.numbered = numbered
        self.faults: list[str] = []
        self._scalar = _Loader("")
        self._open: list[yaml.Node] = []

    def value(self, node: yaml.Node, steps: Steps, places: dict[Steps, Place]) -> Any:
        if any(node is outer for outer in self._open):
            return self._fault(node, steps, "a value cannot hold itself")
        self._open.append(node)
        try:
            if isinstance(node, yaml.ScalarNode) and node.tag in _SCALARS:
                return self._number(node)
            if node.tag not in _COLLECTIONS:
                return self._fault(node, steps, f"the tag {node.tag!r} is not used in recipes")
            if isinstance(node, yaml.SequenceNode):
                return self._list(node, steps, places)
            return self._mapping(node, steps, places)
        finally:
            self._open.pop()

    def _number(self, node: yaml.ScalarNode) -> Any:
        kind, text = node.tag.rpartition(":")[2], str(node.value)
        if kind in ("int", "float"):
            return int(text) if kind == "int" else float(text)
        return self._scalar.construct_object(node)

    def _list(self, node: yaml.SequenceNode, steps: Steps, places: dict[Steps, Place]) -> list[Any]:
        values = []
        for i, item in enumerate(node.value):
            here = (*steps, str(i))
            places[here] = self._place(item, here)
            values.append(self.value(item, here, places))
        return values

    def _mapping(self, node: yaml.Node, steps: Steps, places: dict[Steps, Place]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, item in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._fault(key, steps, "a key must be a word")
                continue
            here = (*steps, str(key.value))
            if key.value in values:
                self._fault(key, here, "key written twice")
            places[here] = self._place(key, here)
            values[key.value] = self.value(item, here, places)
        return values

    def _place(self, node: yaml.Node, steps: Steps) -> Place:
        return Place(self.source, node.start_mark.line + 1 if self.numbered else 0, steps)

    def _fault(self, node: yaml.Node, steps: Steps, message: str) -> None:
        self.faults.append(f"{self._place(node, steps)}: {'.'.join(steps) or 'recipe'}: {message}")
