import hashlib
import json
import struct

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from intarsia.core.card import Card, card_json, check_seal, read_card
from intarsia.core.checkpoint import digest, load, load_state, save, save_state
from intarsia.core.errors import CheckpointError

CARD = Card(
    detector="toy",
    declaration={"name": "toy", "streams": []},
    recipe={"name": "r", "stages": {}},
    stage="mae",
    epoch=3,
    step=120,
    metrics={"loss": 0.5, "other": float("nan")},
    normalisation={"streams": {"cubes": {"charge": {"rms": [1.0, 2.0]}}}},
    versions={"torch": "2"},
    parents=("ab", "cd"),
)


def tensors():
    torch.manual_seed(0)
    big = torch.randn(6, 4)
    return {
        "a.weight": torch.randn(3, 5),
        "a.half": torch.randn(7).bfloat16(),
        "odd": torch.tensor([float("nan"), float("inf"), -0.0, 1e-45]),
        "count": torch.tensor(17),
        "empty": torch.zeros(0, 3),
        "turned": big.T,
        "flag": torch.tensor([True, False]),
        "double": torch.randn(2, dtype=torch.float64),
    }


def bits(x):
    return x.contiguous().view(-1).view(torch.uint8) if x.numel() and x.ndim else x


def same(a, b):
    assert a.keys() == b.keys()
    for k in a:
        assert a[k].dtype == b[k].dtype
        assert a[k].shape == b[k].shape
        assert torch.equal(bits(a[k]), bits(b[k])), k


def test_what_is_saved_is_loaded_bit_for_bit(tmp_path):
    path = tmp_path / "x.safetensors"
    save(path, tensors(), CARD)
    found, card = load(path)
    same(tensors(), found)
    assert card.stage == "mae"
    assert card.parents == ("ab", "cd")
    assert card.metrics == {"loss": 0.5, "other": None}
    assert card.normalisation == CARD.normalisation
    assert [p.name for p in tmp_path.iterdir()] == ["x.safetensors"]


def test_half_precision_halves_large_tensors_and_comes_back_in_full(tmp_path):
    torch.manual_seed(0)
    large, small = torch.randn(64, 64), torch.randn(12)
    counted = torch.arange(5000)
    save(tmp_path / "half", {"w": large, "mean": small, "n": counted}, CARD, half=True)
    save(tmp_path / "full", {"w": large, "mean": small, "n": counted}, CARD)
    found, _ = load(tmp_path / "half")
    assert found["w"].dtype == torch.float32
    assert torch.equal(found["w"], large.half().float())
    torch.testing.assert_close(found["w"], large, atol=1e-7, rtol=2**-11)
    assert torch.equal(found["mean"], small)
    assert torch.equal(found["n"], counted)
    full, half = ((tmp_path / n).stat().st_size for n in ("full", "half"))
    assert abs(full - half - 2 * large.numel()) < 64
    check_seal(tmp_path / "half")


def test_the_card_is_readable_with_the_standard_library(tmp_path):
    path = tmp_path / "x.safetensors"
    save(path, tensors(), CARD)
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    assert json.loads(header["__metadata__"]["intarsia"])["detector"] == "toy"


def test_there_is_no_pickle_in_the_file(tmp_path):
    path = tmp_path / "x.safetensors"
    save(path, tensors(), CARD)
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    assert content[8:9] == b"{"
    header = json.loads(content[8 : 8 + length])
    ends = [v["data_offsets"][1] for k, v in header.items() if k != "__metadata__"]
    assert len(content) == 8 + length + max(ends)  # a header in JSON, numbers, nothing else
    for sign in (b"PK\x03\x04", b"\x80\x02c", b"torch._utils"):
        assert sign not in content


def test_the_state_to_resume_from_comes_back_bit_for_bit(tmp_path):
    path = tmp_path / "x.resume.safetensors"
    facts = {"epoch": 3, "step": 5, "best": 0.1 + 0.2}
    save_state(path, tensors(), facts)
    found, state = load_state(path)
    same(tensors(), found)
    assert state == facts


def test_a_best_loss_that_is_infinite_survives(tmp_path):
    path = tmp_path / "x.resume.safetensors"
    save_state(path, tensors(), {"best": float("inf")})
    assert load_state(path)[1]["best"] == float("inf")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.999])
def test_a_file_cut_off_is_an_error_that_names_it(tmp_path, share):
    path = tmp_path / "x.safetensors"
    save(path, tensors() | {"big": torch.randn(1000)}, CARD)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(CheckpointError) as error:
        load(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.999])
def test_a_state_cut_off_is_an_error_that_names_it(tmp_path, share):
    path = tmp_path / "x.safetensors"
    save_state(path, {"big": torch.randn(1000)}, {"epoch": 1})
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(CheckpointError) as error:
        load_state(path)
    assert str(path) in str(error.value)


