"""The mean over the global batch, of which a worker may hold a part.

Every loss here is a weighted mean of per-sample terms l_s over the b samples of the global batch,

    sum_s w_s l_s / sum_u w_u,

and a worker computes its samples' part of the first sum over the whole of the second. The workers' shares *add up* to
the loss of the global batch, and so do their gradients, whether or not they hold equally many samples.
Shape suffix: B the samples of this worker.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class GlobalBatch:
    """The batch of which each worker holds a share: how many `samples` it has, and sums over its workers.

    `sum` adds up a scalar over all workers that share the batch; each of them receives the sum, without gradient.
    """

    samples: int
    sum: Callable[[Tensor], Tensor]


def local_batch(samples: int) -> GlobalBatch:
    """The global batch of a worker that holds all of its samples alone."""
    return GlobalBatch(samples, lambda share: share)


def weighted_mean(terms_B: Tensor, weights_B: Tensor, batch: GlobalBatch) -> Tensor:
    """This worker's share (a scalar) of the weighted mean over the global batch. Weights are constants: no gradient."""
    assert terms_B.shape == weights_B.shape, f"{tuple(terms_B.shape)} terms, {tuple(weights_B.shape)} weights"
    assert not weights_B.requires_grad, "a sample's weight is a constant; detach what it is computed from"
    return (weights_B * terms_B).sum() / batch.sum(weights_B.sum())


def mean(terms_B: Tensor, batch: GlobalBatch) -> Tensor:
    """This worker's share (a scalar) of the mean over the global batch: every sample weighs the same."""
    return terms_B.sum() / batch.samples
