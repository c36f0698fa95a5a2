"""Event files: one HDF5 layout for every detector.

A file holds ``streams/NAME/offsets`` (B + 1,) int64 and one dataset per column and label, rows of
all events end to end, ``truth/NAME`` (B, ...), ``keys``, ``group`` and ``split``. Units stand
beside every column and the detector's declaration in the attributes, so a file explains itself.
The modules `store*` are the door to h5py.
"""

from .store_many import EventFiles, event_file
from .store_read import FORMAT, EventFile
from .store_write import EventWriter, atomic

__all__ = ["FORMAT", "EventFile", "EventFiles", "EventWriter", "atomic", "event_file"]
