"""What holds for every registered task on every detector that has what it needs."""

from math import isfinite

import numpy as np
import pytest
import torch
import toy
from attrs import evolve, fields

from intarsia.core import recipe_check, sample
from intarsia.core.conformance import SMALL
from intarsia.core.events import Events, Table
from intarsia.core.network import kinds, network
from intarsia.core.normalise import unit_normalisation
from intarsia.core.planner import Planner
from intarsia.core.plugins import registry
from intarsia.core.recipe import DecoderSize, Instance, Stage
from intarsia.core.streams import Label, VoxelGrid
from intarsia.core.task import View

REGISTRY = registry()
TASKS = [REGISTRY.task(name) for name in REGISTRY.names("tasks")]
DETECTORS = [
    *map(REGISTRY.detector, REGISTRY.names("detectors")),
    toy.DETECTOR,
    toy.GRID,
    toy.PLAIN,
]


def options_of(kind, **more):
    """Default options, but for a small decoder."""
    names = {f.name for f in fields(kind.options)}
    small = {"decoder": DecoderSize(width=12, heads=2, depth=1), "modes": 3}
    return kind.options(**{k: v for k, v in small.items() if k in names} | more)


def lacking(kind, detector):
    """What the task needs and the detector does not declare."""
    needs = kind.needs(options_of(kind), detector)
    truth = {t.name for t in detector.truth}
    labels = {f"{s.name}.{label.name}" for s in detector.streams for label in s.labels}
    return [n for n in needs.truth if n not in truth] + [n for n in needs.labels if n not in labels]


PAIRS = [(k, d) for k in TASKS for d in DETECTORS if not lacking(k, d)]
every = pytest.mark.parametrize(
    ("kind", "detector"), PAIRS, ids=[f"{k.name}-{d.name}" for k, d in PAIRS]
)


def built(kind, detector, **more):
    task = Instance(kind=kind.name, options=options_of(kind, **more))
    made = Stage(epochs=1, tasks={"it": task})
    return network(REGISTRY, detector, SMALL, made, unit_normalisation(detector), 0)


def batch_of(kind, detector, events, seed=0):
    view = getattr(options_of(kind), "view", View())
    planner = Planner(
        detector=detector,
        model=SMALL,
        normalisation=unit_normalisation(detector),
        kinds=kinds(REGISTRY, detector),
    )
    return planner(events, (view,), np.random.default_rng(seed))


def empty(events, detector):
    """`events` without a row anywhere."""
    return toy.no_rows(events, detector, *(s.name for s in detector.streams))


def unknown(events, detector):
    """`events` with all truth and labels there, and missing."""
    truth = {t.name: missing(t, len(events)) for t in detector.truth}
    streams = {}
    for stream in detector.streams:
        table = events.streams[stream.name]
        n = int(table.offsets[-1])
        labels = {label.name: missing(label, n) for label in stream.labels}
        streams[stream.name] = Table(table.offsets, {**table.columns, **labels})
    return Events(streams, truth, events.keys, events.group)


def missing(label: Label, n: int):
    dtype, shape = label.layout
    return np.full((n, *shape), -1 if dtype == "int8" else np.nan, dtype)


def test_every_task_is_tried_on_some_detector():
    assert {k.name for k, _ in PAIRS} == {k.name for k in TASKS}
    assert {d.name for _, d in PAIRS} == {d.name for d in DETECTORS}


def test_a_head_that_reads_hits_is_refused_where_there_are_no_voxels():
    kind = REGISTRY.task("vertex")
    asked = {"fine": {"it": Instance(kind="vertex", options=options_of(kind, head="hits"))}}
    steps = ("stages", "fine", "tasks", "it", "head")
    found = list(recipe_check._needs(asked, toy.PLAIN, REGISTRY))
    assert found == [(steps, "toyplain has no voxels for the head 'hits'")]
    assert not list(recipe_check._needs(asked, toy.GRID, REGISTRY))


