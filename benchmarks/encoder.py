"""How fast encoder and masked reconstruction are, and what packing and sparsity gain.

Run as ``python benchmarks/encoder.py``; prints one table. Events are simulated FASERCal, one thread.
Contestants take turns in an order drawn anew each round. A ratio is taken within each round and its
median printed with the lowest and highest; below 1 the way intarsia goes is the faster one. Each
contestant is first checked to compute the same. Times are forward and backward.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import perf_counter

import numpy as np
import torch
from attrs import evolve
from torch import Tensor

from intarsia.core.batch import Batch, GridPlan
from intarsia.core.dotted import load
from intarsia.core.encoder import Encoder
from intarsia.core.events import Events
from intarsia.core.network import Network, network
from intarsia.core.normalise import unit_normalisation
from intarsia.core.optim import optimiser
from intarsia.core.plan import ABSENT
from intarsia.core.planner import Planner
from intarsia.core.plugins import registry
from intarsia.core.recipe import DecoderSize, Instance, Model, Optim, Stage
from intarsia.core.task import View

ROUNDS = 9
EVENTS = 32
SIZES = {
    "demo": (
        Model(dim=64, heads=4, depth=2, depths={"ahcal": 2}, summaries=1, rounds=2),
        DecoderSize(width=64, heads=4, depth=1),
        0.35,
    ),
    "paper": (Model(depths={"ahcal": 2}), DecoderSize(), 1.0),
}
VIEWS = {"all patches": View(), "75 % hidden": View(mask_ratio=0.75, drop=0.3)}

REGISTRY = registry()
DETECTOR = REGISTRY.detector("fasercal")
STREAM = "3dcal"


def simulated(n: int) -> Events:
    """The first `n` events of FASERCal's own simulation."""
    made: Events = load(DETECTOR.simulation.make)(0, 0, n + n // 4 + 1)
    return made.slice(0, n)


def planner(model: Model) -> Planner:
    """A planner of that size that leaves numbers as they are."""
    return Planner(detector=DETECTOR, model=model, normalisation=unit_normalisation(DETECTOR))


def interleaved(
    contestants: dict[str, Callable[[], object]], rounds: int = ROUNDS
) -> dict[str, list[float]]:
    """Seconds of each contestant in each round, after one round that does not count."""
    rng = np.random.default_rng(0)
    times: dict[str, list[float]] = {k: [] for k in contestants}
    for number in range(rounds + 1):
        for name in rng.permutation(list(contestants)):
            start = perf_counter()
            contestants[name]()
            if number:
                times[name].append(perf_counter() - start)
    return times


def row(what: str, times: dict[str, list[float]]) -> str:
    """A line of the table: the second contestant in units of the first."""
    ours, theirs = times.values()
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    spread = f"{median(ratios):6.3f}  [{min(ratios):.3f} .. {max(ratios):.3f}]"
    return f"{what:<58}{spread:<26}{1e3 * median(ours):8.1f} ms"


def one_row_per_window(plan: GridPlan) -> GridPlan:
    """The same plan, with windows padded to the largest instead of packed."""
    document = plan.document.reshape(-1)[plan.slot].numpy()
    windows, counts = np.unique(document, return_counts=True)
    length = int(counts.max())
    order = np.argsort(document, kind="stable")
    rank = np.arange(len(document)) - np.repeat(np.cumsum(counts) - counts, counts)
    slot = np.empty(len(document), np.int64)
    slot[order] = document[order] * length + rank
    owner = np.full(len(windows) * length, ABSENT)
    owner[slot] = document
    return evolve(
        plan,
        slot=torch.from_numpy(slot),
        document=torch.from_numpy(owner.reshape(-1, length)),
    )


def windows(events: Events, size: str, view: str) -> str:
    """Windows packed into rows against one padded row per window."""
    model = SIZES[size][0]
    seen = VIEWS[view]
    plan = planner(model).plan(events, seen, np.random.default_rng(0)).streams[STREAM]
    padded = one_row_per_window(plan)
    module = Encoder(DETECTOR, model).shared.windows[STREAM]
    x_td = torch.randn(len(plan.event), model.dim, requires_grad=True)

    def run(plan: GridPlan) -> Tensor:
        summaries, tokens = module(x_td, plan)
        torch.autograd.backward(summaries.sum() + tokens.sum())
        return tokens

    torch.testing.assert_close(run(plan), run(padded), atol=1e-4, rtol=1e-4)
    fill = len(plan.slot) / plan.document.numel(), len(plan.slot) / padded.document.numel()
    times = interleaved({"packed": lambda: run(plan), "padded": lambda: run(padded)})
    what = f"windows, {size}, {view}: rows {fill[0]:.0%} full / {fill[1]:.0%}"
    return row(what, times)


def embedding(events: Events, size: str, view: str) -> str:
    """embedding_bag over hits against a dense matrix of patches and one product."""
    model = SIZES[size][0]
    seen = VIEWS[view]
    plan = planner(model).plan(events, seen, np.random.default_rng(0)).streams[STREAM]
    embed = Encoder(DETECTOR, model).detector[STREAM].embed
    column = torch.arange(embed.columns)

    def bag() -> Tensor:
        out: Tensor = embed.convolve(plan)
        torch.autograd.backward(out.sum())
        return out

    def dense() -> Tensor:
        patches = plan.values.new_zeros(len(plan.event), len(embed.weight))
        where = plan.cell[:, None] * embed.columns + column
        patches[plan.token[:, None], where] = plan.values
        out: Tensor = patches @ embed.weight + embed.bias
        torch.autograd.backward(out.sum())
        return out

    torch.testing.assert_close(bag(), dense(), atol=1e-2, rtol=1e-4)
    times = interleaved({"embedding_bag": bag, "dense": dense})
    return row(f"patch embedding, {size}, {view}: {len(plan.event)} patches", times)


def step(events: Events, size: str) -> str:
    """A whole training step of masked reconstruction by either optimiser, and the plan of its batch."""
    model, decoder, decode = SIZES[size]
    options = REGISTRY.task("mae").options(
        view=View(mask_ratio=0.75, drop=0.3, decode=decode), decoder=decoder
    )
    stage = Stage(epochs=1, tasks={"mae": Instance(kind="mae", options=options)})
    made = network(REGISTRY, DETECTOR, model, stage, unit_normalisation(DETECTOR), 0)
    plan = planner(model)

    def batch() -> object:
        return plan(events, (options.view,), np.random.default_rng(0))

    ready = plan(events, (options.view,), np.random.default_rng(0))

    muon, adamw = (training(made, ready, method) for method in ("muon", "adamw"))
    times = interleaved({"muon": muon, "step": adamw, "plan": batch}, rounds=5)
    rates = {k: len(events) / median(v) for k, v in times.items()}
    parameters = sum(p.numel() for p in made.parameters()) / 1e6
    what = f"MAE step, {size}: {parameters:.1f} M weights, batch {len(events)}"
    print(row(f"{what}, Muon", {k: times[k] for k in ("muon", "step")}), flush=True)
    return f"{what:<58}{rates['step']:8.1f} events/s, plan alone {rates['plan']:.0f} events/s"


def training(made: Network, batch: Batch, method: str) -> Callable[[], None]:
    """A training step of `made` on `batch`."""
    chosen = optimiser(made, Optim(lr=1e-6, method=method), len(batch))

    def train() -> None:
        chosen.zero_grad()
        total, _ = made(batch)
        torch.autograd.backward(total)
        chosen.step()

    return train


def looking(events: Events, size: str, *tasks: str) -> str:
    """A step of fine-tuning vertex and `tasks` from hits, with `tasks` seen from the vertex and without."""
    model = SIZES[size][0]
    ready = planner(model)(events, (View(),), np.random.default_rng(0))
    steps = {}
    for name, place in (("seen from the vertex", "vertex"), ("without", "")):
        asked = {"vertex": {"head": "hits"}}
        asked |= {task: {"head": "hits", "seen_from": place} for task in tasks}
        chosen = {
            k: Instance(kind=k, options=REGISTRY.task(k).options(**o)) for k, o in asked.items()
        }
        stage = Stage(epochs=1, tasks=chosen)
        made = network(REGISTRY, DETECTOR, model, stage, unit_normalisation(DETECTOR), 0)
        steps[name] = training(made, ready, "adamw")
    name = f"step, {size}, {' and '.join(tasks)} seen from the vertex"
    return row(name, interleaved(steps, rounds=9))


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    events = simulated(EVENTS)
    print(f"torch {torch.__version__}, one thread, {EVENTS} events, {ROUNDS} rounds")
    print(f"{'':<58}{'ratio of time':<26}{'ours':>11}")
    for size in SIZES:
        for view in VIEWS:
            print(windows(events, size, view), flush=True)
            print(embedding(events, size, view), flush=True)
    for size in SIZES:
        print(step(events, size), flush=True)
        print(looking(events, size, "flavour"), flush=True)
        print(looking(events, size, "flavour", "kinematics"), flush=True)


if __name__ == "__main__":
    main()
