"""From what a sweep file says of a loss to the loss, with one call for all of them."""

from __future__ import annotations

from typing import Protocol, assert_never

from torch import Tensor

from bansweep.config.losses import (
    ActivationsLoss,
    CwtmLoss,
    DkppLoss,
    KdLabelsLoss,
    KdLoss,
    LabelsLoss,
    LossSpec,
    UserLoss,
    compares_stages,
)
from bansweep.losses.building_blocks import GlobalBatch, NetworkOutput
from bansweep.losses.cwtm import cwtm_loss
from bansweep.losses.dkpp import dkpp_loss
from bansweep.losses.kd import kd_loss
from bansweep.losses.kd_activations import kd_activations_loss
from bansweep.losses.kd_labels import kd_labels_loss
from bansweep.losses.labels import labels_loss
from bansweep.losses.user_loss import user_loss


class DistillationLoss(Protocol):
    """A worker's share of the loss of the global batch, a float32 scalar; the shares of all workers add up to it.

    `student` and `teacher` answer for the same samples; the teacher may be None for the loss `labels` only and carries
    no gradient. `labels_B` are class indices (int64). `batch` is the global batch (`local_batch` for one
    worker). `keys_BC`, uniform random numbers in [0, 1), are for losses that `needs_keys` tells of. `progress` is how
    far training is: 0 in the first epoch, 1 in the last, and 1 in a training of one epoch. What a loss does not need
    it ignores.
    """

    def __call__(
        self,
        student: NetworkOutput,
        teacher: NetworkOutput | None,
        labels_B: Tensor,
        *,
        batch: GlobalBatch,
        keys_BC: Tensor | None = None,
        progress: float = 1.0,
    ) -> Tensor: ...


def build_loss(spec: LossSpec) -> DistillationLoss:
    """The loss that a spec names. Raises TrainingError where code of the user's own cannot be run."""
    own = user_loss(spec) if isinstance(spec, UserLoss) else None

    def loss(
        student: NetworkOutput,
        teacher: NetworkOutput | None,
        labels_B: Tensor,
        *,
        batch: GlobalBatch,
        keys_BC: Tensor | None = None,
        progress: float = 1.0,
    ) -> Tensor:
        match spec:
            case LabelsLoss():
                return labels_loss(student.logits_BC, labels_B, batch, smoothing=spec.smoothing)
            case KdLoss():
                return kd_loss(student.logits_BC, _present(teacher).logits_BC, batch, temperature=spec.temperature)
            case KdLabelsLoss():
                return kd_labels_loss(
                    student.logits_BC,
                    _present(teacher).logits_BC,
                    labels_B,
                    batch,
                    temperature=spec.temperature,
                    mixing=spec.mixing,
                )
            case CwtmLoss():
                return cwtm_loss(
                    student.logits_BC, _present(teacher).logits_BC, labels_B, batch, confidence=spec.confidence
                )
            case DkppLoss():
                return dkpp_loss(student.logits_BC, _present(teacher).logits_BC, _drawn(keys_BC), batch)
            case ActivationsLoss():
                return kd_activations_loss(
                    student.logits_BC,
                    _present(teacher).logits_BC,
                    student.stage_outputs,
                    _present(teacher).stage_outputs,
                    batch,
                    weight=_weight(spec, progress),
                )
            case UserLoss():
                assert own is not None
                return own(student.logits_BC, None if teacher is None else teacher.logits_BC, labels_B, batch)
            case _:
                assert_never(spec)

    return loss


def needs_keys(spec: LossSpec) -> bool:
    """Whether the loss wants random keys with every batch."""
    return isinstance(spec, DkppLoss)


def needs_stage_outputs(spec: LossSpec) -> bool:
    """Whether the loss wants the stage outputs of student and teacher in their answers."""
    return compares_stages(spec)


def _present(teacher: NetworkOutput | None) -> NetworkOutput:
    assert teacher is not None, "this loss needs a teacher's answer"
    return teacher


def _drawn(keys_BC: Tensor | None) -> Tensor:
    assert keys_BC is not None, "this loss needs random keys"
    return keys_BC


def _weight(spec: ActivationsLoss, progress: float) -> float:
    assert 0 <= progress <= 1, f"training has gone {progress} of its way, which is not between 0 and 1"
    return spec.weight * progress if spec.ramp == "linear" else spec.weight
