"""Knowledge distillation with a penalty on activations that differ from the teacher's (section 4.1).

With a_j and c_j the outputs (K, H, W) of the j-th of m stages of student and teacher, and the penalty's weight w,

    L = KD + w/b sum_s (1/m) sum_j mean_KHW (a_j,s - c_j,s)^2        dL/da_j,s = 2 w (a_j,s - c_j,s) / (b m K H W)

The paper tried "progressively constraining the BANs to be more similar to their teachers" and "losses that penalize the
L2 distance between student and teacher activations", and gives no formula. This is our reading: squared distances at
the ends of the stages, averaged so that stages of all sizes count alike, with a weight that may grow during training.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from bansweep.config.losses import ActivationsLoss
from bansweep.losses.builder import DistillationLoss, LossInputs, builds
from bansweep.losses.building_blocks import GlobalBatch, at_least_float32, mean
from bansweep.losses.kd import teacher_cross_entropies


def stage_differences(student_stages: Sequence[Tensor], teacher_stages: Sequence[Tensor]) -> Tensor:
    """The mean over stages of the mean squared difference over K, H, W: a term per sample (B), at least float32.

    Each stage is (B, K, H, W), and of the same shape in student and teacher.
    """
    shapes = [[tuple(stage.shape) for stage in stages] for stages in (student_stages, teacher_stages)]
    assert shapes[0] == shapes[1], f"stages do not match: student {shapes[0]}, teacher {shapes[1]}"
    assert shapes[0], "this loss needs stage outputs, of student and teacher"
    assert not any(stage.requires_grad for stage in teacher_stages), "a teacher's stage outputs carry a gradient"
    of_stages = [
        (at_least_float32(student_BKHW) - at_least_float32(teacher_BKHW)).square().mean(dim=(1, 2, 3))
        for student_BKHW, teacher_BKHW in zip(student_stages, teacher_stages, strict=True)
    ]
    return torch.stack(of_stages).mean(dim=0)


def kd_activations_loss(
    student_logits_BC: Tensor,
    teacher_logits_BC: Tensor,
    student_stages: Sequence[Tensor],
    teacher_stages: Sequence[Tensor],
    batch: GlobalBatch,
    *,
    weight: float = 1.0,
) -> Tensor:
    """This worker's share of the mean of KD (T = 1) plus the weighted difference between stage outputs, a scalar."""
    from_teacher_B = teacher_cross_entropies(student_logits_BC, teacher_logits_BC)
    return mean(from_teacher_B + weight * stage_differences(student_stages, teacher_stages), batch)


@builds(ActivationsLoss)
def _build_kd_activations(spec: ActivationsLoss) -> DistillationLoss:
    def loss(of: LossInputs) -> Tensor:
        student, teacher, progress = of.student, of.given_teacher, of.progress
        assert 0 <= progress <= 1, f"training has gone {progress} of its way, which is not between 0 and 1"
        return kd_activations_loss(
            student.logits_BC,
            teacher.logits_BC,
            student.stage_outputs,
            teacher.stage_outputs,
            of.batch,
            weight=spec.weight * progress if spec.ramp == "linear" else spec.weight,
        )

    return loss
