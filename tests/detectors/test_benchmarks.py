"""Benchmarks of the simulation that need no file run to their end and print what they say."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("simulation.py", ["500"], [r"one core, CPU time: \d+ events/s", r"2 workers: \d+ events/s"]),
        ("response.py", ["out.png"], [r"electrons, ECAL 0\.5 GeV: 0\.17", r"pions, AHCAL 2 GeV: 0\.0"]),
    ],
)  # fmt: skip
def test_benchmarks_run(name, arguments, says, tmp_path):
    command = [sys.executable, str(BENCHMARKS / name), *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for line in says:
        assert re.search(line, done.stdout), done.stdout
