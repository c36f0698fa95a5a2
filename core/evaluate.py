"""A trained network at work on a split: predictions of its tasks, features of its encoder."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from .batch import Batch
from .data import Sample, loader
from .events import Array
from .network import Network
from .progress import Notify, Progress


def best_device() -> torch.device:
    """A CUDA device if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def predictions(
    network: Network, sample: Sample, workers: int, what: str, notify: Notify
) -> dict[str, Array]:
    """Predictions of every task for all events of `sample`, with keys and truth, in its order.

    ``keys``; ``task/scores`` or ``task/prediction``, ``task/truth``; ``weight`` (ones where the
    events carry none).
    """
    found: dict[str, list[Array]] = {}
    for batch, device_batch in _batches(network, sample, workers, what, notify):
        with torch.inference_mode():
            out = network.predict(device_batch)
        kept = {k: v.float().cpu().numpy() for k, v in out.items()}
        for name, task, _ in network.active(batch):
            if (truth := task.target(batch)) is not None:
                kept[f"{name}/truth"] = truth.numpy()
        weight = batch.truth.get("weight", torch.ones(len(batch)))
        kept |= {"keys": np.array(batch.keys, dtype="S"), "weight": weight.numpy()}
        for name, values in kept.items():
            found.setdefault(name, []).append(values.copy())  # truth is a piece of its whole batch
    return {k: np.concatenate(v) for k, v in found.items()}


def features(network: Network, sample: Sample, workers: int, what: str, notify: Notify) -> Array:
    """Pooled latents of the frozen encoder for all events of `sample`, (B, 2 D), in its order."""
    found = []
    for _, batch in _batches(network, sample, workers, what, notify):
        with torch.inference_mode():
            encoded = network.encoder(next(iter(batch.plans.values())))
            found.append(encoded.pooled().float().cpu().numpy())
    return np.concatenate(found)


def _batches(
    network: Network, sample: Sample, workers: int, what: str, notify: Notify
) -> Iterator[tuple[Batch, Batch]]:
    """Each batch of `sample`, here and on the best device."""
    device = best_device()
    network.to(device).eval()
    done, total = 0, len(sample.events)
    for batch in loader(sample.epoch(0), workers, device.type == "cuda"):
        yield batch, batch.to(device, non_blocking=True)
        done += len(batch)
        notify(Progress(what, done, total))
