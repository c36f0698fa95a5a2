"""Masked reconstruction: hide most of an event, rebuild it (arXiv:2604.07037, section IV C)."""

from __future__ import annotations

from attrs import Factory, field, frozen
from attrs.validators import ge

from intarsia.core.hookspecs import hookimpl
from intarsia.core.recipe import DecoderSize
from intarsia.core.task import TaskKind, View


@frozen(kw_only=True)
class Hybrid:
    """What the losses of voxels have beside plain cross-entropy and regression; 0 switches it off.

    focal: exponent that plays down cells that are right already. border: so many cells around a hit
    an empty cell counts in full, and all farther ones as `balance` for each hit together. charge: how
    much more large charges count. chamfer: weight of the soft chamfer distance, per cell. distance:
    weight of the distance-weighted regression. reach: cells at which distances end. The formulas are
    those of intarsia.core.losses_voxel.
    """

    focal: float = field(default=1.5, validator=ge(0))
    border: int = field(default=2, validator=ge(0))
    balance: float = field(default=0.5, validator=ge(0))
    charge: float = field(default=1.0, validator=ge(0))
    chamfer: float = field(default=0.2, validator=ge(0))
    distance: float = field(default=0.5, validator=ge(0))
    reach: int = field(default=5, validator=ge(1))


@frozen(kw_only=True)
class MaskedReconstruction:
    """Options of masked reconstruction.

    view: 75 % of the occupied patches of each window are hidden. modes: rank of the voxel basis.
    hybrid: what the losses of voxels are made of.
    """

    view: View = Factory(lambda: View(mask_ratio=0.75, drop=0.3))
    decoder: DecoderSize = Factory(DecoderSize)
    modes: int = field(default=8, validator=ge(1))
    hybrid: Hybrid = Factory(Hybrid)


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
