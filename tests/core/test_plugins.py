"""The three ways in, and what is said of a plugin that is wrong."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from attrs import frozen
from cubes import PLUGIN, detector

import intarsia
from intarsia.core.detector import Detector
from intarsia.core.errors import PluginError
from intarsia.core.hookspecs import hookimpl
from intarsia.core.plugins import RETURNS, Registry, Source, registry
from intarsia.core.task import StreamKind, TaskKind

DUNE = Source("entry point dune", "dune-intarsia", "0.3")

PATCH = "stream 'cubes': patch 3 along x does not divide 4"


def named(name):
    return PLUGIN.replace('name="cube"', f'name="{name}"')


@frozen
class Options:
    size: int = 1


def task(name, options=Options):
    return TaskKind(name=name, about="x", options=options, build="nowhere:Nothing")


def plugin(**functions):
    made = SimpleNamespace()
    for name, function in functions.items():
        function.__name__ = name
        setattr(made, name, hookimpl(function))
    return made


def giving(*things):
    """A plugin that gives `things`, each through its hook."""
    hooks = {Detector: "intarsia_detectors", TaskKind: "intarsia_tasks", Path: "intarsia_recipes"}
    return plugin(**{hooks[type(t)]: (lambda t=t: [t]) for t in things})


@pytest.fixture(autouse=True)
def _own_path(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))


@pytest.fixture
def found():
    made = Registry()
    made.add(giving(detector("superfgd")), "superfgd", Source("intarsia.detectors.superfgd"))
    return made


def refusal(found, bad, name="dune", source=DUNE):
    before = {k: found.names(k) for k in ("detectors", "tasks", "streams", "recipes")}
    sources = dict(found.sources)
    with pytest.raises(PluginError) as caught:
        found.add(bad, name, source)
    assert {k: found.names(k) for k in before} == before
    assert found.sources == sources
    found.add(giving(detector("other")), "dune", DUNE)  # nothing was left behind under that name
    return str(caught.value)


def test_a_plugin_is_found_by_the_names_of_what_it_gives(found):
    found.add(giving(detector("dune"), task("charm")), "dune", DUNE)
    assert found.names("detectors") == ["dune", "superfgd"]
    assert found.detector("dune").name == "dune"
    assert found.task("charm").options is Options
    assert str(found.source("tasks", "charm")) == "dune-intarsia 0.3, entry point dune"
    assert found.sources["dune"] == DUNE


def test_an_unknown_name_gets_the_nearest_and_all_that_are_registered(found):
    with pytest.raises(PluginError) as caught:
        found.detector("superfdg")
    assert str(caught.value) == (
        "there is no detector 'superfdg'; did you mean 'superfgd'? (registered: superfgd)"
    )
    with pytest.raises(PluginError, match=r"there is no task 'x' \(registered: none\)"):
        found.task("x")


P = "plugin 'dune' (dune-intarsia 0.3, entry point dune): "


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (
            plugin(intarsia_detector=lambda: iter(())),
            "there is no hook 'intarsia_detector'; did you mean 'intarsia_detectors'?",
        ),
        (
            plugin(intarsia_detectors=lambda: ["dune"]),
            "intarsia_detectors() must return Detector objects, not str",
        ),
        (
            plugin(intarsia_detectors=lambda: 1 / 0),
            "intarsia_detectors() raised ZeroDivisionError: division by zero",
        ),
        (
            plugin(intarsia_detectors=lambda: [Detector(name="dune", about="", streams=())]),
            "intarsia_detectors() raised detector 'dune' declares no stream",
        ),
        (
            giving(task("charm"), detector("superfgd")),
            "intarsia_detectors(): 'superfgd' is already provided by intarsia.detectors.superfgd",
        ),
        (
            plugin(intarsia_detectors=lambda: [detector("twin"), detector("twin")]),
            "intarsia_detectors(): 'twin' is already provided by dune-intarsia 0.3, entry point dune",
        ),
        (
            plugin(intarsia_recipes=lambda: [Path("/no/such/folder")]),
            "intarsia_recipes(): there is no folder '/no/such/folder'",
        ),
        (
            giving(task("charm", options=dict)),
            "intarsia_tasks(): options of task 'charm' must be an attrs class",
        ),
        (
            SimpleNamespace(intarsia_detectors=list),
            "intarsia_detectors is not marked: put @hookimpl of intarsia.core.hookspecs above it",
        ),
        (
            SimpleNamespace(),
            f"it implements no hook (there are: {', '.join(RETURNS)})",
        ),
    ],
)
def test_a_wrong_plugin_is_named_with_its_version_and_leaves_nothing_behind(found, bad, message):
    assert refusal(found, bad) == P + message


def test_a_hook_with_an_argument_is_refused(found):
    message = refusal(found, plugin(intarsia_detectors=lambda registry: []))
    assert message.startswith(P)
    assert "{'registry'} are declared in the hookimpl but can not be found" in message


@frozen
class Clash:
    kind: str = "x"


@frozen
class Blind:
    view: int = 3


@frozen
class Lost:
    size: "Sise" = 3  # noqa: F821


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Clash, "must not have one called 'kind', which recipes use for the kind of task"),
        (Blind, "have a view that is not a View"),
        (Lost, "have a type that cannot be found: name 'Sise' is not defined"),
    ],
)
def test_the_options_of_a_task_are_looked_at(found, options, message):
    said = refusal(found, giving(task("charm", options=options)))
    assert said == f"{P}intarsia_tasks(): options of task 'charm' {message}"


def test_a_plugin_name_is_taken_once(found):
    message = refusal(found, giving(detector("x")), "superfgd", Source("y.py"))
    assert message == (
        "plugin 'superfgd' is provided twice: by intarsia.detectors.superfgd and by y.py"
    )


def test_two_kinds_of_stream_cannot_share_a_declaration(found):
    class Wires:
        pass

    kinds = [
        StreamKind(name=n, declaration=Wires, build="x:Y", plan="x:y")
        for n in ("wires", "more_wires")
    ]
    found.add(plugin(intarsia_streams=lambda: kinds[:1]), "wires", Source("wires.py"))
    assert found.stream_kind(Wires) is kinds[0]
    said = refusal(found, plugin(intarsia_streams=lambda: kinds[1:]))
    assert said == P + "intarsia_streams(): 'more_wires' is already provided by wires.py"
    with pytest.raises(PluginError, match="no plugin makes tokens of int streams"):
        found.stream_kind(int)


def test_a_file_is_a_plugin_whose_dotted_names_can_be_imported(found, tmp_path):
    file = tmp_path / "mydet.py"
    file.write_text(named("mydet"))
    found.load_file(file)
    assert found.detector("mydet").stream("cubes").patches == (2, 2, 2)
    assert found.source("detectors", "mydet") == Source(str(file))
    import mydet

    assert mydet.cell.n == 4


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("x = 1\nimport uprooot\n", "{}:2: ModuleNotFoundError: No module named 'uprooot'"),
        ("x = (1\n", "{}:1: SyntaxError: '(' was never closed"),
        ("raise SystemExit(3)\n", "{}:1: SystemExit: 3"),
        (
            PLUGIN.replace("patch=(2, 2, 2)", "patch=(3, 2, 2)"),
            "plugin 'bad' ({}): intarsia_detectors() raised bad.py:11: " + PATCH,
        ),
    ],
)
def test_a_fault_in_a_file_is_named_with_its_line(found, tmp_path, body, message):
    file = tmp_path / "bad.py"
    file.write_text(body)
    with pytest.raises(PluginError) as caught:
        found.load_file(file)
    assert str(caught.value) == message.format(file)
    assert found.names("detectors") == ["superfgd"]
    with pytest.raises(ModuleNotFoundError):
        __import__("bad")


def test_a_file_cannot_take_the_name_of_another_module(found, tmp_path):
    for name in ("json.py", "no-name.py", "nothing.py"):
        if name != "nothing.py":
            (tmp_path / name).write_text("")
        with pytest.raises(PluginError) as caught:
            found.load_file(tmp_path / name)
        expected = {
            "json.py": "the module name 'json' is taken by",
            "no-name.py": "a plugin's file is named with letters, digits and underscores, then .py",
            "nothing.py": "there is no such file",
        }[name]
        assert expected in str(caught.value)


def test_another_file_of_the_same_name_may_be_loaded_by_another_registry(tmp_path):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        file = tmp_path / name / "twice_loaded.py"
        file.write_text(named(name))
        made = Registry()
        made.load_file(file)
        assert made.names("detectors") == [name]


def installed(folder, name, body, point=None):
    """Lay out an installed distribution with one entry point."""
    (folder / f"{name}.py").write_text(body)
    info = folder / f"{name}_x-0.3.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-x\nVersion: 0.3\n")
    (info / "entry_points.txt").write_text(f"[intarsia]\n{point or name} = {name}\n")


def test_a_broken_stranger_is_left_out_warned_of_and_quoted(found, tmp_path, monkeypatch, caplog):
    installed(tmp_path, "gooddet", named("gooddet"))
    installed(tmp_path, "baddet", "import uprooot\n")
    installed(tmp_path, "greedy", named("superfgd"))
    installed(tmp_path, "twin", named("twin"), point="gooddet")
    monkeypatch.syspath_prepend(tmp_path)
    found.load_installed()
    assert found.names("detectors") == ["gooddet", "superfgd"]
    with pytest.raises(PluginError) as caught:
        found.detector("dune")
    assert str(caught.value) == (
        "there is no detector 'dune' (registered: gooddet, superfgd)\n"
        "  not loaded: baddet-x 0.3, entry point baddet: "
        "ModuleNotFoundError: No module named 'uprooot'\n"
        "  not loaded: greedy-x 0.3, entry point greedy: intarsia_detectors(): "
        "'superfgd' is already provided by intarsia.detectors.superfgd\n"
        "  not loaded: twin-x 0.3, entry point twin: plugin 'gooddet' is provided twice: "
        "by gooddet-x 0.3, entry point gooddet and by twin-x 0.3, entry point twin"
    )
    assert caplog.records[0].getMessage() == (
        "plugin 'baddet' is not loaded: baddet-x 0.3, entry point baddet: "
        "ModuleNotFoundError: No module named 'uprooot'"
    )
    assert len(caplog.records) == 3


def test_built_in_plugins_and_recipes_are_found_without_a_list():
    found = registry()
    assert {"flavour", "mae", "relational", "vertex"} <= set(found.names("tasks"))
    assert "fasercal" in found.names("detectors")
    assert found.names("recipes") == sorted(
        f.stem for f in (Path(intarsia.__file__).parent / "recipes").glob("*.yaml")
    )
    assert str(found.source("tasks", "mae")) == (
        f"intarsia {intarsia.__version__}, intarsia.tasks.mae"
    )
