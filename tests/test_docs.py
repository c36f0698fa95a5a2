"""What the documentation shows must work."""

import re
import shlex
import sys
from pathlib import Path
from types import ModuleType

import h5py
import numpy as np
import pytest

from intarsia.core.card import read_card
from intarsia.core.cli import main
from intarsia.core.conformance import check_plugin
from intarsia.core.detector import Detector, Reader
from intarsia.core.events import checked
from intarsia.core.plugin_file import import_file
from intarsia.core.plugins import registry
from intarsia.core.recipe_load import load
from intarsia.core.streams import Axis, Column, VoxelGrid

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


@pytest.mark.parametrize("page", ["README.md", "docs/new_detector.md"])
def test_the_detector_shown_has_30_lines_at_most_and_passes_the_check(page, tmp_path):
    source = next(b for b in blocks(ROOT / page, "python") if "intarsia_detectors" in b)
    assert len(source.splitlines()) <= 30
    (tmp_path / "mydet.py").write_text(source)
    said = list(check_plugin(registry([tmp_path / "mydet.py"]), ["mydet"]))
    assert len(said) == 4


def test_the_recipe_shown_loads_at_its_scale(tmp_path):
    source = next(b for b in blocks(ROOT / "docs/recipes.md", "yaml") if "stages:" in b)
    (tmp_path / "two_stages.yaml").write_text(source)
    recipe = load(tmp_path / "two_stages.yaml", registry(), ["stages.mae.epochs=2"], "tiny")
    assert list(recipe.stages) == ["mae", "finetune/scratch", "finetune/mae"]
    assert recipe.data.events == 500


def test_the_reader_shown_reads_a_file(tmp_path, monkeypatch):
    source, declared = (b for b in blocks(ROOT / "docs/readers.md", "python"))
    axes = tuple(Axis(n, 10.0) for n in (64, 64, 128))
    charge = Column(name="charge", unit="MeV")
    grid = VoxelGrid(name="cubes", axes=axes, patch=(8, 8, 8), window=(1, 1, 1), columns=(charge,))
    mydet = ModuleType("mydet")
    mydet.DETECTOR = Detector(name="mydet", about="", streams=(grid,))
    monkeypatch.setitem(sys.modules, "mydet", mydet)
    (tmp_path / "mydet_reader.py").write_text(source)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        events = [(7, 1, 3), (9, 4, 1)]
        file["events"] = np.array(events, [("id", "i4"), ("first_hit", "i8"), ("n_hits", "i4")])
        hits = [(0, 9.0), (5, 1000.0), (5, 500.0), (128, 1.0), (2, 4.0)]
        file["hits"] = np.array(hits, [("voxel", "u8"), ("charge", "f4")])
    with import_file(tmp_path / "mydet_reader.py") as module:
        with module.Hits(tmp_path / "a.h5") as records:
            read = checked(records.read(), mydet.DETECTOR)
        assert read.keys == ("1/7", "1/9")
        assert read.streams["cubes"]["index"].tolist() == [[0, 0, 5], [0, 1, 0], [0, 0, 2]]
        np.testing.assert_allclose(read.streams["cubes"]["charge"], [1.5, 1e-3, 4e-3])
        given: dict = {"Reader": Reader}
        exec(declared, given)  # noqa: S102 (our own page)
        assert given["readers"][0].open == "mydet_reader:Hits"
    sys.modules.pop("mydet_reader")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)#:]+)\)", page.read_text())
    missing = [t for t in targets if not (page.parent / t).exists()]
    assert not missing


def test_figures_are_small():
    large = [f for f in (ROOT / "docs").rglob("*.png") if f.stat().st_size > 300_000]
    assert not large


def test_the_two_commands_install_and_run():
    text = (ROOT / "README.md").read_text()
    commands = re.findall(r"<!-- (main|test) command -->\n```bash\n(.*?)\n```", text)
    assert [kind for kind, _ in commands] == ["main", "test"]
    assert all(c.startswith("pip install -c constraints.txt -e '.[test]' && ") for _, c in commands)


SMALL = [
    *(
        f"model.{k}={v}"
        for k, v in {"dim": 8, "heads": 2, "mlp": 1, "depth": 1, "rounds": 1}.items()
    ),
    *("report.probe=32", "report.bootstrap=5", "report.pictures=0"),
]
STARTS = ["stages.finetune.labels=32", "stages.finetune.epochs=1", "stages.mae.epochs=1"]
TINY = {  # what each recipe of the tutorial is made small by, its words left as they are
    "fasercal_mae_rel": ["data.events=240", "model.depths={ahcal: 1}", *STARTS],
    "superfgd_transfer": ["data.events=240", *STARTS],
    "mae": ["data.events=240", "stages.mae.epochs=1"],
}


@pytest.mark.slow
def test_the_tutorial_runs_as_it_is_written(tmp_path, monkeypatch, one_thread, capsys):
    page = (ROOT / "docs/transfer.md").read_text()
    commands = re.findall(r"<!-- tutorial -->\n```bash\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    plugin = next(b for b in blocks(ROOT / "docs/transfer.md", "python") if "myargon" in b)
    Path("myargon.py").write_text(plugin)
    for line in "".join(commands).splitlines():
        name, *words = shlex.split(line)
        assert name == "intarsia"
        if words[0] == "run":
            words += [*SMALL, *TINY[words[1]]]
        elif words[0] == "compare":
            words += ["-n", "5"]
        assert main(words) == 0, (line, capsys.readouterr().err)
    said = capsys.readouterr().out
    assert "On fixed tokens windows.tpc, fusion answer as in the source, bit for bit" in said
    for run, stage in (("superfgd", "finetune/transferred"), ("argon", "mae")):
        assert (
            read_card(tmp_path / "runs" / run / stage / "best.safetensors").transfer["reused"] == 1
        )
        assert (tmp_path / "runs" / run / "report.html").is_file()
