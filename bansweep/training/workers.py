"""The workers that share a generation's batches: each worker's samples, and collectives over all workers."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from bansweep.losses.building_blocks import GlobalBatch

T = TypeVar("T")


@dataclass(frozen=True)
class Workers:
    """This process's place among the workers of one generation; by default the only one.

    The global batch is the recipe's, however many workers share it. So their number changes results only by the order
    in which floating-point numbers are added.
    """

    rank: int = 0
    size: int = 1

    def share(self, batch: Tensor) -> Tensor:
        """This worker's samples of a global batch (first dimension); shares differ by one sample at most."""
        return batch[self.rank :: self.size]

    def sum(self, value: Tensor) -> Tensor:
        """The sum of `value` over all workers, on each of them; without gradient."""
        if self.size == 1:
            return value
        total = value.detach().clone()
        dist.all_reduce(total)
        return total

    def batch(self, samples: int) -> GlobalBatch:
        """A global batch of `samples` samples, for losses."""
        return GlobalBatch(samples, self.sum)

    def from_first(self, value: T) -> T:
        """Worker 0's `value`, on every worker; the other workers' own is ignored."""
        if self.size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def from_all(self, value: T) -> list[T]:
        """Every worker's `value`, in the order of their ranks, on every worker."""
        values = [value] * self.size
        if self.size > 1:
            dist.all_gather_object(values, value)
        return values

    @classmethod
    def of_process_group(cls) -> Workers:
        """The workers of torch.distributed's default group, which has to be initialised."""
        return cls(rank=dist.get_rank(), size=dist.get_world_size())


ALONE = Workers()


def distributed(module: nn.Module, workers: Workers, device: torch.device) -> nn.Module:
    """The module with gradients averaged over the workers; itself for a worker that is alone."""
    if workers.size == 1:
        return module
    with warnings.catch_warnings():
        # PyTorch 2.15 has a new name for `broadcast_buffers`, which earlier versions do not know.
        warnings.filterwarnings("ignore", message="`broadcast_buffers` is deprecated", category=FutureWarning)
        # Buffers are equal on all workers already: batch statistics are global ones.
        return nn.parallel.DistributedDataParallel(
            module,
            device_ids=[device] if device.type == "cuda" else None,
            broadcast_buffers=False,
            gradient_as_bucket_view=True,
        )
