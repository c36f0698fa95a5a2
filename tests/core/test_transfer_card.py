"""From one detector to another: what is copied, what begins afresh and why, and the proof."""

import json

import pytest
import torch
import toy
import toy_run
from attrs import asdict, evolve

from intarsia.core import fingerprint
from intarsia.core.account import rows, summary
from intarsia.core.card import Card, read_card
from intarsia.core.checkpoint import digest, load, save
from intarsia.core.cli import main
from intarsia.core.detector import declaration
from intarsia.core.errors import CheckpointError
from intarsia.core.network import Network
from intarsia.core.plugins import registry
from intarsia.core.recipe import CORE, Model, Transfer
from intarsia.core.transfer import bring
from intarsia.core.transfer_card import start, transfer_card

REGISTRY = toy_run.registry()
TOYS = (toy.DETECTOR, toy.GRID, toy.PLAIN)
SMALL = Model(dim=12, heads=2, mlp=1, depth=1, summaries=1, rounds=1)


def saved(path, detector, model=toy.MODEL, found=REGISTRY, **card):
    made = toy.roughened(toy.built(detector, toy.stage("mae"), 0, model))
    written = Card(
        detector=detector.name,
        declaration=declaration(detector),
        recipe={"name": "source", "model": asdict(model)},
        stage="mae",
    )
    save(path, made.state_dict(), evolve(written, **card))
    return made


@pytest.fixture
def checkpoint(tmp_path):
    return tmp_path / "source.safetensors"


def brought(checkpoint, detector=toy.GRID, model=toy.MODEL, seed=5, **how) -> tuple[Network, dict]:
    made = toy.built(detector, toy.stage("flavour"), seed, model)
    moved = bring(made, model, detector, Transfer(checkpoint=str(checkpoint), **how))
    return made, transfer_card(moved, made, model, detector, checkpoint)


def fates(card, fate):
    return {t["name"] for t in card["tensors"] if t["fate"] == fate}


def test_the_core_travels_and_nothing_of_detector_or_task_does(checkpoint):
    source = saved(checkpoint, toy.DETECTOR)
    untouched = toy.built(toy.GRID, toy.stage("flavour"), 5).state_dict()
    made, card = brought(checkpoint)
    for name, value in made.state_dict().items():
        shared = name.startswith("encoder.shared.")
        expected = source.state_dict()[name] if shared else untouched[name]
        assert torch.equal(value, expected), name
        assert (name in fates(card, "copied")) == shared
        assert (name in fates(card, "fresh")) == (not shared)
    assert fates(card, "copied") | fates(card, "unused") == set(source.state_dict())
    assert fates(card, "unused") >= {n for n in source.state_dict() if n.startswith("tasks.")}
    assert card["reused"] == 1.0
    assert card["streams"] == {"cubes": "cubes"}


def test_every_tensor_that_is_not_copied_says_why(checkpoint):
    saved(checkpoint, toy.DETECTOR)
    card = brought(checkpoint)[1]
    why = {t["name"]: t.get("why") for t in card["tensors"]}
    assert {n for n, w in why.items() if not w} == fates(card, "copied")
    assert why["encoder.detector.cubes.embed.weight"] is not None
    fresh = {t["name"]: t["why"] for t in card["tensors"] if t["fate"] == "fresh"}
    detector = {k: v for k, v in fresh.items() if k.startswith("encoder.")}
    assert detector == {
        "encoder.detector.cubes.kind": "branch embedding: belongs to the detector",
        "encoder.detector.cubes.embed.weight": "patch embedding: belongs to the detector",
        "encoder.detector.cubes.embed.bias": "patch embedding: belongs to the detector",
        "encoder.detector.cubes.embed.place": "positions inside a window: belongs to the detector",
        "encoder.detector.cubes.embed.window": "positions of the windows: belongs to the detector",
    }
    assert why["encoder.shared.windows.plates.summary"] == "'plates' plays no stream"
    assert why["encoder.detector.muon.embed.planes.norm.weight"] == "tokeniser: belongs to toy"


