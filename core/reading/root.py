"""ROOT files from elsewhere: trees by uproot, without the compiled dictionary of their classes.

uproot writes Python classes from what a file says of its own: names in it are checked before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import uproot
from uproot.interpretation.identify import UnknownInterpretation

from intarsia.core.errors import EventError, suggest
from intarsia.core.events import Array

from . import by_member
from .values import numbers

by_member.install()

_NAME = re.compile(r"[\w:<>,()*&\[\]~.\- ]*")  # of classes and members of C++
_BYTES = uproot.AsJagged(uproot.AsDtype("u1"))


class Root:
    """An open ROOT file. known: what it has. EventError if it is none.

    dictionary: what to do about a branch whose bytes the file does not describe.
    """

    def __init__(self, path: Path, dictionary: str = "") -> None:
        self._dictionary = dictionary or "copy what is wanted to a flat tree with ROOT"
        with understood("file"):
            self._file = uproot.open({path: None})
        try:
            with understood("file"):
                if (size := path.stat().st_size) < (end := int(self._file.file.fEND)):
                    raise EventError(f"cut off: {size} of {end} bytes")
                _harmless(self._file.file.streamers)
                self.known = tuple(self._file.keys(recursive=False, cycle=False))
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def tree(self, *names: str) -> Tree:
        """The first of the trees `names` that the file has; EventError if it has none."""
        name = next((n for n in names if n in self.known), "")
        if not name:
            has = ", ".join(self.known) or "nothing"
            raise EventError(f"it has no tree {' or '.join(names)} (it has: {has})")
        with understood(name):
            return Tree(name, self._file[name], self._dictionary)


def why_no_tree(path: Path, *names: str) -> str:
    """Why the file at `path` has none of the trees `names`, or nothing: for `Reader.claims`."""
    try:
        file = Root(path)
    except EventError as fault:
        return str(fault)
    try:
        file.tree(*names)
    except EventError as fault:
        return str(fault)
    finally:
        file.close()
    return ""


class Tree:
    """A tree of a `Root` file. Branches go by the last part of their path."""

    def __init__(self, name: str, tree: Any, dictionary: str) -> None:
        self.name, self._tree, self._dictionary = name, tree, dictionary
        self.entries = int(tree.num_entries)
        self._paths = {k.rpartition("/")[2]: k for k in tree.keys(recursive=True)}

    def __contains__(self, name: str) -> bool:
        return name in self._paths

    def numbers(self, name: str, first: int, last: int) -> Array:
        """A number per entry, (n, ...)."""
        values = self._read(name, first, last, "np")
        if values.dtype.kind == "O":
            raise EventError(f"{name}: has rows of several numbers, not one for each entry")
        return numbers(values, name)

    def ragged(self, name: str, first: int, last: int) -> tuple[Array, Array]:
        """Rows of any number of numbers: counts (n,), and the numbers end to end."""
        values = self._read(name, first, last, "ak")
        with understood(name):
            counts = np.asarray(ak.num(values), np.int64)
            flat = np.asarray(ak.flatten(values))
        return counts, numbers(flat, name, (None,))

    def raw(self, name: str, first: int, last: int) -> list[bytes]:
        """The bytes of each entry, as ROOT wrote them."""
        with understood(name):
            return [row.tobytes() for row in self._read(name, first, last, "np", _BYTES)]

    def texts(self, name: str, first: int, last: int) -> tuple[Array, Array]:
        """Rows of any number of texts: counts (n,), and the texts end to end, as bytes."""
        values = self._read(name, first, last, "ak")
        with understood(name):
            counts = np.asarray(ak.num(values), np.int64)
            return counts, np.array(ak.to_list(ak.flatten(values)), "S")

    def table(self, names: Sequence[str], first: int, last: int) -> tuple[Array, list[Array]]:
        """Ragged columns of the same counts."""
        columns = [self.ragged(name, first, last) for name in names]
        for name, (counts, _) in zip(names, columns, strict=True):
            if not np.array_equal(counts, columns[0][0]):
                raise EventError(f"{name}: has other numbers of rows than {names[0]}")
        return columns[0][0], [flat for _, flat in columns]

    def objects(self, name: str, first: int, last: int) -> list[list[Any]]:
        """Objects of each entry, as uproot makes them: ``item.member(NAME)``. Null ones are left out."""
        values = self._read(name, first, last, "np")
        with understood(name):
            return [[item for item in row if item is not None] for row in values]

    def pointers(self, name: str, first: int, last: int) -> list[Any]:
        """The object of each entry, None where the pointer is null."""
        return list(self._read(name, first, last, "np"))

    def described(self, name: str) -> bool:
        """Whether there is a branch `name` and the file says what its bytes mean."""
        branch = self._tree[self._paths[name]] if name in self._paths else None
        return branch is not None and not isinstance(branch.interpretation, UnknownInterpretation)

    def mapped(
        self, name: str, members: Sequence[str], first: int, last: int
    ) -> tuple[Array, list[Array]]:
        """Members of the values of a map in each entry: counts (n,), and a column of each."""
        values = self._read(name, first, last, "np")
        with understood(name):
            rows = [list(row.values()) for row in values]
        items = [item for row in rows for item in row]
        columns = [np.array([member(item, m, name) for item in items]) for m in members]
        return np.array([len(row) for row in rows], np.int64), columns

    def _read(self, name: str, first: int, last: int, library: str, how: Any = None) -> Any:
        if name not in self._paths:
            raise EventError(f"{name}: missing in {self.name}{suggest(name, self._paths)}")
        with understood(name):
            branch = self._tree[self._paths[name]]
            how = how or branch.interpretation
            if isinstance(how, UnknownInterpretation):
                raise EventError(
                    f"{name}: its bytes are not described in the file; {self._dictionary}"
                )
            try:
                values = branch.array(how, entry_start=first, entry_stop=last, library=library)
            except Exception as fault:
                if not isinstance(how, uproot.AsObjects):
                    raise
                raise EventError(
                    f"{name}: does not read as the file describes it ({type(fault).__name__}): it is "
                    f"damaged, or of a class that writes itself; {self._dictionary}"
                ) from fault
        if len(values) != last - first:
            raise EventError(f"{name}: has {len(values)} of {last - first} entries")
        return values


@contextmanager
def understood(name: str) -> Iterator[None]:
    """Turn whatever uproot says of a damaged file into one EventError."""
    try:
        yield
    except EventError:
        raise
    # Bytes that are not what they should be surface in uproot in every imaginable way.
    except Exception as fault:
        said = " ".join(str(fault).split())[:200]
        raise EventError(f"{name}: damaged ROOT file ({type(fault).__name__}: {said})") from fault


def member(item: Any, name: str, of: str) -> Any:
    """A member of an object from `Tree.objects`."""
    with understood(of):
        if not item.has_member(name):
            raise EventError(f"{of}: has no {name}")
        return item.member(name)


def _harmless(streamers: Any) -> None:
    """EventError if a class or member has a name that no compiler would take."""
    for versions in streamers.values():
        for info in versions.values():
            names = [info.name]
            for element in info.elements:
                names += [element.name, element.typename]
                names += [element.count_name] if hasattr(element, "count_name") else []
            for name in names:
                if not _NAME.fullmatch(str(name)):
                    raise EventError(f"file: describes a class or member called {name[:80]!r}")
