"""Tables and sentences of the page, from ``metrics.json`` and ``run.json`` alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from intarsia.core.evaluate_metrics import YARDSTICKS
from intarsia.core.split import NAMES

from . import words
from .run_data import RunData
from .style import title
from .words import with_interval

OVERVIEW = (
    "Every start on the same test events: value and 95 % bootstrap interval; small strokes are the "
    "single seeds."
)

OPTIMISERS = {"adamw": "AdamW", "muon": "Muon"}


@frozen
class Table:
    """heads: column titles. rows: cells as text, the first one a title. title: above the table."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""


@frozen
class Verdict:
    """A sentence on a measure and its kind: better, worse or open."""

    measure: str
    text: str
    kind: str


def measures(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the overview compares: key in `rows` and axis label."""
    named = []
    for task, values in tasks(found).items():
        if "auc_macro" in values:
            named.append((task, f"{task}: macro AUROC (right is better)"))
        elif "f1_macro" in values:
            named.append((task, f"{task}: macro F1 (right is better)"))
        elif "median" in values and task.rpartition("_")[2]:
            what, _, unit = task.rpartition("_")
            named.append((task, f"{what}: median distance [{unit}] (left is better)"))
    return named


def rows(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row per start: fine-tuned ones, then frozen probes, then hand-made features."""
    listed = []
    for start, values in found.get("starts", {}).items():
        if measured := _measured(values):
            listed.append({"start": start, "group": "fine-tuned", **measured})
    probes = {"random": found.get("random", {}), **found.get("starts", {})}
    for start, values in probes.items():
        if probe := values.get("probe"):
            listed.append({"start": start, "group": "probe", **_probed(probe, found)})
    listed += [
        {"start": name, "group": "yardstick", **_measured(values)}
        for name, values in yardsticks(found)
    ]
    return listed


def yardsticks(found: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """What was learned from hand-made features, by name."""
    return [(name, found[name]) for name in YARDSTICKS if name in found]


def tasks(found: Mapping[str, Any]) -> dict[str, Any]:
    """The tasks of any start, by key, with the values of the first that has them."""
    named: dict[str, Any] = {}
    for values in [*found.get("starts", {}).values(), *(v for _, v in yardsticks(found))]:
        for key, value in values.items():
            if key not in ("probe", "kinematics"):
                named.setdefault(key, value)
    return named


def _measured(values: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, value in values.items():
        name = next((n for n in ("auc_macro", "f1_macro") if n in value), "median")
        if key not in ("probe", "kinematics") and name in value:
            kept[key] = value[name]
            kept[f"{key} seeds"] = value["per_seed"][name]
    return kept


def _probed(probe: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """A probe's values under the names of the tasks."""
    kept: dict[str, Any] = {}
    classes = [k for k, v in tasks(found).items() if "auc_macro" in v]
    for key, value in probe.items():
        name = classes[0] if key == "auc_macro" and classes else key
        if key == "auc_macro" or key in tasks(found):
            kept[name] = value
            kept[f"{name} seeds"] = probe["per_seed"].get(key, ())
    return kept


def verdicts(
    listed: Sequence[Mapping[str, Any]], named: Sequence[tuple[str, str]]
) -> list[Verdict]:
    """All comparisons as sentences."""
    said = []
    for measure, text in named:
        up = "(right is better)" in text
        what, _, unit = measure.rpartition("_") if not up else (measure, "", "")
        quoted = "macro F1" if "macro F1" in text else "macro AUROC"
        head = f"{what}, {quoted}" if up else f"{what}, median distance"
        for text in words.comparisons(listed, measure, larger_is_better=up, unit=unit):
            said.append(Verdict(head[0].upper() + head[1:].replace("_", " "), text, _kind(text)))
    return said


def _kind(sentence: str) -> str:
    if ": better" in sentence:
        return "better"
    return "worse" if ": worse" in sentence else "open"


def summary(run: RunData, found: Mapping[str, Any]) -> str:
    """One paragraph: what was run, on what, and how many events, labels and seeds."""
    recipe, said = run.recipe, []
    if about := recipe.get("about"):
        said.append(f"{about.rstrip('.')}.")
    stages = [s for s in recipe.get("stages", {}) if "/" not in s]
    if stages:
        said.append(f"Pre-training: {', then '.join(stages)}.")
    if run.events:
        counts = [len(run.events.select(name)) for name in NAMES]
        said.append(
            f"{len(run.events)} events of {run.events.detector}: {counts[0]} to train, {counts[1]} "
            f"to choose checkpoints, {counts[2]} to test."
        )
    if found.get("starts"):
        seeds = len(found.get("seeds") or []) or 1
        again = f", each with {seeds} seeds" if seeds > 1 else ", with one seed"
        labels = f" on {found['n_train']} labelled events" if found.get("n_train") else ""
        starts = ", ".join(title(s) for s in found["starts"])
        said.append(f"Fine-tuned{labels}{again}: {starts}. Test events: {found['n_test']}.")
    if found.get("n_probe") and (found.get("random") or yardsticks(found)):
        said.append(
            f"Linear models, of frozen encoders and of hand-made features, use {found['n_probe']} "
            "labelled events, boosted trees those of fine-tuning."
        )
    return " ".join(said) or "Nothing was evaluated in this run."


def position(found: Mapping[str, Any], key: str) -> Table | None:
    """Mean and median distance of every start, probe (median only) and yardstick."""
    body = [
        [title(s), with_interval(v[key]["mean"]), with_interval(v[key]["median"])]
        for s, v in found.get("starts", {}).items()
        if key in v
    ]
    for s, v in {"random": found.get("random", {}), **found.get("starts", {})}.items():
        if key in v.get("probe", {}):
            body.append([f"{title(s)}, frozen probe", "", with_interval(v["probe"][key])])
    body += [
        [title(name), with_interval(v[key]["mean"]), with_interval(v[key]["median"])]
        for name, v in yardsticks(found)
        if key in v
    ]
    unit = key.rpartition("_")[2]
    return Table(["", f"mean [{unit}]", f"median [{unit}]"], body) if body else None


def kinematics(found: Mapping[str, Any]) -> Table | None:
    """Width and middle of the relative residuals, and angles, of every quantity and start."""
    starts = {s: v.get("kinematics", {}) for s, v in found.get("starts", {}).items()}
    quantities = dict.fromkeys(q for values in starts.values() for q in values)
    columns = ("sigma_mad", "median", "angle_mrad")
    body = [
        [f"{words.quantity(q)}, {title(s)}", *(with_interval(v[q].get(c)) for c in columns)]
        for q in quantities
        for s, v in starts.items()
        if q in v
    ]
    heads = ["", "sigma_MAD", "median (bias)", "median angle [mrad]"]
    return Table(heads, body) if body else None


def facts(run: RunData) -> list[Table]:
    """Stages with their settings, timings, versions and machine."""
    given = run.facts
    stages = [
        [
            name,
            str(s.get("start") or "-"),
            _length(s),
            str(s.get("batch", "")),
            str(s.get("labels") or "all"),
            OPTIMISERS[s.get("optim", {}).get("method", "adamw")],
            f"{s.get('optim', {}).get('lr', float('nan')):g}",
        ]
        for name, s in run.recipe.get("stages", {}).items()
    ]
    tables = [
        Table(
            [
                "stage",
                "starts from",
                "epochs",
                "batch",
                "events",
                "optimiser",
                "learning rate per 256",
            ],
            stages,
            "Stages",
        ),
        Table(
            ["", "seconds"], [[k, f"{v:.0f}"] for k, v in given.get("seconds", {}).items()], "Time"
        ),
        Table(["", ""], _plain(given.get("hardware", {})), "Machine"),
        Table(["", ""], _plain(given.get("versions", {})), "Versions"),
    ]
    if run.events:
        tables.append(Table(["", ""], _plain(run.events.provenance), "Events"))
    if more := given.get("events"):
        tables.append(Table(["", ""], _plain(more), "Simulation"))
    return [t for t in tables if t.rows]


def _length(stage: Mapping[str, Any]) -> str:
    """Epochs of a stage, and the steps that it has at least."""
    least = f", at least {stage['min_steps']} steps" if stage.get("min_steps") else ""
    return f"{stage.get('epochs', '')}{least}"


def _plain(values: Mapping[str, Any]) -> list[list[str]]:
    return [[str(k), _text(v)] for k, v in values.items()]


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {v}" for k, v in value.items()) or "-"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value)
