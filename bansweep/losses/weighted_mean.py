"""The mean over the global batch, of which a worker may hold a part.

Every loss here is a weighted mean of per-sample terms l_s over the b samples of the global batch,

    sum_s w_s l_s / sum_u w_u,

and a worker computes its samples' part of the first sum over the whole of the second. The workers' shares *add up* to
the loss of the global batch, and so do their gradients, whether or not they hold equally many samples.
Shape suffix: B the samples of this worker.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

BatchSum = Callable[[Tensor], Tensor]
"""Sums a scalar over all workers that share a batch; each of them receives the sum."""


def local_batch(share: Tensor) -> Tensor:
    """The `BatchSum` of a worker that holds the global batch alone."""
    return share


def weighted_mean(terms_B: Tensor, weights_B: Tensor, batch_sum: BatchSum) -> Tensor:
    """This worker's share (a scalar) of the weighted mean over the global batch. Weights are constants: no gradient."""
    assert terms_B.shape == weights_B.shape, f"{tuple(terms_B.shape)} terms, {tuple(weights_B.shape)} weights"
    assert not weights_B.requires_grad, "a sample's weight is a constant; detach what it is computed from"
    return (weights_B * terms_B).sum() / batch_sum(weights_B.sum())


def mean(terms_B: Tensor, batch_sum: BatchSum) -> Tensor:
    """This worker's share (a scalar) of the mean over the global batch: every sample weighs the same."""
    return terms_B.sum() / batch_sum(terms_B.new_full((), len(terms_B)))
