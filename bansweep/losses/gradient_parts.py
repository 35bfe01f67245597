"""What a teacher's distribution teaches, as numbers: the gradient of KD in two parts (section 3.2, Eqs. 7 and 8).

With p and q the teacher's and the student's distribution at temperature 1, and `*` the label's class, b times the
gradient of KD with respect to the student's logits splits, in each sample, into

    ground truth    q_* - p_*                   (first part of Eq. 7)
    dark knowledge  q_i - p_i  for i != *       (second part)

Both distributions sum to one, so that the two parts sum to zero within each sample: what one gains the other loses,
and the plain sums of Eq. 7 say nothing. Magnitudes are therefore looked at per component.

The first part is also q_* - p_* y_*, with y_* = 1 (Eq. 8): the gradient of the label's own cross-entropy, q_* - y_*,
with the label rescaled by the teacher's probability. A sample of which the teacher is unsure pulls less at its label.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from bansweep.losses.probabilities import at_least_float32, teacher_probabilities


class GradientParts(NamedTuple):
    """The parts of b dL/dz of KD, in probabilities; added at the label's place they are all of it.

    `ground_truth_B`: q_* - p_* of each sample. `dark_knowledge_BC`: q_i - p_i, and 0 at the label. Both lie in [-1, 1].
    """

    ground_truth_B: Tensor
    dark_knowledge_BC: Tensor


@torch.no_grad()
def kd_gradient_parts(student_logits_BC: Tensor, teacher_logits_BC: Tensor, labels_B: Tensor) -> GradientParts:
    """Both parts, in at least float32 and without a gradient of their own. `labels_B` are class indices (int64)."""
    difference_BC = at_least_float32(student_logits_BC).softmax(dim=1) - teacher_probabilities(teacher_logits_BC)
    labels_B1 = labels_B[:, None]
    return GradientParts(difference_BC.gather(1, labels_B1)[:, 0], difference_BC.scatter(1, labels_B1, 0.0))
