"""What losses are made of: network outputs, probabilities, cross-entropies, and the mean over the global batch.

Every loss here is a weighted mean of per-sample terms l_s over the b samples of the global batch,

    sum_s w_s l_s / sum_u w_u,

and a worker computes its samples' part of the first sum over the whole of the second. The workers' shares *add up* to
the loss of the global batch, and so do their gradients, whether or not they hold equally many samples.
Shape suffix: B the samples of this worker.

With q = softmax(z) of the student's logits z, and targets p that sum to m in a sample (m = 1 for a distribution),

    l_s = -sum_i p_i log q_i = m log sum_i exp z_i - sum_i p_i z_i        dl_s/dz_i = m q_i - p_i

The loss of a sample and its gradient come from the same q, so both are computed at once, for a few samples at a time:
with a language model's vocabulary a batch has millions of logits, and each pass over all of them takes a good part of a
step's time. Targets are computed in the same portions for the same reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# As many logits as fit into a CPU core's cache together with what is computed from them.
_LOGITS_AT_A_TIME = 2**18


class NetworkOutput(NamedTuple):
    """A network's output for the samples of one worker: logits, and on request the features after each stage.

    `logits_BC`, unnormalised, (B, C). `stage_outputs`: the features after each stage, first stage first, each
    (B, K, H, W) with its own sizes; empty unless the loss compares `stage_outputs`. Any floating types.
    """

    logits_BC: Tensor
    stage_outputs: tuple[Tensor, ...] = ()


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


def at_least_float32(values: Tensor) -> Tensor:
    """The same values in float32, or as they are if already in float32 or float64."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def teacher_probabilities(teacher_logits_BC: Tensor, temperature: float = 1.0) -> Tensor:
    """p = softmax(t / T), the teacher's distribution (B, C). A teacher is frozen: no gradient may reach it."""
    assert not teacher_logits_BC.requires_grad, "a teacher's logits carry a gradient; compute them in inference mode"
    logits_BC = at_least_float32(teacher_logits_BC)
    return (logits_BC if temperature == 1 else logits_BC / temperature).softmax(dim=1)


Targets = Callable[[slice], Tensor]
"""The targets (b, C) of the samples of a slice, as constants in at least float32."""


def cross_entropies(student_logits_BC: Tensor, targets: Targets) -> Tensor:
    """-sum_i p_i log q_i in nats, a term per sample (B): summed over classes, not averaged.

    Targets may be a sum of distributions: the loss is then the sum of their cross-entropies. It can be differentiated
    once.
    """
    terms_B: Tensor = _CrossEntropies.apply(at_least_float32(student_logits_BC), targets)
    return terms_B


def portions(logits_BC: Tensor) -> Iterator[slice]:
    """Slices that cover all samples in order: on a CPU as many at a time as fit its cache, elsewhere all at once."""
    samples, classes = logits_BC.shape
    step = samples if logits_BC.is_cuda else max(1, _LOGITS_AT_A_TIME // max(1, classes))
    for first in range(0, max(1, samples), max(1, step)):
        yield slice(first, first + step)


class _CrossEntropies(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits_BC: Tensor, targets: Targets) -> Tensor:
        gradient_BC = torch.empty_like(logits_BC)
        terms_B = logits_BC.new_empty(len(logits_BC))
        for samples in portions(logits_BC):
            z_bC, p_bC = logits_BC[samples], targets(samples)
            assert z_bC.shape == p_bC.shape, f"student {tuple(z_bC.shape)}, targets {tuple(p_bC.shape)}"
            assert not p_bC.requires_grad, "targets are constants"
            q_bC = torch.softmax(z_bC, dim=1, out=gradient_BC[samples])
            m_b = p_bC.sum(dim=1)
            largest_b1 = z_bC.amax(dim=1, keepdim=True)
            # The largest q is 1 / sum_i exp(z_i - max z): never 0, and a logarithm of the sum without another pass.
            log_sum_b = -q_bC.amax(dim=1).log()
            terms_B[samples] = m_b * log_sum_b - (p_bC * (z_bC - largest_b1)).sum(dim=1)
            q_bC.mul_(m_b[:, None]).sub_(p_bC)
        ctx.save_for_backward(gradient_BC)
        return terms_B

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_terms_B: Tensor) -> tuple[Tensor, None]:
        (gradient_BC,) = ctx.saved_tensors
        return gradient_BC * of_terms_B[:, None], None
