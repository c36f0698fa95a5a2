"""Files that were made to do harm do nothing."""

import io
import os
import pickle
import resource
import struct
import sys
import zipfile
from contextlib import suppress

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from intarsia.core.errors import EventError
from intarsia.core.reading import Ranges, hdf5, npz, torch_file, unpickle
from intarsia.core.reading.hdf5 import Hdf5

VALUE = {
    "reco_hits": np.arange(12.0).reshape(3, 4),
    "fortran": np.asfortranarray(np.arange(6).reshape(2, 3)),
    "big": np.arange(3, dtype=">i4"),
    "scalar": np.float32(3),
    "none": np.zeros((0, 4)),
    "text": np.array(["ab", "c"]),
    "list": [1, (2.5, "x"), None, True, b"raw"],
    "objects": np.array([np.arange(2), "b"], object),
}


def same(a, b):
    if isinstance(b, dict):
        assert a.keys() == b.keys()
        for key in b:
            same(a[key], b[key])
    elif isinstance(b, np.ndarray) and b.dtype.hasobject:
        for x, y in zip(a, b, strict=True):
            same(x, y)
    elif isinstance(b, np.ndarray):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    else:
        assert a == b
        assert type(a) is type(b)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_and_plain_values_come_back_from_every_protocol(protocol):
    same(unpickle(pickle.dumps(VALUE, protocol)), VALUE)


@pytest.mark.parametrize("zipped", [True, False])
def test_torch_files_come_back_in_both_formats(tmp_path, zipped):
    base = torch.arange(24.0).reshape(4, 6)
    tensors = {
        "whole": base,
        "view": base[1:3, ::2],
        "turned": base.T,
        "half": base.half(),
        "brain": base.bfloat16(),
        "long": torch.arange(5),
        "bool": torch.tensor([True, False]),
        "empty": torch.zeros(0, 3),
    }
    path = tmp_path / "a.pt"
    torch.save(tensors | VALUE, path, _use_new_zipfile_serialization=zipped)
    found = torch_file(path)
    same({k: found[k] for k in VALUE}, VALUE)
    for name, tensor in tensors.items():
        expected = tensor.float() if name == "brain" else tensor
        np.testing.assert_array_equal(found[name], expected.numpy())


