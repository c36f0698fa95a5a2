"""The smallest detector there is, as a declaration and as the text of a plugin file."""

from __future__ import annotations

from intarsia.core.detector import Detector
from intarsia.core.streams import Axis, Column, VoxelGrid

PLUGIN = """
from intarsia.core.detector import Detector
from intarsia.core.hookspecs import hookimpl
from intarsia.core.streams import Axis, Column, Label, VoxelGrid

cell = Axis(4, 10.0)


@hookimpl
def intarsia_detectors():
    cubes = VoxelGrid(
        name="cubes", axes=(cell, cell, cell), patch=(2, 2, 2), window=(1, 1, 1),
        columns=(Column(name="charge", unit="MeV"),),
    )
    return [Detector(name="cube", about="a cube", streams=[cubes])]
"""


def grid(**more):
    """Four cells of 10 mm a side in patches of two, one column."""
    axis = Axis(4, 10.0)
    return VoxelGrid(
        name="cubes",
        axes=(axis, axis, axis),
        patch=(2, 2, 2),
        window=(1, 1, 1),
        columns=(Column(name="charge", unit="MeV"),),
        **more,
    )


def detector(name="cube", **more):
    """A detector of one such grid."""
    return Detector(name=name, about="a cube", streams=[grid()], **more)
