"""What the words of a pickle stand for: values of ours, which do nothing but hold what they are told.

Arrays and tensors are put together once the whole pickle has been read, from bytes, sizes and types
that are checked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from intarsia.core.errors import EventError
from intarsia.core.events import Array

_DEPTH = 100  # containers within containers
_NUMBERS = "biufcSU"  # kinds of arrays that are plain bytes


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


class WaitingArray(Waiting):
    """An array whose state comes after it, as numpy pickles them."""

    __slots__ = ("_state",)

    def __setstate__(self, state: Any) -> None:
        self._state = state

    def value(self) -> Array:
        """What it stands for."""
        _, shape, dtype, fortran, data = self._state
        kind = _dtype(dtype)
        if kind.hasobject:
            found = np.empty(len(data), object)
            found[:] = [resolved(item) for item in data]
        else:
            found = np.frombuffer(_bytes(data), kind)
        return found.reshape(shape, order="F" if fortran else "C")


class Dtype(Waiting):
    """The type of an array: numbers, text or objects; no records."""

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
        """What it stands for."""
        if self._order not in "<>=":
            raise EventError(f"has an array in byte order {self._order!r}")
        return np.dtype(self._name).newbyteorder(
            "<" if self._order == "<" else ">" if self._order == ">" else "="
        )


class Scalar(Waiting):
    """A single number of numpy."""

    __slots__ = ("_data", "_dtype")

    def __init__(self, dtype: Any, data: Any) -> None:
        self._dtype, self._data = dtype, data

    def value(self) -> Any:
        """What it stands for."""
        return np.frombuffer(_bytes(self._data), _dtype(self._dtype))[0]


class Buffer(Waiting):
    """An array straight from bytes, as numpy pickles them from protocol 5 on."""

    __slots__ = ("_args",)

    def __init__(self, data: Any, dtype: Any, shape: Any, order: Any = "C", *_: Any) -> None:
        self._args = data, dtype, shape, order

    def value(self) -> Array:
        """What it stands for."""
        data, dtype, shape, order = self._args
        return np.frombuffer(_bytes(data), _dtype(dtype)).reshape(shape, order=order)


class Tensor(Waiting):
    """A torch tensor: a view into a storage, which is an array of one dimension."""

    __slots__ = ("_args",)

    def __init__(self, storage: Any, offset: int, size: Any, stride: Any, *_: Any) -> None:
        self._args = storage, offset, tuple(size), tuple(stride)

    def value(self) -> Array:
        """What it stands for."""
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
    if not isinstance(given, Dtype):
        raise EventError("has an array without a type")
    return given.value()


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
