"""Pickles as data: numpy arrays, torch tensors and plain values, and nothing that runs code.

A pickle is a program. Ours is read by an interpreter that knows a dozen harmless words: any other
name in it is an error, and the names it knows stand for functions of this module, so that neither
numpy's nor torch's own set-up code sees what the file says.
"""

from __future__ import annotations

import io
import pickle
import struct
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from intarsia.core.errors import EventError
from intarsia.core.events import Array

_DEPTH = 100  # containers within containers
_NUMBERS = "biufcSU"  # kinds of arrays that are plain bytes


def unpickle(data: bytes, what: str = "pickle") -> Any:
    """The value in the pickle `data`: dict, list, tuple, numbers, text, numpy arrays.

    EventError if it is cut off or names anything else, before that has any effect.
    """
    return resolved(load(io.BytesIO(data), what))


def load(file: Any, what: str, storage: Callable[[Any], Any] | None = None) -> Any:
    """One pickle of `file`, from where it stands; arrays are still to be `resolved`.

    storage: what a persistent id (a torch storage) stands for.
    """
    try:
        return _Unpickler(file, storage).load()
    except EventError as fault:
        raise EventError(f"{what}: {fault}") from None
    # A damaged pickle makes the interpreter stumble in any way it likes.
    except Exception as fault:
        said = f"{type(fault).__name__}: {fault}".rstrip(": ")
        raise EventError(f"{what}: not a whole pickle ({said})") from fault


class Name:
    """A name that a pickle may use. It may be called, and does nothing else."""

    __slots__ = ("_function", "name")

    def __init__(self, name: str, function: Callable[..., Any] | None = None) -> None:
        self.name, self._function = name, function

    def __call__(self, *args: Any) -> Any:
        """What the function of this name gives; EventError if it is not one."""
        if self._function is None:
            raise EventError(f"calls {self.name}")
        return self._function(*args)

    def __setstate__(self, _: object) -> None:
        raise EventError(f"changes {self.name}")


class Waiting:
    """A value that is complete once the whole pickle has been read."""

    __slots__ = ()

    def value(self) -> Any:
        """What it stands for."""
        raise NotImplementedError


class _Array(Waiting):
    __slots__ = ("_state",)

    def __setstate__(self, state: Any) -> None:
        self._state = state

    def value(self) -> Array:
        _, shape, dtype, fortran, data = self._state
        kind = _dtype(dtype)
        if kind.hasobject:
            found = np.empty(len(data), object)
            found[:] = [resolved(item) for item in data]
        else:
            found = np.frombuffer(_bytes(data), kind)
        return found.reshape(shape, order="F" if fortran else "C")


class _Dtype(Waiting):
    __slots__ = ("_name", "_order")

    def __init__(self, name: Any, *_: Any) -> None:
        if not isinstance(name, str) or name[:1] not in _NUMBERS + "O":
            raise EventError(f"has an array of {name!r}, not of numbers or text")
        self._name, self._order = name, "="

    def __setstate__(self, state: Any) -> None:
        if state[2] is not None or state[3] is not None:
            raise EventError("has an array of records, not of numbers or text")
        self._order = "=" if state[1] == "|" else state[1]

    def value(self) -> np.dtype[Any]:
        if self._order not in "<>=":
            raise EventError(f"has an array in byte order {self._order!r}")
        return np.dtype(self._name).newbyteorder(
            "<" if self._order == "<" else ">" if self._order == ">" else "="
        )


class _Scalar(Waiting):
    __slots__ = ("_data", "_dtype")

    def __init__(self, dtype: Any, data: Any) -> None:
        self._dtype, self._data = dtype, data

    def value(self) -> Any:
        return np.frombuffer(_bytes(self._data), _dtype(self._dtype))[0]


class _Buffer(Waiting):
    __slots__ = ("_args",)

    def __init__(self, data: Any, dtype: Any, shape: Any, order: Any = "C", *_: Any) -> None:
        self._args = data, dtype, shape, order

    def value(self) -> Array:
        data, dtype, shape, order = self._args
        return np.frombuffer(_bytes(data), _dtype(dtype)).reshape(shape, order=order)


class _Tensor(Waiting):
    """A torch tensor: a view into a storage, which is an array of one dimension."""

    __slots__ = ("_args",)

    def __init__(self, storage: Any, offset: int, size: Any, stride: Any, *_: Any) -> None:
        self._args = storage, offset, tuple(size), tuple(stride)

    def value(self) -> Array:
        storage, offset, size, stride = self._args
        data = storage() if callable(storage) and not isinstance(storage, Name) else None
        if not isinstance(data, np.ndarray):
            raise EventError("has a tensor without a storage")
        whole = all(isinstance(k, int) and k >= 0 for k in (offset, *size, *stride))
        last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
        if not whole or (0 not in size and last >= len(data)):
            raise EventError(f"has a tensor beyond its storage of {len(data)} numbers")
        if 0 in size:
            return np.zeros(size, data.dtype)
        steps = tuple(s * data.itemsize for s in stride)
        if int(np.prod(size, dtype=object)) > len(data):
            raise EventError(f"has a tensor of {size} in a storage of {len(data)} numbers")
        view = np.lib.stride_tricks.as_strided(data[offset:], size, steps, writeable=False)
        return view.copy()


