"""Knowledge distillation with labels, "BAN+L": the sum of the cross-entropies with teacher and labels (section 3).

    L = -(1/b) sum_s (sum_i p_i,s log q_i,s + log q_*,s)        dL/dz_i,s = (2 q_i,s - p_i,s - y_i,s) / b

with p, q, y and `*` as in `kd` and `labels`.
"""

from __future__ import annotations

from torch import Tensor

from bansweep.losses.kd import cross_entropies
from bansweep.losses.labels import label_cross_entropies
from bansweep.losses.probabilities import teacher_probabilities
from bansweep.losses.weighted_mean import BatchSum, mean


def kd_labels_loss(
    student_logits_BC: Tensor, teacher_logits_BC: Tensor, labels_B: Tensor, batch_sum: BatchSum
) -> Tensor:
    """This worker's share of the mean sum of both cross-entropies, a scalar."""
    from_teacher_B = cross_entropies(student_logits_BC, teacher_probabilities(teacher_logits_BC))
    from_labels_B = label_cross_entropies(student_logits_BC, labels_B)
    return mean(from_teacher_B + from_labels_B, batch_sum)
