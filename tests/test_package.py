"""What is installed is what is tracked; clones without links say so; dependencies have reasons."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("core", "detectors", "tasks", "recipes")


@pytest.fixture(scope="module")
def tracked():
    """Paths of all tracked files that are there."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    paths = [Path(name) for name in listed.stdout.split("\0") if name]
    return [p for p in paths if (ROOT / p).exists()]


@pytest.fixture(scope="module")
def wheel(tracked, tmp_path_factory):
    """A wheel built from a copy of the tracked files."""
    clone = tmp_path_factory.mktemp("clone")
    for path in tracked:
        (clone / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, clone / path, follow_symlinks=False)
    done = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", "dist", "."],
        cwd=clone,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = (clone / "dist").glob("*.whl")
    return built


def test_the_wheel_holds_every_tracked_file_of_the_package_and_no_other(tracked, wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    inside = {n for n in names if ".dist-info/" not in n}
    expected = {f"intarsia/{p.as_posix()}" for p in tracked if p.parts[0] in FOLDERS}
    expected |= {f"intarsia/{name}" for name in ("__init__.py", "__main__.py", "py.typed")}
    assert inside == expected
    assert any(n.endswith(".dist-info/licenses/LICENSE") for n in names)


def test_the_wheel_works_without_the_checkout(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "intarsia", "check", "recipes/mae.yaml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(tmp_path)},
    )
    assert (done.returncode, done.stderr) == (0, "")
    code = "import intarsia; print(intarsia.__file__)"
    where = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(tmp_path)},
    )
    assert Path(where.stdout.strip()).parent == tmp_path / "intarsia"


def test_a_clone_without_links_says_what_to_do(tmp_path):
    package = tmp_path / "intarsia"
    package.mkdir()
    shutil.copy(ROOT / "src" / "intarsia" / "__init__.py", package)
    for folder in FOLDERS:
        (package / folder).write_text(f"../../{folder}")  # what git writes in place of a link
    done = subprocess.run(
        [sys.executable, "-c", "import intarsia"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(tmp_path)},
    )
    assert done.stderr.splitlines()[-1] == (
        "ImportError: intarsia was checked out without symbolic links, so its source folders are "
        "missing; run 'git config core.symlinks true && git checkout -- src' in the clone "
        "(on Windows with developer mode on)"
    )


def test_the_folders_of_the_package_are_links_to_those_at_the_root():
    for folder in FOLDERS:
        link = ROOT / "src" / "intarsia" / folder
        assert link.readlink() == Path("..") / ".." / folder


def test_every_dependency_has_its_reason_in_a_comment():
    text = (ROOT / "pyproject.toml").read_text()
    for section in ("dependencies = [", "[project.optional-dependencies]"):
        start = text.index(section)
        end = re.compile(r"^\]$\s*^(\[|$)|^\[project\.scripts\]", re.MULTILINE).search(text, start)
        lines = [
            x for x in text[start : end.start()].splitlines() if re.search(r'"[A-Za-z][\w.-]+', x)
        ]
        assert lines
        assert [x for x in lines if not re.search(r"#\s+\w+", x)] == []
