"""Without options every loss is the paper's, but for rounding: stored generations keep their meaning.

The formulas are written out as they were before there were options.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from bansweep.config.losses import CwtmLoss, KdLabelsLoss, KdLoss, LabelsLoss, LossSpec
from bansweep.losses.builder import LossInputs, build_loss
from bansweep.losses.building_blocks import NetworkOutput, local_batch, portions


def from_teacher(student_BC: Tensor, teacher_BC: Tensor) -> Tensor:
    return -(teacher_BC.softmax(dim=1) * student_BC.log_softmax(dim=1)).sum(dim=1)


def from_labels(student_BC: Tensor, labels_B: Tensor) -> Tensor:
    return cross_entropy(student_BC, labels_B, reduction="none")


def weighted(terms_B: Tensor, weights_B: Tensor) -> Tensor:
    return (weights_B * terms_B).sum() / weights_B.sum()


def even(terms_B: Tensor) -> Tensor:
    return weighted(terms_B, torch.ones_like(terms_B))


def formula(spec: LossSpec, student_BC: Tensor, teacher_BC: Tensor, labels_B: Tensor) -> Tensor:
    match spec.kind:
        case "labels":
            return even(from_labels(student_BC, labels_B))
        case "kd":
            return even(from_teacher(student_BC, teacher_BC))
        case "kd+labels":
            return even(from_teacher(student_BC, teacher_BC) + from_labels(student_BC, labels_B))
        case _:
            return weighted(from_labels(student_BC, labels_B), teacher_BC.softmax(dim=1).amax(dim=1))


@pytest.mark.parametrize("spec", [LabelsLoss(), KdLoss(), KdLabelsLoss(), CwtmLoss()], ids=lambda spec: spec.kind)
@pytest.mark.parametrize("scale", [0.1, 3.0, 50.0])
def test_loss_and_gradient_are_those_of_the_plain_formulas(spec: LossSpec, scale: float) -> None:
    generator = torch.Generator().manual_seed(0)
    student_BC = (scale * torch.randn(128, 100, generator=generator)).requires_grad_()
    teacher_BC = scale * torch.randn(128, 100, generator=generator)
    labels_B = torch.randint(100, (128,), generator=generator)

    expected = formula(spec, student_BC, teacher_BC, labels_B)
    loss = build_loss(spec)(
        LossInputs(NetworkOutput(student_BC), NetworkOutput(teacher_BC), labels_B, batch=local_batch(len(labels_B)))
    )

    (gradient_BC,) = torch.autograd.grad(loss, student_BC)
    (expected_BC,) = torch.autograd.grad(expected, student_BC)
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=0)
    torch.testing.assert_close(gradient_BC, expected_BC, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("spec", [KdLoss(), KdLabelsLoss(), CwtmLoss()], ids=lambda spec: spec.kind)
def test_a_vocabulary_is_gone_through_in_portions(spec: LossSpec) -> None:
    generator = torch.Generator().manual_seed(1)
    student_BC = (4 * torch.randn(70, 9_000, generator=generator)).requires_grad_()
    teacher_BC = 4 * torch.randn(70, 9_000, generator=generator)
    labels_B = torch.randint(9_000, (70,), generator=generator)
    assert len(list(portions(student_BC))) > 2

    expected = formula(spec, student_BC, teacher_BC, labels_B)
    loss = build_loss(spec)(
        LossInputs(NetworkOutput(student_BC), NetworkOutput(teacher_BC), labels_B, batch=local_batch(len(labels_B)))
    )

    (gradient_BC,) = torch.autograd.grad(loss, student_BC)
    (expected_BC,) = torch.autograd.grad(expected, student_BC)
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=0)
    torch.testing.assert_close(gradient_BC, expected_BC, rtol=1e-4, atol=1e-8)
