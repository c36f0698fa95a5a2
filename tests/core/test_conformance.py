import sys
from types import SimpleNamespace

import pytest
import torch
import toy
from attrs import evolve

from intarsia.core import conformance, encoder
from intarsia.core.conformance import check_plugin, refuse, small
from intarsia.core.detector import Reader
from intarsia.core.errors import DeclarationError, EventError, PluginError, RunError
from intarsia.core.events import Events
from intarsia.core.hookspecs import hookimpl
from intarsia.core.inputs import function_of
from intarsia.core.plugins import Registry, Source
from intarsia.core.recipe import Recipe
from intarsia.core.streams import PointCloud


def registry_of(*detectors):
    found = Registry()
    hook = hookimpl(lambda: list(detectors))
    found.add(SimpleNamespace(intarsia_detectors=hook), "mine", Source("test"))
    return found


@pytest.mark.parametrize("detector", [toy.DETECTOR, toy.GRID, toy.PLAIN], ids=lambda d: d.name)
def test_a_detector_that_does_all_it_must_is_told_so(detector):
    said = list(check_plugin(registry_of(detector), [detector.name]))
    n, name = len(detector.streams), detector.name
    assert said == [
        f"detector {name!r}: {n} streams, events of its declaration",
        f"detector {name!r}: encodes, with finite gradients",
        f"detector {name!r}: an event alone encodes as in a batch",
        f"detector {name!r}: an event without hits encodes",
    ]


def test_a_stream_without_tokeniser_is_found():
    cloud = PointCloud(name="dots", groups=4, columns=(toy.CHARGE,))
    detector = toy.Detector(name="cloudy", about="dots", streams=(cloud,))
    with pytest.raises(PluginError) as error:
        list(check_plugin(registry_of(detector), ["cloudy"]))
    assert str(error.value) == "no plugin makes tokens of PointCloud streams (registered: none)"


def test_a_reader_that_is_not_there_is_found():
    reader = Reader(name="lines", suffixes=(".x",), open="toy_foreign:Linse")
    with pytest.raises(PluginError, match=r"toy_foreign has no 'Linse'; did you mean 'Lines'\?"):
        list(check_plugin(registry_of(evolve(toy.GRID, readers=(reader,))), ["toygrid"]))


def test_a_library_that_a_reader_needs_may_be_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "uproot", None)
    name = "intarsia.core.reading.root"
    monkeypatch.delitem(sys.modules, name, raising=False)
    reader = Reader(name="trees", suffixes=(".root",), open=f"{name}:Root")
    with pytest.raises(EventError) as caught:
        function_of(reader, reader.open)
    assert str(caught.value) == (
        "reader 'trees' needs uproot, which is not installed: pip install 'intarsia[root]'"
    )
    detector = evolve(toy.GRID, readers=(reader,))
    assert len(list(check_plugin(registry_of(detector), ["toygrid"]))) == 4


def test_an_unknown_detector_is_named():
    with pytest.raises(PluginError, match="there is no detector 'toyy'; did you mean 'toy'"):
        list(check_plugin(registry_of(toy.DETECTOR), ["toyy"]))


def test_an_encoder_that_mixes_events_is_found(monkeypatch):
    whole = encoder.Encoder.forward

    def mixed(self, plan):
        out = whole(self, plan)
        latents = out.latents + out.latents[:, :1].mean(0)
        return encoder.Encoded(latents, out.mask, out.tokens, out.plan)

    monkeypatch.setattr(encoder.Encoder, "forward", mixed)
    with pytest.raises(DeclarationError, match="an event alone encodes otherwise than in a batch"):
        list(check_plugin(registry_of(toy.GRID), ["toygrid"]))


def test_gradients_that_are_not_finite_are_found(monkeypatch):
    def steep(self):
        return self.latents[:, 0] / 0.0

    monkeypatch.setattr(encoder.Encoded, "pooled", steep)
    with pytest.raises(DeclarationError, match=r"the gradient of \S+ is not finite"):
        list(check_plugin(registry_of(toy.GRID), ["toygrid"]))


def test_the_small_encoder_is_the_same_each_time_and_draws_nothing_else():
    state = torch.get_rng_state()
    one, two = (small(registry_of(toy.GRID), toy.GRID)[0] for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert torch.equal(state, torch.get_rng_state())
    assert one.shared.query.shape[1] == conformance.SMALL.dim


def recipe(*tasks):
    return Recipe(name="r", about="a", detector="toy", stages={"first": toy.stage(*tasks)})


def test_a_file_with_all_that_the_tasks_need_is_accepted(tmp_path):
    file = toy.written(tmp_path / "e.h5", toy.DETECTOR, 3)
    refuse(recipe("mae", "relational", "flavour", "vertex"), toy.registry(), toy.DETECTOR, file)


def test_a_file_that_lacks_labels_and_truth_is_refused_with_every_fault(tmp_path):
    made = toy.events(toy.DETECTOR, 3)
    table = made.streams["cubes"]
    bare = type(table)(table.offsets, {k: table[k] for k in ("index", "charge", "origin")})
    events = Events({**made.streams, "cubes": bare}, {}, made.keys, made.group)
    path = tmp_path / "bare.h5"
    with toy.EventWriter(path, toy.DETECTOR, {}) as writer:
        writer.append(events)
    with pytest.raises(RunError) as error:
        refuse(
            recipe("mae", "relational", "vertex"),
            toy.registry(),
            toy.DETECTOR,
            toy.EventFile(path),
        )
    where = f"{path}: stage 'first': task"
    assert str(error.value).splitlines() == [
        f"{where} 'relational' needs 'cubes.ghost', which the file lacks",
        f"{where} 'relational' needs 'cubes.kind', which the file lacks",
        f"{where} 'vertex' needs 'vertex', which the file lacks",
    ]
    refuse(recipe("mae"), toy.registry(), toy.DETECTOR, toy.EventFile(path))
