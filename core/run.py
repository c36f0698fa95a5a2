"""A recipe from events to report."""

from __future__ import annotations

import json
from pathlib import Path

from .card import read_card
from .conformance import refuse
from .detector import Detector
from .errors import RunError, suggest
from .manifest import find_manifest, read_manifest
from .normalise import normalisation
from .plugins import Registry
from .produce import produce
from .progress import Notify, Progress, silent
from .ranks import Ranks
from .recipe import Recipe
from .results import results
from .run_folder import Folder
from .stages import Bench, begun, learn
from .store import EventFile, atomic, event_file
from .train import loaders, share_cores


def run(
    recipe: Recipe,
    registry: Registry,
    out: Path,
    stage: str | None = None,
    resume: bool = False,
    workers: int | None = None,
    notify: Notify = silent,
) -> Path:
    """Run `recipe` in the folder `out`; gives the report page, or `out` if nothing is reported.

    stage: only this one (with all its starts), on what earlier ones left. resume: go on where an
    interrupted run stopped; with nothing to resume it starts afresh. workers: processes that
    simulate, by default one per core, and that load, see `loaders`. RunError if the folder or sample
    forbids it.
    """
    chosen = _chosen(recipe, stage)
    for name in chosen:
        if transfer := recipe.stages[name].transfer:
            _there(name, Path(transfer.checkpoint))
    ranks, going = Ranks.of(), resume or stage is not None
    ranks.wait()  # they meet now: meeting has a limit of minutes, waiting for events has not
    if ranks.first:
        bench = prepared(recipe, registry, out, going, workers, notify, ranks)
        _enough(bench, chosen, stage is None)
    ranks.wait()
    if not ranks.first:  # events, folder and normalisation are there now
        bench = prepared(recipe, registry, out, True, workers, silent, ranks)
    share_cores(bench.workers, ranks.local)
    for name in chosen:
        for seed in recipe.seeds if "/" in name else recipe.seeds[:1]:
            learn(bench, name, recipe.stages[name], seed)
            ranks.wait()
    return results(bench) if stage is None and ranks.first else out


def _there(stage: str, checkpoint: Path) -> None:
    """An error, before events are made, if what `stage` starts from is no checkpoint."""
    if not checkpoint.is_file():
        start = stage.replace("/", ".starts.")
        without = f", or go without by stages.{start}=false" if "/" in stage else ""
        raise RunError(
            f"stage {stage!r} starts from {checkpoint}, which is not there; make it first{without}"
        )
    read_card(checkpoint)


def prepared(
    recipe: Recipe,
    registry: Registry,
    out: Path,
    resume: bool = False,
    workers: int | None = None,
    notify: Notify = silent,
    ranks: Ranks | None = None,
) -> Bench:
    """What the stages of a run in `out` share: its events are made, nothing is trained yet."""
    ranks = ranks or Ranks()
    detector = registry.detector(recipe.detector)
    folder = Folder.open(out, recipe, resume, ranks.first)
    file = events(recipe, detector, folder, workers, notify)
    refuse(recipe, registry, detector, file)
    if recipe.data.manifest:
        _split_by(find_manifest(recipe.data.manifest, registry.recipes), file, folder)
    return Bench(
        recipe=recipe,
        registry=registry,
        detector=detector,
        file=file,
        normalisation=normalised(file, detector, folder),
        folder=folder,
        workers=loaders(workers, ranks.local),
        notify=notify,
        ranks=ranks,
    )


def _split_by(path: Path, file: EventFile, folder: Folder) -> None:
    """RunError if events were not prepared by the manifest at `path`, which the folder notes."""
    about = read_manifest(path).about
    for part in getattr(file, "files", (file,)):
        if (found := part.provenance.get("manifest")) != about:
            by = f"by another manifest, {found['name']}" if found else "without a manifest"
            raise RunError(
                f"{part.path}: its events were split {by}; prepare them with --manifest {path}"
            )
    folder.note(manifest=about)


def _enough(bench: Bench, chosen: list[str], whole: bool) -> None:
    """An error before hours of training if a split, a label budget or a transfer would fail later."""
    recipe = bench.recipe
    for name in chosen:
        bench.split("val")
        bench.labelled(recipe.stages[name].labels or 1, recipe.seed)
        if recipe.stages[name].transfer:
            begun(bench, name, recipe.stages[name], recipe.seed)
    if whole and any("/" in n for n in recipe.stages):
        bench.split("test")
        bench.labelled(recipe.report.probe, recipe.seed)


def _chosen(recipe: Recipe, stage: str | None) -> list[str]:
    chosen, names = recipe.chosen(stage), list(recipe.stages)
    if stage is not None and not chosen:
        raise RunError(
            f"the recipe has no stage {stage!r}{suggest(stage, names)} (it has: {', '.join(names)})"
        )
    return chosen


def events(
    recipe: Recipe, detector: Detector, folder: Folder, workers: int | None, notify: Notify
) -> EventFile:
    """The events of a recipe: its files as one, or those it makes in the run's folder.

    EventError if a file is of another detector or declaration.
    """
    path = folder.path / "data" / "events.h5"
    if not recipe.data.files and not path.exists():
        path.parent.mkdir(exist_ok=True)
        what = "simulate" if detector.simulation else "draw events"
        with folder.timed("events"):
            made = produce(
                detector,
                recipe.data.events,
                recipe.seed,
                path,
                workers,
                recipe.data.options,
                lambda done, total: notify(Progress(what, done, total)),
                resume=True,  # the folder is this recipe's, see Folder.open
            )
        folder.note(events={"written": made.events, "left_out": made.left_out})
    file = event_file(recipe.data.files or [path])
    file.matches(detector)
    return file


def normalised(file: EventFile, detector: Detector, folder: Folder) -> dict[str, object]:
    """Normalisation of the training split, kept beside the events."""
    path = folder.path / "data" / "normalisation.json"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        with atomic(path) as half:
            half.write_text(json.dumps(normalisation(file, detector), indent=1))
    found: dict[str, object] = json.loads(path.read_text())
    return found
