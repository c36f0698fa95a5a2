"""Rows of a table by the number that names them: the position of a sensor, the truth of a track."""

from __future__ import annotations

import numpy as np

from intarsia.core.errors import EventError
from intarsia.core.events import Array


def look_up(ids: Array, known: Array, field: str, missing: bool = False) -> Array:
    """Row in `known` (k,) of each of `ids` (n,), int64: hits to a geometry table by sensor number.

    missing: an id that is not known gives -1, else EventError. EventError also if one of `known`
    comes twice.
    """
    order = np.argsort(known, kind="stable")
    ordered = known[order]
    if (ordered[1:] == ordered[:-1]).any():
        twice = ordered[1:][ordered[1:] == ordered[:-1]][0]
        raise EventError(f"{field}: {twice} comes twice in the table")
    if not len(known):
        found = np.full(len(ids), -1, np.int64)
    else:
        at = np.minimum(np.searchsorted(ordered, ids), len(known) - 1)
        found = np.where(ordered[at] == ids, order[at], -1).astype(np.int64)
    if not missing and (found < 0).any():
        lost = ids[found < 0]
        raise EventError(f"{field}: {len(lost)} are not in the table, e.g. {lost[0]}")
    return found
