import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intarsia.core.errors import DeclarationError
from intarsia.core.streams import Axis, Column, DenseArray, Label, PointCloud, TrackSet, VoxelGrid

CHARGE = Column(name="charge", unit="MeV")
CUBE = (Axis(8, 10.0),) * 3


@given(
    st.integers(1, 5),
    st.integers(1, 6),
    st.floats(0.1, 50),
    st.floats(-1e3, 1e3),
    st.floats(0, 30),
)
def test_cells_of_an_axis_touch_but_for_the_gaps(modules, cells, pitch, start, gap):
    axis = Axis(modules * cells, pitch, start, (gap,) * (modules - 1))
    steps = np.diff(axis.lower)
    expected = np.full(axis.n - 1, pitch)
    expected[cells - 1 :: cells] += gap
    np.testing.assert_allclose(steps, expected, atol=1e-9)
    assert axis.lower[0] == start
    np.testing.assert_allclose(axis.centres - axis.lower, pitch / 2, atol=1e-9)


def test_modules_must_share_the_cells_evenly():
    with pytest.raises(DeclarationError) as caught:
        Axis(10, 1.0, 0.0, (2.0, 2.0))
    assert str(caught.value) == "an axis of 10 cells cannot be shared by 3 modules"


def test_a_grid_counts_cells_patches_and_windows():
    axes = (Axis(48, 20.0), Axis(48, 20.0), Axis(200, 5.0))
    grid = VoxelGrid(name="a", axes=axes, patch=(12, 12, 10), window=(4, 4, 2), columns=(CHARGE,))
    assert grid.shape == (48, 48, 200)
    assert grid.patches == (4, 4, 20)
    assert grid.windows == (1, 1, 10)


@pytest.mark.parametrize(
    ("patch", "window", "message"),
    [
        ((4, 3, 4), (1, 1, 1), "stream 'a': patch 3 along y does not divide 8"),
        ((4, 4, 0), (1, 1, 1), "stream 'a': patch 0 along z does not divide 8"),
        ((4, 4, 4), (1, 1, 3), "stream 'a': window 3 along z does not divide 2"),
    ],
)
def test_patches_and_windows_must_divide(patch, window, message):
    with pytest.raises(DeclarationError) as caught:
        VoxelGrid(name="a", axes=CUBE, patch=patch, window=window, columns=(CHARGE,))
    assert str(caught.value) == message


def test_a_grid_must_measure_something():
    with pytest.raises(DeclarationError) as caught:
        VoxelGrid(name="a", axes=CUBE, patch=(4, 4, 4), window=(1, 1, 1), columns=())
    assert str(caught.value) == "stream 'a' declares no column: what does a hit measure?"


def test_an_array_must_measure_something():
    with pytest.raises(DeclarationError) as caught:
        DenseArray(name="a", shape=(5, 5), columns=())
    assert str(caught.value) == "stream 'a' declares no column: what does a cell measure?"


def test_layouts_say_how_rows_are_kept():
    hard, soft = Label(name="h", classes=("x", "y")), Label(name="s", classes=("x", "y"), soft=True)
    point = Label(name="p", unit="mm", width=3)
    columns = (CHARGE, Column(name="pe", unit="p.e.", width=2, dtype="int32"))
    grid = VoxelGrid(
        name="a", axes=CUBE, patch=(4,) * 3, window=(1,) * 3, columns=columns, labels=(hard, soft)
    )
    assert grid.layout == {
        "index": ("int16", (3,)),
        "charge": ("float32", ()),
        "pe": ("int32", (2,)),
        "h": ("int8", ()),
        "s": ("float16", (2,)),
    }
    array = DenseArray(name="b", shape=(5, 4), columns=columns, labels=(point,))
    assert array.layout["pe"] == ("int32", (5, 4, 2))
    assert array.layout["p"] == ("float32", (3,))
    assert array.size == 60
    tracks = TrackSet(name="c", planes=7, points=(Column(name="x", unit="mm", width=3),))
    assert tracks.layout == {"x": ("float32", (7, 3))}
    assert PointCloud(name="d", groups=2, columns=()).layout == {"position": ("float32", (3,))}


def test_a_soft_label_needs_classes():
    with pytest.raises(DeclarationError) as caught:
        Label(name="s", soft=True)
    assert str(caught.value) == "label 's' is soft, but has no classes"


@pytest.mark.parametrize("name", ["", "a b", "a/b", "a.b", "é"])
def test_names_are_letters_digits_and_underscores(name):
    with pytest.raises(ValueError, match="name"):
        Column(name=name, unit="1")
