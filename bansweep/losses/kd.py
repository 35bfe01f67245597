"""Knowledge distillation: cross-entropy with the teacher's distribution (Eqs. 2 and 3).

With p = softmax(t) of the teacher's logits t, and q = softmax(z) of the student's logits z,

    L = -(1/b) sum_s sum_i p_i,s log q_i,s        dL/dz_i,s = (q_i,s - p_i,s) / b        (Eq. 5)

This is not the KL divergence, which is smaller by the teacher's entropy and has the same gradient.

The paper has no temperature. With one, T (Hinton et al., 2015, section 2), both distributions are softened alike,
p = softmax(t/T) and q = softmax(z/T), and the loss is multiplied by T^2: its gradient is T (q - p) / b, where q - p
falls as 1/T, so that gradients keep their size.
"""

from __future__ import annotations

from torch import Tensor

from bansweep.config.losses import KdLoss
from bansweep.losses.builder import DistillationLoss, LossInputs, builds
from bansweep.losses.building_blocks import GlobalBatch, at_least_float32, cross_entropies, mean, teacher_probabilities


def teacher_cross_entropies(student_logits_BC: Tensor, teacher_logits_BC: Tensor, temperature: float = 1.0) -> Tensor:
    """T^2 times the cross-entropy of the softened distributions in nats, a term per sample (B).

    At T = 1 this is the paper's cross-entropy.
    """
    assert student_logits_BC.shape == teacher_logits_BC.shape, (
        f"student {tuple(student_logits_BC.shape)}, teacher {tuple(teacher_logits_BC.shape)}"
    )
    softened_BC = student_logits_BC if temperature == 1 else at_least_float32(student_logits_BC) / temperature
    terms_B = cross_entropies(
        softened_BC, lambda samples: teacher_probabilities(teacher_logits_BC[samples], temperature)
    )
    return temperature**2 * terms_B


def kd_loss(
    student_logits_BC: Tensor, teacher_logits_BC: Tensor, batch: GlobalBatch, *, temperature: float = 1.0
) -> Tensor:
    """This worker's share of the mean cross-entropy with the teacher, a scalar."""
    return mean(teacher_cross_entropies(student_logits_BC, teacher_logits_BC, temperature), batch)


@builds(KdLoss)
def _build_kd(spec: KdLoss) -> DistillationLoss:
    def loss(of: LossInputs) -> Tensor:
        return kd_loss(of.student.logits_BC, of.given_teacher.logits_BC, of.batch, temperature=spec.temperature)

    return loss
