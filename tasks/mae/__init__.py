"""Masked reconstruction: hide most of an event, rebuild it (arXiv:2604.07037, section IV C)."""

from __future__ import annotations

from attrs import Factory, field, frozen
from attrs.validators import ge

from intarsia.core.hookspecs import hookimpl
from intarsia.core.recipe import DecoderSize
from intarsia.core.task import TaskKind, View


@frozen(kw_only=True)
class MaskedReconstruction:
    """Options of masked reconstruction.

    view: 75 % of the occupied patches of each window are hidden. modes: rank of the voxel basis.
    """

    view: View = Factory(lambda: View(mask_ratio=0.75, drop=0.3))
    decoder: DecoderSize = Factory(DecoderSize)
    modes: int = field(default=8, validator=ge(1))


@hookimpl
def intarsia_tasks() -> list[TaskKind]:
    """Masked reconstruction; it needs no truth."""
    return [
        TaskKind(
            name="mae",
            about="rebuild hidden patches, arrays and tracks from what is visible",
            options=MaskedReconstruction,
            build="intarsia.tasks.mae.model:MaskedAutoencoder",
        )
    ]
