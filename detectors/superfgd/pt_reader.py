"""SuperFGD's benchmark: a torch-pickled dictionary per particle, read without running its code.

`reco_hits` is (n, 4): position of the cube's centre, mm, and charge; `true_nodes` (n, 3): the true
position of each hit, mm. The release does not document where the class is: a key of the dictionary
or the folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from os.path import abspath
from pathlib import Path
from typing import Any

import numpy as np

from intarsia.core.crop import describe, inside, start
from intarsia.core.errors import EventError, suggest
from intarsia.core.events import Array, Events
from intarsia.core.reading import Rows, Single, build, cells_of_points, merge, numbers, torch_file

from . import CLASSES, CUBES, DETECTOR, SUPERFGD

KEYS = ("pdg", "pid", "label", "class", "particle")
SATURATION = 500.0  # p.e., as the benchmark's own code cuts
_WORDS = {
    "proton": ("p", "p+", "proton", "protons", "2212"),
    "pion": ("pi", "pi+", "pi-", "pion", "pions", "211", "-211"),
    "muon": ("mu", "mu+", "mu-", "muon", "muons", "13", "-13"),
    "electron": ("e", "e+", "e-", "electron", "electrons", "positron", "positrons", "11", "-11"),
}
NAMES = {word: CLASSES.index(name) for name, words in _WORDS.items() for word in words}
_SPLITS = {"training": ("train", "val"), "train": ("train", "val"), "testing": ("test",),
           "test": ("test",)}  # fmt: skip


def particle(path: Path | str, key: str = "", order: str = "", unlabelled: int = 0) -> Single:
    """The particle in the file at `path`.

    key: of the dictionary, that holds the class; by default one of KEYS, else the name of the
    folder. A class is a name (proton, mu+, ...), a PDG number, or a number in `order`, e.g.
    "proton,pion,muon,electron". unlabelled: admit files in which no class is found.
    """
    whole = Path(abspath(path))  # what folders say does not depend on the one we are in
    splits = next((_SPLITS[p.name] for p in whole.parents if p.name in _SPLITS), ())
    return Single(path, partial(_read, whole, key, _ordered(order), bool(unlabelled)), splits)


def _ordered(order: str) -> tuple[int, ...]:
    """Classes in the order in which a file numbers them."""
    names = [name.strip() for name in order.split(",")] if order else []
    for name in names:
        if name not in CLASSES:
            raise EventError(f"order: {name!r} is no class{suggest(name, CLASSES)}")
    if names and len(set(names)) != len(CLASSES):
        raise EventError(f"order: must name all of {', '.join(CLASSES)}, each once")
    return tuple(CLASSES.index(name) for name in names)


def _read(path: Path, key: str, order: tuple[int, ...], unlabelled: bool) -> Events:
    found = torch_file(path)
    if not isinstance(found, dict):
        raise EventError(f"holds {type(found).__name__}, not a dictionary")
    if "reco_hits" not in found:
        raise EventError(f"reco_hits: missing (it has: {', '.join(map(str, found)) or 'nothing'})")
    hits = numbers(np.asarray(found["reco_hits"]), "reco_hits", (None, 4)).astype(np.float64)
    if not np.isfinite(hits).all():
        raise EventError(f"reco_hits: {int((~np.isfinite(hits)).sum())} values are not finite")
    nodes = None
    if "true_nodes" in found:
        nodes = numbers(np.asarray(found["true_nodes"]), "true_nodes", (len(hits), 3))
    kind = _class(found, path, key, order)
    if kind < 0 and not unlabelled:
        raise EventError(
            f"class: neither a key ({', '.join(KEYS)}) nor the folder {path.parent.name!r} says "
            "which particle it is; name the key with the option key, or admit such files with "
            "unlabelled=1"
        )
    run = ".".join(p for p in path.parts[-3:-1] if p not in ("/", ""))
    return _event(f"{run or 'file'}/{path.stem}", hits, nodes, kind)


def _class(found: Mapping[Any, Any], path: Path, key: str, order: tuple[int, ...]) -> int:
    """The class by key, then by folder; -1 if neither says it."""
    if key and key not in found:
        raise EventError(f"{key}: missing (it has: {', '.join(map(str, found))})")
    for name in (key,) if key else KEYS:
        if name in found:
            return _named(found[name], name, order)
    return NAMES.get(path.parent.name.lower(), -1)


def _named(value: Any, key: str, order: tuple[int, ...]) -> int:
    """The class that `value` means; EventError if it means none."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0].item()
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(CLASSES):
        if not order:
            raise EventError(
                f"{key}: is {value}, a number of a class in an order that the file does not tell; "
                "name it with the option order, e.g. order=proton,pion,muon,electron"
            )
        return order[value]
    if (word := str(value).lower()) in NAMES:
        return NAMES[word]
    raise EventError(f"{key}: {str(value)[:40]!r} is no particle (known: {', '.join(CLASSES)})")


def _event(key: str, hits: Array, nodes: Array | None, kind: int) -> Events:
    """Hits in the crop; those of one cube are added."""
    index, within = cells_of_points(hits[:, :3], DETECTOR)
    if not within.all():
        worst = hits[~within][0, :3].tolist()
        raise EventError(f"reco_hits: {int((~within).sum())} outside the detector, e.g. {worst} mm")
    shape = (DETECTOR[0].n,) * 3
    m = merge(np.array([len(hits)]), index, shape)
    charge = np.minimum(m.total(np.minimum(hits[:, 3], SATURATION)), SATURATION)
    first = start(m.index, np.maximum(charge, 0.0), CUBES.shape)
    kept = inside(m.index, first, CUBES.shape)
    context = describe(m.index, charge, first, CUBES.shape, DETECTOR)
    cubes = {"index": m.index[kept] - first, "charge": charge[kept]}
    if nodes is not None and len(hits):
        each = np.stack([m.heaviest(x, hits[:, 3]) for x in nodes.T], axis=1)
        cubes["node"] = each[kept] - context["centre"]
    counts = np.array([int(kept.sum())])
    streams = {
        "cubes": Rows(counts, cubes),
        "context": Rows(np.array([int(len(hits) > 0)]), context),
    }
    return build(SUPERFGD, [key], streams, {"pid": np.array([kind])} if kind >= 0 else None)