def looking(head="hits", seen_from="spot", view=None, **others):
    """Faults of a stage in which flavour looks from a place, beside the other tasks."""
    options = {"head": head, "seen_from": seen_from, "view": view or View()}
    tasks = {"it": ("flavour", options), **others}
    made = {
        k: Instance(kind=kind, options=options_of(REGISTRY.task(kind), **o))
        for k, (kind, o) in tasks.items()
    }
    found = list(recipe_check._seen_from({"fine": made}, toy.GRID, REGISTRY))
    return [
        said for steps, said in found if steps == ("stages", "fine", "tasks", "it", "seen_from")
    ]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"head": "pooled"}, "goes with the head 'hits', not 'pooled'"),
        (
            {"seen_from": "spto"},
            "the stage has no task 'spto'; did you mean 'spot'? (it has: it, spot)",
        ),
        ({"seen_from": "it"}, "task 'it' finds no place in toygrid"),
        ({"spot": ("vertex", {"truth": "energy"})}, "task 'spot' finds no place in toygrid"),
        (
            {"spot": ("vertex", {"view": View(drop=0.5)})},
            "task 'spot' has another view of the events",
        ),
        (
            {"spot": ("vertex", {"seen_from": "it"})},
            "task 'spot' looks from a place itself",
        ),
    ],
)
def test_a_place_that_cannot_be_looked_from_is_refused(asked, said):
    assert looking(**{"spot": ("vertex", {})} | asked) == [said]


def test_every_task_that_finds_a_place_can_be_looked_from():
    assert looking(spot=("vertex", {})) == []
    assert looking(spot=("vertex", {"head": "hits"})) == []
    found = {k.name for k in TASKS if k.finds_place(options_of(k), toy.GRID)}
    assert found == {"vertex"}
    for name in found:
        events = toy.events(toy.GRID, 3, seed=1)
        *_, out, _, task = toy.worked(name, events, toy.GRID)
        assert task.place(out).shape == (3, 3)


@every
def test_losses_and_gradients_are_finite(kind, detector):
    made = toy.roughened(built(kind, detector))
    total, terms = made(batch_of(kind, detector, sample.events(detector, 6, seed=1)))
    assert terms.keys() == set(made.terms)
    for name, value in terms.items():
        assert value.shape == (), name
        assert isfinite(float(value.detach())), name
        assert float(value.detach()) > 0, name
    total.backward()
    for name, parameter in made.tasks.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


@every
def test_the_encoder_learns_from_it(kind, detector):
    made = toy.roughened(built(kind, detector))
    total, _ = made(batch_of(kind, detector, sample.events(detector, 6, seed=1)))
    total.backward()
    query = made.encoder.shared.query.grad
    assert query is not None
    assert torch.isfinite(query).all()
    assert query.abs().sum() > 0


@every
def test_events_without_rows_cost_a_finite_amount(kind, detector):
    made = built(kind, detector)
    bare = empty(sample.events(detector, 3, seed=1), detector)
    total, terms = made(batch_of(kind, detector, bare))
    assert all(isfinite(float(v.detach())) for v in terms.values())
    total.backward()
    assert all(torch.isfinite(p.grad).all() for p in made.parameters() if p.grad is not None)


@every
def test_a_batch_of_no_events_costs_nothing(kind, detector):
    made = built(kind, detector)
    total, terms = made(batch_of(kind, detector, sample.events(detector, 0, seed=1)))
    assert {float(v.detach()) for v in terms.values()} == {0.0}
    total.backward()


@every
def test_missing_truth_costs_nothing(kind, detector):
    needs = kind.needs(options_of(kind), detector)
    if not (needs.truth or needs.labels):
        pytest.skip("it needs no truth")
    made = built(kind, detector)
    events = unknown(sample.events(detector, 5, seed=1), detector)
    total, terms = made(batch_of(kind, detector, events))
    assert {float(v.detach()) for v in terms.values()} == {0.0}
    total.backward()
    assert all((p.grad == 0).all() for p in made.encoder.parameters() if p.grad is not None)


