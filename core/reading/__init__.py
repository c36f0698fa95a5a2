"""What readers of foreign files are made of: where events begin, what their rows mean, safe files.

A reader is a function that opens a file as `Records`; `build` makes the events of a block of them.
Everything is numpy and works on many events at once. HDF5 files are read through
`intarsia.core.reading.hdf5`, pickles through `unpickle` and `torch_file`, npz through `npz`.
"""

from .boundaries import Ranges
from .build import Rows, build, group_of
from .cells import Merged, cells_of_ids, cells_of_points, merge, shares, sparse
from .lookup import look_up
from .npz import npz
from .records import Records, Single, broken, told
from .segments import Crossed, cross
from .torch_file import torch_file
from .unpickle import unpickle
from .values import integers, numbers

__all__ = [
    "Crossed",
    "Merged",
    "Ranges",
    "Records",
    "Rows",
    "Single",
    "broken",
    "build",
    "cells_of_ids",
    "cells_of_points",
    "cross",
    "group_of",
    "integers",
    "look_up",
    "merge",
    "npz",
    "numbers",
    "shares",
    "sparse",
    "told",
    "torch_file",
    "unpickle",
]
