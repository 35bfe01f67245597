"""Batch normalisation by the statistics of all workers' samples together, as operations that torch.compile can trace.

Each worker reduces its share to a count, a mean and a sum of squared deviations (M2) per channel, the workers exchange
these in one collective, and T. Chan, G. Golub and R. LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing
Sample Variances", 1979 (The American Statistician 37(3), 1983), combine them:

    n = sum_i n_i    mean = mean_0 + sum_i n_i (mean_i - mean_0) / n    M2 = sum_i M2_i + sum_i n_i (mean_i - mean)^2

No large numbers are subtracted from each other, so a mean far from zero costs no precision. With d = x - mean,
r = 1 / sqrt(M2 / n + eps) and sums over the samples of all workers, the gradient is

    dL/dx = weight r (dy - sum(dy) / n - d r^2 sum(dy d) / n)

for which the workers add up two vectors in one collective. Gradients of weight and bias are this worker's share: DDP
adds them up. The host waits for the device nowhere: counts travel as numbers on the device.

The collectives are torch.distributed's, called inside an autograd function. torch.compile traces both: it replaces the
collectives by functional ones, which inductor recognises and keeps in order, and fuses the arithmetic with the layers
around it. A custom operator would be opaque to it, and might be moved past another collective on one worker only. In
the networks here one normalisation follows from another; parallel branches of user networks have not been tested.
Shape suffixes: C channels, W workers.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable

from bansweep.losses.probabilities import at_least_float32


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


def _gathered(own: Tensor) -> Tensor:
    """The vectors of all workers: (W, 1 + 2C)."""
    workers = dist.get_world_size()
    all_vectors = own.new_empty(workers * len(own))
    dist.all_gather_into_tensor(all_vectors, own)
    return all_vectors.view(workers, len(own))


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
