"""Several processes of one run, one for each device: which of them this is, and how they wait.

``torchrun --nproc-per-node 4 -m intarsia run ...`` starts them, on one machine or on many, and tells
each of them its place by environment variables. The first one makes events, writes files and
evaluates; all of them train.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from attrs import define, field

from .errors import RunError

# As long as the first process may make events or evaluate while the others wait.
PATIENCE = timedelta(days=7)


@define
class Ranks:
    """This process among those of a run. rank: its number, of `world`; local: of them on a machine."""

    rank: int = 0
    world: int = 1
    local: int = 1
    _group: Any = field(default=None, init=False)

    @classmethod
    def of(cls, environment: Mapping[str, str] | None = None) -> Ranks:
        """As torchrun says in the environment; without its variables there is one process.

        RunError if they make no sense.
        """
        found = os.environ if environment is None else environment
        names = ("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")
        if not all(n in found for n in names):
            return cls()
        try:
            rank, world, local = (int(found[n]) for n in names)
        except ValueError:
            rank, world, local = -1, 0, 0
        if not (0 <= rank < world and 0 < local <= world and world % local == 0):
            given = ", ".join(f"{n}={found[n]}" for n in names)
            raise RunError(
                f"{given} is no place among processes; start them by torchrun, with as many on "
                "every machine, or unset these variables"
            )
        return cls(rank, world, local)

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def wait(self) -> None:
        """Wait until all processes are here; one alone goes on at once."""
        if self.world == 1:
            return
        from torch import cuda, distributed

        if not distributed.is_initialized():
            if cuda.is_available():
                cuda.set_device(int(os.environ["LOCAL_RANK"]))
            distributed.init_process_group("nccl" if cuda.is_available() else "gloo")
        if self._group is None:  # nccl would keep the devices busy while it waits
            self._group = distributed.new_group(backend="gloo", timeout=PATIENCE)
        distributed.barrier(self._group)
