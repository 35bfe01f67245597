"""Autograd against the paper's gradients (Eqs. 5 to 11), component by component.

Sums over all components would be zero for any distributions, and test nothing. The numbers are those of
`test_values`; losses are means over b = 2 samples, and so are their gradients.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from bansweep.losses.building_blocks import local_batch
from bansweep.losses.cwtm import cwtm_loss
from bansweep.losses.dkpp import dkpp_loss
from bansweep.losses.kd import kd_loss
from bansweep.losses.kd_labels import kd_labels_loss
from bansweep.losses.labels import labels_loss

Q = [[1 / 8, 2 / 8, 5 / 8], [3 / 8, 4 / 8, 1 / 8]]
P = [[0.6, 0.3, 0.1], [0.2, 0.7, 0.1]]
Y = [[0, 0, 1], [0, 1, 0]]
LABELS = [2, 1]
BATCH, CLASSES = 2, 3

TEACHER_BC = torch.tensor([[6.0, 3.0, 1.0], [2.0, 7.0, 1.0]], dtype=torch.float64).log()
LABELS_B = torch.tensor(LABELS)


def gradient(loss: Callable[[Tensor], Tensor]) -> list[list[float]]:
    """dL/dz by autograd, for the student that predicts Q."""
    student_BC = torch.tensor([[1.0, 2.0, 5.0], [3.0, 4.0, 1.0]], dtype=torch.float64).log().requires_grad_()
    loss(student_BC).backward()
    assert student_BC.grad is not None
    return [[float(component) for component in row] for row in student_BC.grad]


def kd_gradient() -> list[list[float]]:
    return gradient(lambda z: kd_loss(z, TEACHER_BC, local_batch(len(z))))


def labels_gradient() -> list[list[float]]:
    return gradient(lambda z: labels_loss(z, LABELS_B, local_batch(len(z))))


def test_equation_5_kd() -> None:
    found = kd_gradient()

    for s in range(BATCH):
        for i in range(CLASSES):
            assert found[s][i] == pytest.approx((Q[s][i] - P[s][i]) / BATCH), (s, i)


def test_equation_6_labels() -> None:
    found = labels_gradient()

    for s in range(BATCH):
        for i in range(CLASSES):
            expected = Q[s][i] - 1 if i == LABELS[s] else Q[s][i]
            assert found[s][i] == pytest.approx(expected / BATCH), (s, i)


def test_equation_7_splits_kd_into_ground_truth_and_dark_knowledge() -> None:
    found = kd_gradient()

    ground_truth = [found[s][LABELS[s]] for s in range(BATCH)]
    dark_knowledge = [[found[s][i] for i in range(CLASSES) if i != LABELS[s]] for s in range(BATCH)]

    assert ground_truth == pytest.approx([(5 / 8 - 0.1) / 2, (4 / 8 - 0.7) / 2])
    assert dark_knowledge[0] == pytest.approx([(1 / 8 - 0.6) / 2, (2 / 8 - 0.3) / 2])
    assert dark_knowledge[1] == pytest.approx([(3 / 8 - 0.2) / 2, (1 / 8 - 0.1) / 2])


def test_equation_8_the_teacher_rescales_the_label() -> None:
    found, from_labels = kd_gradient(), labels_gradient()

    for s, label in enumerate(LABELS):
        assert found[s][label] == pytest.approx((Q[s][label] - P[s][label] * Y[s][label]) / BATCH)
        # The label's own gradient has q - y there: the teacher takes the y down to p y.
        assert found[s][label] - from_labels[s][label] == pytest.approx((1 - P[s][label]) / BATCH)


def test_equation_9_importance_weights_by_the_teachers_probability_of_the_label() -> None:
    found = gradient(lambda z: cwtm_loss(z, TEACHER_BC, LABELS_B, local_batch(len(z)), confidence="label"))

    for s, weight in enumerate([0.1 / 0.8, 0.7 / 0.8]):
        for i in range(CLASSES):
            assert found[s][i] == pytest.approx(weight * (Q[s][i] - Y[s][i])), (s, i)


def test_equation_10_cwtm() -> None:
    found = gradient(lambda z: cwtm_loss(z, TEACHER_BC, LABELS_B, local_batch(len(z))))

    # Sample 0: the teacher is sure of class 0, which is not the label; its confidence counts all the same.
    for s, weight in enumerate([0.6 / 1.3, 0.7 / 1.3]):
        for i in range(CLASSES):
            assert found[s][i] == pytest.approx(weight * (Q[s][i] - Y[s][i])), (s, i)


def test_equation_11_dkpp() -> None:
    keys_BC = torch.tensor([[0.0, 0.9, 0.2], [0.8, 0.0, 0.3]])
    permuted = [[0.6, 0.1, 0.3], [0.1, 0.7, 0.2]]

    found = gradient(lambda z: dkpp_loss(z, TEACHER_BC, keys_BC, local_batch(len(z))))

    for s in range(BATCH):
        for i in range(CLASSES):
            assert found[s][i] == pytest.approx((Q[s][i] - permuted[s][i]) / BATCH), (s, i)


def test_kd_with_labels_adds_both_gradients() -> None:
    found = gradient(lambda z: kd_labels_loss(z, TEACHER_BC, LABELS_B, local_batch(len(z))))

    for s in range(BATCH):
        for i in range(CLASSES):
            assert found[s][i] == pytest.approx((2 * Q[s][i] - P[s][i] - Y[s][i]) / BATCH), (s, i)


def test_a_temperature_softens_both_distributions_and_keeps_the_size_of_gradients() -> None:
    # At T = 1/2 probabilities are proportional to the squares: 1 4 25 | 9 16 1 and 36 9 1 | 4 49 1.
    q = [[1 / 30, 4 / 30, 25 / 30], [9 / 26, 16 / 26, 1 / 26]]
    p = [[36 / 46, 9 / 46, 1 / 46], [4 / 54, 49 / 54, 1 / 54]]

    found = gradient(lambda z: kd_loss(z, TEACHER_BC, local_batch(len(z)), temperature=0.5))

    for s in range(BATCH):
        for i in range(CLASSES):
            assert found[s][i] == pytest.approx(0.5 * (q[s][i] - p[s][i]) / BATCH), (s, i)


def test_mixing_averages_the_softened_gradient_and_that_of_the_labels() -> None:
    q = [[1 / 30, 4 / 30, 25 / 30], [9 / 26, 16 / 26, 1 / 26]]
    p = [[36 / 46, 9 / 46, 1 / 46], [4 / 54, 49 / 54, 1 / 54]]

    found = gradient(
        lambda z: kd_labels_loss(z, TEACHER_BC, LABELS_B, local_batch(len(z)), temperature=0.5, mixing=0.9)
    )

    for s in range(BATCH):
        for i in range(CLASSES):
            expected = 0.9 * 0.5 * (q[s][i] - p[s][i]) + 0.1 * (Q[s][i] - Y[s][i])
            assert found[s][i] == pytest.approx(expected / BATCH), (s, i)


def test_smoothing_moves_the_target_towards_the_uniform_distribution() -> None:
    found = gradient(lambda z: labels_loss(z, LABELS_B, local_batch(len(z)), smoothing=0.3))

    for s in range(BATCH):
        for i in range(CLASSES):
            assert found[s][i] == pytest.approx((Q[s][i] - (0.7 * Y[s][i] + 0.1)) / BATCH), (s, i)
