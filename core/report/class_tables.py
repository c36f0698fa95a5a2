"""Tables of what is classified, from ``metrics.json``, with published numbers marked beside ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from . import words
from .style import title
from .tables import Table, tasks, yardsticks
from .words import with_interval

Published = Mapping[str, Any]  # `recipe.Published` as JSON values, empty for none
MARK = "\N{DAGGER}"


def classification(
    found: Mapping[str, Any], task: str, published: Published | None = None
) -> Table | None:
    """AUROC per class and their mean, accuracy and doubt, for every start, probe and yardstick."""
    listed = _listed(found, task)
    if not listed:
        return None
    classes = list(listed[0][1]["auc"])
    body = []
    for name, values in listed:
        per_class = [with_interval(values["auc"].get(c)) for c in classes]
        accuracy = words.number(values.get("accuracy"))
        doubt = with_interval(values.get("entropy_auroc"))
        body.append([name, with_interval(values["auc_macro"]), *per_class, accuracy, doubt])
    for name, values in _measured(published):
        shown = (words.number(values.get(m)) for m in ("accuracy", "entropy_auroc"))
        body.append([name, words.number(values.get("auc_macro")), *["-"] * len(classes), *shown])
    heads = ["", "macro AUROC", *(c.replace("_", " ") for c in classes), "accuracy"]
    return Table([*heads, "entropy AUROC"], body)


def highest(
    found: Mapping[str, Any], task: str, published: Published | None = None
) -> Table | None:
    """Where events of each class go, by highest score, for every start."""
    body: list[list[str]] = []
    classes: list[str] = []
    for start, values in found.get("starts", {}).items():
        if table := values.get(task, {}).get("confusion_highest"):
            classes = [c.replace("_", " ") for c in table["classes"]]
            body += _going(title(start), classes, table["matrix"])
    if classes:
        for name, matrix in (published or {}).get("confusion", {}).items():
            body += _going(f"{MARK} {name}", classes, matrix)
    return Table(["", *classes], body) if body else None


def _going(
    start: str, classes: Sequence[str], matrix: Sequence[Sequence[float]]
) -> Iterator[list[str]]:
    for name, row in zip(classes, matrix, strict=True):
        yield [f"{start}: true {name}", *(words.number(x) for x in row)]


def segments(
    found: Mapping[str, Any], task: str, published: Published | None = None
) -> Table | None:
    """F1 of each class of voxels, means and accuracy, for every start."""
    listed = [(title(s), v[task]) for s, v in found.get("starts", {}).items() if task in v]
    if not listed:
        return None
    classes = list(listed[0][1]["f1"])
    body = [
        [
            name,
            with_interval(v["f1_macro"]),
            *(with_interval(v["f1"][c]) for c in classes),
            with_interval(v["iou_macro"]),
            words.number(v["accuracy"]),
        ]
        for name, v in listed
    ]
    for name, values in _measured(published):
        shown = (words.number(values.get(m)) for m in ("iou_macro", "accuracy"))
        body.append([name, words.number(values.get("f1_macro")), *["-"] * len(classes), *shown])
    heads = ["macro F1", *(c.replace("_", " ") for c in classes), "mean IoU", "accuracy"]
    return Table(["", *heads], body)


def absent(found: Mapping[str, Any], task: str) -> str:
    """A note on intervals, and on classes without test events."""
    missing: list[str] = next(
        (v[task]["absent"] for v in found["starts"].values() if task in v), []
    )
    note = "Area under the one-vs-rest ROC curve with 95 % bootstrap intervals over test events."
    if missing:
        note += f" No test event is of class {', '.join(missing)}; the mean is over the others."
    return note


def marked(published: Published | None) -> str:
    """What the mark of published numbers means, "" without any."""
    if not published:
        return ""
    return (
        f" {MARK} Published numbers, of other data, labels and models: they show where the field "
        f"stands, and are not to be compared with ours. Source: {published['source']}."
    )


def _measured(published: Published | None) -> list[tuple[str, Mapping[str, float]]]:
    rows = (published or {}).get("rows", {})
    return [(f"{MARK} {name}", values) for name, values in rows.items()]


def _listed(found: Mapping[str, Any], task: str) -> list[tuple[str, Any]]:
    listed = [(title(s), v[task]) for s, v in found.get("starts", {}).items() if task in v]
    first = next((k for k, v in tasks(found).items() if "auc_macro" in v), None)
    if task == first:
        probes = {"random": found.get("random", {}), **found.get("starts", {})}
        listed += [
            (f"{title(s)}, frozen probe", v["probe"])
            for s, v in probes.items()
            if "auc_macro" in v.get("probe", {})
        ]
    return listed + [(title(name), v[task]) for name, v in yardsticks(found) if task in v]
