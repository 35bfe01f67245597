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

from bansweep.losses.building_blocks import local_batch
from bansweep.losses.cwtm import cwtm_loss
from bansweep.losses.dkpp import dkpp_loss
from bansweep.losses.kd import kd_loss
from bansweep.losses.kd_labels import kd_labels_loss
from bansweep.losses.labels import labels_loss

STUDENT_BC = torch.tensor([[1.0, 2.0, 5.0], [3.0, 4.0, 1.0]], dtype=torch.float64).log()
TEACHER_BC = torch.tensor([[6.0, 3.0, 1.0], [2.0, 7.0, 1.0]], dtype=torch.float64).log() + 4.0
LABELS_B = torch.tensor([2, 1])

LABELS_0 = -log(5 / 8)
LABELS_1 = -log(4 / 8)
KD_0 = -(0.6 * log(1 / 8) + 0.3 * log(2 / 8) + 0.1 * log(5 / 8))
KD_1 = -(0.2 * log(3 / 8) + 0.7 * log(4 / 8) + 0.1 * log(1 / 8))


def test_labels() -> None:
    loss = labels_loss(STUDENT_BC, LABELS_B, local_batch(len(STUDENT_BC)))

    assert loss.item() == pytest.approx((LABELS_0 + LABELS_1) / 2)


def test_kd_is_a_cross_entropy_summed_over_classes() -> None:
    loss = kd_loss(STUDENT_BC, TEACHER_BC, local_batch(len(STUDENT_BC)))

    assert loss.item() == pytest.approx((KD_0 + KD_1) / 2)


def test_kd_exceeds_the_kl_divergence_by_the_teachers_entropy() -> None:
    entropy_0 = -(0.6 * log(0.6) + 0.3 * log(0.3) + 0.1 * log(0.1))
    entropy_1 = -(0.2 * log(0.2) + 0.7 * log(0.7) + 0.1 * log(0.1))
    kl = torch.nn.functional.kl_div(
        STUDENT_BC.log_softmax(dim=1), TEACHER_BC.softmax(dim=1), reduction="batchmean"
    ).item()

    loss = kd_loss(STUDENT_BC, TEACHER_BC, local_batch(len(STUDENT_BC)))

    assert loss.item() == pytest.approx(kl + (entropy_0 + entropy_1) / 2)


def test_kd_with_labels_is_the_sum_of_both() -> None:
    loss = kd_labels_loss(STUDENT_BC, TEACHER_BC, LABELS_B, local_batch(len(STUDENT_BC)))

    assert loss.item() == pytest.approx((KD_0 + KD_1 + LABELS_0 + LABELS_1) / 2)


def test_cwtm_weighs_labels_by_the_teachers_largest_probability_and_divides_by_the_batch_once() -> None:
    loss = cwtm_loss(STUDENT_BC, TEACHER_BC, LABELS_B, local_batch(len(STUDENT_BC)))

    assert loss.item() == pytest.approx((0.6 * LABELS_0 + 0.7 * LABELS_1) / (0.6 + 0.7))


def test_dkpp_swaps_the_dark_probabilities_as_the_keys_say() -> None:
    # Sample 0 keeps .6 in class 0 and swaps the others; sample 1 keeps .7 in class 1, and its keys are in order.
    keys_BC = torch.tensor([[0.0, 0.9, 0.2], [0.3, 0.0, 0.8]])
    swapped_0 = -(0.6 * log(1 / 8) + 0.1 * log(2 / 8) + 0.3 * log(5 / 8))

    loss = dkpp_loss(STUDENT_BC, TEACHER_BC, keys_BC, local_batch(len(STUDENT_BC)))

    assert loss.item() == pytest.approx((swapped_0 + KD_1) / 2)


def test_smoothing_deals_a_part_of_the_label_out_to_all_classes_alike() -> None:
    # 1 - .3 + .3/3 = .8 at the label, .3/3 = .1 elsewhere.
    smoothed_0 = -(0.1 * log(1 / 8) + 0.1 * log(2 / 8) + 0.8 * log(5 / 8))
    smoothed_1 = -(0.1 * log(3 / 8) + 0.8 * log(4 / 8) + 0.1 * log(1 / 8))

    loss = labels_loss(STUDENT_BC, LABELS_B, local_batch(len(STUDENT_BC)), smoothing=0.3)

    assert loss.item() == pytest.approx((smoothed_0 + smoothed_1) / 2)


def test_a_temperature_of_a_half_squares_the_odds_and_quarters_the_loss() -> None:
    softened_0 = -(36 / 46 * log(1 / 30) + 9 / 46 * log(4 / 30) + 1 / 46 * log(25 / 30))
    softened_1 = -(4 / 54 * log(9 / 26) + 49 / 54 * log(16 / 26) + 1 / 54 * log(1 / 26))

    loss = kd_loss(STUDENT_BC, TEACHER_BC, local_batch(len(STUDENT_BC)), temperature=0.5)

    assert loss.item() == pytest.approx((softened_0 + softened_1) / 2 / 4)


def test_mixing_averages_instead_of_adding() -> None:
    loss = kd_labels_loss(STUDENT_BC, TEACHER_BC, LABELS_B, local_batch(len(STUDENT_BC)), mixing=0.9)

    assert loss.item() == pytest.approx((0.9 * (KD_0 + KD_1) + 0.1 * (LABELS_0 + LABELS_1)) / 2)


def test_the_temperature_leaves_the_labels_part_alone() -> None:
    softened = kd_loss(STUDENT_BC, TEACHER_BC, local_batch(len(STUDENT_BC)), temperature=4.0).item()

    loss = kd_labels_loss(STUDENT_BC, TEACHER_BC, LABELS_B, local_batch(len(STUDENT_BC)), temperature=4.0)

    assert loss.item() == pytest.approx(softened + (LABELS_0 + LABELS_1) / 2)


def test_importance_weights_are_the_teachers_probabilities_of_the_labels() -> None:
    # Of sample 0 the teacher thinks least of the label.
    loss = cwtm_loss(STUDENT_BC, TEACHER_BC, LABELS_B, local_batch(len(STUDENT_BC)), confidence="label")

    assert loss.item() == pytest.approx((0.1 * LABELS_0 + 0.7 * LABELS_1) / (0.1 + 0.7))


def test_importance_weights_stay_finite_where_the_teacher_is_certain_and_wrong() -> None:
    certain_BC = 1e4 * torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    student_BC = STUDENT_BC.float().requires_grad_()

    loss = cwtm_loss(student_BC, certain_BC, LABELS_B, local_batch(len(student_BC)), confidence="label")
    loss.backward()

    # It has no preference among the samples, so that both weigh the same.
    assert loss.item() == pytest.approx((LABELS_0 + LABELS_1) / 2)
    assert student_BC.grad is not None
    assert student_BC.grad[0].tolist() == pytest.approx([1 / 16, 2 / 16, -3 / 16])
