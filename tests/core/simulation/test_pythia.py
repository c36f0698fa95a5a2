"""Pythia 8 behind the interface of the generators; skipped where it is not installed."""

import json
import sys

import numpy as np
import pytest
from averages import STORED, averages, sample

from intarsia.core.errors import RunError
from intarsia.core.simulation.charm import SPECIES
from intarsia.core.simulation.neutrinos import generator
from intarsia.core.simulation.random import seeded


@pytest.fixture(scope="module")
def pythia():
    pytest.importorskip("pythia8mc", reason="the extra pythia is not installed")
    return generator("pythia")


def test_without_its_library_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pythia8mc", None)
    with pytest.raises(RunError, match=r"not installed: pip install 'intarsia\[pythia\]'"):
        generator("pythia")


def test_generators_that_are_not_there_are_named():
    with pytest.raises(RunError, match="no generator 'pythai'; did you mean 'pythia'"):
        generator("pythai")


@pytest.mark.parametrize("energy", [20.0, 300.0, 7000.0])
def test_four_momentum_is_conserved_and_particles_are_on_shell(pythia, energy):
    rows = np.zeros((600, 6))
    for neutrino, charged in ((14, True), (-12, True), (16, True), (-14, False)):
        for i in range(20):
            n, _, x, y, w = pythia(seeded(2, i), energy, neutrino, charged, rows)
            p = rows[:n]
            lost = p[:, :4].sum(0) - [0.0, 0.0, energy, energy]
            assert np.abs(lost[:3]).max() < 1e-8 * energy
            assert lost[3] == pytest.approx(0.939, abs=1e-3)  # of the nucleon
            mass2 = p[:, 3] ** 2 - (p[:, :3] ** 2).sum(1)
            assert np.abs(mass2 - p[:, 5] ** 2).max() < 1e-9 * energy**2
            assert p[0, 4] == neutrino - np.sign(neutrino) * charged
            assert y == pytest.approx(1 - p[0, 3] / energy)
            hadrons = p[1:, :4].sum(0)
            mass = np.sqrt(hadrons[3] ** 2 - (hadrons[:3] ** 2).sum())
            assert w == pytest.approx(mass, rel=1e-5)
            assert 0 < x < 1


def test_every_charmed_hadron_is_left_whole_and_counted(pythia):
    rows, found = np.zeros((600, 6)), set()
    for i in range(4000):
        n, counted, *_ = pythia(seeded(6, i), 2000.0, -14, True, rows)
        size = np.abs(rows[1:n, 4]).astype(int)
        made = size[((size >= 400) & (size < 500)) | ((size >= 4000) & (size < 5000))]
        assert set(made) <= set(SPECIES)
        assert (abs(counted) in made) if len(made) else counted == 0
        found.update(map(int, made))
    assert found >= {4132, 4232}  # as well as D and Lambda_c


def test_an_interaction_depends_on_its_random_numbers_alone(pythia):
    def made(i, energy):
        rows = np.zeros((600, 6))
        n, *_ = pythia(seeded(3, i), energy, 14, True, rows)
        return rows[:n].tobytes()

    first = [made(i, 300.0) for i in range(20)]
    for i in range(30):
        made(100 + i, 150.0 + 25 * i)
    assert [made(i, 300.0) for i in reversed(range(20))][::-1] == first


def test_the_stored_reference_is_what_pythia_gives(pythia):
    theirs = json.loads(STORED.read_text())["points"]["numubar_cc 300"]
    ours = averages(*sample(pythia, 300.0, -14, True, 1000, seed=5), 300.0)
    for name, (value, error) in ours.items():
        assert value == pytest.approx(theirs[name][0], abs=4.5 * error + 1e-3), name
