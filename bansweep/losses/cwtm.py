"""CWTM, confidence weighted by teacher max: label cross-entropy, weighted by how sure the teacher is (Eq. 10).

    L = -sum_s w_s log q_*,s    with    w_s = max_i p_i,s / sum_u max_i p_i,u        dL/dz_i,s = w_s (q_i,s - y_i,s)

The weights sum to one over the global batch, so the sum is not divided by b again. Of the teacher's output only the
largest probability matters, whether or not it is the label's.

CWTM stands in for importance weighting by the teacher's probability of the right class (Eq. 9), which is computed on
request: w_s = p_*,s / sum_u p_*,u. The two are the same in a batch whose labels the teacher gets right.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from bansweep.config.losses import CwtmLoss
from bansweep.losses.builder import DistillationLoss, LossInputs, builds
from bansweep.losses.building_blocks import GlobalBatch, portions, teacher_probabilities, weighted_mean
from bansweep.losses.labels import label_cross_entropies

_LEAST_OF_LABEL = 1e-30
"""A teacher may be certain and wrong in every sample of a small batch, where weights of zero would make 0/0."""


def cwtm_loss(
    student_logits_BC: Tensor,
    teacher_logits_BC: Tensor,
    labels_B: Tensor,
    batch: GlobalBatch,
    *,
    confidence: Literal["max", "label"] = "max",
) -> Tensor:
    """This worker's share of the label cross-entropy weighted by the teacher's confidence, a scalar.

    `confidence` is the teacher's largest probability (`max`, Eq. 10), or its probability of the label's class (`label`,
    Eq. 9).
    """
    confidence_B = torch.cat(
        [
            _confidence(teacher_probabilities(teacher_logits_BC[samples]), labels_B[samples], confidence)
            for samples in portions(teacher_logits_BC)
        ]
    )
    return weighted_mean(label_cross_entropies(student_logits_BC, labels_B), confidence_B, batch)


def _confidence(probabilities_bC: Tensor, labels_b: Tensor, kind: Literal["max", "label"]) -> Tensor:
    if kind == "max":
        return probabilities_bC.amax(dim=1)
    return probabilities_bC.gather(1, labels_b[:, None])[:, 0].clamp(min=_LEAST_OF_LABEL)


@builds(CwtmLoss)
def _build_cwtm(spec: CwtmLoss) -> DistillationLoss:
    def loss(of: LossInputs) -> Tensor:
        logits_BC, teacher_logits_BC = of.student.logits_BC, of.given_teacher.logits_BC
        return cwtm_loss(logits_BC, teacher_logits_BC, of.labels_B, of.batch, confidence=spec.confidence)

    return loss
