"""A loss of the user's own: the mean of what the function says of each sample, however many workers share a batch."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from bansweep.config.losses import KdLoss, UserLoss
from bansweep.config.user_code import UserCode
from bansweep.errors import TrainingError
from bansweep.losses.builder import LossInputs, build_loss
from bansweep.losses.building_blocks import GlobalBatch, NetworkOutput, local_batch

CODE = """\
from torch.nn.functional import cross_entropy, log_softmax, softmax

def kd(student, teacher, labels):
    return -(softmax(teacher, 1) * log_softmax(student, 1)).sum(1)

def labels_if_alone(student, teacher, labels):
    assert teacher is None
    return cross_entropy(student, labels, reduction="none")

def mean(student, teacher, labels):
    return cross_entropy(student, labels)

def number(student, teacher, labels):
    return 1.0
"""


def spec(name: str) -> UserLoss:
    return UserLoss(code=UserCode(file="mine.py", name=name, text=CODE))


@pytest.fixture
def batch() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    student, teacher = (torch.randn(6, 4, generator=generator) for _ in range(2))
    return student.requires_grad_(), teacher, torch.randint(0, 4, (6,), generator=generator)


def test_kd_written_by_hand_is_kd(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    student, teacher, labels = batch
    gradients = []
    for loss in (spec("kd"), KdLoss()):
        value = build_loss(loss)(
            LossInputs(NetworkOutput(student), NetworkOutput(teacher), labels, batch=local_batch(len(labels)))
        )
        (gradient,) = torch.autograd.grad(value, student)
        gradients.append((value, gradient))
    torch.testing.assert_close(gradients[0], gradients[1])
    assert spec("kd").permutation_keys is None
    assert not spec("kd").stage_outputs


def test_shares_of_workers_add_up_to_the_whole(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    student, teacher, labels = batch
    loss = build_loss(spec("kd"))
    whole = loss(LossInputs(NetworkOutput(student), NetworkOutput(teacher), labels, batch=local_batch(len(labels))))
    shares = [
        loss(
            LossInputs(
                NetworkOutput(student[part]),
                NetworkOutput(teacher[part]),
                labels[part],
                batch=GlobalBatch(6, lambda _: pytest.fail("the size of the batch is known")),
            )
        )
        for part in (slice(0, 2), slice(2, 6))
    ]
    torch.testing.assert_close(shares[0] + shares[1], whole)


def test_without_a_teacher_it_gets_none(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    student, _, labels = batch
    value = build_loss(spec("labels_if_alone"))(
        LossInputs(NetworkOutput(student), None, labels, batch=local_batch(len(labels)))
    )
    torch.testing.assert_close(value, torch.nn.functional.cross_entropy(student, labels))


def test_low_precision_is_raised_first(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    student, teacher, labels = batch
    value = build_loss(spec("kd"))(
        LossInputs(
            NetworkOutput(student.bfloat16()), NetworkOutput(teacher.bfloat16()), labels, batch=local_batch(len(labels))
        )
    )
    assert value.dtype == torch.float32


@pytest.mark.parametrize(("name", "got"), [("mean", r"shape \(\)"), ("number", "float")])
def test_something_else_than_a_loss_for_each_sample_is_refused(
    name: str, got: str, batch: tuple[Tensor, Tensor, Tensor]
) -> None:
    student, teacher, labels = batch
    with pytest.raises(TrainingError, match=rf"mine\.py: {name} has to return each sample's loss, .*, not {got}"):
        build_loss(spec(name))(
            LossInputs(NetworkOutput(student), NetworkOutput(teacher), labels, batch=local_batch(len(labels)))
        )
