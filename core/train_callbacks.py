"""What happens around the steps of a stage: files, log, progress."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from signal import signal
from threading import current_thread, main_thread
from time import monotonic
from typing import Any

from attrs import evolve
from lightning.pytorch import Callback, LightningModule, Trainer

from .card import Card
from .checkpoint import save
from .progress import Notify, Progress
from .signals import ENDING
from .store import atomic
from .train_module import StageModule
from .train_state import keep, restore_optimiser

EVERY = 25  # steps between rows of the log


class Keeper(Callback):
    """Writes ``best`` and ``last`` weights (averaged), and the state to resume from."""

    def __init__(self, folder: Path, card: Card, resume: Path | None, best: float) -> None:
        self.folder, self.card, self.resume, self.best = folder, card, resume, best

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take up the optimiser where it was left."""
        if self.resume and isinstance(pl_module, StageModule):
            restore_optimiser(self.resume, pl_module, trainer.optimizers[0])

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write what this validation makes worth keeping."""
        if not isinstance(pl_module, StageModule):
            return
        metrics = pl_module.validated()
        pl_module.last_validation = metrics
        if not trainer.is_global_zero:
            return
        done = pl_module.epoch + 1
        card = evolve(self.card, epoch=done, step=pl_module.step, metrics=metrics)
        weights, half = pl_module.averaged.state_dict(), pl_module.setup_.stage.half
        save(self.folder / "last.safetensors", weights, card, half)
        loss = metrics.get("loss", float("inf"))
        if loss < self.best or not (self.folder / "best.safetensors").exists():
            self.best = loss
            save(self.folder / "best.safetensors", weights, card, half)
        facts = {"epoch": done, "step": pl_module.step, "best": self.best}
        keep(self.folder / "last.resume.safetensors", pl_module, trainer.optimizers[0], facts)


class Log(Callback):
    """``log.csv``: rows of training, means since the one before, and one per validation.

    Columns: epoch, step, split (train or val), seconds, lr, loss, then every term.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.start = monotonic()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Drop the rows of an attempt that was cut short."""
        if isinstance(pl_module, StageModule) and trainer.is_global_zero and self.path.exists():
            with self.path.open(newline="") as file:
                head, *rows = list(csv.reader(file)) or [[]]
            kept = [r for r in rows if len(r) == len(head) and int(r[1]) <= pl_module.step]
            with atomic(self.path) as half, half.open("w", newline="") as file:
                csv.writer(file).writerows([head, *kept] if head else [])

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """A row after the first step, each `EVERY` steps and at the end."""
        if isinstance(pl_module, StageModule) and (
            pl_module.step % EVERY == 0 or pl_module.step in (1, pl_module.setup_.steps)
        ):
            rate = max(g["lr"] for g in trainer.optimizers[0].param_groups)
            self.row(trainer, pl_module, "train", rate, pl_module.trained())

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """A row per validation."""
        if isinstance(pl_module, StageModule):
            self.row(trainer, pl_module, "val", None, pl_module.last_validation)

    def row(
        self,
        trainer: Trainer,
        module: StageModule,
        split: str,
        rate: float | None,
        values: Mapping[str, float],
    ) -> None:
        """Append a row; the first one decides the columns."""
        if not trainer.is_global_zero or not values:
            return
        names = ["loss", *(f"{t}" for t in module.network.terms)]
        head = ["epoch", "step", "split", "seconds", "lr", *names]
        new = not self.path.exists() or not self.path.stat().st_size
        with self.path.open("a", newline="") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(head)
            facts = [module.epoch, module.step, split, round(monotonic() - self.start, 3), rate]
            writer.writerow([*facts, *(values.get(n, "") for n in names)])


class Stop(Callback):
    """Ends the stage after the batch in which Ctrl-C or SIGTERM comes; a second one ends it at once.

    So no batch is left half done, and files of a stage are written whole.
    """

    def __init__(self) -> None:
        self.asked = False
        self.before: dict[int, Any] = {}

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take over the signals, in the main thread."""
        if current_thread() is main_thread():
            self.before = {number: signal(number, self.ask) for number in ENDING}

    def on_train_start(self, *_: Any) -> None:
        """Take them over from Lightning, too, which on SIGTERM has processes wait for each other."""
        for number in self.before:
            signal(number, self.ask)

    def ask(self, *_: Any) -> None:
        """Note that the user wants to stop."""
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def heed(self) -> None:
        """Stop if asked to."""
        if self.asked:
            raise KeyboardInterrupt

    def on_train_batch_end(self, *_: Any) -> None:
        """Stop if asked to."""
        self.heed()

    def on_validation_batch_end(self, *_: Any) -> None:
        """Stop if asked to."""
        self.heed()

    def give_back(self) -> None:
        """Let the signals mean again what they did before."""
        for number, handler in self.before.items():
            signal(number, handler)


class Teller(Callback):
    """Tells `notify` how far the stage is."""

    def __init__(self, what: str, notify: Notify) -> None:
        self.what, self.notify = what, notify

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, *_: Any
    ) -> None:
        """One step more."""
        if not isinstance(pl_module, StageModule) or not trainer.is_global_zero:
            return
        note = f"loss {float(outputs['loss']):.3f}" if outputs else ""
        s = pl_module.setup_
        batch = s.stage.batch
        self.notify(Progress(self.what, pl_module.step * batch, s.steps * batch, "events", note))
