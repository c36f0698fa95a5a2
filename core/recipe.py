"""A recipe: one experiment as checked data. These classes are the whole vocabulary.

`intarsia.core.recipe_load` makes them of YAML. Field metadata ``also`` names what people write by
mistake for a key; it only feeds suggestions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from attrs import Factory, field, frozen
from attrs.validators import (
    and_,
    deep_iterable,
    deep_mapping,
    ge,
    gt,
    in_,
    instance_of,
    le,
    lt,
    matches_re,
    min_len,
    optional,
)


@frozen(kw_only=True)
class Data:
    """Where events come from.

    files: event files. Without any, `events` interactions are made by the detector's simulation
    (with its `options`) or, if it has none, drawn at random from its declaration. manifest: the list of
    splits that the files must have been prepared by; a path, or the name of an installed one.
    block: events read and shuffled together. buffer: blocks held for shuffling.
    """

    files: tuple[str, ...] = ()
    manifest: str | None = None
    events: int = field(default=10_000, validator=ge(1), metadata={"also": ("n", "n_events")})
    options: Mapping[str, Any] = field(factory=dict)
    block: int = field(default=64, validator=ge(1))
    buffer: int = field(default=8, validator=ge(1))


@frozen(kw_only=True)
class Model:
    """Sizes of the encoder; the defaults are the paper's (decision 4 of the design).

    row: slots of a padded row into which windows are packed; more where a window is larger.
    """

    dim: int = field(default=384, validator=ge(1), metadata={"also": ("width", "embed_dim")})
    heads: int = field(default=12, validator=ge(1))
    mlp: int = field(default=4, validator=ge(1))
    depth: int = field(default=4, validator=ge(1), metadata={"also": ("layers",)})
    depths: Mapping[str, int] = field(factory=dict, validator=deep_mapping(instance_of(str), ge(1)))
    summaries: int = field(default=2, validator=ge(1))
    rounds: int = field(default=4, validator=ge(1))
    row: int = field(default=16, validator=ge(8))

    def __attrs_post_init__(self) -> None:
        if self.dim % self.heads:
            raise ValueError(f"dim {self.dim} is not a multiple of heads {self.heads}")


@frozen(kw_only=True)
class DecoderSize:
    """Sizes of a decoder; the defaults are the paper's."""

    width: int = field(default=256, validator=ge(1), metadata={"also": ("dim",)})
    heads: int = field(default=8, validator=ge(1))
    depth: int = field(default=4, validator=ge(1))

    def __attrs_post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")


@frozen(kw_only=True)
class Optim:
    """An optimiser, with warm-up and cosine decay per step; `lr` is per 256 events of batch.

    method: AdamW as in the paper, or Muon (the optimiser) for the matrices between hidden vectors and
    AdamW for all else, with the same rates.
    decay_epochs: length of the cosine; by default all epochs after the warm-up. layer_decay: ratio
    of the learning rates of neighbouring layers, 1 at the heads and for what begins afresh. ema:
    decay of the averaged weights that evaluation uses, min(ema, (1 + n) / (10 + n)) after n steps; 0
    for no averaging.
    """

    method: Literal["adamw", "muon"] = field(
        default="adamw", metadata={"also": ("optimizer", "optimiser", "name")}
    )
    lr: float = field(default=1e-4, validator=gt(0), metadata={"also": ("learning_rate",)})
    weight_decay: float = field(default=0.05, validator=ge(0))
    betas: tuple[float, float] = field(
        default=(0.9, 0.95), validator=deep_iterable(and_(ge(0), lt(1)))
    )
    warmup_epochs: float = field(default=0.0, validator=ge(0), metadata={"also": ("warmup",)})
    decay_epochs: float | None = field(default=None, validator=optional(gt(0)))
    layer_decay: float = field(default=1.0, validator=and_(gt(0), le(1)))
    ema: float = field(default=0.9999, validator=and_(ge(0), lt(1)))
    clip: float = field(default=1.0, validator=gt(0), metadata={"also": ("grad_clip",)})


@frozen(kw_only=True)
class Instance:
    """A task of a stage: its kind, and its options as that kind's class of options."""

    kind: str
    options: Any


def budget_of(stage: str) -> tuple[str, int | None]:
    """The stage or start that a name is a budget of, and its labels: ``mae@1000`` is (mae, 1000).

    Any other name is itself, with None.
    """
    name, _, labels = stage.partition("@")
    return (name, int(labels)) if labels.isdecimal() else (stage, None)


CorePart = Literal["windows", "query", "fusion", "norm"]
CORE: tuple[CorePart, ...] = get_args(CorePart)
Part = Literal[CorePart, "patches"]
PARTS: tuple[Part, ...] = get_args(Part)


@frozen(kw_only=True)
class Transfer:
    """Weights from a checkpoint, also of another detector: what belongs to no detector travels.

    checkpoint: the file; ``from`` in YAML. take: parts of the shared encoder, all by default; patches:
    besides, the patch embedding of a stream whose patches are of the same cells.
    streams: which voxel stream of the checkpoint lends its window attention to which of the
    detector's, none to one that is given as empty; by default the one of the same name, or else the
    first.
    """

    checkpoint: str = field(metadata={"key": "from", "also": ("checkpoint", "file", "path")})
    take: tuple[Part, ...] = field(default=CORE, validator=min_len(1))
    streams: Mapping[str, str | None] = field(factory=dict, metadata={"also": ("stream",)})


