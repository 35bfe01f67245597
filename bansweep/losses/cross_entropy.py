"""Cross-entropy with distributions: what KD and its relatives are made of.

With q = softmax(z) of the student's logits z, and targets p that sum to m in a sample (m = 1 for a distribution),

    l_s = -sum_i p_i log q_i = m log sum_i exp z_i - sum_i p_i z_i        dl_s/dz_i = m q_i - p_i

The loss of a sample and its gradient come from the same q, so both are computed at once, and of a few samples at a
time: of a vocabulary's words a batch has millions of logits, and a pass over them all is a good part of a step's time.
Targets are asked for in the same portions for the same reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from bansweep.losses.probabilities import at_least_float32

Targets = Callable[[slice], Tensor]
"""The targets (b, C) of the samples of a slice, as constants in at least float32."""

# As many logits as a core's own cache holds, with what is computed from them.
_LOGITS_AT_A_TIME = 2**18


def cross_entropies(student_logits_BC: Tensor, targets: Targets) -> Tensor:
    """-sum_i p_i log q_i in nats, a term per sample (B): summed over classes, not averaged.

    Targets may be a sum of distributions: the loss is then the sum of their cross-entropies. It can be differentiated
    once.
    """
    terms_B: Tensor = _CrossEntropies.apply(at_least_float32(student_logits_BC), targets)
    return terms_B


def portions(logits_BC: Tensor) -> Iterator[slice]:
    """Slices of samples that together are all: on a CPU as many as fit its cache, else all at once."""
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
