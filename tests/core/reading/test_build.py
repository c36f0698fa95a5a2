import numpy as np
import pytest

from intarsia.core.detector import Detector
from intarsia.core.errors import DeclarationError, EventError
from intarsia.core.events import checked
from intarsia.core.reading import Rows, Single, build, group_of
from intarsia.core.streams import Axis, Column, DenseArray, Label, VoxelGrid

GRID = VoxelGrid(
    name="cubes",
    axes=(Axis(8, 10.0),) * 3,
    patch=(4, 4, 4),
    window=(2, 2, 2),
    columns=(Column(name="charge", unit="MeV"),),
    labels=(Label(name="kind", classes=("a", "b")), Label(name="share", classes=("a", "b"), soft=True)),
)  # fmt: skip
CALO = DenseArray(name="calo", shape=(2,), columns=(Column(name="energy", unit="GeV"),))
DETECTOR = Detector(
    name="d",
    about="",
    streams=(GRID, CALO),
    truth=(Label(name="vertex", unit="mm", width=3), Label(name="flavour", classes=("e", "mu"))),
)


def rows(**columns):
    index = np.array([[0, 0, 1], [2, 3, 4], [7, 7, 7]])
    given = {"index": index, "charge": np.array([1.0, 2.0, 3.0])} | columns
    return Rows(np.array([2, 1]), given, {"charge": "keV"})


def test_units_and_types_become_the_declared_ones():
    truth = {"vertex": np.array([[1.0, 2.0, 3.0]] * 2), "flavour": np.array([1, -1])}
    events = build(DETECTOR, ["1/1", "1/2"], {"cubes": rows()}, truth, {"vertex": "cm"})
    checked(events, DETECTOR)
    cubes = events.streams["cubes"]
    assert {k: v.dtype.name for k, v in cubes.columns.items()} == {"index": "int16", "charge": "float32"}  # fmt: skip
    np.testing.assert_allclose(cubes["charge"], [1e-3, 2e-3, 3e-3])
    assert cubes.offsets.tolist() == [0, 2, 3]
    np.testing.assert_array_equal(events.truth["vertex"][0], [10, 20, 30])
    assert events.truth["flavour"].dtype == np.int8
    assert events.streams["calo"].counts.tolist() == [0, 0]


def test_samples_of_an_event_share_a_group_in_whatever_file():
    group = group_of(["1/2/0", "1/2/1", "1/3/0", "1/2"])
    assert group[0] == group[1] == group[3] != group[2]
    assert group.dtype == np.int64
    assert (group >= 0).all()
    assert group_of([]).shape == (0,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"index": np.array([[0, 0, 0], [1, 1, 1], [0, 0, 40000]])}, "cubes.index: 1 values are not whole numbers of int16, e.g. 40000"),
        ({"index": np.full((3, 3), np.nan)}, "cubes.index: 9 values are not whole numbers of int16, e.g. nan"),
        ({"charge": np.array([1, 2, np.inf])}, "cubes.charge: 1 values are infinite or too large for float32, e.g. inf"),
        ({"charge": np.array([1, 2, 1e300])}, "cubes.charge: 1 values are infinite or too large for float32, e.g. 1e+297"),
        ({"kind": np.array([0, 1, 300])}, "cubes.kind: 1 values are not whole numbers of int8, e.g. 300"),
        ({"charge": np.array(["a", "b", "c"])}, "cubes.charge: is <U1, not numbers"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(change, message):
    with pytest.raises(EventError) as caught:
        build(DETECTOR, ["1/1", "1/2"], {"cubes": rows(**change)})
    assert str(caught.value).replace("9.999999999999999e+296", "1e+297") == message


def test_a_unit_of_another_dimension_is_a_mistake_of_the_reader():
    with pytest.raises(DeclarationError, match="cm is a unit of length, MeV of energy"):
        build(DETECTOR, ["1/1", "1/2"], {"cubes": Rows(np.array([2, 1]), rows().columns, {"charge": "cm"})})  # fmt: skip


def test_a_class_that_is_not_declared_is_a_fault():
    events = build(DETECTOR, ["1/1", "1/2"], {"cubes": rows(kind=np.array([0, 1, 2]))})
    with pytest.raises(EventError) as caught:
        checked(events, DETECTOR, "x")
    assert str(caught.value) == "x: stream 'cubes': label 'kind' has the class 2, not 0 to 1 (-1: unknown)"  # fmt: skip


def test_a_fault_names_file_and_event_whatever_the_reader_raised(tmp_path):
    with pytest.raises(EventError) as caught:
        Single(tmp_path / "a.x", lambda: 1 / 0).read()  # type: ignore[arg-type,return-value]
    assert str(caught.value) == f"{tmp_path}/a.x, event 0: ZeroDivisionError: division by zero"
    long = Single(tmp_path / "a.x", lambda: open("x" * 9000))  # type: ignore[arg-type,return-value]  # noqa: SIM115
    with pytest.raises(EventError) as caught:
        long.read()
    assert len(str(caught.value)) < 600