@frozen(kw_only=True)
class Stage:
    """One training: its tasks, its length and what its encoder starts from.

    start: an earlier stage. transfer: instead of it, weights from elsewhere. starts: several variants of the stage by name, each a mapping of the
    keys that differ; the stage ``finetune`` becomes ``finetune/scratch``, ``finetune/mae``, ...
    tasks: instances by name; in YAML the options, and `kind` where it is not the name. A task that is
    set to false is switched off.
    labels: train on so many events of the training split, drawn by the seed. budgets: of a stage with
    starts, further numbers of labels, with each of which every start is trained as well; the start
    ``finetune/mae`` has ``finetune/mae@1000`` beside it (arXiv:2604.07037, section IV E).
    min_steps: where the stage would have fewer steps, as few labels make an epoch short, epochs and all
    that is counted in them are multiplied by the smallest whole number that gives so many.
    augment: the detector's augmentations in training: all as it declares them (true), none, or some
    by kind with their sizes, e.g. {smear: 0.1}.
    check_every: epochs between validations, at most. drop_path: largest probability that an event
    skips a block in training, reached at the last one. precision: of the products in training; by
    default bfloat16 on a GPU. half: keep the weights in half precision, in files of half the size.
    """

    epochs: int = field(validator=ge(1))
    batch: int = field(default=32, validator=ge(1), metadata={"also": ("batch_size",)})
    tasks: Mapping[str, Any] = field(factory=dict, metadata={"also": ("task",)})
    optim: Optim = Factory(Optim)
    start: str | None = None
    transfer: Transfer | None = None
    starts: Mapping[str, Any] = field(factory=dict)
    labels: int | None = field(
        default=None, validator=optional(ge(1)), metadata={"also": ("n_labels",)}
    )
    budgets: tuple[int, ...] = field(
        default=(), validator=deep_iterable(ge(1)), metadata={"also": ("budget", "label_budgets")}
    )
    min_steps: int = field(default=0, validator=ge(0), metadata={"also": ("steps",)})
    augment: bool | Mapping[str, float] = field(
        default=False, metadata={"also": ("augmentation", "augmentations")}
    )
    check_every: int = field(default=1, validator=ge(1), metadata={"also": ("validate",)})
    drop_path: float = field(default=0.0, validator=and_(ge(0), lt(1)))
    precision: str = field(default="auto", validator=in_(("auto", "float32", "bfloat16")))
    half: bool = False


@frozen(kw_only=True)
class Report:
    """What the report computes. probe: labelled events for the frozen linear probes."""

    probe: int = field(default=300, validator=ge(1))
    bootstrap: int = field(default=200, validator=ge(1))
    pictures: int = field(default=4, validator=ge(0))


_share = and_(ge(0), le(1))


@frozen(kw_only=True)
class Reached:
    """What a published method has reached, by the names of ``metrics.json``; None if it is not said."""

    accuracy: float | None = field(default=None, validator=optional(_share))
    entropy_auroc: float | None = field(default=None, validator=optional(_share))
    auc_macro: float | None = field(default=None, validator=optional(_share))
    f1_macro: float | None = field(default=None, validator=optional(_share))
    iou_macro: float | None = field(default=None, validator=optional(_share))


@frozen(kw_only=True)
class Published:
    """Numbers of others for a task, of other data: the report shows them beside ours, marked.

    source: where they stand. rows: what each method has reached. confusion: of each method, the shares
    of a true class that go to each class, in the order of the task's classes.
    """

    source: str = field(validator=min_len(1))
    rows: Mapping[str, Reached] = field(factory=dict)
    confusion: Mapping[str, tuple[tuple[float, ...], ...]] = field(
        factory=dict,
        validator=deep_mapping(instance_of(str), deep_iterable(deep_iterable(_share))),
    )


@frozen(kw_only=True)
class Recipe:
    """A whole experiment. Stages run in the order they are written.

    seeds: fine-tuning is repeated with each, everything else is done once with the first. published:
    by task, what others have reached.
    """

    name: str = field(validator=matches_re(r"\w[\w.-]*"))
    about: str
    detector: str
    stages: Mapping[str, Stage] = field(metadata={"also": ("stage",)})
    data: Data = Factory(Data)
    model: Model = Factory(Model)
    report: Report = Factory(Report)
    published: Mapping[str, Published] = field(factory=dict)
    seeds: tuple[int, ...] = field(default=(0,), validator=min_len(1), metadata={"also": ("seed",)})

    def chosen(self, stage: str | None) -> list[str]:
        """Names of all stages, or of `stage` with its starts and budgets; empty if there is none."""
        return [n for n in self.stages if stage is None or stage in _around(n)]

    @property
    def seed(self) -> int:
        """The seed of events, pre-training and everything else that is done once."""
        return self.seeds[0]


def _around(stage: str) -> tuple[str, str, str]:
    """``finetune/mae@1000``: itself, ``finetune/mae`` and ``finetune``."""
    return stage, budget_of(stage)[0], stage.partition("/")[0]
