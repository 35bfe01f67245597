"""Each loss against numbers worked out by hand, for distributions whose probabilities are round.

Logits are logarithms of integers, so that softmax gives these integers over their sum:

    sample      student q       teacher p       label
    0           1/8 2/8 5/8     .6  .3  .1      2
    1           3/8 4/8 1/8     .2  .7  .1      1
"""

from __future__ import annotations

from math import log

import pytest
import torch

from bansweep.losses.cwtm import cwtm_loss
from bansweep.losses.dkpp import dkpp_loss
from bansweep.losses.kd import kd_loss
from bansweep.losses.kd_labels import kd_labels_loss
from bansweep.losses.labels import labels_loss
from bansweep.losses.weighted_mean import local_batch

STUDENT_BC = torch.tensor([[1.0, 2.0, 5.0], [3.0, 4.0, 1.0]], dtype=torch.float64).log()
TEACHER_BC = torch.tensor([[6.0, 3.0, 1.0], [2.0, 7.0, 1.0]], dtype=torch.float64).log() + 4.0
LABELS_B = torch.tensor([2, 1])

LABELS_0 = -log(5 / 8)
LABELS_1 = -log(4 / 8)
KD_0 = -(0.6 * log(1 / 8) + 0.3 * log(2 / 8) + 0.1 * log(5 / 8))
KD_1 = -(0.2 * log(3 / 8) + 0.7 * log(4 / 8) + 0.1 * log(1 / 8))


def test_labels() -> None:
    loss = labels_loss(STUDENT_BC, LABELS_B, local_batch)

    assert loss.item() == pytest.approx((LABELS_0 + LABELS_1) / 2)


def test_kd_is_a_cross_entropy_summed_over_classes() -> None:
    loss = kd_loss(STUDENT_BC, TEACHER_BC, local_batch)

    assert loss.item() == pytest.approx((KD_0 + KD_1) / 2)


def test_kd_exceeds_the_kl_divergence_by_the_teachers_entropy() -> None:
    entropy_0 = -(0.6 * log(0.6) + 0.3 * log(0.3) + 0.1 * log(0.1))
    entropy_1 = -(0.2 * log(0.2) + 0.7 * log(0.7) + 0.1 * log(0.1))
    kl = torch.nn.functional.kl_div(
        STUDENT_BC.log_softmax(dim=1), TEACHER_BC.softmax(dim=1), reduction="batchmean"
    ).item()

    loss = kd_loss(STUDENT_BC, TEACHER_BC, local_batch)

    assert loss.item() == pytest.approx(kl + (entropy_0 + entropy_1) / 2)


def test_kd_with_labels_is_the_sum_of_both() -> None:
    loss = kd_labels_loss(STUDENT_BC, TEACHER_BC, LABELS_B, local_batch)

    assert loss.item() == pytest.approx((KD_0 + KD_1 + LABELS_0 + LABELS_1) / 2)


def test_cwtm_weighs_labels_by_the_teachers_largest_probability_and_divides_by_the_batch_once() -> None:
    loss = cwtm_loss(STUDENT_BC, TEACHER_BC, LABELS_B, local_batch)

    assert loss.item() == pytest.approx((0.6 * LABELS_0 + 0.7 * LABELS_1) / (0.6 + 0.7))


def test_dkpp_swaps_the_dark_probabilities_as_the_keys_say() -> None:
    # Sample 0 keeps .6 in class 0 and swaps the others; sample 1 keeps .7 in class 1, and its keys are in order.
    keys_BC = torch.tensor([[0.0, 0.9, 0.2], [0.3, 0.0, 0.8]])
    swapped_0 = -(0.6 * log(1 / 8) + 0.1 * log(2 / 8) + 0.3 * log(5 / 8))

    loss = dkpp_loss(STUDENT_BC, TEACHER_BC, keys_BC, local_batch)

    assert loss.item() == pytest.approx((swapped_0 + KD_1) / 2)
