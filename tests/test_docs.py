"""What the documentation shows must work."""

import re
from pathlib import Path

import pytest

from intarsia.core.conformance import check_plugin
from intarsia.core.plugins import registry
from intarsia.core.recipe_load import load

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