@every
def test_it_reads_no_truth_but_what_it_says_it_needs(kind, detector):
    needs = kind.needs(options_of(kind), detector)
    events = sample.events(detector, 5, seed=2)
    streams = {}
    for stream in detector.streams:
        table = events.streams[stream.name]
        other = {
            label.name
            for label in stream.labels
            if f"{stream.name}.{label.name}" not in needs.labels
        }
        kept = {k: v for k, v in table.columns.items() if k not in other}
        streams[stream.name] = Table(table.offsets, kept)
    bare = evolve(
        events, streams=streams, truth={k: v for k, v in events.truth.items() if k in needs.truth}
    )
    made = built(kind, detector)
    _, ours = made(batch_of(kind, detector, bare))
    _, theirs = made(batch_of(kind, detector, events))
    assert {k: float(v.detach()) for k, v in ours.items()} == {
        k: float(v.detach()) for k, v in theirs.items()
    }


@every
def test_predictions_have_a_row_per_event(kind, detector):
    made = built(kind, detector).eval()
    events = sample.events(detector, 5, seed=2)
    with torch.no_grad():
        out = made.predict(batch_of(kind, detector, events))
        bare = made.predict(batch_of(kind, detector, empty(events, detector)))
    assert out.keys() == bare.keys()
    for values in (*out.values(), *bare.values()):
        assert len(values) == 5
        assert torch.isfinite(values).all()


@every
def test_predictions_of_an_event_do_not_depend_on_its_company(kind, detector):
    if getattr(options_of(kind), "view", View()).mask_ratio:
        pytest.skip("it masks at random")
    made = toy.roughened(built(kind, detector)).eval()
    events = sample.events(detector, 5, seed=3)
    with torch.no_grad():
        together = made.predict(batch_of(kind, detector, events))
        alone = [made.predict(batch_of(kind, detector, e)) for e in events]
    for name, values in together.items():
        parts = torch.cat([a[name] for a in alone])
        scale = float(values.abs().max()) + 1
        torch.testing.assert_close(values, parts, atol=2e-5 * scale, rtol=0)


@every
def test_what_it_draws_of_an_event_lies_in_the_grid(kind, detector):
    made = built(kind, detector).eval()
    batch = batch_of(kind, detector, sample.events(detector, 1, seed=4))
    ((name, task, view),) = made.active(batch)
    with torch.no_grad():
        seen = made.encode(batch)[view]
        drawn = task.picture(task(seen, batch), seen)
    for key, values in drawn.items():
        stream, _, quantity = key.partition("/")
        assert torch.isfinite(values).all() or quantity.endswith("_true"), key
        if quantity.endswith("_index"):
            grid = detector.stream(stream)
            assert isinstance(grid, VoxelGrid)
            assert ((values >= 0) & (values < torch.tensor(grid.shape))).all()
    assert name == "it"


@every
def test_it_trains_in_bfloat16(kind, detector):
    made = built(kind, detector)
    with torch.autocast("cpu", torch.bfloat16):
        total, terms = made(batch_of(kind, detector, sample.events(detector, 4, seed=1)))
    assert total.dtype == torch.float32
    assert all(isfinite(float(v.detach())) for v in terms.values())
    total.backward()


@pytest.mark.parametrize("kind", TASKS, ids=lambda k: k.name)
def test_what_it_needs_of_a_bare_detector_is_named(kind):
    """A detector without any truth either will do or is told what is missing, never a crash."""
    bare = evolve(toy.GRID, name="bare", truth=(), streams=(evolve(toy.CUBES, labels=()),))
    missing = lacking(kind, bare)
    assert bool(missing) == bool(
        kind.needs(options_of(kind), bare).truth or kind.needs(options_of(kind), bare).labels
    )
    assert kind.about
    if not missing:
        made = built(kind, bare)
        total, _ = made(batch_of(kind, bare, sample.events(bare, 3, seed=0)))
        assert isfinite(float(total.detach()))