def test_one_stream_may_play_several_or_none(checkpoint):
    source = saved(checkpoint, toy.GRID, evolve(toy.MODEL, depths={})).state_dict()
    model = evolve(toy.MODEL, depths={})
    made, card = brought(checkpoint, toy.DETECTOR, model)
    assert card["streams"] == {"cubes": "cubes", "plates": "cubes"}
    for stream in ("cubes", "plates"):
        of = f"encoder.shared.windows.{stream}.summary"
        assert torch.equal(made.state_dict()[of], source["encoder.shared.windows.cubes.summary"])
    assert set(card["fingerprint"]) == {"windows.cubes", "windows.plates", "fusion"}
    _, card = brought(checkpoint, toy.DETECTOR, model, streams={"plates": None})
    why = {t["why"] for t in card["tensors"] if t["name"].startswith("encoder.shared.windows.pl")}
    assert why == {"no stream plays 'plates'"}
    assert set(card["fingerprint"]) == {"windows.cubes", "fusion"}
    assert 0.5 < card["reused"] < 1


def test_parts_of_the_core_may_be_left(checkpoint):
    saved(checkpoint, toy.DETECTOR)
    made, card = brought(checkpoint, take=("fusion",))
    first = toy.built(toy.GRID, toy.stage("flavour"), 5).state_dict()
    assert all(n.startswith("encoder.shared.fusion.") for n in fates(card, "copied"))
    assert torch.equal(made.state_dict()["encoder.shared.query"], first["encoder.shared.query"])
    assert card["fingerprint"] == {}


def test_patches_of_the_same_cells_may_come_along(checkpoint):
    source = saved(checkpoint, toy.DETECTOR).state_dict()
    made, card = brought(checkpoint, take=(*CORE, "patches"))
    patches = {f"encoder.detector.cubes.{k}" for k in ("kind", "embed.weight", "embed.bias")}
    assert {n for n in fates(card, "copied") if n.startswith("encoder.detector.")} == patches
    for name in patches:
        assert torch.equal(made.state_dict()[name], source[name])
    assert card["reused"] == 1.0
    with pytest.raises(CheckpointError) as error:  # plates have other patches
        brought(checkpoint, take=("patches",), streams={"cubes": "plates"})
    assert "encoder.detector.plates.embed.weight: (" in str(error.value)
    card = brought(checkpoint, take=("patches",), streams={"cubes": None})[1]
    assert fates(card, "copied") == set()


def test_the_same_detector_lends_its_own_part_too(checkpoint):
    source = saved(checkpoint, toy.GRID).state_dict()
    made, card = brought(checkpoint)
    for name, value in made.encoder.state_dict().items():
        assert torch.equal(value, source[f"encoder.{name}"])
    assert not {n for n in fates(card, "fresh") if n.startswith("encoder.")}


def test_a_core_answers_as_the_source_bit_for_bit_and_no_other_does(checkpoint):
    source = saved(checkpoint, toy.DETECTOR)
    made, card = brought(checkpoint)
    assert set(card["fingerprint"]) == {"windows.cubes", "fusion"}
    for found in card["fingerprint"].values():
        assert found["largest_difference"] == 0.0
        assert len(set(found["numbers"])) == 8
    ours, theirs = (m.encoder.shared.windows["cubes"] for m in (made, source))
    assert torch.equal(fingerprint.of_windows(ours), fingerprint.of_windows(theirs))
    assert ours.training
    for parameter in ours.parameters():
        with torch.no_grad():
            before = fingerprint.of_windows(ours)
            kept = parameter.clone()
            parameter.flatten()[0] += 0.5
        if not torch.equal(parameter, kept):
            same = torch.equal(fingerprint.of_windows(ours), before)
            # A bias of the keys shifts all scores of a query alike, which softmax does not see.
            assert not same or parameter.ndim == 1
        with torch.no_grad():
            parameter.copy_(kept)


