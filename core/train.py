"""Training of one stage."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import torch
from attrs import frozen
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.pytorch import Callback, Trainer

from .card import Card
from .checkpoint import load_state
from .network import Network
from .progress import Notify
from .recipe import Stage
from .run_folder import cores
from .train_callbacks import Keeper, Log, Stop, Teller
from .train_module import Setup, StageModule
from .train_state import restore

# Lightning's advice that does not fit: batches are made here, by loaders that know their workers.
ADVICE = (
    ".*does not have many workers.*",
    ".*number of training batches.*is smaller than the logging interval.*",
    ".*Trying to infer the `batch_size`.*",
    ".*`isinstance.treespec, LeafSpec.` is deprecated.*",
    ".*Experiment logs directory.*",
    ".*GPU available but not used.*",
    ".*`training_step` returned `None`.*",
    ".*functional.all_gather is deprecated.*",
)


@frozen(kw_only=True)
class Trained:
    """The files of a trained stage."""

    best: Path
    last: Path


def train(
    network: Network, setup: Setup, folder: Path, card: Card, what: str, notify: Notify
) -> Trained:
    """Train `network` as `setup` says, in `folder`; goes on from a state that lies there.

    what: the stage's name for `notify`. RunError if the loss stops being finite.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = Trained(best=folder / "best.safetensors", last=folder / "last.safetensors")
    state = folder / "last.resume.safetensors"
    resume = state if state.exists() and setup.done else None
    module = StageModule(network, setup)
    best = float("inf")
    if resume:
        restore(resume, module)
        best = load_state(resume)[1]["best"]
    stop = Stop()
    callbacks: list[Callback] = [
        stop,
        Keeper(folder, card, resume, best),
        Log(folder / "log.csv"),
        Teller(what, notify),
    ]
    if setup.done < setup.stage.epochs:
        logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
        with warnings.catch_warnings():
            for advice in ADVICE:
                warnings.filterwarnings("ignore", advice)
            try:
                trainer(setup, callbacks).fit(module)
            except SystemExit as ended:  # what Lightning makes of Ctrl-C
                raise KeyboardInterrupt from ended
            except Exception:
                stop.heed()  # processes of a run stop one after another, and the others lose them
                raise
            finally:
                stop.give_back()
        stop.heed()  # also since the last batch
    return files


def loaders(workers: int | None, processes: int = 1) -> int:
    """Loader workers of each of the `processes` of this machine: `workers`, less the process itself.

    By default one where the model runs on the CPU, which needs the other cores, but every core of the
    process's share less its own where a GPU learns faster than cores can plan batches.
    """
    if workers is not None:
        return max(0, workers - 1)
    return max(1, cores() // processes - 1) if torch.cuda.is_available() else 1


def share_cores(workers: int, processes: int = 1) -> None:
    """Leave a core to each loader worker: threads that wait for each other are far slower than few.

    With no loader worker everything is done by one thread. processes: those that share the machine,
    each with as many workers. Does nothing where the model runs on a GPU.
    """
    if not torch.cuda.is_available():
        torch.set_num_threads(max(1, cores() // processes - workers) if workers else 1)


def finished(folder: Path) -> int:
    """Epochs that a run left finished in `folder`."""
    state = folder / "last.resume.safetensors"
    return int(load_state(state)[1]["epoch"]) if state.exists() else 0


def trainer(setup: Setup, callbacks: list[Callback]) -> Trainer:
    """A Lightning trainer without files or words of its own."""
    stage, ranks = setup.stage, setup.ranks
    return Trainer(
        max_epochs=stage.epochs - setup.done,
        check_val_every_n_epoch=_every(stage),
        callbacks=callbacks,
        precision="bf16-mixed" if _half(stage.precision) else "32-true",
        reload_dataloaders_every_n_epochs=1,
        strategy="ddp_find_unused_parameters_true" if ranks.world > 1 else "auto",
        plugins=[TorchElasticEnvironment() if ranks.world > 1 else LightningEnvironment()],
        devices=ranks.local,
        num_nodes=ranks.world // ranks.local,
        use_distributed_sampler=False,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )


def _half(precision: str) -> bool:
    """bfloat16 pays on a GPU; on a CPU it is slower for all but the widest models (measured)."""
    return precision == "bfloat16" or (precision == "auto" and torch.cuda.is_available())


def _every(stage: Stage) -> int:
    """Epochs between validations: at most `check_every`, and one falls on the last epoch."""
    return max(n for n in range(1, stage.check_every + 1) if stage.epochs % n == 0)
