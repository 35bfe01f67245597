"""Batch normalisation over the global batch, by statistics of all workers' samples.

With statistics of each worker's share, training would depend on how many workers share a batch. PyTorch's SyncBatchNorm
does not run on CPUs, makes the host wait for the device, and breaks compiled graphs.

Each worker reduces its share to a count, a mean and a sum of squared deviations (M2) per channel, the workers exchange
these in one collective, and T. Chan, G. Golub and R. LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing
Sample Variances", 1979 (The American Statistician 37(3), 1983), combine them:

    n = sum_i n_i    mean = mean_0 + sum_i n_i (mean_i - mean_0) / n    M2 = sum_i M2_i + sum_i n_i (mean_i - mean)^2

No large numbers are subtracted from each other, so a mean far from zero costs no precision. With d = x - mean,
r = 1 / sqrt(M2 / n + eps) and sums over the samples of all workers, the gradient is

    dL/dx = weight r (dy - sum(dy) / n - d r^2 sum(dy d) / n)

for which the workers add up two vectors in one collective. Gradients of weight and bias are this worker's share: DDP
adds them up. The host never waits for the device: counts are exchanged as numbers on the device.

The collectives are torch.distributed's, called inside an autograd function. torch.compile traces both: it replaces the
collectives by functional ones, which inductor recognises and keeps in order, and fuses the arithmetic with the layers
around it. A custom operator would be opaque to it, and might be moved past another collective on one worker only. In
the networks here one normalisation follows from another; parallel branches of user networks have not been tested.

Shape suffixes: C channels, W workers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

from bansweep.errors import TrainingError
from bansweep.losses.building_blocks import at_least_float32
from bansweep.networks.image_network import UserNetwork
from bansweep.training.workers import Workers

BATCH_NORM_REMEDY = "use nn.BatchNorm1d, nn.BatchNorm2d or nn.BatchNorm3d as they are, or set resources.workers: 1"

_HARMLESS_NAMES = {"__init__", *vars(type("Empty", (nn.Module,), {}))}
"""Names that a subclass may define without changing the forward pass."""

Network = TypeVar("Network", bound=nn.Module)


if TYPE_CHECKING:
    _Base = _BatchNorm
else:
    _Base = object


def with_global_batch_norm(
    network: Network, workers: Workers, device: torch.device, *, compiled: bool = False
) -> Network:
    """The network with all batch normalisation over all workers. A worker that is alone normalises over its own batch.

    Parameters, buffers and their names do not change. CPU workers that do not compile use two all-reduces, which give
    the same bits as earlier versions. Raises TrainingError where a layer's statistics cannot be shared.
    """
    if workers.size == 1:
        for module in network.modules():
            if _known_base(type(module)) is nn.SyncBatchNorm:
                module.__class__ = LocalSyncBatchNorm
        return network
    cause = local_statistics(network)
    if cause is not None:
        raise TrainingError(f"{cause}, which {workers.size} workers cannot share", remedy=BATCH_NORM_REMEDY)
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            over_workers = _OVER_WORKERS[_known_base(type(module))]  # type: ignore[index]
            module.__class__ = over_workers
            module.in_one_gather = compiled or device.type != "cpu"  # type: ignore[assignment]
    return network


def local_statistics(network: nn.Module) -> str | None:
    """Describes the first layer whose statistics cannot be shared between workers; None without any."""
    for name, module in network.named_modules():
        problem = _problem(module)
        if problem:
            layer = f"{type(module).__name__} ({name.removeprefix('network.') or 'the network itself'})"
            if isinstance(network, UserNetwork):
                return f"{network.code.file}: the network of {network.code.name} has the layer {layer} with {problem}"
            return f"the network has the layer {layer} with {problem}"
    return None


def _problem(module: nn.Module) -> str | None:
    if isinstance(module, _InstanceNorm) and module.track_running_stats:
        return "running statistics of single samples"
    if not isinstance(module, _BatchNorm):
        return None
    if _known_base(type(module)) is None or "forward" in vars(module):
        return "batch statistics that user code computes"
    if not module.track_running_stats or module.running_mean is None or module.running_var is None:
        return "track_running_stats: False, so that it evaluates by statistics of a batch"
    if getattr(module, "process_group", None) is not None:
        return "its own process group"
    return None


def _known_base(kind: type[nn.Module]) -> type[nn.Module] | None:
    """PyTorch's class that `kind` is, or extends by a constructor only; None for any other."""
    for base in _OVER_WORKERS:
        if issubclass(kind, base):
            between = kind.__mro__[: kind.__mro__.index(base)]
            added = {name for extension in between for name in vars(extension)} - _HARMLESS_NAMES
            return None if added else base
    return None


