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

from bansweep.losses.probabilities import at_least_float32, teacher_probabilities
from bansweep.losses.weighted_mean import BatchSum, mean


def cross_entropies(student_logits_BC: Tensor, probabilities_BC: Tensor) -> Tensor:
    """-sum_i p_i log q_i in nats, a term per sample (B): summed over classes, not averaged.

    `probabilities_BC` may be a sum of distributions: the loss is then the sum of their cross-entropies.
    """
    assert student_logits_BC.shape == probabilities_BC.shape, (
        f"student {tuple(student_logits_BC.shape)}, teacher {tuple(probabilities_BC.shape)}"
    )
    log_q_BC = at_least_float32(student_logits_BC).log_softmax(dim=1)
    return -(probabilities_BC * log_q_BC).sum(dim=1)


def teacher_cross_entropies(student_logits_BC: Tensor, teacher_logits_BC: Tensor, temperature: float = 1.0) -> Tensor:
    """T^2 times the cross-entropy of the softened distributions in nats, a term per sample (B).

    At T = 1 this is the paper's cross-entropy.
    """
    probabilities_BC = teacher_probabilities(teacher_logits_BC, temperature)
    if temperature == 1:
        # A division by one would still read and write the logits, which of a vocabulary are many, twice.
        return cross_entropies(student_logits_BC, probabilities_BC)
    softened_BC = at_least_float32(student_logits_BC) / temperature
    return temperature**2 * cross_entropies(softened_BC, probabilities_BC)


def kd_loss(
    student_logits_BC: Tensor, teacher_logits_BC: Tensor, batch_sum: BatchSum, *, temperature: float = 1.0
) -> Tensor:
    """This worker's share of the mean cross-entropy with the teacher, a scalar."""
    return mean(teacher_cross_entropies(student_logits_BC, teacher_logits_BC, temperature), batch_sum)
