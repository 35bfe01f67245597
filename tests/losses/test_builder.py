"""What holds for every loss: shares, precision, derivatives, and what a teacher must not receive."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from bansweep.losses.builder import DistillationLoss, build_loss, needs_keys
from bansweep.losses.weighted_mean import local_batch
from bansweep.spec.losses import CwtmLoss, DkppLoss, KdLabelsLoss, KdLoss, LabelsLoss, LossSpec, needs_teacher

SPECS: list[LossSpec] = [LabelsLoss(), KdLoss(), KdLabelsLoss(), CwtmLoss(), DkppLoss(), DkppLoss(permutation="fixed")]
every_loss = pytest.mark.parametrize("spec", SPECS, ids=str)
every_distillation_loss = pytest.mark.parametrize("spec", [s for s in SPECS if needs_teacher(s)], ids=str)

BATCH, CLASSES = 8, 5


def batch(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Student's logits, teacher's logits, labels, keys."""
    generator = torch.Generator().manual_seed(0)
    student_BC = (2 * torch.randn(BATCH, CLASSES, generator=generator)).to(dtype)
    teacher_BC = (2 * torch.randn(BATCH, CLASSES, generator=generator)).to(dtype)
    labels_B = torch.randint(CLASSES, (BATCH,), generator=generator)
    return student_BC, teacher_BC, labels_B, torch.rand(BATCH, CLASSES, generator=generator)


def share_and_gradient(
    loss: DistillationLoss, samples: slice, weight_of_batch: Tensor | None = None
) -> tuple[float, Tensor, Tensor]:
    """One worker's share, its gradient, and what it asked `batch_sum` to add up."""
    student_BC, teacher_BC, labels_B, keys_BC = batch()
    mine_BC = student_BC[samples].clone().requires_grad_()
    own_weights: list[Tensor] = []

    def batch_sum(own: Tensor) -> Tensor:
        own_weights.append(own)
        return own if weight_of_batch is None else weight_of_batch

    share = loss(mine_BC, teacher_BC[samples], labels_B[samples], batch_sum=batch_sum, keys_BC=keys_BC[samples])
    share.backward()
    assert mine_BC.grad is not None
    (own_weight,) = own_weights
    assert own_weight.ndim == 0
    assert not own_weight.requires_grad
    return share.item(), mine_BC.grad, own_weight


@every_loss
@pytest.mark.parametrize("cut", [3, 8], ids=["unequal shards", "a worker without samples"])
def test_shares_of_two_workers_add_up_to_the_loss_of_the_whole_batch(spec: LossSpec, cut: int) -> None:
    loss = build_loss(spec)
    whole, whole_gradient_BC, _ = share_and_gradient(loss, slice(None))
    shards = [slice(0, cut), slice(cut, BATCH)]
    weight_of_batch = torch.stack([share_and_gradient(loss, shard)[2] for shard in shards]).sum()

    shares = [share_and_gradient(loss, shard, weight_of_batch) for shard in shards]

    assert sum(share for share, _, _ in shares) == pytest.approx(whole)
    torch.testing.assert_close(torch.cat([gradient_BC for _, gradient_BC, _ in shares]), whole_gradient_BC)


@every_loss
def test_derivatives_agree_with_finite_differences(spec: LossSpec) -> None:
    student_BC, teacher_BC, labels_B, keys_BC = batch()
    loss = build_loss(spec)

    assert torch.autograd.gradcheck(
        lambda z_BC: loss(z_BC, teacher_BC, labels_B, batch_sum=local_batch, keys_BC=keys_BC),
        (student_BC.requires_grad_(),),
    )


@every_loss
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_logits_of_half_precision_are_computed_with_in_float32(spec: LossSpec, dtype: torch.dtype) -> None:
    student_BC, teacher_BC, labels_B, keys_BC = batch(dtype)
    loss = build_loss(spec)

    half = loss(student_BC, teacher_BC, labels_B, batch_sum=local_batch, keys_BC=keys_BC)
    full = loss(student_BC.float(), teacher_BC.float(), labels_B, batch_sum=local_batch, keys_BC=keys_BC)
    with torch.autocast("cpu", torch.bfloat16):
        autocast = loss(student_BC, teacher_BC, labels_B, batch_sum=local_batch, keys_BC=keys_BC)

    assert half.shape == ()
    assert half.dtype == autocast.dtype == torch.float32
    assert half.item() == full.item() == autocast.item()


@every_loss
def test_adding_a_constant_to_a_samples_logits_changes_nothing(spec: LossSpec) -> None:
    student_BC, teacher_BC, labels_B, keys_BC = batch()
    shift_B1 = torch.linspace(-300.0, 300.0, BATCH, dtype=torch.float64)[:, None]
    loss = build_loss(spec)

    plain = loss(student_BC, teacher_BC, labels_B, batch_sum=local_batch, keys_BC=keys_BC)
    shifted = loss(student_BC + shift_B1, teacher_BC - shift_B1, labels_B, batch_sum=local_batch, keys_BC=keys_BC)

    assert shifted.item() == pytest.approx(plain.item())


@every_loss
def test_logits_of_any_size_give_a_finite_loss(spec: LossSpec) -> None:
    student_BC, teacher_BC, labels_B, keys_BC = batch(torch.float32)

    loss = build_loss(spec)(1e4 * student_BC, 1e4 * teacher_BC, labels_B, batch_sum=local_batch, keys_BC=keys_BC)

    assert loss.isfinite()


@every_distillation_loss
def test_a_teacher_that_would_receive_a_gradient_is_refused(spec: LossSpec) -> None:
    student_BC, teacher_BC, labels_B, keys_BC = batch()

    with pytest.raises(AssertionError, match="teacher"):
        build_loss(spec)(student_BC, teacher_BC.requires_grad_(), labels_B, batch_sum=local_batch, keys_BC=keys_BC)


@every_distillation_loss
def test_a_teacher_recorded_in_inference_mode_teaches(spec: LossSpec) -> None:
    student_BC, teacher_BC, labels_B, keys_BC = batch()
    with torch.inference_mode():
        recorded_BC = teacher_BC + 0
    student_BC.requires_grad_()

    build_loss(spec)(student_BC, recorded_BC, labels_B, batch_sum=local_batch, keys_BC=keys_BC).backward()

    assert student_BC.grad is not None
    assert student_BC.grad.any()


@every_distillation_loss
def test_a_missing_teacher_is_refused(spec: LossSpec) -> None:
    student_BC, _, labels_B, keys_BC = batch()

    with pytest.raises(AssertionError, match="needs a teacher"):
        build_loss(spec)(student_BC, None, labels_B, batch_sum=local_batch, keys_BC=keys_BC)


def test_labels_need_no_teacher() -> None:
    student_BC, teacher_BC, labels_B, _ = batch()
    loss = build_loss(LabelsLoss())

    alone = loss(student_BC, None, labels_B, batch_sum=local_batch)

    assert alone.item() == loss(student_BC, teacher_BC, labels_B, batch_sum=local_batch).item()


@every_loss
def test_keys_are_needed_by_those_losses_that_say_so(spec: LossSpec) -> None:
    student_BC, teacher_BC, labels_B, _ = batch()

    def loss_without_keys() -> Tensor:
        return build_loss(spec)(student_BC, teacher_BC, labels_B, batch_sum=local_batch)

    if needs_keys(spec):
        with pytest.raises(AssertionError, match="keys"):
            loss_without_keys()
    else:
        assert loss_without_keys().isfinite()