class _OverWorkers(_Base):
    """Training statistics are those of all workers' samples together; evaluation is the base class's.

    `in_one_gather` exchanges them in one collective, which torch.compile can trace (`normalised_over_workers`).
    Otherwise one all-reduce sums up the values and another the squared deviations from their mean; gradients flow
    through both.
    """

    in_one_gather = False

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        self._check_input_dim(input)  # type: ignore[no-untyped-call]
        if self.in_one_gather:
            output, mean_C, variance_C, count = normalised_over_workers(input, self.weight, self.bias, self.eps)
        else:
            output, mean_C, variance_C, count = self._normalised_in_two_sums(input)
        self._track(mean_C.detach(), variance_C.detach(), count)
        return output

    def _normalised_in_two_sums(self, input: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        values = at_least_float32(input)
        across = all_but_channels(values)
        local_count = values.numel() // values.shape[1]
        sums_C = values.sum(dim=across)
        sums_and_count = _sum_over_workers(torch.cat([sums_C, sums_C.new_tensor([local_count])]))
        count = sums_and_count[-1].detach()
        mean_C = sums_and_count[:-1] / count
        deviations = values - by_channel(mean_C, values)
        variance_C = _sum_over_workers(deviations.square().sum(dim=across)) / count
        scale_C = torch.rsqrt(variance_C + self.eps)
        if self.weight is not None:
            scale_C = scale_C * self.weight
        output = deviations * by_channel(scale_C, values)
        if self.bias is not None:
            output = output + by_channel(self.bias, values)
        return output.to(input.dtype), mean_C, variance_C, count

    @torch.no_grad()
    def _track(self, mean_C: Tensor, variance_C: Tensor, count: Tensor) -> None:
        """Update the running statistics as nn.BatchNorm2d does: by the unbiased variance."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        # Without momentum they are the mean over all batches, whose number stays on the device.
        factor: Any = self.momentum
        if factor is None:
            factor = self.num_batches_tracked.to(self.running_mean.dtype).reciprocal()
        self.running_mean.lerp_(mean_C.to(self.running_mean.dtype), factor)
        self.running_var.lerp_((variance_C * (count / (count - 1))).to(self.running_var.dtype), factor)


class GlobalBatchNorm1d(_OverWorkers, nn.BatchNorm1d):
    """nn.BatchNorm1d over all workers."""


class GlobalBatchNorm2d(_OverWorkers, nn.BatchNorm2d):
    """nn.BatchNorm2d over all workers."""


class GlobalBatchNorm3d(_OverWorkers, nn.BatchNorm3d):
    """nn.BatchNorm3d over all workers."""


class GlobalBatchNorm(_OverWorkers, _BatchNorm):
    """nn.SyncBatchNorm over all workers, on any device. Does not extend it: DDP refuses every SyncBatchNorm on CPUs."""

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"expected at least 2D input (got {input.dim()}D input)")


class LocalSyncBatchNorm(nn.SyncBatchNorm):
    """nn.SyncBatchNorm for a worker that is alone, on any device: PyTorch's refuses CPUs even in a group of one."""

    def forward(self, input: Tensor) -> Tensor:
        return _BatchNorm.forward(self, input)


_OVER_WORKERS: dict[type[nn.Module], type[_OverWorkers]] = {
    nn.BatchNorm1d: GlobalBatchNorm1d,
    nn.BatchNorm2d: GlobalBatchNorm2d,
    nn.BatchNorm3d: GlobalBatchNorm3d,
    nn.SyncBatchNorm: GlobalBatchNorm,
}


def normalised_over_workers(
    input: Tensor, weight_C: Tensor | None, bias_C: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The normalised input, and mean (C), biased variance (C) and number (a scalar) of all workers' values per channel.

    `input` is (B, C, ...) with at least one sample on some worker; the output has its type and memory format. All
    workers of the default process group have to call this in the same order, forward and backward. Statistics carry no
    gradient. They are float32, of float64 inputs float64.
    """
    result: tuple[Tensor, Tensor, Tensor, Tensor] = _NormalisedOverWorkers.apply(input, weight_C, bias_C, eps)
    return result


class _NormalisedOverWorkers(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, input: Tensor, weight_C: Tensor | None, bias_C: Tensor | None, eps: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        values = at_least_float32(input)
        mean_C, squares_C, count = _combined(_gathered(_statistics(values)))
        variance_C = squares_C / count
        inverse_std_C = torch.rsqrt(variance_C + eps)
        scale_C = inverse_std_C if weight_C is None else inverse_std_C * weight_C
        output = (values - by_channel(mean_C, values)) * by_channel(scale_C, values)
        if bias_C is not None:
            output = output + by_channel(bias_C, values)
        ctx.save_for_backward(input, weight_C, mean_C, inverse_std_C, count)
        ctx.has_bias = bias_C is not None
        ctx.mark_non_differentiable(mean_C, variance_C, count)
        return _cast(output, input.dtype), mean_C, variance_C, count

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None, None]:
        input, weight_C, mean_C, inverse_std_C, count = ctx.saved_tensors
        slopes = at_least_float32(grad)
        deviations = at_least_float32(input) - by_channel(mean_C, input)
        across = all_but_channels(input)
        share_2C = torch.cat([slopes.sum(across), (slopes * deviations).sum(across)])
        grad_bias_C, share_C = share_2C.chunk(2)
        grad_weight_C = None if weight_C is None else share_C * inverse_std_C
        total_2C = share_2C.clone()
        dist.all_reduce(total_2C)
        mean_slope_C, mean_product_C = (total_2C / count).chunk(2)
        scale_C = inverse_std_C if weight_C is None else inverse_std_C * weight_C
        towards_mean = deviations * by_channel(mean_product_C * inverse_std_C.square(), input)
        grad_input = (slopes - by_channel(mean_slope_C, input) - towards_mean) * by_channel(scale_C, input)
        return _cast(grad_input, input.dtype), grad_weight_C, grad_bias_C if ctx.has_bias else None, None


def _statistics(values: Tensor) -> Tensor:
    """This worker's count, means and M2s in one vector (1 + 2C)."""
    channels = values.shape[1]
    count = values.numel() // channels  # known here, without asking the device
    if count == 0:
        return values.new_zeros(1 + 2 * channels)
    variance_C, mean_C = torch.var_mean(values, all_but_channels(values), correction=0)
    return torch.cat([mean_C.new_full((1,), count), mean_C, variance_C * count])


def _gathered(local: Tensor) -> Tensor:
    """The vectors of all workers: (W, 1 + 2C)."""
    workers = dist.get_world_size()
    all_vectors = local.new_empty(workers * len(local))
    dist.all_gather_into_tensor(all_vectors, local)
    return all_vectors.view(workers, len(local))


def _combined(vectors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean (C), M2 (C) and count (a scalar) over all workers, by Chan's formula; the same bits on every worker."""
    channels = vectors.shape[1] // 2
    counts_W1, means_WC, squares_WC = vectors.split([1, channels, channels], dim=1)
    count = counts_W1.sum()
    first_C = means_WC[0]
    mean_C = first_C + (counts_W1 * (means_WC - first_C)).sum(0) / count
    squares_C = squares_WC.sum(0) + (counts_W1 * (means_WC - mean_C).square()).sum(0)
    return mean_C, squares_C, count


def _cast(values: Tensor, dtype: torch.dtype) -> Tensor:
    # Compiled by torch 2.11, a result of `to` that is its own input has no gradient.
    return values if values.dtype == dtype else values.to(dtype)


def all_but_channels(values: Tensor) -> list[int]:
    """The dimensions of `values` (B, C, ...) but for C."""
    return [dimension for dimension in range(values.ndim) if dimension != 1]


def by_channel(vector_C: Tensor, values: Tensor) -> Tensor:
    """The vector with a shape that broadcasts along the channels of `values` (B, C, ...)."""
    return vector_C.view(-1, *[1] * (values.ndim - 2))


class _SumOverWorkers(torch.autograd.Function):
    """The sum over all workers, on each of them; the backward pass sums gradients in the same way."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:  # noqa: ARG004
        total = value.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:  # noqa: ARG004
        return _sum_over_workers(grad)


def _sum_over_workers(value: Tensor) -> Tensor:
    total: Tensor = _SumOverWorkers.apply(value)
    return total