def test_what_is_not_ours_is_an_error(tmp_path):
    other = tmp_path / "other.pt"
    torch.save({"a": torch.zeros(2)}, other)
    with pytest.raises(CheckpointError) as error:
        load(other)
    assert str(error.value) == f"{other}: is not a safetensors file"
    missing = tmp_path / "missing.safetensors"
    with pytest.raises(CheckpointError) as error:
        load(missing)
    assert str(error.value) == f"{missing}: No such file or directory"


def test_a_missing_state_is_an_error_that_names_it(tmp_path):
    missing = tmp_path / "missing.safetensors"
    with pytest.raises(CheckpointError) as error:
        load_state(missing)
    assert str(missing) in str(error.value)


def test_weights_and_states_are_not_taken_for_each_other(tmp_path):
    weights, state = tmp_path / "w.safetensors", tmp_path / "s.safetensors"
    save(weights, tensors(), CARD)
    save_state(state, tensors(), {})
    with pytest.raises(CheckpointError) as error:
        load_state(weights)
    assert str(error.value) == f"{weights}: holds no state to resume from"
    with pytest.raises(CheckpointError) as error:
        load(state)
    assert (
        str(error.value) == f"{state}: has no intarsia card; it is some other program's checkpoint"
    )


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.safetensors"
    save(path, tensors(), CARD)
    before = path.read_bytes()
    with pytest.raises(Exception):  # noqa: B017, PT011  (whatever safetensors raises)
        save(path, {"sparse": torch.eye(3).to_sparse()}, CARD)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["x.safetensors"]


def test_the_digest_is_that_of_the_bytes(tmp_path):
    path = tmp_path / "x"
    content = b"0123456789" * 300_000
    path.write_bytes(content)
    assert digest(path) == hashlib.sha256(content).hexdigest()


def test_the_same_weights_and_card_give_the_same_bytes(tmp_path):
    paths = [tmp_path / f"{i}.safetensors" for i in range(8)]
    for path in paths:
        save(path, tensors(), CARD)
    assert len({digest(path) for path in paths}) == 1


def test_any_flipped_bit_is_noticed_or_changes_nothing(tmp_path):
    path = tmp_path / "x.safetensors"
    save(path, tensors(), CARD)
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    noticed = 0
    for bit in rng.choice(8 * len(content), 400, replace=False).tolist():
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            found, card = load(path)
        except CheckpointError:
            noticed += 1
            with pytest.raises(CheckpointError):
                checked(path)
        else:
            checked(path)
            same(tensors(), found)
            assert card_json(card) == card_json(CARD)
    assert noticed > 390


@pytest.mark.parametrize("share", np.linspace(0, 0.9999, 23))
def test_a_file_cut_anywhere_is_noticed(tmp_path, share):
    path = tmp_path / "x.safetensors"
    save(path, tensors(), CARD)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(CheckpointError, match=str(path)):
        load(path)


def checked(path):
    """What the check without torch says: an error like that of loading, or nothing."""
    read_card(path)
    check_seal(path)


def framed(header: bytes, numbers: bytes = b"") -> bytes:
    return len(header).to_bytes(8, "little") + header + numbers


def hostile(**entries) -> bytes:
    card = {"intarsia": card_json(CARD)}
    return framed(json.dumps({"__metadata__": card, **entries}).encode())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff" * 64,
        (2**63).to_bytes(8, "little") + b"{}",
        framed(b"{}"),
        framed(b"{" + b'"a":[' * 100_000),
        framed(b'{"__metadata__": {"intarsia": "' + b"[" * 100_000 + b'"}}'),
        framed(b'{"__metadata__": {"intarsia": 3}}'),
        framed(b'{"__metadata__": {"intarsia": "[]"}}'),
        framed(b'{"__metadata__": []}'),
        hostile(a=[]),
        hostile(a={"dtype": "F32", "shape": [2], "data_offsets": [0, 10**30]}),
        hostile(a={"dtype": "F32", "shape": [2], "data_offsets": [-8, 0]}),
        hostile(a={"dtype": "F99", "shape": [0], "data_offsets": [0, 0]}),
        hostile(a={"dtype": "F32", "shape": [10**18, 10**18], "data_offsets": [0, 0]}),
        hostile(),
    ],
    ids=range(16),
)
def test_a_hostile_file_is_one_clear_error(tmp_path, content):
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    for read in (load, load_state):
        with pytest.raises(CheckpointError) as error:
            read(path)
        assert str(error.value).startswith(f"{path}: ")
        assert len(str(error.value)) < 400


def test_a_file_without_seal_is_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    save_file({"a": torch.zeros(2)}, path, {"intarsia": card_json(CARD)})
    with pytest.raises(CheckpointError) as error:
        load(path)
    assert str(error.value) == f"{path}: has no seal; it was not written by this intarsia"
