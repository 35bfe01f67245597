"""From what a sweep file says of a loss to the loss, with one call for all of them."""

from __future__ import annotations

from typing import Protocol, assert_never

from torch import Tensor

from bansweep.losses.cwtm import cwtm_loss
from bansweep.losses.dkpp import dkpp_loss
from bansweep.losses.kd import kd_loss
from bansweep.losses.kd_labels import kd_labels_loss
from bansweep.losses.labels import labels_loss
from bansweep.losses.weighted_mean import BatchSum
from bansweep.spec.losses import CwtmLoss, DkppLoss, KdLabelsLoss, KdLoss, LabelsLoss, LossSpec


class DistillationLoss(Protocol):
    """A worker's share of the loss of the global batch, a float32 scalar; the shares of all workers add up to it.

    Logits are (B, C) in any floating type, `labels_B` class indices (int64). `teacher_logits_BC` may be None for the
    loss `labels` only and carries no gradient. `batch_sum` sums a scalar over the workers (`local_batch` for one).
    `keys_BC`, uniform random numbers in [0, 1), are for losses that `needs_keys` tells of. What a loss does not need
    it ignores.
    """

    def __call__(
        self,
        student_logits_BC: Tensor,
        teacher_logits_BC: Tensor | None,
        labels_B: Tensor,
        *,
        batch_sum: BatchSum,
        keys_BC: Tensor | None = None,
    ) -> Tensor: ...


def build_loss(spec: LossSpec) -> DistillationLoss:
    """The loss that a spec names."""

    def loss(
        student_logits_BC: Tensor,
        teacher_logits_BC: Tensor | None,
        labels_B: Tensor,
        *,
        batch_sum: BatchSum,
        keys_BC: Tensor | None = None,
    ) -> Tensor:
        match spec:
            case LabelsLoss():
                return labels_loss(student_logits_BC, labels_B, batch_sum)
            case KdLoss():
                return kd_loss(student_logits_BC, _given(teacher_logits_BC), batch_sum)
            case KdLabelsLoss():
                return kd_labels_loss(student_logits_BC, _given(teacher_logits_BC), labels_B, batch_sum)
            case CwtmLoss():
                return cwtm_loss(student_logits_BC, _given(teacher_logits_BC), labels_B, batch_sum)
            case DkppLoss():
                return dkpp_loss(student_logits_BC, _given(teacher_logits_BC), _given(keys_BC), batch_sum)
            case _:
                assert_never(spec)

    return loss


def needs_keys(spec: LossSpec) -> bool:
    """Whether the loss wants random keys with every batch."""
    return isinstance(spec, DkppLoss)


def _given(tensor: Tensor | None) -> Tensor:
    assert tensor is not None, "this loss needs a teacher's logits, and dkpp random keys as well"
    return tensor
