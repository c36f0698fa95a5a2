"""Cards: written, read by the standard library, and refused when they are not whole."""

import json
import math
import subprocess
import sys

import pytest

from intarsia.core.card import FORMAT, KEY, Card, card_json, read_card
from intarsia.core.errors import CheckpointError

CARD = Card(
    detector="cube",
    declaration={"name": "cube", "streams": []},
    recipe={"name": "r", "stages": {}},
    stage="finetune/mae",
    epoch=3,
    step=120,
    metrics={"val_loss": 0.5},
    normalisation={"cubes": {"charge": [0.0, 1.0]}},
    versions={"torch": "2.13"},
    parents=("ab" * 32,),
    sizes={"dim": 8},
)


def safetensors(metadata, size=8, offsets=None):
    """Bytes of a safetensors file with one tensor of `size` bytes."""
    tensor = {"dtype": "F32", "shape": [size // 4], "data_offsets": offsets or [0, size]}
    header = json.dumps({"__metadata__": metadata, "w": tensor}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(size)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "w.safetensors"


def refusal(file, content):
    file.write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        read_card(file)
    return str(caught.value).replace(f"{file}: ", "")


def test_a_card_is_read_as_it_was_written(file):
    file.write_bytes(safetensors({KEY: card_json(CARD)}))
    assert read_card(file) == CARD


def test_numbers_that_are_not_finite_are_written_as_null():
    card = Card(
        detector="d", declaration={}, recipe={}, stage="s", metrics={"a": math.nan, "b": math.inf}
    )
    assert json.loads(card_json(card))["metrics"] == {"a": None, "b": None}


def test_safetensors_reads_the_same_file_and_its_files_are_read(file):
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file, save_file

    save_file({"w": torch.ones(3)}, file, {KEY: card_json(CARD)})
    assert read_card(file) == CARD
    file.write_bytes(safetensors({KEY: card_json(CARD)}))
    assert load_file(file)["w"].tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04 a pickle in a zip file",
        b"\x80\x02}q\x00.....",
        (200_000_000).to_bytes(8, "little") + b"{" * 50,
        (2).to_bytes(8, "little") + b"{x" + bytes(8),
        (2).to_bytes(8, "little") + b"{}"[:1] + b"\xff" + bytes(8),
        safetensors({}, offsets="no"),
    ],
)
def test_a_file_that_is_not_safetensors_is_refused(file, content):
    assert refusal(file, content) == "is not a safetensors file"


def test_a_file_that_is_cut_off_is_refused(file):
    whole = safetensors({KEY: card_json(CARD)})
    assert refusal(file, whole[:-3]) == "is cut off: 5 of 8 bytes of weights are there"
    assert refusal(file, whole[:100]) == "is cut off within its header"


def test_a_card_of_another_program_or_format_is_refused(file):
    foreign = "has no intarsia card; it is some other program's checkpoint"
    assert refusal(file, safetensors({"format": "pt"})) == foreign
    assert refusal(file, safetensors({KEY: "{"})).startswith("its card is not JSON: ")
    assert refusal(file, safetensors({KEY: "[]"})) == "its card is not a mapping"
    other = json.dumps({"format": FORMAT + 1})
    assert refusal(file, safetensors({KEY: other})) == (
        f"its card is of format {FORMAT + 1}, this intarsia reads format {FORMAT}"
    )


def test_every_wrong_entry_of_a_card_is_told(file):
    card = json.loads(card_json(CARD)) | {"stagee": 1, "epoch": "3"}
    del card["stage"]
    assert refusal(file, safetensors({KEY: json.dumps(card)})).splitlines() == [
        "its card has an unknown entry 'stagee'; did you mean 'stage'?",
        "its card lacks 'stage'",
        "its card has epoch '3', which should be a whole number",
    ]


def test_a_missing_file_is_named(file):
    with pytest.raises(CheckpointError, match=r"w\.safetensors: No such file"):
        read_card(file)


def test_reading_a_card_does_not_import_torch(file):
    file.write_bytes(safetensors({KEY: card_json(CARD)}))
    code = (
        "import sys; from pathlib import Path; from intarsia.core.card import read_card; "
        "print(read_card(Path(sys.argv[1])).stage, 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, file], capture_output=True, text=True, check=True
    )
    assert done.stdout == "finetune/mae False\n"
