"""Logits to probabilities, in float32 or better: bfloat16 has too few digits for sums over classes."""

from __future__ import annotations

import torch
from torch import Tensor


def at_least_float32(values: Tensor) -> Tensor:
    """The same values in float32, or as they are if already in float32 or float64."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def teacher_probabilities(teacher_logits_BC: Tensor, temperature: float = 1.0) -> Tensor:
    """p = softmax(t / T), the teacher's distribution (B, C). A teacher is frozen: no gradient may reach it."""
    assert not teacher_logits_BC.requires_grad, "a teacher's logits carry a gradient; compute them in inference mode"
    logits_BC = at_least_float32(teacher_logits_BC)
    return (logits_BC if temperature == 1 else logits_BC / temperature).softmax(dim=1)