def test_a_core_in_half_precision_travels_as_it_is_read(checkpoint):
    saved(checkpoint, toy.DETECTOR, Model(dim=32, heads=2, depth=1, rounds=1))
    tensors, card = load(checkpoint)
    save(checkpoint, tensors, card, half=True)
    rounded = load(checkpoint)[0]
    assert any((rounded[k] != v).any() for k, v in tensors.items())
    made, brings = brought(checkpoint, model=Model(dim=32, heads=2, depth=1, rounds=1))
    for name in fates(brings, "copied"):
        assert torch.equal(made.state_dict()[name], rounded[name])
    assert brings["fingerprint"].keys() == {"windows.cubes", "fusion"}


def test_a_core_that_answers_otherwise_is_refused(checkpoint):
    saved(checkpoint, toy.DETECTOR)
    made = toy.built(toy.GRID, toy.stage("flavour"), 5)
    moved = bring(made, toy.MODEL, toy.GRID, Transfer(checkpoint=str(checkpoint)))
    with torch.no_grad():
        made.encoder.shared.query[0, 0] += 1.0
    with pytest.raises(
        CheckpointError, match="the copied fusion answers otherwise than the source"
    ):
        transfer_card(moved, made, toy.MODEL, toy.GRID, checkpoint)


def refused(checkpoint, detector=toy.GRID, model=toy.MODEL, **how):
    made = toy.built(detector, toy.stage("flavour"), 5, model)
    first = {k: v.clone() for k, v in made.state_dict().items()}
    with pytest.raises(CheckpointError) as error:
        bring(made, model, detector, Transfer(checkpoint=str(checkpoint), **how))
    assert all(torch.equal(v, first[k]) for k, v in made.state_dict().items())
    return str(error.value)


def test_another_width_or_number_of_heads_is_one_error_and_nothing_is_copied(checkpoint):
    saved(checkpoint, toy.DETECTOR)
    assert refused(checkpoint, model=evolve(toy.MODEL, dim=12, heads=4)) == (
        f"{checkpoint} is of another model:\n"
        "  dim 12 here, 24 in the checkpoint\n"
        "  heads 4 here, 2 in the checkpoint"
    )


def test_another_depth_is_an_error_either_way(checkpoint):
    saved(checkpoint, toy.DETECTOR)
    deeper = refused(checkpoint, model=evolve(toy.MODEL, depth=3))
    assert "encoder.shared.windows.cubes.blocks.2.norm.weight: not in the checkpoint" in deeper
    flatter = refused(checkpoint, model=evolve(toy.MODEL, depth=1))
    assert "encoder.shared.windows.cubes.blocks.1.norm.weight: not here" in flatter


def test_weights_that_are_not_finite_are_refused(checkpoint):
    made = saved(checkpoint, toy.DETECTOR)
    tensors = {k: v.clone() for k, v in made.state_dict().items()}
    tensors["encoder.shared.query"][0, 0] = float("nan")
    save(checkpoint, tensors, load(checkpoint)[1])
    assert refused(checkpoint) == (
        f"{checkpoint} does not fit:\n  encoder.shared.query: holds numbers that are not finite"
    )


@pytest.mark.parametrize(
    ("streams", "said"),
    [
        (
            {"cubes": "cube"},
            "has no voxel stream 'cube'; did you mean 'cubes'? (it has: cubes, plates)",
        ),
        (
            {"cbues": "cubes"},
            "toygrid has no voxel stream 'cbues'; did you mean 'cubes'? (it has: cubes)",
        ),
    ],
)
def test_streams_that_are_not_there_are_named(checkpoint, streams, said):
    saved(checkpoint, toy.DETECTOR)
    assert refused(checkpoint, streams=streams).endswith(said)


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ({}, "model: must be a mapping, not empty"),
        ({"model": {"dim": "wide"}}, "dim: must be a whole number, not 'wide'"),
        ({"model": {"dim": 24, "haeds": 2}}, "haeds: unknown key; did you mean 'heads'?"),
    ],
)
def test_a_card_without_sizes_is_one_clear_error(checkpoint, recipe, said):
    saved(checkpoint, toy.DETECTOR, recipe=recipe)
    told = refused(checkpoint)
    assert told.startswith(f"{checkpoint}: its card does not say how large the model is: {said}")


