"""The transfer card for people: its tensors by part, and what they say together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

HEADS = ("part", "fate", "tensors", "parameters", "from, or why")


def rows(card: Mapping[str, Any]) -> list[list[str]]:
    """One row for each part of the network and fate of its tensors, as `HEADS`."""
    grouped: dict[tuple[str, str, str], list[int]] = {}
    for tensor in card["tensors"]:
        why = tensor.get("why") or _part(tensor.get("source", ""))
        key = _part(tensor["name"]), tensor["fate"], why
        grouped.setdefault(key, []).append(tensor["parameters"])
    order = {"copied": 0, "fresh": 1, "unused": 2}
    return [
        [part, fate, str(len(sizes)), f"{sum(sizes):,}", why]
        for (part, fate, why), sizes in sorted(
            grouped.items(), key=lambda item: (order[item[0][1]], item[0])
        )
    ]


def summary(card: Mapping[str, Any]) -> list[str]:
    """Sentences on where the weights come from, how much was copied and the fingerprint."""
    source, streams = card["source"], card["streams"]
    plays = [f"{theirs} plays {ours}" for ours, theirs in streams.items() if theirs]
    plays += [f"nothing plays {ours}" for ours, theirs in streams.items() if not theirs]
    origin = f"stage {source['stage']} of {source['recipe']}, detector {source['detector']}"
    said = [
        f"{source['file']}: {origin}, to {card['target']}",
        f"{card['reused']:.1%} of the core is reused ({', '.join(plays) or 'no voxel streams'})",
    ]
    if prints := card["fingerprint"]:
        worst = max(p["largest_difference"] for p in prints.values())
        same = "bit for bit" if worst == 0 else f"to within {worst:.1e}"
        said.append(f"On fixed tokens {', '.join(prints)} answer as in the source, {same}")
    return said


def _part(name: str) -> str:
    """``encoder.shared.windows.cubes``, ``encoder.detector.cubes``, ``tasks.mae``, ..."""
    steps = name.split(".")
    if name.startswith("encoder."):
        return ".".join(steps[1 : 4 if steps[2] == "windows" else 3])
    return ".".join(steps[:2]) if steps[0] == "tasks" else steps[0]
