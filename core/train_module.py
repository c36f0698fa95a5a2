"""One stage as a Lightning module: steps, validation, and the state that resuming needs."""

from __future__ import annotations

from functools import cached_property
from typing import Any, cast

import torch
from attrs import Factory, field, frozen
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader

from .batch import Batch
from .data import Sample, loader
from .errors import RunError
from .network import Network
from .optim import averaging, optimiser, schedule
from .ranks import Ranks
from .recipe import Stage


@frozen(eq=False, kw_only=True)
class Setup:
    """A stage and what it learns from.

    done: epochs finished before, when a run goes on. fresh: parameters that no checkpoint gave. ranks:
    this process among those that train; both samples are its share. per_epoch: steps of an epoch,
    counted once, as an epoch is planned in full to count them.
    """

    stage: Stage
    train: Sample
    val: Sample
    workers: int
    done: int = 0
    fresh: frozenset[str] = frozenset()
    ranks: Ranks = Factory(Ranks)
    per_epoch: int = field(init=False)

    @per_epoch.default
    def _per_epoch(self) -> int:
        return self.train.steps()

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole stage."""
        return self.stage.epochs * self.per_epoch


class StageModule(LightningModule):
    """Trains a network; keeps the averaged weights that evaluation uses."""

    def __init__(self, network: Network, setup: Setup) -> None:
        super().__init__()
        self.network = network
        self.setup_ = setup
        self.average = AveragedModel(network)
        self.average.requires_grad_(False)
        self.terms: dict[str, list[Tensor]] = {}
        self.val_terms: dict[str, list[tuple[Tensor, int]]] = {}
        self.last_validation: dict[str, float] = {}

    @property
    def averaged(self) -> nn.Module:
        """The network with averaged weights."""
        module: nn.Module = self.average.module
        return module

    @cached_property
    def _weights(self) -> tuple[list[Tensor], list[Tensor]]:
        """Weights as they are and averaged; to walk through the modules each step takes long."""
        return list(self.network.parameters()), list(self.averaged.parameters())

    @property
    def epoch(self) -> int:
        """Epoch under way, counted from the start of the stage."""
        return self.setup_.done + self.current_epoch

    @property
    def step(self) -> int:
        """Steps done since the start of the stage."""
        return self.setup_.done * self.setup_.per_epoch + self.global_step

    def train_dataloader(self) -> DataLoader[Batch]:
        """Batches of the epoch under way."""
        return loader(self.setup_.train.epoch(self.epoch), self.setup_.workers, self._pin)

    def val_dataloader(self) -> DataLoader[Batch]:
        """The validation split, masked the same way each time."""
        return loader(self.setup_.val.epoch(0), self.setup_.workers, self._pin)

    @property
    def _pin(self) -> bool:
        return self.device.type == "cuda"

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, _: int) -> Batch:
        """`batch` on `device`."""
        return batch.to(device, non_blocking=True)

    def on_train_batch_start(self, _: Batch, batch_idx: int) -> None:
        """Randomness of a step depends on seed, epoch and step alone, so that resuming repeats it."""
        train = self.setup_.train
        torch.manual_seed(hash((train.seed, self.epoch, batch_idx, train.rank)))

    def configure_gradient_clipping(self, *_: Any, **__: Any) -> None:
        """Clip the gradient's norm (Lightning refuses to with a fused optimiser in bfloat16)."""
        nn.utils.clip_grad_norm_(self._weights[0], self.setup_.stage.optim.clip)

    def training_step(self, batch: Batch, _: int) -> Tensor | None:
        """The weighted loss of a batch; None if no task takes part in it."""
        if not batch.plans:
            return None
        total: Tensor
        total, terms = self.network(batch)
        if not torch.isfinite(total):
            bad = [k for k, v in terms.items() if not torch.isfinite(v)]
            raise RunError(
                f"the loss is not finite at epoch {self.epoch}, step {self.step}: "
                f"{', '.join(bad) or 'weights'}; a smaller learning rate may help"
            )
        for name, value in {"loss": total, **terms}.items():
            self.terms.setdefault(name, []).append(value.detach())
        return total

    def on_train_batch_end(self, *_: Any) -> None:
        """Average the weights, the first time by copying them."""
        now, averaged = self._weights
        done = self.average.n_averaged
        with torch.no_grad():
            if done == 0:
                torch._foreach_copy_(averaged, now)
            else:
                averaging(self.setup_.stage.optim.ema)(averaged, now, done)
            done += 1

    def validation_step(self, batch: Batch, _: int) -> None:
        """Losses of the averaged weights."""
        if not batch.plans:
            return
        total, terms = self.averaged(batch)
        for name, value in {"loss": total, **terms}.items():
            self.val_terms.setdefault(name, []).append((value.detach(), len(batch)))

    def validated(self) -> dict[str, float]:
        """Mean losses of the validation that just ended, over all ranks; forgets them."""
        means = {}
        for name, pairs in self.val_terms.items():
            weights = torch.tensor([n for _, n in pairs], dtype=torch.float64)
            values = torch.stack([v for v, _ in pairs]).double().cpu()
            sums = torch.stack([(values * weights).sum(), weights.sum()]).to(self.device)
            total, weight = cast("Tensor", self.all_gather(sums)).reshape(-1, 2).sum(0)
            means[name] = float(total / weight)
        self.val_terms.clear()
        return means

    def trained(self) -> dict[str, float]:
        """Mean training losses since they were last asked for."""
        means = {k: float(torch.stack(v).mean()) for k, v in self.terms.items()}
        self.terms.clear()
        return means

    def configure_optimizers(self) -> Any:
        """The recipe's optimiser and the schedule of its rate, per step."""
        stage, per_epoch = self.setup_.stage, self.setup_.per_epoch
        found = optimiser(self.network, stage.optim, stage.batch, self.setup_.fresh)
        factor = schedule(stage.optim, per_epoch, self.setup_.steps)
        before = self.setup_.done * per_epoch
        rate = torch.optim.lr_scheduler.LambdaLR(found, lambda n: factor(before + n))
        return {"optimizer": found, "lr_scheduler": {"scheduler": rate, "interval": "step"}}
