"""Damaged files of any format: bytes cut off and flipped, columns that are not what they were.

A format is given by a `Format`; `cases` makes damaged files of it and `judge` reads them all in
worker processes, as ``intarsia prepare`` does. Every case must be a clear error or a right result.
"""

from __future__ import annotations

import io
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import h5py
import numpy as np
from attrs import field, frozen

from intarsia.core.detector import Detector, Reader
from intarsia.core.events import Events, faults
from intarsia.core.foreign import read_foreign
from intarsia.core.foreign_pool import Asked

Arrays = dict[str, np.ndarray]


@frozen
class Format:
    """A format to damage.

    write: writes a good file of a few events to a path. reader: which one reads it. columns: how
    to take the file apart into named arrays and put it together again, for damage to columns
    ("npz", "hdf5" or "" for none).
    """

    name: str
    detector: Detector
    reader: str
    suffix: str
    write: Callable[[Path], object]
    columns: str = ""
    options: Mapping[str, int | float | str] = field(factory=dict)


@frozen
class Case:
    """A damaged file. may: "same" if a result must be that of the good file, else "other"."""

    path: Path
    how: str
    may: str


def cases(form: Format, n: int, seed: int, folder: Path) -> Iterator[Case]:
    """`n` damaged files of `form`."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    good = folder / f"good{form.suffix}"
    form.write(good)
    data = good.read_bytes()
    kinds = [_cut, _flipped] + ([_column] if form.columns else [])
    for i in range(n):
        kind = kinds[i % len(kinds)]
        # Files whose names say what they hold keep their names, each in its own folder.
        path = folder / f"{i}" / good.name
        path.parent.mkdir(exist_ok=True)
        how, may = kind(form, good, data, path, rng)
        yield Case(path, how, may)


def judge(form: Format, found: list[Case], good: Path, timeout: float = 20.0) -> list[str]:
    """What is wrong with how the cases were read; an empty list if nothing is."""
    readers = tuple(r for r in form.detector.readers if r.name == form.reader)
    assert readers, f"{form.detector.name} has no reader {form.reader}"
    whole = _all(form, readers, [good], timeout)[0]
    assert all(isinstance(w, Events) for w in whole), whole
    wrong = []
    results = _all(form, readers, [c.path for c in found], timeout)
    for case, result in zip(found, results, strict=True):
        wrong += [f"{case.how}: {case.path}: {said}" for said in _faults(form, case, result, whole)]
    return wrong


def _all(form, readers: tuple[Reader, ...], files: list[Path], timeout: float) -> list[list]:
    asked = Asked(form.detector, readers, dict(form.options), tuple(files))
    results: list[list] = [[] for _ in files]
    for piece in read_foreign(asked, 1, timeout):
        results[piece.file].append(piece.what)
    return results


def _faults(form: Format, case: Case, result: list, whole: list[Events]) -> Iterator[str]:
    errors = [r for r in result if isinstance(r, str)]
    events = [r for r in result if isinstance(r, Events) and len(r)]
    if not result:
        yield "nothing was said of it"
    for error in errors:
        if not error.startswith(str(case.path)) or len(error) > 1000 or "\n" in error:
            yield f"an unclear message: {error[:600]!r}"
        # The HDF5 library itself goes round in circles, or crashes, over some damaged files.
        if "not read after" in error and form.columns != "hdf5":
            yield f"it hangs: {error}"
        if "crashed" in error and form.columns != "hdf5":
            yield f"it crashes: {error}"
    for some in events:
        yield from faults(some, form.detector)
    if not errors and case.may == "same" and not _equal(events, whole):
        yield "another result than the good file's, without an error"


def _equal(a: list[Events], b: list[Events]) -> bool:
    if not a or not b:
        return len(a) == len(b)
    x, y = Events.collate(a), Events.collate(b)
    if x.keys != y.keys or set(x.truth) != set(y.truth):
        return False
    same = [np.array_equal(x.truth[k], y.truth[k], equal_nan=True) for k in x.truth]
    for name, table in x.streams.items():
        other = y.streams[name]
        same.append(set(table.columns) == set(other.columns))
        same += [
            np.array_equal(table[c], other[c], equal_nan=True)
            for c in table.columns.keys() & other.columns.keys()
        ]
    return all(same)


def _cut(form, good, data, path, rng):
    at = int(rng.integers(0, len(data)))
    path.write_bytes(data[:at])
    return f"cut off at {at} of {len(data)}", "same"


def _flipped(form, good, data, path, rng):
    found = bytearray(data)
    at = rng.integers(0, len(data), int(rng.integers(1, 9)))
    for byte in at:
        found[byte] ^= 1 << int(rng.integers(8))
    path.write_bytes(bytes(found))
    return f"bytes flipped at {at.tolist()}", "other"


def _column(form, good, data, path, rng):
    if form.columns == "npz":
        arrays = dict(np.load(io.BytesIO(data), allow_pickle=False))
        names = list(arrays)
        name = names[int(rng.integers(len(names)))]
        how, may, arrays[name] = _changed(arrays[name], rng)
        np.savez(path, **arrays)
        return f"{name}: {how}", may
    shutil.copy(good, path)
    with h5py.File(path, "r+") as file:
        names: list[str] = []
        file.visititems(
            lambda n, o: names.append(n) if isinstance(o, h5py.Dataset) and o.shape else None
        )
        name = names[int(rng.integers(len(names)))]
        return _hdf5_column(file, name, rng)


def _hdf5_column(file, name: str, rng) -> tuple[str, str]:
    old = file[name]
    values, dtype = old[:], old.dtype
    if h5py.check_vlen_dtype(dtype) is not None:
        inner = h5py.check_vlen_dtype(dtype)
        i = int(rng.integers(len(values))) if len(values) else 0
        how, may, changed = (
            _changed(np.asarray(values[i]), rng) if len(values) else ("", "same", None)
        )
        if changed is None or changed.dtype.kind not in "iuf" or changed.ndim != 1:
            how, may, changed = "no rows", "other", None
            del file[name]
            file.create_dataset(name, (0,), h5py.vlen_dtype(inner), maxshape=(None,))
            return f"{name}: {how}", may
        with np.errstate(invalid="ignore"):
            file[name][i] = changed.astype(inner)
        return f"{name}[{i}]: {how}", "other"
    if dtype.names:
        column = dtype.names[int(rng.integers(len(dtype.names)))]
        how, may, changed = _changed(values[column], rng)
        if len(changed) != len(values):  # all columns of a table have its length
            rows = np.arange(len(changed)) % max(len(values), 1)
            values = values[rows] if len(values) else values
            changed = values[column]
        kinds = [(n, changed.dtype if n == column else values.dtype[n]) for n in dtype.names]
        shapes = changed.shape[1:]
        kinds = [(n, d, shapes) if n == column else (n, d) for n, d in kinds]
        found = np.zeros(len(values), kinds)
        for n in dtype.names:
            found[n] = changed if n == column else values[n]
        how = f"{column}: {how}"
    else:
        how, may, found = _changed(values, rng)
    del file[name]
    file[name] = found
    return f"{name}: {how}", may


def _changed(values: np.ndarray, rng) -> tuple[str, str, np.ndarray]:
    """How a column is damaged, whether a result must be the same, and the damaged column."""
    number = values.dtype.kind in "biuf"
    flat = values.reshape(-1) if number else values
    ways = ["text", "shorter", "longer", "none", "twice", "reversed", "flat"]
    if number:
        ways += ["nan", "negative", "huge", "swapped", "wider", "unsorted"]
    if values.dtype.kind in "iu" and flat.size:
        ways += ["fractions", "floats"]
    way = ways[int(rng.integers(len(ways)))]
    if way == "swapped":
        return way, "same", values.astype(values.dtype.newbyteorder(">"))
    if way == "wider" and values.dtype.kind != "b":
        return way, "same", values.astype("f8" if values.dtype.kind == "f" else "i8")
    if way == "fractions":  # rounded, they would be other numbers
        return way, "same", values + 0.5
    if way == "floats":
        return way, "same", values.astype("f8")
    if way == "text":
        return way, "same", np.full(values.shape, b"x")
    if way == "none":
        return way, "other", values[:0] if values.ndim else values
    if way == "shorter":
        return way, "other", values[: int(rng.integers(len(values) + 1))] if values.ndim else values
    if way in ("longer", "twice"):
        extra = values[: int(rng.integers(1, 5))] if values.ndim else values
        return way, "other", np.concatenate([values, extra]) if values.ndim else values
    if way == "reversed":
        return way, "other", values[::-1].copy() if values.ndim else values
    if way == "flat" or not number or not flat.size:
        return way, "other", values.reshape(-1)
    found = flat.astype("f8") if way == "nan" else flat.copy()
    at = int(rng.integers(len(found)))
    if way == "nan":
        found[at] = rng.choice([np.nan, np.inf, -np.inf])
    elif way == "unsorted":
        rng.shuffle(found)
    elif values.dtype.kind == "b":
        found[at] = ~found[at]
    else:
        limits = np.finfo(found.dtype) if found.dtype.kind == "f" else np.iinfo(found.dtype)
        low = -found[at] if found.dtype.kind == "f" else np.array(-1).astype(found.dtype)
        found[at] = limits.max if way == "huge" else low
    return way, "other", found.reshape(values.shape)


def zipped_again(path: Path, **members: bytes) -> Path:
    """The zip file at `path` with `members` replaced or added."""
    with zipfile.ZipFile(path) as old:
        found = {n: old.read(n) for n in old.namelist()}
    with zipfile.ZipFile(path, "w") as new:
        for name, data in (found | members).items():
            new.writestr(name, data)
    return path


def checked_format(form: Format, n: int, seed: int, folder: Path) -> None:
    """`n` damaged files of `form` are each a clear error or a right result."""
    found = list(cases(form, n, seed, folder))
    wrong = judge(form, found, folder / f"good{form.suffix}")
    assert not wrong, "\n".join(line[:2000] for line in wrong[:10])


__all__ = ["Case", "Format", "cases", "checked_format", "judge", "zipped_again"]
