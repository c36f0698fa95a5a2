"""Energies to draw from: drawn as the histogram says, and a file that is wrong is named."""

import numpy as np
import pytest

from intarsia.core.errors import RunError
from intarsia.core.simulation.random import seeded
from intarsia.core.simulation.spectrum import NAMES, draw_energy, read

EDGES = np.array([20.0, 100.0, 400.0, 2000.0])
HEADER = "low,high," + ",".join(NAMES.values())
ROWS = ["20,100,1,1,1,1,1,1", "100,400,2,1,1,1,1,0", "400,2000,1,1,0,1,1,1"]


@pytest.fixture
def csv(tmp_path):
    path = tmp_path / "spectrum.csv"
    path.write_text("\n".join([HEADER, *ROWS]) + "\n")
    return path


def test_csv_and_npz_are_the_same(csv, tmp_path):
    counts = np.array([[float(c) for c in row.split(",")[2:]] for row in ROWS])
    arrays = dict(zip(NAMES.values(), counts.T, strict=True))
    np.savez(tmp_path / "spectrum.npz", edges=EDGES, **arrays)
    a, b = read(csv), read(tmp_path / "spectrum.npz")
    assert (a.edges == b.edges).all()
    assert (a.below == b.below).all()
    assert (a.edges == EDGES).all()


def test_energies_are_drawn_from_the_histogram_of_the_neutrino(csv):
    s, state = read(csv), seeded(1, 1)
    for pdg, share in ((12, (0.25, 0.5, 0.25)), (14, (0.5, 0.5, 0.0)), (-16, (0.5, 0.0, 0.5))):
        e = np.array([draw_energy(state, *s, pdg) for _ in range(4000)])
        found = np.histogram(e, EDGES)[0] / 4000
        assert found == pytest.approx(share, abs=0.03)
        assert found.sum() == 1
        assert (found[np.array(share) == 0] == 0).all()
        assert e[e < 100].mean() == pytest.approx(60.0, rel=0.03)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("low,high,nue\n20,30,1", "no column nuebar, numu, numubar, nutau, nutaubar"),
        (HEADER, "there are no bins"),
        (f"{HEADER}\n20,30,1,1,1,a,1,1", "line 2: numubar must be a number, not 'a'"),
        (f"{HEADER}\n20,30,1,1,1", "line 2: numubar must be a number, not None"),
        (f"{HEADER}\n20,30,1,1,1,1,1,1\n40,50,1,1,1,1,1,1", "line 3: the bin does not begin"),
        (f"{HEADER}\n20,10,1,1,1,1,1,1", "the edges of the bins must increase"),
        (f"{HEADER}\n1,10,1,1,1,1,1,1", "energies must be from 20 to 10000 GeV"),
        (f"{HEADER}\n20,30,1,-1,1,1,1,1", "nuebar must be finite and not negative"),
        (f"{HEADER}\n20,30,1,1,1,1,0,1", "nutau has no interactions"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path, text, message):
    path = tmp_path / "wrong.csv"
    path.write_text(text + "\n")
    with pytest.raises(RunError, match="wrong.csv: " + message):
        read(path)


def test_a_file_that_is_none_is_named(tmp_path):
    with pytest.raises(RunError, match=r"a spectrum is a .csv or .npz file, not '.root'"):
        read(tmp_path / "a.root")
    with pytest.raises(RunError, match="there is no such file"):
        read(tmp_path / "a.csv")
    np.savez(tmp_path / "b.npz", edges=EDGES)
    with pytest.raises(RunError, match="no array nue, nuebar, numu"):
        read(tmp_path / "b.npz")
    np.savez(tmp_path / "c.npz", edges=EDGES, **{name: np.ones(4) for name in NAMES.values()})
    with pytest.raises(RunError, match="nue has 4 values for 3 bins"):
        read(tmp_path / "c.npz")


NO_ARCHIVE = "is no NPZ archive: it must be one of arrays, as numpy.savez writes it"


def message(path):
    with pytest.raises(RunError) as caught:
        read(path)
    return str(caught.value)


def test_a_file_of_another_kind_is_named(tmp_path):
    npz, csv = tmp_path / "a.npz", tmp_path / "a.csv"
    npz.write_text("no archive")
    assert message(npz) == f"{npz}: {NO_ARCHIVE}"
    with npz.open("wb") as file:
        np.save(file, EDGES)  # a single array under another name
    assert message(npz) == f"{npz}: {NO_ARCHIVE}"
    np.savez(npz, edges=EDGES)
    npz.write_bytes(npz.read_bytes().replace(b"PK\x01\x02", b"PK\0\0"))  # its list of contents
    assert message(npz) == f"{npz}: {NO_ARCHIVE}"
    npz.write_bytes(b"")
    assert message(npz) == f"{npz}: {NO_ARCHIVE}"
    for content in (b"\x89PNG\xff\x00", "low,high".encode("utf-16")):
        csv.write_bytes(content)
        assert message(csv) == f"{csv}: is no CSV file: it must be text in UTF-8, with commas"


@pytest.mark.parametrize(
    ("name", "values", "fault"),
    [
        ("nue", np.array([1.0, 2.0, 3.0]) + 1j, "nue must be real numbers, not complex128"),
        ("nue", np.array(["1", "2", "3"]), "nue must be real numbers, not <U1"),
        ("edges", EDGES.reshape(2, 2), "edges must have one dimension, not 2"),
        ("edges", EDGES[0], "edges must have one dimension, not 0"),
        (
            "numu",
            np.array([1, None, "x"], object),
            "numu cannot be read: it must be an array of numbers",
        ),
    ],
)
def test_an_array_that_is_none_of_numbers_is_named(tmp_path, recwarn, name, values, fault):
    arrays = {n: np.ones(3) for n in NAMES.values()} | {"edges": EDGES} | {name: values}
    np.savez(tmp_path / "a.npz", **arrays)
    assert message(tmp_path / "a.npz") == f"{tmp_path / 'a.npz'}: {fault}"
    assert not recwarn.list


def test_an_archive_that_is_damaged_is_named(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, edges=EDGES, **{n: np.ones(3) for n in NAMES.values()})
    content = bytearray(path.read_bytes())
    content[60:110] = b"\0" * 50
    path.write_bytes(content)
    assert message(path) == f"{path}: edges cannot be read: it must be an array of numbers"


def test_a_csv_of_a_spreadsheet_is_read(csv, tmp_path):
    marked = tmp_path / "marked.csv"
    marked.write_bytes(b"\xef\xbb\xbf" + csv.read_bytes().replace(b"\n", b"\r\n"))
    assert (read(marked).below == read(csv).below).all()
