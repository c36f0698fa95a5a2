"""``intarsia run``: a whole experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from intarsia.core.plugins import registry
from intarsia.core.ranks import Ranks
from intarsia.core.recipe import Recipe, Stage, budget_of
from intarsia.core.recipe_load import load

from .options import Overrides, Plugins, RecipeName, Resume, Scale, Seed, Workers
from .terminal import say, watch


def run(
    recipe: RecipeName,
    overrides: Overrides = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FOLDER", help="Folder of the run (default: runs/NAME)."),
    ] = None,
    scale: Scale = None,
    stage: Annotated[
        str | None,
        typer.Option("--stage", metavar="NAME", help="Train this stage only, on earlier ones."),
    ] = None,
    resume: Resume = False,
    plugin: Plugins = None,
    seed: Seed = None,
    workers: Workers = None,
) -> None:
    """Run a recipe, from events to a report.

    Makes or reads its events, trains its stages in turn, evaluates and compares them in a report.
    """
    found, seeds = registry(plugin or ()), [] if seed is None else [f"seeds=[{seed}]"]
    loaded = load(recipe, found, [*(overrides or ()), *seeds], scale)
    folder = out or Path("runs") / loaded.name
    first = Ranks.of().first
    for line in plan(loaded, scale, stage, folder) if first else ():
        say(line)
    from intarsia.core.run import run as run_recipe

    kept = f"{folder} keeps what is done: the same command with --resume goes on from there"
    with watch(lambda: kept) as notify:
        result = run_recipe(
            loaded, found, folder, stage=stage, resume=resume, workers=workers, notify=notify
        )
    if first:
        say(f"report  {result}" if stage is None else f"stage {stage} is in {result}")


def plan(recipe: Recipe, scale: str | None, stage: str | None, out: Path) -> list[str]:
    """What a run will do, for people."""
    data = ", ".join(recipe.data.files) or f"{recipe.data.events} events to make"
    names = recipe.chosen(stage)
    budgets = dict.fromkeys(str(n) for k in names if k != stage and (n := budget_of(k)[1]))
    stages = [
        f"{name} ({_length(s)}{f' from {s.start}' if s.start else ''})"
        for name, s in recipe.stages.items()
        if name in names and (name == stage or not budget_of(name)[1])
    ]
    if budgets:
        stages.append(f"starts also with {', '.join(budgets)} labels")
    return [
        f"recipe  {recipe.name}{f' at scale {scale}' if scale else ''}: {recipe.about}",
        f"events  {recipe.detector}, {data}, seed {recipe.seed}",
        f"stages  {', '.join(stages)}",
        f"folder  {out}",
    ]


def _length(stage: Stage) -> str:
    least = f", at least {stage.min_steps} steps" if stage.min_steps else ""
    return f"{stage.epochs} epoch{'s' * (stage.epochs > 1)}{least}"
