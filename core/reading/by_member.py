"""Vectors of objects that ROOT wrote one member after the other, for uproot.

ROOT writes a vector of objects within an object, or within another vector, like that by default
(TStreamerInfo::WriteBufferAux, kSTL). uproot 5.7 reads such vectors of pairs and of nothing else.
"""

from __future__ import annotations

from struct import Struct
from typing import Any

import numpy as np
from uproot._awkwardforth import get_forth_obj
from uproot.containers import AsVector, STLVector
from uproot.deserialization import numbytes_check, numbytes_version
from uproot.model import DispatchByVersion

from intarsia.core.errors import EventError

_SHORT, _INT = Struct(">h"), Struct(">i")
_plain = AsVector.read


def install() -> None:
    """Teach it to uproot, for this process."""
    AsVector.read = _read


def _read(
    self: Any, chunk: Any, cursor: Any, context: Any, file: Any, selffile: Any, parent: Any,
    header: bool = True,
) -> Any:  # fmt: skip
    """`AsVector.read`, which this replaces, but for objects without base that come member by member."""
    kind = self.values
    start = cursor.copy()
    objects = isinstance(kind, type) and issubclass(kind, DispatchByVersion)
    if header and self.header and objects and get_forth_obj(context) is None:
        size, _, by_member = numbytes_version(chunk, cursor, context)
        model = kind.new_class(file, "max") if by_member else None
        if model is not None and not model.base_names_versions:
            values = _members(model, size, chunk, cursor, context, file, selffile, parent)
            numbytes_check(
                chunk, start, cursor, size, self.typename, context, selffile.file_path
            )  # fmt: skip
            return STLVector(values)
        cursor.move_to(start.index)
    return _plain(self, chunk, cursor, context, file, selffile, parent, header)


def _members(
    model: Any,
    size: int,
    chunk: Any,
    cursor: Any,
    context: Any,
    file: Any,
    selffile: Any,
    parent: Any,
) -> Any:
    """The objects, after the header: version of the class, its checksum if that is 0, how many."""
    if cursor.field(chunk, _SHORT, context) <= 0:
        cursor.skip(4)
    length = cursor.field(chunk, _INT, context)
    if not 0 <= length <= size:
        raise EventError(f"a vector of {length} objects in {size} bytes")
    values = np.empty(length, dtype=object)
    for i in range(length):
        values[i] = model.read(chunk, cursor, dict(context, reading=False), file, selffile, parent)
    for member in range(len(model.member_names)):
        for value in values:
            value.read_member_n(chunk, cursor, context, file, member)
    return values
