"""What a step costs follows the hits, not the detector: counted, not timed."""

import torch
import toy
from attrs import evolve
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from intarsia.core.network import views_of
from intarsia.core.streams import Axis
from intarsia.core.task import View
from intarsia.tasks.mae import Hybrid

STAGE = toy.stage(
    ("mae", {"view": View(mask_ratio=0.6), "hybrid": Hybrid()}),
    ("relational", {"view": View(mask_ratio=0.25)}),
    "flavour",
)


class Made(TorchDispatchMode):
    """Elements of every tensor that any operation makes."""

    def __init__(self):
        super().__init__()
        self.sizes = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        self.sizes += [x.numel() for x in tree_leaves(out) if isinstance(x, torch.Tensor)]
        return out


def grown(factor):
    """The toy grid made `factor` times as long and as high."""
    x, y, z = toy.CUBES.axes
    larger = evolve(toy.CUBES, axes=(x, Axis(y.n * factor, y.pitch), Axis(z.n * factor, z.pitch)))
    return evolve(toy.GRID, streams=(larger,))


def step(detector, events):
    """Sizes of all tensors of a forward pass of encoder, tasks and losses."""
    network = toy.built(detector, STAGE)
    batch = toy.batch(detector, events, *dict.fromkeys(views_of(STAGE).values()))
    made = Made()
    with made:
        total, _ = network(batch)
    assert float(total.detach()) > 0
    return made.sizes


def test_no_tensor_grows_with_empty_volume():
    events = toy.events(toy.GRID, 8, seed=2)
    small, large = step(toy.GRID, events), step(grown(8), events)
    assert len(small) > 500
    assert large == small


def test_tensors_do_grow_with_hits():
    events = toy.events(toy.GRID, 8, seed=2)
    twice = toy.events(toy.GRID, 16, seed=2)
    assert sum(step(toy.GRID, twice)) > 1.5 * sum(step(toy.GRID, events))


def test_the_plan_does_not_grow_with_empty_volume_either():
    events = toy.events(toy.GRID, 8, seed=2)
    for view in views_of(STAGE).values():
        plans = [toy.batch(d, events, view).plans[view] for d in (toy.GRID, grown(8))]
        sizes = []
        for plan in plans:
            found = []
            plan.each(lambda x, found=found: found.append(tuple(x.shape)) or x)
            sizes.append(found)
        assert sizes[0] == sizes[1] != []
