"""The penalty on activations against plain NumPy, and the weight that grows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from bansweep.config.losses import ActivationsLoss
from bansweep.losses.builder import LossInputs, build_loss
from bansweep.losses.building_blocks import NetworkOutput, local_batch
from bansweep.losses.kd import kd_loss
from bansweep.losses.kd_activations import kd_activations_loss, stage_differences

SHAPES = [(4, 2, 6, 6), (4, 3, 3, 3), (4, 5, 2, 1)]
LABELS_B = torch.tensor([0, 1, 2, 0])


def stages(seed: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype) for shape in SHAPES)


def logits(seed: int) -> Tensor:
    return torch.randn(4, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


STUDENT, TEACHER = NetworkOutput(logits(0), stages(1)), NetworkOutput(logits(2), stages(3))


def squares_by_numpy(student: tuple[Tensor, ...], teacher: tuple[Tensor, ...]) -> list[float]:
    """Of each sample: sums over components over their number, then over stages over their number."""
    terms = []
    for s in range(4):
        of_stages = []
        for a_BKHW, c_BKHW in zip(student, teacher, strict=True):
            a, c = a_BKHW[s].numpy().ravel(), c_BKHW[s].numpy().ravel()
            of_stages.append(np.dot(a - c, a - c) / a.size)
        terms.append(float(sum(of_stages)) / len(of_stages))
    return terms


def tensors(
    student: NetworkOutput, teacher: NetworkOutput
) -> tuple[Tensor, Tensor, tuple[Tensor, ...], tuple[Tensor, ...]]:
    return student.logits_BC, teacher.logits_BC, student.stage_outputs, teacher.stage_outputs


def loss_at(progress: float, spec: ActivationsLoss) -> float:
    return build_loss(spec)(
        LossInputs(STUDENT, TEACHER, LABELS_B, batch=local_batch(len(LABELS_B)), progress=progress)
    ).item()


def test_a_term_by_hand() -> None:
    # Sample 0 differs by 1 and 3 in the first stage, by 2 in the second; sample 1 by 4 in one of two, and not at all.
    student = torch.tensor([[[[1.0, 5.0]]], [[[4.0, 0.0]]]]), torch.tensor([[[[2.0]]], [[[1.0]]]])
    teacher = torch.tensor([[[[2.0, 2.0]]], [[[0.0, 0.0]]]]), torch.tensor([[[[0.0]]], [[[1.0]]]])

    assert stage_differences(student, teacher).tolist() == [((1 + 9) / 2 + 4) / 2, (16 / 2 + 0) / 2]


def test_terms_are_those_of_numpy() -> None:
    terms_B = stage_differences(STUDENT.stage_outputs, TEACHER.stage_outputs)

    assert terms_B.tolist() == pytest.approx(squares_by_numpy(STUDENT.stage_outputs, TEACHER.stage_outputs))


def test_the_loss_is_kd_plus_the_weighted_mean_of_the_terms() -> None:
    kd = kd_loss(STUDENT.logits_BC, TEACHER.logits_BC, local_batch(len(LABELS_B))).item()
    squares = squares_by_numpy(STUDENT.stage_outputs, TEACHER.stage_outputs)

    loss = kd_activations_loss(*tensors(STUDENT, TEACHER), local_batch(len(LABELS_B)), weight=0.7)

    assert loss.item() == pytest.approx(kd + 0.7 * sum(squares) / 4)


def test_the_gradient_of_each_component_is_the_formulas() -> None:
    student = tuple(stage.clone().requires_grad_() for stage in STUDENT.stage_outputs)

    kd_activations_loss(
        *tensors(STUDENT._replace(stage_outputs=student), TEACHER), local_batch(len(LABELS_B)), weight=0.7
    ).backward()

    for mine, theirs in zip(student, TEACHER.stage_outputs, strict=True):
        assert mine.grad is not None
        size = mine[0].numel()
        torch.testing.assert_close(mine.grad, 2 * 0.7 * (mine.detach() - theirs) / (4 * 3 * size))


def test_equal_activations_leave_plain_kd() -> None:
    alike = STUDENT._replace(stage_outputs=TEACHER.stage_outputs)

    loss = build_loss(ActivationsLoss(weight=100.0))(
        LossInputs(alike, TEACHER, LABELS_B, batch=local_batch(len(LABELS_B)))
    )

    assert loss.item() == kd_loss(STUDENT.logits_BC, TEACHER.logits_BC, local_batch(len(LABELS_B))).item()


def test_a_constant_weight_is_the_same_all_the_way() -> None:
    constant = ActivationsLoss(weight=2.0)

    assert loss_at(0.0, constant) == loss_at(0.5, constant) == loss_at(1.0, constant)


def test_a_linear_weight_grows_from_nothing_to_all_of_it() -> None:
    linear, constant = ActivationsLoss(weight=2.0, ramp="linear"), ActivationsLoss(weight=2.0)
    kd = kd_loss(STUDENT.logits_BC, TEACHER.logits_BC, local_batch(len(LABELS_B))).item()

    assert loss_at(0.0, linear) == kd
    assert loss_at(0.5, linear) == loss_at(0.5, ActivationsLoss(weight=1.0))
    assert loss_at(1.0, linear) == loss_at(1.0, constant)
    whole = build_loss(linear)(LossInputs(STUDENT, TEACHER, LABELS_B, batch=local_batch(len(LABELS_B))))
    assert whole.item() == loss_at(1.0, linear), "a training of one epoch is at its end"


@pytest.mark.parametrize("progress", [-0.1, 1.1])
def test_progress_outside_of_training_is_refused(progress: float) -> None:
    with pytest.raises(AssertionError, match="between 0 and 1"):
        loss_at(progress, ActivationsLoss(ramp="linear"))


def test_activations_of_half_precision_are_compared_in_float32() -> None:
    student, teacher = stages(1, torch.bfloat16), stages(3, torch.bfloat16)

    terms_B = stage_differences(student, teacher)

    assert terms_B.dtype == torch.float32
    in_float64 = squares_by_numpy(tuple(s.double() for s in student), tuple(t.double() for t in teacher))
    assert terms_B.tolist() == pytest.approx(in_float64, rel=1e-6)


def test_memory_formats_may_differ() -> None:
    channels_last = tuple(stage.to(memory_format=torch.channels_last) for stage in STUDENT.stage_outputs)

    terms_B = stage_differences(channels_last, TEACHER.stage_outputs)

    torch.testing.assert_close(terms_B, stage_differences(STUDENT.stage_outputs, TEACHER.stage_outputs))


def test_stages_that_do_not_match_are_refused_with_both_shapes() -> None:
    # A single channel would otherwise be broadcast.
    single_channel = tuple(stage[:, :1] for stage in TEACHER.stage_outputs)

    with pytest.raises(AssertionError, match=r"student .*\(4, 2, 6, 6\).*, teacher .*\(4, 1, 6, 6\)"):
        stage_differences(STUDENT.stage_outputs, single_channel)
    with pytest.raises(AssertionError, match="do not match"):
        stage_differences(STUDENT.stage_outputs, TEACHER.stage_outputs[:2])


def test_stage_outputs_of_a_teacher_that_would_receive_a_gradient_are_refused() -> None:
    trainable = tuple(stage.clone().requires_grad_() for stage in TEACHER.stage_outputs)

    with pytest.raises(AssertionError, match="teacher"):
        stage_differences(STUDENT.stage_outputs, trainable)