class Runs:
    """Pickles to a call."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def attacks(mark):
    """Pickles that would leave a file at `mark`, or harm the process, if they were run."""
    os_system = b"cposix\nsystem\n(S'touch %s'\ntR." % str(mark).encode()
    yield "names posix.system", os_system
    for function, args in (
        (os.system, (f"touch {mark}",)),
        (exec, (f"open({str(mark)!r}, 'w')",)),
        (open, (str(mark), "w")),
        (sys.exit, (1,)),
        (getattr, ("a", "join")),
        (bytes, (1 << 40,)),
        (np.load, (str(mark),)),
        (np.fromfile, (str(mark),)),
    ):
        yield function.__name__, pickle.dumps({"x": Runs(function, *args)})
        objects = np.array([Runs(function, *args)], object)
        yield f"in an array: {function.__name__}", pickle.dumps(objects)
    yield "bytes of 2^60", b"\x80\x05\x8e" + struct.pack("<Q", 1 << 60) + b"abc."
    yield "bytearray of 2^40", b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b"abc."
    yield "long of 2^31", b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b"abc."
    yield "deep", b"(" * 5000 + b"l" * 5000 + b"."
    yield "extension", b"\x82\x01."
    yield "state of a name", b"cnumpy\nndarray\n}S'x'\nI1\nsb."
    yield "a name itself", b"cnumpy\nndarray\n."
    yield "calls a class", b"cnumpy\nndarray\n(I9\ntR."
    yield "another module", pickle.dumps(np.ma.masked_array([1]))
    yield "records", pickle.dumps(np.zeros(2, [("a", "i4")]))
    yield "dates", pickle.dumps(np.zeros(2, "M8[s]"))
    yield "contains itself", b"(lp0\ng0\na."
    yield "a list as a key", pickle.dumps({(1, 2): 3}).replace(b"K\x02\x86", b"]]\x86")
    yield "nothing", b""


def test_hostile_pickles_are_errors_and_do_nothing(tmp_path):
    mark = tmp_path / "harmed"
    for what, data in attacks(mark):
        with pytest.raises(EventError):
            unpickle(data)
        for path in (tmp_path / "a.pt", tmp_path / "b.pt"):
            if path.name == "a.pt":
                path.write_bytes(data)
            else:
                with zipfile.ZipFile(path, "w") as archive:
                    archive.writestr("archive/data.pkl", data)
            with pytest.raises(EventError):
                torch_file(path)
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(header, {"descr": "|O", "fortran_order": False, "shape": (1,)})  # fmt: skip
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
            archive.writestr("x.npy", header.getvalue() + data)
        with npz(tmp_path / "a.npz") as file, pytest.raises(EventError, match=r"^x: "):
            file["x"]
        assert not mark.exists(), what


def test_bytes_that_are_not_there_take_no_memory():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for size in (1 << 33, 1 << 40, (1 << 64) - 1):
        for code in (pickle.BYTEARRAY8, pickle.BINBYTES8, pickle.BINUNICODE8):
            with pytest.raises(EventError):
                unpickle(b"\x80\x05" + code + struct.pack("<Q", size) + b"abc.")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


def test_an_array_as_a_key_is_an_error():
    data = pickle.dumps(np.arange(2), 2)
    with pytest.raises(EventError, match="not a sensible value"):
        unpickle(b"}" + data[2:-1] + b"K\x01s.")


def test_an_enormous_memo_takes_no_memory():
    assert unpickle(b"\x80\x04Nr\xff\xff\xff\x7f.") is None


def test_the_name_that_a_pickle_may_not_use_is_told():
    with pytest.raises(EventError) as caught:
        unpickle(pickle.dumps(Runs(os.system, "x")), "data.pkl")
    assert str(caught.value) == (
        "data.pkl: names posix.system; only numpy arrays, tensors and plain values are read, "
        "as anything else could run code"
    )


def test_the_modules_that_reading_uses_are_as_before():
    before = dict(vars(np.lib.format))
    with pytest.raises(EventError):
        unpickle(b"cnumpy\ndtype\n(N}S'x'\nI1\nstb.")
    assert dict(vars(np.lib.format)) == before


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_damaged_pickle_is_an_error_or_a_value(data):
    raw = bytearray(pickle.dumps(VALUE, data.draw(st.integers(0, 5))))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(raw)))
    for damaged in (bytes(raw), bytes(raw[:cut])):
        with suppress(EventError):
            unpickle(damaged)


def stored(path, tensor_args, numel=4, raw=b"\0" * 16):
    """A torch file of one tensor with these arguments, whatever they are."""

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            return ("storage", torch.FloatStorage, "0", "cpu", numel) if value == "S" else None

    class Tensor:
        def __reduce__(self):
            return torch._utils._rebuild_tensor_v2, ("S", *tensor_args, False, {})

    out = io.BytesIO()
    Pickler(out, 2).dump({"x": Tensor()})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", out.getvalue())
        archive.writestr("a/data/0", raw)
    return path


def test_tensors_stay_within_their_storage(tmp_path):
    path = tmp_path / "a.pt"
    assert torch_file(stored(path, (0, (2, 2), (2, 1))))["x"].tolist() == [[0, 0], [0, 0]]
    for args in ((0, (2, 3), (3, 1)), (3, (2,), (1,)), (-1, (2,), (1,)), (0, (2,), (-1,)), (0, (10**9,), (0,))):  # fmt: skip
        with pytest.raises(EventError, match="tensor"):
            torch_file(stored(path, args))
    with pytest.raises(EventError, match="a storage has 16 bytes, not 400"):
        torch_file(stored(path, (0, (2,), (1,)), numel=100))
    with pytest.raises(EventError, match="storage of no sensible size"):
        torch_file(stored(path, (0, (2,), (1,)), numel=1 << 50))


def npy(descr, shape, data, fortran=False):
    out = io.BytesIO()
    header = {"descr": descr, "fortran_order": fortran, "shape": shape}
    np.lib.format.write_array_header_1_0(out, header)
    return out.getvalue() + data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (npy("<f4", (1 << 60,), b"1234"), "x: has 4 bytes for (1152921504606846976,) of float32"),
        (npy("<f4", (1 << 40, 1 << 40), b"1234"), "x: has 4 bytes for (1099511627776, 1099511627776) of float32"),
        (npy("<f4", (-1,), b"1234"), "x: has the shape (-1,)"),
        (npy("<f4", (2,), b"1234"), "x: has 4 bytes for (2,) of float32"),
        (b"\x93NUMPY\x09\x00", "x: npy format (9, 0) is not known"),
        (b"junk", "x: not a whole array (EOF: reading magic string, expected 8 bytes got 4)"),
    ],
)  # fmt: skip
def test_an_array_that_claims_more_than_it_holds_is_named(tmp_path, data, message):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", data)
    with npz(tmp_path / "a.npz") as file, pytest.raises(EventError) as caught:
        file["x"]
    assert str(caught.value) == message


def test_arrays_of_npz_files_come_back(tmp_path):
    arrays = {k: v for k, v in VALUE.items() if isinstance(v, np.ndarray)}
    np.savez(tmp_path / "a.npz", **arrays)
    with npz(tmp_path / "a.npz") as file:
        assert list(file) == list(arrays)
        for name, values in arrays.items():
            same(file[name], values.astype(values.dtype.newbyteorder("=")))
        with pytest.raises(EventError, match=r"^y: missing \(the file has: reco_hits, "):
            file["y"]


def test_a_zip_bomb_is_not_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", b"\0" * 100_000)
    data = (tmp_path / "a.npz").read_bytes()
    size = struct.pack("<I", 100_000)
    (tmp_path / "a.npz").write_bytes(data.replace(size, struct.pack("<I", 0xFFFFFFF0)))
    with npz(tmp_path / "a.npz") as file, pytest.raises(EventError, match=r"more than 2 GiB"):
        file["x"]


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(5.0)
    (tmp_path / "secret.bin").write_bytes(np.arange(5.0).tobytes())
    return path


def test_hdf5_files_reach_no_other_file(tmp_path, secret):
    layout = h5py.VirtualLayout((5,), "f8")
    layout[:] = h5py.VirtualSource(str(secret), "x", (5,))
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["external"] = h5py.ExternalLink(str(secret), "x")
        file["folder"] = h5py.ExternalLink(str(secret), "/")
        file["gone"] = h5py.ExternalLink("nothing.h5", "x")
        file["soft"] = h5py.SoftLink("external")
        file.create_virtual_dataset("virtual", layout)
        file.create_dataset("stored", (5,), "f8", external=[(str(tmp_path / "secret.bin"), 0, 40)])
        file["good"] = np.arange(3.0)
        file["single"] = 3.0
    opened = Hdf5(path)
    os.utime(secret, (1, 1))
    other = "its data are in other files, which are not read"
    for name, message in (
        ("external", "external: 'external' is an external link, which is not followed"),
        ("folder/x", "folder/x: 'folder' is an external link, which is not followed"),
        ("gone", "gone: 'gone' is an external link, which is not followed"),
        ("soft", "soft: 'soft' is a soft link, which is not followed"),
        ("virtual", f"virtual: {other}"),
        ("stored", f"stored: {other}"),
        ("single", "single: a single value, not rows"),
        ("goof", "goof: missing; did you mean 'good'?"),
    ):
        with pytest.raises(EventError) as caught:
            opened.read(name, 0, 3)
        assert str(caught.value) == message
    assert secret.stat().st_atime == 1
    assert opened.read("good", 0, 3).tolist() == [0, 1, 2]
    assert "good" in opened
    assert opened.names() == ("external", "folder", "gone", "good", "single", "soft", "stored", "virtual")  # fmt: skip
    opened.close()


def test_absurd_hdf5_headers_cost_nothing(tmp_path, monkeypatch):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("long", (1 << 50,), "f8", chunks=(1024,))
        file.create_dataset("chunk", (1 << 50,), "f8", chunks=(1 << 28,))
        file.create_dataset("wide", (4, 1 << 40), "f8", chunks=(1, 1024))
        file.create_dataset("rows", (1 << 40,), h5py.vlen_dtype("f4"), chunks=(100,))
        file.create_dataset("packed", data=np.zeros(1 << 22), chunks=True, compression="gzip")
        file.create_dataset("unwritten", (100,), "f4", chunks=(10,))
    opened = Hdf5(path)
    for name, message in (
        ("long", "long: is to have 9007199254740992 bytes, of which 0 are in the file"),
        ("chunk", "chunk: chunks of (268435456,) rows, more than 256 MiB each"),
        ("wide", "wide: is to have 35184372088832 bytes, of which 0 are in the file"),
        ("rows", "rows: is to have 8796093022208 bytes, of which 0 are in the file"),
    ):
        with pytest.raises(EventError) as caught:
            opened.rows(name)
        assert str(caught.value) == message
    assert opened.read("packed", 0, 1 << 22).sum() == 0
    assert opened.read("unwritten", 5, 8).tolist() == [0, 0, 0]
    monkeypatch.setattr(hdf5, "_LIMIT", 1 << 20)
    with pytest.raises(EventError, match="packed: 33554432 bytes at once, more than "):
        opened.read("packed", 0, 1 << 22)
    (tmp_path / "text.h5").write_text("no")
    with pytest.raises(EventError, match="not an HDF5 file, or cut off at its beginning"):
        Hdf5(tmp_path / "text.h5")


def test_hdf5_rows_come_back_however_they_are_asked_for(tmp_path):
    rng = np.random.default_rng(1)
    table = np.zeros(50, [("id", ">u8"), ("value", "<f4"), ("vtx", [("x", "f8")]), ("name", "S4")])
    table["id"], table["value"], table["name"] = np.arange(50), rng.random(50), b"abc"
    rows = np.empty(4, object)
    rows[:] = [np.arange(n, dtype="f4") for n in (3, 0, 2, 5)]
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("t", data=table, chunks=(7,), compression="gzip", shuffle=True)
        file.create_dataset("r", data=rows, dtype=h5py.vlen_dtype("f4"))
    opened = Hdf5(tmp_path / "a.h5")
    first, counts = np.array([30, 3, 6, 0, 49]), np.array([4, 3, 5, 0, 1])
    ranges = Ranges.of_extents(first, counts, 50, "t")
    found = opened.gather("t", ranges, ("id", "value", "vtx", "name"))
    np.testing.assert_array_equal(found["id"], ranges.rows)
    np.testing.assert_array_equal(found["value"], table["value"][ranges.rows])
    assert found["id"].dtype.isnative
    assert found["vtx"]["x"].shape == (13,)
    none = opened.gather("t", Ranges.of_extents([5], [0], 50, "t"), ("id",))
    assert len(none["id"]) == 0
    sizes, flat = opened.ragged("r", 0, 4)
    assert sizes.tolist() == [3, 0, 2, 5]
    np.testing.assert_array_equal(flat, np.concatenate(list(rows)))
    with pytest.raises(EventError, match=r"^t: has no 'idd'; did you mean 'id'\? \(it has: id, "):
        opened.table("t", 0, 3, ("idd",))
    with pytest.raises(EventError, match=r"^t: rows are not of variable length"):
        opened.ragged("t", 0, 3)


@pytest.mark.parametrize("dtype", [">f4", ">i8", "<u2", "<f8"])
def test_hdf5_rows_of_variable_length_come_back_in_any_byte_order(tmp_path, dtype):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("r", (3,), h5py.vlen_dtype(np.dtype(dtype)))
        data[0], data[2] = np.array([1, 515], dtype), np.array([7], dtype)
    opened = Hdf5(tmp_path / "a.h5")
    sizes, flat = opened.ragged("r", 0, 3)
    assert sizes.tolist() == [2, 0, 1]
    assert flat.tolist() == [1, 515, 7]
    assert flat.dtype.isnative
