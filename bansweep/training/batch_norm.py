"""Batch normalisation over the global batch, on devices where PyTorch's SyncBatchNorm does not run (CPUs).

Without it the statistics, and with them the whole training, would depend on how many workers share a batch.
"""

from __future__ import annotations

from typing import TypeVar

import torch
import torch.distributed.nn.functional as differentiable
from torch import Tensor, nn

from bansweep.training.workers import Workers

Network = TypeVar("Network", bound=nn.Module)


class GlobalBatchNorm2d(nn.BatchNorm2d):
    """nn.BatchNorm2d whose training statistics are those of all workers' samples together.

    Two all-reduces a forward pass: mean first, then squared deviations, which keeps float32's precision where the
    difference of two large sums would not. Gradients flow through both.
    """

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        self._check_input_dim(input)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.momentum is not None
        values = input if input.dtype == torch.float64 else input.float()
        local_count = values.numel() // values.shape[1]
        sums_C = values.sum(dim=(0, 2, 3))
        sums_and_count = differentiable.all_reduce(torch.cat([sums_C, sums_C.new_tensor([local_count])]))
        count = sums_and_count[-1].detach()
        mean_C = sums_and_count[:-1] / count
        deviations = values - mean_C[:, None, None]
        variance_C = differentiable.all_reduce(deviations.square().sum(dim=(0, 2, 3))) / count
        with torch.no_grad():
            self.running_mean.lerp_(mean_C, self.momentum)
            self.running_var.lerp_(variance_C * (count / (count - 1)), self.momentum)
            if self.num_batches_tracked is not None:
                self.num_batches_tracked += 1
        scale_C = torch.rsqrt(variance_C + self.eps) * self.weight
        normalised: Tensor = deviations * scale_C[:, None, None] + self.bias[:, None, None]
        return normalised.to(input.dtype)


def with_global_batch_norm(network: Network, workers: Workers, device: torch.device) -> Network:
    """The network with every BatchNorm2d normalising over all workers; unchanged for a worker that is alone.

    Parameters, buffers and their names stay as they are.
    """
    if workers.size == 1:
        return network
    if device.type == "cuda":
        synchronised: Network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
        return synchronised
    for module in network.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = GlobalBatchNorm2d
    return network
