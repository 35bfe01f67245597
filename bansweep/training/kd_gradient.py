"""Measurements of section 3.2 while a student learns: the two parts of the KD gradient (Eqs. 7 and 8).

Also measured are the teacher's confidence, and how often student and teacher agree.

With p and q the teacher's and the student's distribution at temperature 1, and `*` the label's class, b times the
gradient of KD with respect to the student's logits splits, in each sample, into

    ground truth    q_* - p_*                   (first part of Eq. 7)
    dark knowledge  q_i - p_i  for i != *       (second part)

Both distributions sum to one, so the two parts sum to zero within each sample, and their signed means mirror each
other. Sizes (absolute value and L2 norm) are therefore taken per sample before averaging.

The first part is also q_* - p_* y_*, with y_* = 1 (Eq. 8): the gradient of the cross-entropy with the label, q_* - y_*,
with the label rescaled by the teacher's probability. The less confident the teacher, the smaller the pull of the label.

All figures are of the KD gradient at temperature 1, whatever loss the student learns from. They cover the training
views of an epoch, each with the student's weights in its step.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from bansweep.losses.building_blocks import at_least_float32, teacher_probabilities
from bansweep.training.workers import Workers

QUANTILES = (5, 25, 50, 75, 95)
# A histogram, unlike the values themselves, adds up over workers. Quantiles are exact to a bin.
_BINS = 1000
_SUMS = 7


class GradientParts(NamedTuple):
    """The parts of b dL/dz of KD, in probabilities. With the first added at the label they are the whole gradient.

    `ground_truth_B`: q_* - p_* of each sample. `dark_knowledge_BC`: q_i - p_i, and 0 at the label. Both lie in [-1, 1].
    """

    ground_truth_B: Tensor
    dark_knowledge_BC: Tensor


@torch.no_grad()
def kd_gradient_parts(student_logits_BC: Tensor, teacher_logits_BC: Tensor, labels_B: Tensor) -> GradientParts:
    """Both parts, in at least float32 and detached from autograd. `labels_B` are class indices (int64)."""
    difference_BC = at_least_float32(student_logits_BC).softmax(dim=1) - teacher_probabilities(teacher_logits_BC)
    labels_B1 = labels_B[:, None]
    return GradientParts(difference_BC.gather(1, labels_B1)[:, 0], difference_BC.scatter(1, labels_B1, 0.0))


class Diagnostics:
    """Sums over an epoch, held on the device until the epoch ends."""

    def __init__(self, workers: Workers, device: torch.device) -> None:
        self._workers = workers
        # Sums and histogram in one tensor: one sum over workers, and one wait for a GPU, an epoch.
        self._totals = torch.zeros(_SUMS + _BINS, dtype=torch.float64, device=device)

    @torch.no_grad()
    def observe(self, student_logits_BC: Tensor, teacher_logits_BC: Tensor, labels_B: Tensor) -> None:
        """Add this worker's share of a batch."""
        student_logits_BC = student_logits_BC.detach()
        parts = kd_gradient_parts(student_logits_BC, teacher_logits_BC, labels_B)
        confidence_B = teacher_probabilities(teacher_logits_BC).amax(dim=1)
        agreed_B = student_logits_BC.argmax(dim=1) == teacher_logits_BC.argmax(dim=1)
        of_sample_7B = torch.stack(
            [
                torch.ones_like(confidence_B),
                parts.ground_truth_B,
                parts.dark_knowledge_BC.sum(dim=1),
                parts.ground_truth_B.abs(),
                parts.dark_knowledge_BC.norm(dim=1),
                confidence_B,
                agreed_B.to(confidence_B.dtype),
            ]
        )
        sums, confidences = self._totals.split([_SUMS, _BINS])
        sums += of_sample_7B.double().sum(dim=1)
        bins_B = (confidence_B * _BINS).long().clamp_(0, _BINS - 1)  # of NaN, too
        # Not bincount: it makes the host wait for a GPU.
        confidences.scatter_add_(0, bins_B, torch.ones_like(bins_B, dtype=confidences.dtype))

    def take(self) -> dict[str, float]:
        """The epoch's figures over all workers, the same on each, and reset. Empty where nothing was observed.

        `kd_gradient_*` are means over samples: signed, and `_size` the absolute value of the ground-truth part and the
        L2 norm of the dark-knowledge part; `teacher_confidence_*` are of the teacher's largest probability;
        `train_agreement` is in percent.
        """
        totals, histogram = self._workers.sum(self._totals).cpu().split([_SUMS, _BINS])
        count, *sums = totals.tolist()
        self._totals = torch.zeros_like(self._totals)
        if not count:
            return {}
        names = (
            "kd_gradient_ground_truth",
            "kd_gradient_dark_knowledge",
            "kd_gradient_ground_truth_size",
            "kd_gradient_dark_knowledge_size",
            "teacher_confidence_mean",
        )
        means = [total / count for total in sums]
        return {
            **dict(zip(names, means, strict=False)),
            **{f"teacher_confidence_p{percent:02}": _quantile(histogram, percent) for percent in QUANTILES},
            "train_agreement": 100 * means[-1],
        }


def share_in_percent(holds_N: Tensor) -> float:
    """The share of N samples that are True, in percent."""
    return 100.0 * holds_N.double().mean().item()


def _quantile(histogram: Tensor, percent: int) -> float:
    """The middle of the bin in which the quantile lies."""
    below = histogram.cumsum(0)
    position = int(torch.searchsorted(below, below[-1] * percent / 100))
    return (min(position, _BINS - 1) + 0.5) / _BINS
