"""Who may import whom, which library has which door, and how long things may be."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("core", "detectors", "tasks")
FILES = sorted(f for folder in FOLDERS for f in (ROOT / folder).rglob("*.py"))
CORE = [f for f in FILES if f.is_relative_to(ROOT / "core") and f.parent.parent == ROOT]

MODULE_LINES, FUNCTION_LINES = 300, 40
COMPILED = {
    "compiled",
    "inlined",
    "njit",
    "jit",
    "vectorize",
    "guvectorize",
}  # kernels may be longer

FOR_DETECTORS = {"streams", "detector", "units", "hookspecs", "events", "errors", "crop"}
FOR_DETECTORS |= {"reading", "simulation"}
FOR_SIMULATION = {"errors", "units", "streams", "detector", "events"}

READER = r".*_reader\.py"
DOORS = {
    "lightning": r"core/train\w*\.py",
    "h5py": rf"core/store\w*\.py|core/reading/.*|{READER}",
    "uproot": rf"core/reading/(root|by_member)\.py|core/export_root\.py|{READER}",
    "awkward": rf"core/reading/root\.py|core/export_root\.py|{READER}",
    "pyarrow": r"core/export_parquet\.py",
    "spconv": r"core/tokens\.py",
    "yaml": r"core/yaml\.py",
    "cattrs": r"core/(structure|faults)\.py",
    "pluggy": r"core/(hookspecs|plugins)\.py",
    "safetensors": r"core/checkpoint\.py",
    "numba": r"core/simulation/.*|detectors/.*",
    "pythia8mc": r"core/simulation/pythia\.py",
    "matplotlib": r"core/report/.*",
    "mplhep": r"core/report/.*",
    "jinja2": r"core/report/.*",
    "typer": r"core/cli/.*",
    "rich": r"core/cli/.*",
}


def layers():
    """The lines of the list in docs/architecture.md, lowest first."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    (listed,) = re.findall(r"^```layers\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [line.partition("#")[0].split() for line in listed.splitlines()]


LAYERS = layers()
RANK = {name: i for i, layer in enumerate(LAYERS) for name in layer}


def named(file):
    return file.relative_to(ROOT).as_posix()


@cache
def tree(file):
    return ast.parse(file.read_text())


def imports(file, inside_functions=True):
    """Dotted names that `file` imports, those of this project as intarsia.folder.module."""
    package = ("intarsia", *file.relative_to(ROOT).parts[:-1])
    for node in ast.walk(tree(file)) if inside_functions else tree(file).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            module = ".".join([*base, *filter(None, [node.module])])
            # `from . import x` and `from intarsia.core import x` import the module x
            whole = module in ("intarsia", "intarsia.core", ".".join(package))
            yield from (f"{module}.{a.name}" for a in node.names) if whole else [module]


def core_modules(file, **how):
    """Modules and folders of core that `file` imports."""
    names = [n.split(".") for n in imports(file, **how) if n.startswith("intarsia.core.")]
    return {n[2] for n in names}


def own(file):
    """The module or folder of core that `file` belongs to."""
    return file.relative_to(ROOT / "core").parts[0].removesuffix(".py")


def by_name(files):
    return {"argvalues": files, "ids": [named(f) for f in files]}


def test_the_list_names_every_module_of_core_once():
    found = {f.stem for f in CORE} - {"__init__"}
    found |= {f.parent.name for f in (ROOT / "core").glob("*/__init__.py")}
    listed = [name for layer in LAYERS for name in layer]
    assert sorted(listed) == sorted(set(listed))
    assert found - set(listed) == set(), "add them to the list in docs/architecture.md"
    assert set(listed) - found == set(), "they are in docs/architecture.md but not in core/"


@pytest.mark.parametrize("file", **by_name([f for f in FILES if f.is_relative_to(ROOT / "core")]))
def test_a_module_of_core_imports_only_from_lines_above_it(file):
    assert not [n for n in imports(file) if re.match(r"intarsia\.(detectors|tasks)", n)]
    if file == ROOT / "core" / "__init__.py":
        assert not core_modules(file)
        return
    me = own(file)
    assert me in RANK, "add it to the list in docs/architecture.md"
    above = {n for n in core_modules(file) - {me} if RANK.get(n, -1) >= RANK[me]}
    assert not above, f"{named(file)} imports {above}, not above {me} in docs/architecture.md"
    if me == "simulation":
        assert core_modules(file) <= FOR_SIMULATION | {me}


@pytest.mark.parametrize(
    "file", **by_name([f for f in FILES if not f.is_relative_to(ROOT / "core")])
)
def test_a_plugin_knows_core_and_itself(file):
    folder, *rest = file.relative_to(ROOT).parts
    mine = f"intarsia.{folder}.{rest[0].removesuffix('.py')}"
    others = [n for n in imports(file) if n.startswith("intarsia.")]
    others = [n for n in others if not (n == mine or n.startswith((f"{mine}.", "intarsia.core.")))]
    assert not others
    if folder == "detectors":
        assert core_modules(file) <= FOR_DETECTORS


@pytest.mark.parametrize("file", **by_name(FILES))
def test_a_library_is_imported_through_its_door_only(file):
    used = {n.partition(".")[0] for n in imports(file)}
    wrong = [lib for lib in used & DOORS.keys() if not re.fullmatch(DOORS[lib], named(file))]
    assert not wrong
    if not named(file).startswith("core/cli/"):
        calls = (n.func for n in ast.walk(tree(file)) if isinstance(n, ast.Call))
        assert not [c for c in calls if isinstance(c, ast.Name) and c.id == "print"]


def without_torch():
    """Modules that declare, list or check: all above `batch`, and the command line."""
    light = {n for n, rank in RANK.items() if rank < RANK["batch"]} - {"simulation"} | {"cli"}
    files = [f for f in FILES if f.is_relative_to(ROOT / "core") and own(f) in light]
    return files + [f for f in FILES if f.name == "__init__.py" and f.parent.parent.parent == ROOT]


@pytest.mark.parametrize("file", **by_name(without_torch()))
def test_what_declares_lists_or_checks_imports_nothing_heavy(file):
    at_once = {n.partition(".")[0] for n in imports(file, inside_functions=False)}
    assert not at_once & {"torch", "lightning", "numba", "matplotlib", "sklearn"}
    heavy = {n for n, rank in RANK.items() if rank >= RANK["batch"]} - {"cli"}
    heavy -= {"report"} if own_folder(file) == "core" else set()
    assert not core_modules(file, inside_functions=False) & (heavy | {"simulation"})


def own_folder(file):
    return file.relative_to(ROOT).parts[0]


@pytest.mark.parametrize("file", **by_name(FILES))
def test_modules_and_functions_are_short(file):
    lines = len(file.read_text().splitlines())
    assert lines <= MODULE_LINES, f"{named(file)} has {lines} lines"
    long = []
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.FunctionDef):
            words = {w for d in node.decorator_list for w in re.findall(r"\w+", ast.unparse(d))}
            length = node.end_lineno - node.lineno + 1
            if length > FUNCTION_LINES and not words & COMPILED:
                long.append(f"{named(file)}:{node.lineno}: {node.name} has {length} lines")
    assert not long, "\n".join(long)
