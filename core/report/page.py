"""The report of a run: one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from intarsia.core import account
from intarsia.core.evaluate_metrics import dumps, metrics
from intarsia.core.metrics import RESAMPLES
from intarsia.core.recipe import budget_of
from intarsia.core.store import atomic

from . import class_tables, figures, label_curve, over_seeds, tables, words
from .event_picture import origin
from .event_picture import save as save_event
from .run_data import RunData, read
from .style import save_png, styled
from .task_picture import from_arrays

RULE = (
    "Better or worse is said only of a difference that exceeds both the 95 % bootstrap intervals "
    "over test events and the standard deviation over seeds, each of the two starts in quadrature."
)


@frozen
class Picture:
    """A figure in the page: PNG as base64, its width on paper in px, what it shows."""

    data: str
    width: int
    caption: str


@frozen(kw_only=True)
class Part:
    """A section of the page."""

    title: str
    text: str = ""
    table: tables.Table | None = None
    note: str = ""
    figures: list[Picture] = field(factory=list)


def page(out: Path) -> Path:
    """Write ``metrics.json``, ``figures/*.png`` and ``report.html`` of the run folder `out`."""
    run = read(out)
    found = evaluated(run)
    if run.predictions:
        with atomic(out / "metrics.json") as half:
            half.write_text(dumps(found) + "\n")
    rows, measures = tables.rows(found), tables.measures(found)
    with styled():
        every = (*_seeds(found, rows, measures), *_budgets(run, found), *_parts(run, found))
        parts = [p for p in every if p.table or p.figures]
        overview = figures.overview(rows, measures)
        shown = _picture(out, overview, "overview", tables.OVERVIEW)
    text = Environment(
        loader=PackageLoader("intarsia.core.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template("page.html")
    html = text.render(
        title=run.recipe.get("name", out.resolve().name),
        css=(Path(__file__).parent / "page.css").read_text(),
        summary=tables.summary(run, found),
        origin=words.origin(run.simulation),
        overview=shown,
        verdicts=tables.verdicts(rows, measures),
        rule=RULE,
        parts=parts,
        facts=tables.facts(run),
        recipe=_recipe(out),
    )
    with atomic(out / "report.html") as half:
        half.write_text(html, encoding="utf-8")
    return out / "report.html"


def evaluated(run: RunData) -> dict[str, Any]:
    """The metrics of a run, as ``metrics.json`` has them."""
    stages = run.recipe.get("stages", {})
    fine = [n for n in stages if "/" in n and not budget_of(n)[1]] or list(stages)
    labels = stages[fine[-1]].get("labels") if fine else None
    resamples = (run.recipe.get("report") or {}).get("bootstrap", RESAMPLES)
    train = len(run.events.select("train")) if run.events else None
    return metrics(
        run.predictions,
        run.labels,
        resamples,
        n_train=labels or train,
        n_probe=(run.recipe.get("report") or {}).get("probe"),
        simulation=run.simulation,
    )


def _parts(run: RunData, found: Mapping[str, Any]) -> Iterator[Part]:
    for task, label in run.labels.items():
        if label.classes:
            yield _class_part(run, found, task)
            yield _highest(run, found, task, "events")
        elif label.moves == "point" and label.width == 3:
            drawn = figures.distances(run.starts, task, label.unit)
            caption = (
                "Distance from prediction to truth on the test split, first seed; dots: medians."
            )
            yield Part(
                title=f"{_heading(task)}: where the event happened",
                table=tables.position(found, f"{task}_{label.unit}"),
                note="Distances in mm with 95 % bootstrap intervals.",
                figures=_some(_picture(run.path, drawn, f"{task}-distance", caption)),
            )
    yield from _segment_parts(run, found)
    yield _numbers(run, found)
    yield from _transfers(run)
    yield _pictures(run)
    caption = "Loss over training steps: thin on training batches, thick on the validation split."
    drawn = figures.losses(run.logs)
    yield Part(title="Training", figures=_some(_picture(run.path, drawn, "losses", caption)))


def _numbers(run: RunData, found: Mapping[str, Any]) -> Part:
    """Momenta, and numbers that are no point: one table, and a figure for each task of momenta."""
    columns = {k: v for p in run.starts.values() for k, v in p.columns.items()}
    tasks = [k.removesuffix("/truth") for k, v in columns.items() if "/truth" in k and v.ndim == 3]
    caption = "Relative residuals on the test split, first seed; outermost bins: all beyond."
    return Part(
        title="Momenta and other numbers",
        table=tables.kinematics(found),
        note="sigma_MAD and median of the residuals (true - predicted) / true, and of momenta the "
        "angle between prediction and truth, with 95 % bootstrap intervals. The lepton is visible "
        "minus jet; neutral currents have none.",
        figures=[
            picture
            for task, drawn in ((t, figures.residuals(run.starts, t)) for t in tasks)
            for picture in _some(_picture(run.path, drawn, f"{task}-residuals", caption))
        ],
    )


def _seeds(
    found: Mapping[str, Any], rows: list[dict[str, Any]], measures: list[tuple[str, str]]
) -> tuple[Part, Part]:
    return (
        Part(
            title=over_seeds.HEADING,
            table=over_seeds.spread(rows, measures),
            note=over_seeds.NOTE,
        ),
        Part(
            title=over_seeds.PAIRED,
            table=over_seeds.paired(found, measures),
            note=over_seeds.PAIRED_NOTE,
        ),
    )


def _budgets(run: RunData, found: Mapping[str, Any]) -> tuple[Part, Part]:
    every = label_curve.measures(found)
    drawn = _picture(run.path, label_curve.curves(every), "labels", label_curve.CAPTION)
    return (
        Part(
            title=label_curve.HEADING,
            table=label_curve.table(every),
            note=label_curve.NOTE,
            figures=_some(drawn),
        ),
        Part(title=label_curve.SAVED, table=label_curve.saved(every), note=label_curve.SAVED_NOTE),
    )


def _highest(run: RunData, found: Mapping[str, Any], task: str, what: str) -> Part:
    published = run.published(task)
    note = (
        f"Share of the {what} of each true class that go to each class; the diagonal is the "
        "accuracy of the class. First seed."
    )
    return Part(
        title=f"{_heading(task)}: by highest score",
        table=class_tables.highest(found, task, published),
        note=note + class_tables.marked(published.get("confusion") and published),
    )


def _segment_parts(run: RunData, found: Mapping[str, Any]) -> Iterator[Part]:
    for task, values in tables.tasks(found).items():
        if "f1_macro" in values:
            published = run.published(task)
            note = (
                "F1 = 2 TP / (2 TP + FP + FN) of each class over the voxels of all test events "
                "together, and their mean; 95 % bootstrap intervals over events."
            )
            yield Part(
                title=f"{_heading(task)}: which class of voxel",
                table=class_tables.segments(found, task, published),
                note=note + class_tables.marked(published),
            )
            yield _highest(run, found, task, "voxels")


def _transfers(run: RunData) -> Iterator[Part]:
    """One section for each stage that starts from another detector's weights, or from elsewhere."""
    for stage, card in (run.facts.get("transfer") or {}).items():
        yield Part(
            title=f"Transfer: where the weights of {stage} come from",
            text=". ".join(account.summary(card)) + ".",
            table=tables.Table(account.HEADS, account.rows(card)),
            note="Every tensor by name: under transfer in run.json and in the checkpoints' cards.",
        )


def _heading(task: str) -> str:
    return task.replace("_", " ").capitalize()


def _class_part(run: RunData, found: Mapping[str, Any], task: str) -> Part:
    label = run.labels[task]
    starts = {s: p for s, p in run.starts.items() if f"{task}/scores" in p.columns}
    curves = "One-vs-rest ROC curves on the test split, first seed, by true class."
    matrices = (
        "Confusion at the score thresholds that maximise S / sqrt(S + B) of each class; an event "
        "that passes several goes to its highest score. First seed."
    )
    published = run.published(task)
    drawn = figures.roc(starts, task, label.classes)
    crossed = figures.confusions(found["starts"], task)
    return Part(
        title=f"{_heading(task)}: which class",
        table=class_tables.classification(found, task, published),
        note=class_tables.absent(found, task)
        + class_tables.marked(published.get("rows") and published),
        figures=[
            *_some(_picture(run.path, drawn, f"{task}-roc", curves)),
            *_some(_picture(run.path, crossed, f"{task}-confusion", matrices)),
        ],
    )


def _pictures(run: RunData) -> Part:
    """Test events as measured, and what pre-training makes of them."""
    shown = []
    for name, arrays in run.pictures.items():
        if not run.detector or not run.events:
            break
        folder, called = run.path / "figures", name
        if name.isdecimal() and int(name) < len(run.events):
            event = run.events.take([int(name)])
            called = event.keys[0]
            path = folder / f"event-{name}.png"
            save_event(event, run.detector, path, origin=origin(run.events.provenance))
            shown.append(_embedded(path, f"Test event {called} as measured."))
        for path in from_arrays(arrays, run.detector, folder, f"event-{name}"):
            shown.append(_embedded(path, _caption(path.stem, called)))
    return Part(title="Test events", figures=shown)


def _caption(stem: str, event: str) -> str:
    """What the picture in file `stem` (``event-NUMBER-STREAM-WHAT``) shows of `event`."""
    _, _, stream, what = [*stem.split("-", 3), "", ""][:4]
    if what == "masked":
        return (
            f"Event {event}, {stream}: the event, the part that the encoder sees, what the decoder "
            "puts into the hidden patches (its likeliest cells, as many as are hidden; the visible part "
            "in grey), and what is truly there."
        )
    return f"Event {event}, {stream}: true and predicted {what} of the visible voxels."


def _picture(out: Path, drawn: Figure | None, name: str, caption: str) -> Picture | None:
    """Save a figure in ``figures/`` and embed it; None of None."""
    if drawn is None:
        return None
    return _embedded(save_png(drawn, out / "figures" / f"{name}.png"), caption)


def _embedded(path: Path, caption: str) -> Picture:
    data = path.read_bytes()
    (width,) = struct.unpack(">I", data[16:20])  # of a PNG's header
    return Picture(base64.b64encode(data).decode(), round(width * 96 / 150), caption)


def _some(picture: Picture | None) -> list[Picture]:
    return [picture] if picture else []


def _recipe(out: Path) -> str:
    path = out / "recipe.yaml"
    return path.read_text() if path.is_file() else "recipe.yaml is missing"