def _bytes(data: Any) -> bytes:
    if not isinstance(data, bytes | bytearray):
        raise EventError(f"has an array whose data are {type(data).__name__}, not bytes")
    return bytes(data)


def _dtype(given: Any) -> np.dtype[Any]:
    if not isinstance(given, _Dtype):
        raise EventError("has an array without a type")
    return given.value()


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """How pickles of protocol 2 write bytes."""
    if encoding != "latin1":
        raise EventError(f"has text in {encoding}")
    return text.encode("latin1")


def _dict(pairs: Any = ()) -> dict[Any, Any]:
    return dict(_listed(pairs))


def _set(items: Any = ()) -> set[Any]:
    return set(_listed(items))


def _no_bytes() -> bytes:
    """How pickles before protocol 3 write no bytes, e.g. those of an empty array."""
    return b""


def _listed(items: Any) -> Any:
    if not isinstance(items, list | tuple):
        raise EventError(f"makes a container of {type(items).__name__}")
    return items


_FUNCTIONS: Mapping[str, Callable[..., Any] | None] = {
    "numpy.ndarray": None,
    "numpy.dtype": _Dtype,
    **{
        f"numpy.{core}.{name}": function
        for core in ("core", "_core")
        for name, function in (
            ("multiarray._reconstruct", lambda *_: _Array()),
            ("multiarray.scalar", _Scalar),
            ("numeric._frombuffer", _Buffer),
        )
    },
    **{
        f"{module}.{name}": function
        for module in ("__builtin__", "builtins")
        for name, function in (("bytes", _no_bytes), ("set", _set), ("frozenset", _set))
    },
    "_codecs.encode": _encode,
    "collections.OrderedDict": _dict,
    "torch._utils._rebuild_tensor_v2": _Tensor,
    "torch._utils._rebuild_tensor": _Tensor,
}

# numpy type of each kind of torch storage; bfloat16 is the upper half of a float32.
STORAGES: Mapping[str, str] = {
    "torch.DoubleStorage": "f8",
    "torch.FloatStorage": "f4",
    "torch.HalfStorage": "f2",
    "torch.BFloat16Storage": "u2",
    "torch.LongStorage": "i8",
    "torch.IntStorage": "i4",
    "torch.ShortStorage": "i2",
    "torch.CharStorage": "i1",
    "torch.ByteStorage": "u1",
    "torch.BoolStorage": "?",
}


def _bytearray(interpreter: Any) -> None:
    """The one instruction that would make room before it looks whether there is so much."""
    (size,) = struct.unpack("<Q", interpreter.read(8))
    data = interpreter.read(min(size, sys.maxsize))
    if len(data) != size:
        raise EventError(f"has {len(data)} of {size} bytes")
    interpreter.append(bytearray(data))


class _Unpickler(pickle._Unpickler):
    """The interpreter in Python: the one in C can be made to fill the memory by one instruction."""

    dispatch = pickle._Unpickler.dispatch | {pickle.BYTEARRAY8[0]: _bytearray}

    def __init__(self, file: Any, storage: Callable[[Any], Any] | None) -> None:
        super().__init__(file, encoding="latin1")
        self._storage = storage

    def find_class(self, module: str, name: str) -> Name:
        full = f"{module}.{name}"
        if full in STORAGES:
            return Name(full)
        if full not in _FUNCTIONS:
            raise EventError(
                f"names {full}; only numpy arrays, tensors and plain values are read, "
                "as anything else could run code"
            )
        return Name(full, _FUNCTIONS[full])

    def persistent_load(self, pid: Any) -> Any:
        if self._storage is None:
            raise EventError("refers to something outside itself")
        return self._storage(pid)

    def get_extension(self, code: int) -> Any:
        raise EventError("uses an extension code")


def resolved(value: Any) -> Any:
    """`value` with every array in it built; EventError for one that cannot be."""
    try:
        return _resolved(value, {}, 0)
    except TypeError as fault:  # an array as a key
        raise EventError(f"not a sensible value ({fault})") from fault


def _resolved(value: Any, seen: dict[int, Any], depth: int) -> Any:
    if depth > _DEPTH:
        raise EventError(f"containers more than {_DEPTH} deep")
    if isinstance(value, Waiting):
        if id(value) not in seen:
            seen[id(value)] = _built(value)
        return seen[id(value)]
    if isinstance(value, Name):
        raise EventError(f"holds {value.name} as a value")
    if not isinstance(value, dict | list | tuple | set | frozenset):
        return value
    if id(value) in seen:
        if seen[id(value)] is None:
            raise EventError("contains itself")
        return seen[id(value)]
    seen[id(value)] = None
    if isinstance(value, dict):
        pairs = value.items()
        seen[id(value)] = {
            _resolved(k, seen, depth + 1): _resolved(v, seen, depth + 1) for k, v in pairs
        }
    else:
        seen[id(value)] = type(value)(_resolved(v, seen, depth + 1) for v in value)
    return seen[id(value)]


def _built(value: Waiting) -> Any:
    try:
        return value.value()
    except EventError:
        raise
    except Exception as fault:
        raise EventError(f"has an array that is not whole ({fault})") from fault
