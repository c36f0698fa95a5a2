"""FASERCal's generations against the numbers of the collaboration's code; frames and channels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intarsia.core.errors import EventError
from intarsia.core.streams import DenseArray, TrackSet, VoxelGrid
from intarsia.detectors.fasercal import AHCAL, FASERCAL, FASERCAL_A, FASERCAL_C, THREEDCAL
from intarsia.detectors.fasercal.generations import (
    GENERATION_A,
    GENERATION_B,
    GENERATION_C,
    GENERATIONS,
    SCIFI,
    SILICON,
    SPECTROMETER,
    TOWERS,
    TUBES,
)

ALL = pytest.mark.parametrize("g", GENERATIONS.values(), ids=GENERATIONS)


@ALL
def test_cubes_and_modules(g):
    assert g.cells == (48, 48)
    assert (g.modules, g.module.planes, g.module.cell) == (10, 20, 10.0)
    assert g.module.length == 241.0
    x, y, _ = (axis.centres for axis in g.axes())
    np.testing.assert_allclose(x, 10.0 * np.arange(48) - 235)
    np.testing.assert_array_equal(x, y)
    # printed by the collaboration's code for 48 x 48 cm: tungsten, scintillator
    volume = {name: thick * 48 * 48 for thick, name in g.module.slabs}  # mm cm2 = 0.1 cm3
    assert volume["W"] * 19.3e-4 * 10 == pytest.approx(44.5, rel=2e-3)
    assert volume["PVT"] * 1.03e-4 * 10 == pytest.approx(474.6, rel=2e-3)


@pytest.mark.parametrize("g", [GENERATION_A, GENERATION_B])
def test_cells_along_z_before_generation_c(g):
    z = g.axes()[2].centres
    module, plane = np.divmod(np.arange(200), 20)
    np.testing.assert_allclose(z, -1205 + 241 * module + 6 + 10 * plane + 5)
    assert (z[0], z[-1]) == (-1194, 1165)
    assert z[20] - z[19] == 51
    assert g.length == 2410


def test_modules_of_generation_c():
    g = GENERATION_C
    fronts = np.array(g.fronts) + g.origin
    assert fronts.tolist() == [0, 251, 592, 843, 1184, 1435, 1776, 2027, 2368, 2619]
    assert g.length == 2860
    np.testing.assert_allclose(g.axes()[2].centres[::20] + g.origin, fronts + 11)


def test_what_stands_behind_the_3dcal_of_generations_a_and_b():
    for g in (GENERATION_A, GENERATION_B):
        assert (g.ecal.front, g.ecal.depth, g.ecal.pitch) == (1205, 396, 6)
        assert g.ecal.half * 2 == 606
        assert g.ahcal.front == g.ecal.front + g.ecal.depth == 1601
    assert (GENERATION_A.ahcal.pitch, GENERATION_A.ahcal.depth) == (100, 900)
    assert GENERATION_A.ahcal.absorber == (90, "Pb")
    assert GENERATION_A.tag.front == GENERATION_A.ahcal.front + GENERATION_A.ahcal.depth
    b = GENERATION_B.ahcal
    assert (b.pitch, b.depth, b.front + b.depth) == (23, 920, 2521)
    x, _, z = (axis.centres for axis in b.axes())
    np.testing.assert_allclose(z, 1601 + 23 * np.arange(40) + 21.5)
    assert x.mean() == pytest.approx(57.0)
    assert SPECTROMETER.first - 5 == b.front + b.depth
    assert SPECTROMETER.front + SPECTROMETER.thickness + 10 + 5 == SPECTROMETER.pitch
    # eleven stations of 10 mm and ten magnets: 1810 mm
    assert 10 * SPECTROMETER.pitch + 10 == 1810


def test_parts_of_generation_b_share_their_lower_edges():
    g = GENERATION_B
    edges = [g.ecal.centre - g.ecal.half, g.ahcal.centre - g.ahcal.half]
    edges.append(SPECTROMETER.centre - SPECTROMETER.half)
    np.testing.assert_allclose(edges, -303.0)


def test_what_stands_behind_the_3dcal_of_generation_c():
    g = GENERATION_C
    assert (g.ecal.pitch, g.ecal.depth) == (11, 435)
    assert g.ahcal.pitch == pytest.approx(29.63)
    assert g.ahcal.depth == pytest.approx(1180.7)
    ends = [0.5 * g.length]
    for part in (g.ecal, g.ahcal, g.spectrometer):
        assert part.front - ends[-1] == pytest.approx(250)
        ends.append(part.front + part.depth)
    np.testing.assert_allclose(np.array(ends) + g.origin, [2860, 3545, 4976, 6924], atol=0.6)
    z = g.spectrometer.planes()
    assert z.shape == (4, 3)
    np.testing.assert_allclose(np.diff(z, axis=1), 25.98, atol=0.01)
    assert g.spectrometer.wires(1)[0] - g.spectrometer.wires(0)[0] == 15
    np.testing.assert_allclose(g.spectrometer.wires(0)[[0, -1]], [-495, 495])


@given(st.integers(0, 47), st.integers(0, 47), st.integers(0, 19), st.integers(0, 9))
def test_cells_come_from_channel_numbers(x, y, z, module):
    number = np.array([x + 1000 * y + 1_000_000 * z + 1_000_000_000 * module])
    for g in GENERATIONS.values():
        assert g.index(number).tolist() == [[x, y, 20 * module + z]]
        assert g.channels.numbers(g.channels.indices(number)) == number


def test_other_channels():
    assert TOWERS.indices([7]).tolist() == [[2, 1]]  # x fastest
    assert GENERATION_B.ahcal.channels.indices([39_017_003]).tolist() == [[3, 17, 39]]
    assert SCIFI.indices([43]).tolist() == [[3, 10]]
    assert TUBES.indices([42_033]).tolist() == [[33, 2, 3]]
    assert SILICON.indices([10**11 + 2 * 10**10 + 9 * 10**8 + 12 * 10**4 + 7]).tolist() == [
        [7, 12, 9, 1, 0]
    ]
    for channels in (TOWERS, TUBES, SILICON, SCIFI, GENERATION_A.ahcal.channels):
        last = np.array([[d.n - 1 for d in channels.digits], [0] * len(channels.digits)])
        np.testing.assert_array_equal(channels.indices(channels.numbers(last)), last)


def test_a_number_that_no_channel_has_is_named():
    with pytest.raises(EventError, match=r"^channel 48: x 48 is not in 0 to 47$"):
        GENERATION_B.index(np.array([0, 48]))
    with pytest.raises(EventError, match=r"^channel 100000000000: kind 1 is not in 0 to 0$"):
        GENERATION_B.index(np.array([10**11]))
    with pytest.raises(EventError, match="channel 2033: station 0 is not in 1 to 4"):
        TUBES.indices([2033])


@ALL
def test_frames_go_to_and_fro(g):
    points = np.random.default_rng(1).normal(size=(20, 3)) * 1000
    np.testing.assert_allclose(g.to_detector(g.to_beam(points)), points, atol=1e-9)
    np.testing.assert_allclose(g.rotation @ g.rotation.T, np.eye(3), atol=1e-15)
    assert np.linalg.det(g.rotation) == pytest.approx(1.0)  # right-handed stays so


def test_generation_b_stands_where_its_gdml_puts_it():
    g = GENERATION_B
    c, s = np.cos(np.radians(5)), np.sin(np.radians(5))
    # The assembly is turned about y, the container stands at (220, 170, 0) inside it.
    np.testing.assert_allclose(g.to_beam(np.zeros(3)), [c * 220, 170, -s * 220])
    np.testing.assert_allclose(g.rotation @ [0, 0, 1], [s, 0, c])
    frame = FASERCAL.frame
    turned = g.rotation @ [10.0, 20.0, 30.0] + np.array(frame.shift)
    np.testing.assert_allclose(turned, g.to_beam(np.array([10.0, 20.0, 30.0])), atol=1e-5)


def test_generation_c_is_turned_about_its_front_and_then_shifted():
    g = GENERATION_C
    np.testing.assert_allclose(g.to_beam(np.array([0, 0, -1430.0])), [450, 240, 0], atol=1e-9)


def test_neutrinos_drift_towards_lower_x():
    """So the parts behind generation B, which reach further to higher x, see less than they could."""
    g = GENERATION_B
    way = g.rotation.T @ [0, 0, 1]
    assert way[0] / way[2] == pytest.approx(-np.tan(np.radians(5)))
    # The line of sight passes the 3DCal near its edge: at its front, middle and back
    line = np.linspace(-1300, 1300, 2601)[:, None] * [0, 0, 1]
    inside = g.to_detector(line)
    x = np.interp([-1205, 0, 1205], inside[:, 2], inside[:, 0])
    np.testing.assert_allclose(x, [-115, -220, -325], atol=1)
    np.testing.assert_allclose(inside[:, 1], -170)


def test_declarations_differ_between_generations():
    assert [s.name for s in FASERCAL.streams] == ["3dcal", "ecal", "ahcal", "muon"]
    assert [s.name for s in FASERCAL_A.streams] == ["3dcal", "ecal", "hcal", "mutag"]
    assert [s.name for s in FASERCAL_C.streams] == ["3dcal", "ecal", "ahcal", "muon"]
    assert isinstance(FASERCAL.stream("ecal"), DenseArray)
    assert isinstance(FASERCAL_C.stream("ecal"), VoxelGrid)
    assert FASERCAL_C.stream("ecal").shape == FASERCAL_C.stream("ahcal").shape == (18, 18, 40)
    planes = [d.stream("muon").planes for d in (FASERCAL, FASERCAL_C)]
    assert planes == [10, 12]
    assert all(isinstance(d.stream("muon"), TrackSet) for d in (FASERCAL, FASERCAL_C))
    assert THREEDCAL.axes == GENERATION_B.axes()
    assert AHCAL.axes == GENERATION_B.ahcal.axes()
    assert FASERCAL_A.stream("hcal").shape == (9,)
