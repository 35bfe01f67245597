"""Logits to probabilities, in float32 or better: bfloat16 has too few digits for sums over classes."""

from __future__ import annotations

import torch
from torch import Tensor


def at_least_float32(logits_BC: Tensor) -> Tensor:
    """The same logits in float32, or as they are if already in float32 or float64."""
    return logits_BC.to(torch.promote_types(logits_BC.dtype, torch.float32))


def teacher_probabilities(teacher_logits_BC: Tensor) -> Tensor:
    """p = softmax(t), the teacher's distribution at temperature 1. A teacher is frozen: no gradient may reach it."""
    assert not teacher_logits_BC.requires_grad, "a teacher's logits carry a gradient; compute them in inference mode"
    return at_least_float32(teacher_logits_BC).softmax(dim=1)
