"""CWTM, confidence weighted by teacher max: label cross-entropy, weighted by how sure the teacher is (Eq. 10).

    L = -sum_s w_s log q_*,s    with    w_s = max_i p_i,s / sum_u max_i p_i,u        dL/dz_i,s = w_s (q_i,s - y_i,s)

The weights sum to one over the global batch, so that nothing is divided by b once more. Of the teacher's output only
the largest probability acts, whether or not it is the label's.
"""

from __future__ import annotations

from torch import Tensor

from bansweep.losses.labels import label_cross_entropies
from bansweep.losses.probabilities import teacher_probabilities
from bansweep.losses.weighted_mean import BatchSum, weighted_mean


def cwtm_loss(student_logits_BC: Tensor, teacher_logits_BC: Tensor, labels_B: Tensor, batch_sum: BatchSum) -> Tensor:
    """This worker's share of the label cross-entropy weighted by the teacher's confidence, a scalar."""
    confidence_B = teacher_probabilities(teacher_logits_BC).amax(dim=1)
    return weighted_mean(label_cross_entropies(student_logits_BC, labels_B), confidence_B, batch_sum)
