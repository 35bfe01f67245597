"""One training step: computes a global batch's loss and its gradient, and updates the parameters."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from bansweep.losses.builder import DistillationLoss, LossInputs
from bansweep.losses.building_blocks import NetworkOutput
from bansweep.training.kd_gradient import Diagnostics
from bansweep.training.precision import autocast
from bansweep.training.workers import Workers


class TrainingStep:
    """Forward, distillation loss, backward, optimizer step, on this worker's share of a batch of `batch_size`."""

    def __init__(
        self,
        forward: Callable[[Tensor], NetworkOutput],
        optimizer: torch.optim.Optimizer,
        loss: DistillationLoss,
        *,
        workers: Workers,
        batch_size: int,
        bf16: bool,
        diagnostics: Diagnostics | None,
    ) -> None:
        self._forward = forward
        self._optimizer = optimizer
        self._loss = loss
        self._workers = workers
        self._batch = workers.batch(batch_size)
        self._bf16 = bf16
        self._diagnostics = diagnostics

    def __call__(
        self,
        images_BKHW: Tensor,
        labels_B: Tensor,
        *,
        teacher: NetworkOutput | None,
        keys_BC: Tensor | None,
        progress: float,
    ) -> Tensor:
        """Take the step; returns this worker's share of the global batch's loss (a scalar, still on the device).

        `teacher` is the teacher's output for these images, if the loss compares with one; `keys_BC` and `progress` are
        inputs of the loss.
        """
        with autocast(images_BKHW.device, bf16=self._bf16):
            student = self._forward(images_BKHW)
        loss = self._loss(LossInputs(student, teacher, labels_B, self._batch, keys_BC, progress))
        descend(loss, self._optimizer, self._workers)
        if self._diagnostics is not None and teacher is not None:
            self._diagnostics.observe(student.logits_BC, teacher.logits_BC, labels_B)
        return loss.detach()


def descend(
    loss: Tensor, optimizer: torch.optim.Optimizer, workers: Workers, *, clip_norm: float | None = None
) -> None:
    """Backward and an optimizer step along the gradient of the global batch, of whose loss this is a worker's share.

    `clip_norm`: the gradient is scaled down to this L2 norm where it is larger.
    """
    optimizer.zero_grad(set_to_none=True)
    # Shares add up to the batch's loss, but DDP averages gradients over workers.
    (loss if workers.size == 1 else loss * workers.size).backward()
    if clip_norm is not None:
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        torch.nn.utils.clip_grad_norm_(parameters, clip_norm)
    optimizer.step()