def test_a_start_is_a_checkpoint_with_its_account(checkpoint, tmp_path):
    saved(checkpoint, toy.DETECTOR)
    out = tmp_path / "start.safetensors"
    card = start(REGISTRY, toy.GRID, Transfer(checkpoint=str(checkpoint)), out, seed=5)
    tensors, written = load(out)
    assert all(k.startswith("encoder.") for k in tensors)
    assert (written.detector, written.stage) == ("toygrid", "transfer")
    assert written.parents == (digest(checkpoint),)
    assert written.transfer == json.loads(json.dumps(card))
    assert card["source"]["sha256"] == digest(checkpoint)
    # The recipe's transfer gives the same encoder, by the checkpoint itself and by the start.
    model = evolve(toy.MODEL, depths={})
    one, two = (brought(p, model=model, seed=5)[0] for p in (checkpoint, out))
    for name, value in one.encoder.state_dict().items():
        assert torch.equal(value, two.encoder.state_dict()[name]), name
        assert torch.equal(value, tensors[f"encoder.{name}"]), name


def test_depths_follow_the_streams_that_are_played(checkpoint, tmp_path):
    saved(checkpoint, toy.DETECTOR)  # cubes 2 deep, plates 1
    out = tmp_path / "start.safetensors"
    start(
        REGISTRY, toy.GRID, Transfer(checkpoint=str(checkpoint), streams={"cubes": "plates"}), out
    )
    assert load(out)[1].recipe["model"]["depths"] == {"cubes": 1}
    assert not [k for k in load(out)[0] if ".blocks.1." in k]


def test_too_little_of_the_core_is_refused_and_nothing_written(checkpoint, tmp_path):
    saved(checkpoint, toy.PLAIN)
    out = tmp_path / "start.safetensors"
    with pytest.raises(CheckpointError) as error:
        start(REGISTRY, toy.GRID, Transfer(checkpoint=str(checkpoint)), out, least=0.95)
    assert "of the core of toygrid can be reused, less than 95.0%" in str(error.value)
    assert not out.exists()
    assert (
        start(REGISTRY, toy.GRID, Transfer(checkpoint=str(checkpoint)), out, least=0.2)["reused"]
        < 0.95
    )
    assert (
        start(REGISTRY, toy.PLAIN, Transfer(checkpoint=str(checkpoint)), out, least=1.0)["reused"]
        == 1.0
    )


DETECTORS = {n: registry().detector(n) for n in registry().names("detectors")}
EVERY = {**DETECTORS, **{t.name: t for t in TOYS}}


def transfers(checkpoint, source, targets):
    saved(checkpoint, EVERY[source], SMALL)
    for name in targets:
        card = start(
            registry(),
            EVERY[name],
            Transfer(checkpoint=str(checkpoint)),
            checkpoint.with_name("start.safetensors"),
        )
        prints = card["fingerprint"].values()
        assert all(p["largest_difference"] == 0.0 for p in prints)
        assert card["target"] == name
        voxels = {s for s, of in card["streams"].items() if of}
        assert len(prints) == 1 + len(voxels)
        if voxels == set(card["streams"]):
            assert card["reused"] == 1.0


def test_detectors_start_from_each_other_in_a_ring(checkpoint):
    names = list(EVERY)
    for source, target in zip(names, [*names[1:], names[0]], strict=True):
        transfers(checkpoint, source, [target])


@pytest.mark.slow
@pytest.mark.parametrize("source", EVERY)
def test_every_detector_starts_from_every_other(checkpoint, source):
    transfers(checkpoint, source, EVERY)


