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

from intarsia.core.errors import EventError

from .pickled import Buffer, Dtype, Name, Scalar, Tensor, WaitingArray, resolved


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
    "numpy.dtype": Dtype,
    **{
        f"numpy.{core}.{name}": function
        for core in ("core", "_core")
        for name, function in (
            ("multiarray._reconstruct", lambda *_: WaitingArray()),
            ("multiarray.scalar", Scalar),
            ("numeric._frombuffer", Buffer),
        )
    },
    **{
        f"{module}.{name}": function
        for module in ("__builtin__", "builtins")
        for name, function in (("bytes", _no_bytes), ("set", _set), ("frozenset", _set))
    },
    "_codecs.encode": _encode,
    "collections.OrderedDict": _dict,
    "torch._utils._rebuild_tensor_v2": Tensor,
    "torch._utils._rebuild_tensor": Tensor,
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
