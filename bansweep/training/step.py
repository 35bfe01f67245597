"""One step of training: a global batch in, the parameters moved, the batch's loss out."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from bansweep.losses.builder import DistillationLoss
from bansweep.training.precision import autocast
from bansweep.training.teacher import FrozenTeacher
from bansweep.training.workers import Workers


class TrainingStep:
    """Forward, distillation loss, backward, optimizer step, on this worker's share of a batch."""

    def __init__(
        self,
        forward: Callable[[Tensor], Tensor],
        optimizer: torch.optim.Optimizer,
        loss: DistillationLoss,
        *,
        teacher: FrozenTeacher | None,
        workers: Workers,
        bf16: bool,
    ) -> None:
        self._forward = forward
        self._optimizer = optimizer
        self._loss = loss
        self._teacher = teacher
        self._workers = workers
        self._bf16 = bf16

    def __call__(self, images_BKHW: Tensor, labels_B: Tensor, keys_BC: Tensor | None) -> Tensor:
        """Take the step; returns this worker's share of the global batch's loss (a scalar, still on the device)."""
        teacher_logits_BC = None
        if self._teacher is not None:
            teacher_logits_BC = self._teacher.logits(images_BKHW, bf16=self._bf16)
        with autocast(images_BKHW.device, bf16=self._bf16):
            student_logits_BC = self._forward(images_BKHW)
        loss = self._loss(student_logits_BC, teacher_logits_BC, labels_B, batch_sum=self._workers.sum, keys_BC=keys_BC)
        self._optimizer.zero_grad(set_to_none=True)
        # Shares add up to the batch's loss, but DDP averages gradients over workers.
        (loss * self._workers.size).backward()
        self._optimizer.step()
        return loss.detach()


def distributed_forward(network: nn.Module, workers: Workers, device: torch.device) -> Callable[[Tensor], Tensor]:
    """The network's forward pass, with gradients averaged over the workers where there are several."""
    if workers.size == 1:
        return network
    # Buffers are equal on all workers already: batch statistics are global ones.
    return nn.parallel.DistributedDataParallel(
        network,
        device_ids=[device] if device.type == "cuda" else None,
        broadcast_buffers=False,
        gradient_as_bucket_view=True,
    )
