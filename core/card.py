"""The card of a checkpoint: what the weights are, as JSON in the header of their file.

A file of weights is safetensors: eight bytes that hold the length of the header, the header in
JSON, the numbers. The card is the text under ``intarsia`` in the header's ``__metadata__``, so the
standard library can read it; torch is not needed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from math import isfinite
from pathlib import Path
from typing import Any

from attrs import asdict, field, fields, frozen

from .errors import CheckpointError, suggest

FORMAT = 1
KEY = "intarsia"  # of the header's metadata
SEAL = "sha256"  # the entry beside the card's that tells whether the file is damaged
LIMIT = 100_000_000  # bytes of header that safetensors allows


def _tuple(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(values)


@frozen(kw_only=True)
class Card:
    """What a file of weights says of itself.

    declaration: of the detector, see `detector.declaration`. recipe: resolved, see
    `recipe_load.dump`. normalisation: of the inputs, per stream and column. parents: sha256 of the
    files the training started from. sizes: whatever else fixes the shapes of the weights. transfer: the
    transfer card of weights from elsewhere, see `intarsia.core.transfer`.
    """

    detector: str
    declaration: Mapping[str, Any]
    recipe: Mapping[str, Any]
    stage: str
    epoch: int = 0
    step: int = 0
    metrics: Mapping[str, float | None] = field(factory=dict)
    normalisation: Mapping[str, Any] = field(factory=dict)
    versions: Mapping[str, str] = field(factory=dict)
    parents: tuple[str, ...] = field(default=(), converter=_tuple)
    sizes: Mapping[str, Any] = field(factory=dict)
    transfer: Mapping[str, Any] = field(factory=dict)
    format: int = FORMAT


_TYPES: dict[str, type] = {
    "detector": str,
    "stage": str,
    "epoch": int,
    "step": int,
    "parents": list,
    "format": int,
}

_SPELT = {str: "text", int: "a whole number", list: "a list", dict: "a mapping"}


def card_json(card: Card) -> str:
    """`card` as JSON, numbers that are not finite as null."""
    return json.dumps(_finite(asdict(card)), allow_nan=False)


def read_card(path: Path) -> Card:
    """The card in the file at `path`; CheckpointError if it is not a whole file of ours."""
    metadata = _header(path).get("__metadata__")
    text = metadata.get(KEY) if isinstance(metadata, dict) else None
    if not isinstance(text, str):
        raise CheckpointError(
            f"{path}: has no intarsia card; it is some other program's checkpoint"
        )
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: its card is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise CheckpointError(f"{path}: its card is not a mapping")
    if (found := values.get("format")) != FORMAT:
        raise CheckpointError(
            f"{path}: its card is of format {found}, this intarsia reads format {FORMAT}"
        )
    values.pop(SEAL, None)
    faults = _faults(values)
    if faults:
        raise CheckpointError("\n".join(f"{path}: its card {fault}" for fault in faults))
    return Card(**values)


def seal(tensors: Iterable[tuple[str, str, list[int], bytes]], values: Mapping[str, Any]) -> str:
    """sha256 of what the header says and of name, type, shape and bytes of each tensor, by name."""
    hashed = sha256(json.dumps(values, sort_keys=True).encode())
    for name, dtype, shape, content in tensors:
        hashed.update(json.dumps([name, dtype, shape]).encode())
        hashed.update(content)
    return hashed.hexdigest()


def check_seal(path: Path) -> None:
    """CheckpointError unless the checkpoint `path` holds what was written; needs no torch."""
    header = _header(path)
    values = json.loads(header.pop("__metadata__")[KEY])
    if (said := values.pop(SEAL, None)) is None:
        raise CheckpointError(f"{path}: has no seal; it was not written by this intarsia")
    try:
        same = said == seal(_tensors(path, header), values)
    except (KeyError, TypeError, ValueError, OverflowError):  # a header that was not written so
        same = False
    if not same:
        raise CheckpointError(f"{path}: is damaged: it does not hold what was written")


_DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}


def _tensors(path: Path, header: Mapping[str, Any]) -> Iterator[tuple[str, str, list[int], bytes]]:
    with path.open("rb") as file:
        first = 8 + int.from_bytes(file.read(8), "little")
        for name in sorted(header):
            start, end = header[name]["data_offsets"]
            file.seek(first + start)
            dtype = f"torch.{_DTYPES[header[name]['dtype']]}"
            yield name, dtype, header[name]["shape"], file.read(end - start)


def _faults(values: Mapping[str, Any]) -> list[str]:
    known = [f.name for f in fields(Card)]
    faults = [f"has an unknown entry {k!r}{suggest(k, known)}" for k in values if k not in known]
    faults += [f"lacks {k!r}" for k in known[:4] if k not in values]
    for name in known:
        kind = _TYPES.get(name, dict)
        if name in values and not isinstance(values[name], kind):
            faults.append(f"has {name} {values[name]!r}, which should be {_SPELT[kind]}")
    return faults


def _header(path: Path) -> dict[str, Any]:
    """The JSON header of a safetensors file whose numbers are all there."""
    foreign = f"{path}: is not a safetensors file"
    try:
        with path.open("rb") as file:
            whole = os.fstat(file.fileno()).st_size
            start = file.read(9)
            length = int.from_bytes(start[:8], "little")
            if len(start) < 9 or start[8:] != b"{" or length > LIMIT:
                raise CheckpointError(foreign)
            if length + 8 > whole:
                raise CheckpointError(f"{path}: is cut off within its header")
            header = json.loads(start[8:] + file.read(length - 1))
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # not JSON, or not text
        raise CheckpointError(foreign) from error
    if not isinstance(header, dict):
        raise CheckpointError(foreign)
    _check_size(path, header, whole - 8 - length, foreign)
    return header


def _check_size(path: Path, header: Mapping[str, Any], there: int, foreign: str) -> None:
    try:
        ends = [int(v["data_offsets"][1]) for k, v in header.items() if k != "__metadata__"]
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise CheckpointError(foreign) from error
    if (needed := max(ends, default=0)) > there:
        raise CheckpointError(f"{path}: is cut off: {there} of {needed} bytes of weights are there")


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not isfinite(value) else value
