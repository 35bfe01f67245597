"""The two parts of KD's gradient, against autograd and by hand."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from bansweep.losses.building_blocks import local_batch
from bansweep.losses.kd import kd_loss
from bansweep.losses.labels import labels_loss
from bansweep.training.kd_gradient import kd_gradient_parts


def random_batch(samples: int, classes: int, scale: float, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Student's logits, teacher's logits, labels."""
    generator = torch.Generator().manual_seed(seed)
    student_BC = scale * torch.randn(samples, classes, generator=generator, dtype=torch.float64)
    teacher_BC = scale * torch.randn(samples, classes, generator=generator, dtype=torch.float64)
    return student_BC, teacher_BC, torch.randint(classes, (samples,), generator=generator)


def test_parts_by_hand() -> None:
    student_BC = torch.tensor([[1.0, 2.0, 5.0], [3.0, 4.0, 1.0]]).log()
    teacher_BC = torch.tensor([[6.0, 3.0, 1.0], [2.0, 7.0, 1.0]]).log()

    parts = kd_gradient_parts(student_BC, teacher_BC, torch.tensor([2, 1]))

    assert parts.ground_truth_B.tolist() == pytest.approx([5 / 8 - 0.1, 4 / 8 - 0.7])
    assert parts.dark_knowledge_BC[0].tolist() == pytest.approx([1 / 8 - 0.6, 2 / 8 - 0.3, 0.0])
    assert parts.dark_knowledge_BC[1].tolist() == pytest.approx([3 / 8 - 0.2, 0.0, 1 / 8 - 0.1])


@settings(deadline=None, max_examples=40)
@given(samples=st.integers(1, 6), classes=st.integers(2, 8), scale=st.floats(0.01, 20.0), seed=st.integers(0, 2**31))
def test_parts_are_the_gradient_that_autograd_finds(samples: int, classes: int, scale: float, seed: int) -> None:
    student_BC, teacher_BC, labels_B = random_batch(samples, classes, scale, seed)
    student_BC.requires_grad_()
    (gradient_BC,) = torch.autograd.grad(
        samples * kd_loss(student_BC, teacher_BC, local_batch(len(student_BC))), student_BC
    )

    ground_truth_B, dark_knowledge_BC = kd_gradient_parts(student_BC, teacher_BC, labels_B)

    for s, label in enumerate(labels_B.tolist()):
        for i in range(classes):
            found = ground_truth_B[s] if i == label else dark_knowledge_BC[s, i]
            assert found.item() == pytest.approx(gradient_BC[s, i].item(), abs=1e-12), (s, i)
        assert dark_knowledge_BC[s, label].item() == 0.0


@settings(deadline=None, max_examples=40)
@given(samples=st.integers(1, 6), classes=st.integers(2, 8), scale=st.floats(0.01, 20.0), seed=st.integers(0, 2**31))
def test_parts_sum_to_zero_within_each_sample(samples: int, classes: int, scale: float, seed: int) -> None:
    parts = kd_gradient_parts(*random_batch(samples, classes, scale, seed))

    assert parts.dark_knowledge_BC.sum(dim=1).tolist() == pytest.approx((-parts.ground_truth_B).tolist(), abs=1e-12)
    # The sum of magnitudes is none of these trivial numbers: it is what tells samples apart.
    assert (parts.dark_knowledge_BC.abs().sum(dim=1) >= parts.ground_truth_B.abs() - 1e-12).all()


def test_equation_8_the_ground_truth_part_is_the_labels_gradient_with_a_rescaled_label() -> None:
    student_BC, teacher_BC, labels_B = random_batch(5, 4, 2.0, seed=0)
    student_BC.requires_grad_()
    (gradient_BC,) = torch.autograd.grad(
        5 * labels_loss(student_BC, labels_B, local_batch(len(student_BC))), student_BC
    )
    rows = torch.arange(5)
    of_label_B = teacher_BC.softmax(dim=1)[rows, labels_B]

    parts = kd_gradient_parts(student_BC, teacher_BC, labels_B)

    # q - y at the label, with y = 1 taken down to p.
    torch.testing.assert_close(parts.ground_truth_B, gradient_BC[rows, labels_B] + 1 - of_label_B)


def test_a_student_that_equals_its_teacher_has_nothing_left_to_learn() -> None:
    _, teacher_BC, labels_B = random_batch(5, 4, 2.0, seed=0)

    parts = kd_gradient_parts(teacher_BC.clone(), teacher_BC, labels_B)

    assert not parts.ground_truth_B.any()
    assert not parts.dark_knowledge_BC.any()


def test_parts_carry_no_gradient_and_leave_their_input_alone() -> None:
    student_BC, teacher_BC, labels_B = random_batch(3, 4, 2.0, seed=0)
    student_BC.requires_grad_()
    copies = student_BC.detach().clone(), teacher_BC.clone()

    parts = kd_gradient_parts(student_BC, teacher_BC, labels_B)

    assert not any(part.requires_grad for part in parts)
    assert torch.equal(student_BC, copies[0])
    assert torch.equal(teacher_BC, copies[1])


def test_logits_of_half_precision_give_parts_in_float32() -> None:
    student_BC, teacher_BC, labels_B = random_batch(3, 4, 2.0, seed=0)
    half = student_BC.bfloat16(), teacher_BC.bfloat16()

    parts = kd_gradient_parts(*half, labels_B)

    assert all(part.dtype == torch.float32 for part in parts)
    expected = kd_gradient_parts(half[0].float(), half[1].float(), labels_B)
    assert all(torch.equal(part, other) for part, other in zip(parts, expected, strict=True))
