"""SuperFGD: geometry against the benchmark's numbers, and what every simulated particle obeys."""

import subprocess
import sys
from time import process_time

import numpy as np
import pytest

from intarsia.core.errors import RunError
from intarsia.core.events import Events, checked
from intarsia.core.simulation.cubes import cube_charges
from intarsia.core.simulation.random import seeded
from intarsia.core.simulation.store import LIGHT, deposit, store
from intarsia.detectors.superfgd import CUBES, DETECTOR, SUPERFGD
from intarsia.detectors.superfgd.simulation import make


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


@pytest.fixture(scope="module")
def particles():
    return make(3, 0, 240)


def test_particles_are_what_the_declaration_says(particles):
    checked(particles, SUPERFGD)
    assert 230 < len(particles) <= 240
    assert [int(k.split("/")[1]) for k in particles.keys] == particles.group.tolist()
    assert np.bincount(particles.truth["pid"], minlength=4).min() > 35
    momentum = np.linalg.norm(particles.truth["momentum"], axis=1)
    assert (momentum.min() > 0.199, momentum.max() < 1.501) == (True, True)
    cubes = particles.streams["cubes"]
    assert (cubes["charge"].min() >= 3, cubes["charge"].max() <= 500) == (True, True)


def test_particles_do_not_depend_on_how_they_are_cut(particles):
    parts = Events.collate([make(3, 0, 7), make(3, 7, 0), make(3, 7, 3)])
    for name, table in parts.streams.items():
        whole = particles.streams[name].slice(0, len(parts))
        for column, values in table.columns.items():
            assert values.tobytes() == whole[column].tobytes()
    assert parts.keys == particles.keys[: len(parts)]
    other = make(4, 0, 1).streams["cubes"]
    assert other["charge"].tobytes() != parts[0].streams["cubes"]["charge"].tobytes()


def test_context_brings_crop_and_vertex_into_the_detector(particles):
    context = particles.streams["context"]
    assert (context.counts == 1).all()
    vertex = particles.truth["vertex"] + context["centre"]
    assert (np.abs(vertex) <= 1000).all()
    cubes = particles.streams["cubes"]
    centre = np.stack([a.centres[i] for a, i in zip(CUBES.axes, cubes["index"].T, strict=True)], 1)
    there = centre + context["centre"][cubes.event]
    assert (np.abs(there) < 1000).all()
    # the particle starts in a hit cube, or right beside one that saw too little light
    near = np.abs(centre - particles.truth["vertex"][cubes.event]).max(1)
    nearest = np.minimum.reduceat(near, cubes.offsets[:-1])
    whole = context["outside"] == 0
    assert (nearest[whole] < 10).mean() > 0.95
    kept = np.add.reduceat(cubes["charge"].astype(float), cubes.offsets[:-1])
    np.testing.assert_allclose(kept, context["total"] * (1 - context["outside"]), rtol=1e-4)


def test_light_is_shared_with_neighbours_and_else_conserved():
    s = store(200**3, rows=1000)
    middle = (100 * 200 + 100) * 200 + 100
    deposit(s.slot, s.cell, s.deposit, s.used, middle, 0, 0, 40.0, 40.0)
    charge = cube_charges(s, (200, 200, 200), 0.03, 1000.0, seeded(1, 1))
    light = s.deposit[:7, LIGHT]
    np.testing.assert_allclose(light, [40 * 0.82, *[1.2] * 6], rtol=1e-5)
    where = np.stack(np.unravel_index(s.cell[:7], (200,) * 3), 1) - 100
    assert sorted(np.abs(where).sum(1)) == [0, 1, 1, 1, 1, 1, 1]
    # 3000 and 98 400 photo-electrons a fibre: Poisson widths of 0.1 and 1 %, three fibres
    np.testing.assert_allclose(charge, 1000 * light, rtol=0.05)
    assert s.deposit[:7, :3].sum() == 40.0


def test_a_muon_at_minimum_gives_about_forty_photo_electrons_a_cube():
    cubes = make(5, 0, 300, lowest=0.5, highest=0.6).streams["cubes"]
    muonic = cubes["category"][:, 1].astype(float) > 0.99
    # 2.1 MeV/cm, 5 % quenched, 25 p.e. each, of which 18 % go to neighbours and 6 % come back;
    # most cubes are crossed at a slant or cut at a corner
    expected = 2.1 * 0.95 * 25 * 0.88
    assert np.percentile(cubes["charge"][muonic], 75) == pytest.approx(expected, rel=0.15)


def test_heavier_particles_are_denser(particles):
    cubes, pid = particles.streams["cubes"], particles.truth["pid"]
    total = np.add.reduceat(cubes["charge"].astype(float), cubes.offsets[:-1])
    density = [np.median((total / cubes.counts)[pid == k]) for k in range(4)]
    assert density[0] > 1.3 * max(density[1:])


def test_wrong_options_are_named():
    with pytest.raises(RunError, match="no simulation option 'lowst'; did you mean 'lowest'"):
        make(1, 0, 1, lowst=1.0)
    with pytest.raises(RunError, match=r"cross_talk must be a number from 0 to 0\.16"):
        make(1, 0, 1, cross_talk=0.5)
    with pytest.raises(RunError, match="no more than highest"):
        make(1, 0, 1, lowest=2.0, highest=1.0)
    checked(make(1, 0, 0), SUPERFGD)


@pytest.mark.slow
def test_a_thousand_particles_a_second():
    make(1, 0, 50)
    begin = process_time()
    make(1, 0, 1000)
    assert 1000 / (process_time() - begin) > 1000