def test_from_fasercal_to_superfgd_begins_afresh_what_the_paper_lists(checkpoint, tmp_path):
    """Patch embedding, positions, branch embeddings and heads (arXiv:2604.07037, section IV.E)."""
    saved(checkpoint, DETECTORS["fasercal"], SMALL)
    card = start(
        registry(),
        DETECTORS["superfgd"],
        Transfer(checkpoint=str(checkpoint)),
        tmp_path / "start.safetensors",
    )
    fresh = {t["name"]: t["why"].partition(":")[0] for t in card["tensors"] if t["fate"] == "fresh"}
    assert fresh == {
        "encoder.detector.cubes.kind": "branch embedding",
        "encoder.detector.cubes.embed.weight": "patch embedding",
        "encoder.detector.cubes.embed.bias": "patch embedding",
        "encoder.detector.cubes.embed.place": "positions inside a window",
        "encoder.detector.cubes.embed.window": "positions of the windows",
        "encoder.detector.context.kind": "branch embedding",
        "encoder.detector.context.embed.project.0.weight": "tokeniser",
        "encoder.detector.context.embed.project.0.bias": "tokeniser",
        "encoder.detector.context.embed.project.2.weight": "tokeniser",
        "encoder.detector.context.embed.project.2.bias": "tokeniser",
    }
    assert card["streams"] == {"cubes": "3dcal"}
    assert card["reused"] == 1.0
    unused = {t["name"] for t in card["tensors"] if t["fate"] == "unused"}
    assert {n for n in unused if n.startswith("encoder.shared.")} == {
        n for n in load(checkpoint)[0] if n.startswith("encoder.shared.windows.ahcal.")
    }


PLUGIN = '''"""A detector in a file of its own."""
from intarsia.core.detector import Detector
from intarsia.core.hookspecs import hookimpl
from intarsia.core.streams import Axis, Column, VoxelGrid

side = Axis(12, 5.0)
grid = VoxelGrid(name="tiles", axes=(side, side, side), patch=(3, 3, 3), window=(2, 2, 2),
                 columns=(Column(name="light", unit="p.e."),))

@hookimpl
def intarsia_detectors():
    return [Detector(name="mydet", about="tiles", streams=(grid,))]
'''


def test_the_command_serves_a_plugin_that_is_not_in_the_repository(checkpoint, tmp_path, capsys):
    saved(checkpoint, DETECTORS["fasercal"], SMALL)
    (tmp_path / "mydet.py").write_text(PLUGIN)
    out = tmp_path / "new" / "start.safetensors"
    words = ["transfer", checkpoint, "mydet", "-o", out, "--plugin", tmp_path / "mydet.py"]
    assert main([*map(str, words), "--min-core", "0.95", "--stream", "tiles=ahcal"]) == 0
    said = capsys.readouterr().out
    assert "100.0% of the core is reused (ahcal plays tiles)" in said
    assert "bit for bit" in said
    card = json.loads((tmp_path / "new" / "start.transfer.json").read_text())
    assert card == read_card(out).transfer
    assert rows(card)[0][:3] == ["shared.fusion", "copied", str(len(rows_of(card, "fusion")))]
    assert summary(card)[0].startswith("source.safetensors: stage mae of source, detector fasercal")
    assert main(["show", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "stage     transfer" in shown
    assert said.rpartition(str(out))[0] in shown  # the same table and sentences


@pytest.mark.parametrize(
    "account", [{"tensors": []}, {"tensors": [1]}, {"tensors": [{"name": "encoder"}]}, {"x": 1}]
)
def test_a_transfer_card_that_is_none_is_one_clear_error(checkpoint, capsys, account):
    saved(checkpoint, toy.GRID, transfer=account)
    assert main(["show", str(checkpoint)]) == 2
    assert capsys.readouterr().err.startswith(f"{checkpoint}: its transfer card is not one: ")


def rows_of(card, part):
    return [t for t in card["tensors"] if t["name"].startswith(f"encoder.shared.{part}.")]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["nodet"], "there is no detector 'nodet'"),
        (["superfgd", "--stream", "cubes"], "--stream 'cubes' is not NEW=OLD"),
        (
            ["superfgd", "--take", "all"],
            "--take must be one of windows, query, fusion, norm, patches, not 'all'",
        ),
        (["superfgd", "--stream", "cubes=ecal"], "has no voxel stream 'ecal'"),
    ],
)
def test_wrong_words_are_told_and_nothing_is_written(checkpoint, tmp_path, capsys, more, said):
    saved(checkpoint, DETECTORS["fasercal"], SMALL)
    out = tmp_path / "start.safetensors"
    assert main(["transfer", str(checkpoint), *more, "-o", str(out)]) == 2
    assert said in capsys.readouterr().err
    assert not out.exists()
