"""Knowledge distillation with labels, "BAN+L": the sum of the cross-entropies with teacher and labels (section 3).

    L = -(1/b) sum_s (sum_i p_i,s log q_i,s + log q_*,s)        dL/dz_i,s = (2 q_i,s - p_i,s - y_i,s) / b

with p, q, y and `*` as in `kd` and `labels`. The paper adds the two as they are. Hinton et al. (2015) average them:
with a mixing weight a, and a temperature T that softens the teacher's part only,

    L = a KD_T + (1 - a) labels        dL/dz_i,s = (a T (q_i,s(T) - p_i,s(T)) + (1 - a) (q_i,s - y_i,s)) / b
"""

from __future__ import annotations

import torch
from torch import Tensor

from bansweep.config.losses import KdLabelsLoss
from bansweep.losses.builder import DistillationLoss, LossInputs, builds
from bansweep.losses.building_blocks import GlobalBatch, cross_entropies, mean, teacher_probabilities
from bansweep.losses.kd import teacher_cross_entropies
from bansweep.losses.labels import label_cross_entropies


def kd_labels_loss(
    student_logits_BC: Tensor,
    teacher_logits_BC: Tensor,
    labels_B: Tensor,
    batch: GlobalBatch,
    *,
    temperature: float = 1.0,
    mixing: float | None = None,
) -> Tensor:
    """This worker's share of the mean over both cross-entropies' sum, or their average by `mixing`, a scalar."""
    of_teacher, of_labels = (1.0, 1.0) if mixing is None else (mixing, 1 - mixing)
    if temperature == 1:
        # Both are linear in their targets, so one pass over the student's logits computes the sum.
        def targets(samples: slice) -> Tensor:
            targets_bC = teacher_probabilities(teacher_logits_BC[samples]).mul_(of_teacher)
            label_b1 = labels_B[samples, None]
            return targets_bC.scatter_add_(1, label_b1, torch.full_like(label_b1, of_labels, dtype=targets_bC.dtype))

        return mean(cross_entropies(student_logits_BC, targets), batch)
    from_teacher_B = teacher_cross_entropies(student_logits_BC, teacher_logits_BC, temperature)
    from_labels_B = label_cross_entropies(student_logits_BC, labels_B)
    return mean(of_teacher * from_teacher_B + of_labels * from_labels_B, batch)


@builds(KdLabelsLoss)
def _build_kd_labels(spec: KdLabelsLoss) -> DistillationLoss:
    def loss(of: LossInputs) -> Tensor:
        return kd_labels_loss(
            of.student.logits_BC,
            of.given_teacher.logits_BC,
            of.labels_B,
            of.batch,
            temperature=spec.temperature,
            mixing=spec.mixing,
        )

    return loss
