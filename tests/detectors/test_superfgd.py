"""SuperFGD: geometry against the benchmark's numbers."""

import subprocess
import sys

import numpy as np

from intarsia.detectors.superfgd import CUBES, DETECTOR, SUPERFGD


def test_patches_and_windows_are_those_of_the_benchmark():
    assert CUBES.shape == (120, 120, 120)
    assert CUBES.patches == (10, 10, 12)
    assert np.prod(CUBES.patches) == 1200
    assert CUBES.windows == (5, 5, 6)
    assert np.prod(CUBES.windows) == 150


def test_cubes_lie_where_the_benchmark_has_them():
    for axis in DETECTOR:
        assert (axis.n, axis.pitch) == (200, 10)
        assert (axis.lower[0], axis.lower[-1] + axis.pitch) == (-1000, 1000)
    for axis in CUBES.axes:
        assert axis.lower[0] == -axis.lower[-1] - axis.pitch


def test_classes_come_in_the_order_of_the_published_tables():
    assert SUPERFGD.label("pid").classes == ("proton", "pion", "muon", "electron")


def test_declaration_needs_neither_numba_nor_torch():
    code = (
        "import sys, intarsia.detectors.superfgd, intarsia.detectors.pilarnet;"
        "sys.exit(bool({'numba', 'torch', 'scipy', 'h5py'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
