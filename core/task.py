"""What a task is, as a declaration: its options, what it sees and what truth it needs.

Nothing here imports torch; the module that does the work is named, and imported when it is built.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import Factory, field, frozen
from attrs.validators import and_, ge, gt, in_, le, lt, matches_re

from .streams import name_field

_dotted = matches_re(r"[\w.]+:\w+")

HEADS = ("tokens", "pooled", "hits")


@frozen(kw_only=True)
class View:
    """What the encoder sees of a batch for a task.

    mask_ratio: share of the occupied patches of each window that is hidden. drop: probability that
    a stream of one token (array, tracks) is hidden in an event. decode, visible: shares of the hidden
    and of the visible patches that a decoder is asked for. empty: patches that hold nothing which it is
    asked for too, for each of those that hold something. probability: of the task taking part in a
    batch, the same for all ranks.
    """

    mask_ratio: float = field(default=0.0, validator=and_(ge(0), lt(1)))
    drop: float = field(default=0.0, validator=and_(ge(0), le(1)))
    decode: float = field(default=1.0, validator=and_(gt(0), le(1)))
    visible: float = field(default=0.0, validator=and_(ge(0), le(1)))
    empty: float = field(default=0.0, validator=ge(0))
    probability: float = field(default=1.0, validator=and_(ge(0), le(1)))


@frozen(kw_only=True)
class Reading:
    """How a task reads whole events: the first options of every such task.

    head: ``tokens``, a learned token of the task looks at the latents; ``pooled``, the global latent
    beside the mean one; or ``hits``, these and points among the hits. head_scale: spread of the head's
    linear weights at the start. seen_from: the task, of the same stage, that finds the place from which the
    head ``hits`` looks at the charge all around too; from none by default.
    """

    view: View = Factory(View)
    head: str = field(default="tokens", validator=in_(HEADS))
    head_scale: float = field(default=2e-5, validator=gt(0))
    seen_from: str | None = None


@frozen(kw_only=True)
class Needs:
    """Truth a task cannot do without.

    labels: voxel labels as ``stream.label``. truth: event truth by name.
    """

    labels: tuple[str, ...] = ()
    truth: tuple[str, ...] = ()


@frozen(kw_only=True)
class TaskKind:
    """A kind of task: what a task plugin returns.

    options: attrs class of what a recipe may set; its field `view`, if any, is a View. build:
    ``package.module:Class``, made as ``Class(options, setting)``, see intarsia.core.task_module.
    needs: from the options and the detector to the truth needed. finds_place: from the same to whether
    it finds a place that other tasks can look from, see `TaskModule.place`.
    """

    name: str = field(validator=name_field)
    about: str
    options: type
    build: str = field(validator=_dotted)
    needs: Callable[[Any, Any], Needs] = lambda options, detector: Needs()
    finds_place: Callable[[Any, Any], bool] = lambda options, detector: False


@frozen(kw_only=True)
class StreamKind:
    """A kind of stream: its declaration class, and what makes tokens of it.

    declaration: has `name`, `columns` and `layout`, as those of intarsia.core.streams. plan:
    ``package.module:function``, called in the loader as ``plan(table, stream, scale, shown)``, gives
    a `batch.StreamPlan`. build: ``package.module:Class``, made as ``Class(stream, model)``, a torch
    module from that plan to tokens (t, dim).
    """

    name: str = field(validator=name_field)
    declaration: type
    plan: str = field(validator=_dotted)
    build: str = field(validator=_dotted)
