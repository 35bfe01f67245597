"""What holds for every loss: shares, precision, derivatives, and what a teacher must not receive."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from bansweep.config.losses import (
    LOSSES,
    ActivationsLoss,
    CwtmLoss,
    DkppLoss,
    KdLabelsLoss,
    KdLoss,
    LabelsLoss,
    Loss,
    LossSpec,
    UserLoss,
)
from bansweep.losses.builder import DistillationLoss, LossInputs, build_loss
from bansweep.losses.building_blocks import GlobalBatch, NetworkOutput, local_batch
from bansweep.losses.cwtm import cwtm_loss
from bansweep.losses.kd import kd_loss
from bansweep.losses.kd_activations import kd_activations_loss
from bansweep.losses.kd_labels import kd_labels_loss
from bansweep.losses.labels import labels_loss

SPECS: list[LossSpec] = [
    LabelsLoss(),
    LabelsLoss(smoothing=0.1),
    KdLoss(),
    KdLoss(temperature=4.0),
    KdLabelsLoss(),
    KdLabelsLoss(temperature=4.0, mixing=0.9),
    CwtmLoss(),
    CwtmLoss(confidence="label"),
    DkppLoss(),
    DkppLoss(permutation="fixed"),
    ActivationsLoss(weight=0.5),
    ActivationsLoss(ramp="linear"),
]
every_loss = pytest.mark.parametrize("spec", SPECS, ids=repr)
every_distillation_loss = pytest.mark.parametrize("spec", [s for s in SPECS if s.teacher == "required"], ids=repr)

BATCH, CLASSES = 8, 5
OWN = {"code": {"file": "mine.py", "name": "zeros", "text": "def zeros(s, t, y):\n    return 0 * s.sum(dim=1)\n"}}
STAGES = [(2, 3, 3), (4, 2, 1)]
"""(K, H, W) of each stage."""


def answer(generator: torch.Generator, dtype: torch.dtype) -> NetworkOutput:
    logits_BC = 2 * torch.randn(BATCH, CLASSES, generator=generator)
    stages = (torch.randn(BATCH, *stage, generator=generator).to(dtype) for stage in STAGES)
    return NetworkOutput(logits_BC.to(dtype), tuple(stages))


def batch(dtype: torch.dtype = torch.float64) -> tuple[NetworkOutput, NetworkOutput, Tensor, Tensor]:
    """Student's answer, teacher's answer, labels, keys."""
    generator = torch.Generator().manual_seed(0)
    student, teacher = answer(generator, dtype), answer(generator, dtype)
    labels_B = torch.randint(CLASSES, (BATCH,), generator=generator)
    return student, teacher, labels_B, torch.rand(BATCH, CLASSES, generator=generator)


def of_samples(answer: NetworkOutput, samples: slice) -> NetworkOutput:
    return NetworkOutput(answer.logits_BC[samples], tuple(stage[samples] for stage in answer.stage_outputs))


def trainable(answer: NetworkOutput) -> NetworkOutput:
    return NetworkOutput(
        answer.logits_BC.clone().requires_grad_(),
        tuple(stage.clone().requires_grad_() for stage in answer.stage_outputs),
    )


def flat(answer: NetworkOutput) -> Tensor:
    """All gradients of a sample in one row; zeros where a loss does not look."""
    tensors = (answer.logits_BC, *answer.stage_outputs)
    return torch.cat([(torch.zeros_like(t) if t.grad is None else t.grad).flatten(1) for t in tensors], dim=1)


@pytest.mark.parametrize("kind", LOSSES.values(), ids=lambda kind: kind.__name__)
def test_every_loss_that_is_declared_is_built(kind: type[Loss]) -> None:
    """No compiler says so: losses register themselves."""
    built = build_loss(kind(**OWN) if kind is UserLoss else kind())  # type: ignore[arg-type]
    student, teacher, labels_B, keys_BC = batch()
    assert built(LossInputs(student, teacher, labels_B, local_batch(BATCH), keys_BC)).isfinite()


def share_and_gradient(
    loss: DistillationLoss, samples: slice, weight_of_batch: Tensor | None = None
) -> tuple[float, Tensor, list[Tensor]]:
    """One worker's share, its gradient, and what it asked the workers to add up."""
    student, teacher, labels_B, keys_BC = batch()
    mine = trainable(of_samples(student, samples))
    own_weights: list[Tensor] = []

    def sum_over_workers(own: Tensor) -> Tensor:
        own_weights.append(own)
        return own if weight_of_batch is None else weight_of_batch

    theirs = of_samples(teacher, samples)
    share = loss(
        LossInputs(
            mine,
            theirs,
            labels_B[samples],
            batch=GlobalBatch(BATCH, sum_over_workers),
            keys_BC=keys_BC[samples],
            progress=0.25,
        )
    )
    share.backward()
    assert mine.logits_BC.grad is not None
    for own_weight in own_weights:
        assert own_weight.ndim == 0
        assert not own_weight.requires_grad
    return share.item(), flat(mine), own_weights


@every_loss
@pytest.mark.parametrize("cut", [3, 8], ids=["unequal shards", "a worker without samples"])
def test_shares_of_two_workers_add_up_to_the_loss_of_the_whole_batch(spec: LossSpec, cut: int) -> None:
    loss = build_loss(spec)
    whole, whole_gradient_BN, _ = share_and_gradient(loss, slice(None))
    shards = [slice(0, cut), slice(cut, BATCH)]
    weights = [weight for shard in shards for weight in share_and_gradient(loss, shard)[2]]
    assert len(weights) == (len(shards) if isinstance(spec, CwtmLoss) else 0), "the size of the batch is known"
    weight_of_batch = torch.stack(weights).sum() if weights else None

    shares = [share_and_gradient(loss, shard, weight_of_batch) for shard in shards]

    assert sum(share for share, _, _ in shares) == pytest.approx(whole)
    torch.testing.assert_close(torch.cat([gradient_BN for _, gradient_BN, _ in shares]), whole_gradient_BN)


@every_loss
def test_derivatives_agree_with_finite_differences(spec: LossSpec) -> None:
    student, teacher, labels_B, keys_BC = batch()
    student = trainable(student)
    loss = build_loss(spec)

    def loss_of(logits_BC: Tensor, *stages: Tensor) -> Tensor:
        return loss(
            LossInputs(NetworkOutput(logits_BC, stages), teacher, labels_B, batch=local_batch(BATCH), keys_BC=keys_BC)
        )

    assert torch.autograd.gradcheck(loss_of, (student.logits_BC, *student.stage_outputs))


@every_loss
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_answers_of_half_precision_are_computed_with_in_float32(spec: LossSpec, dtype: torch.dtype) -> None:
    student, teacher, labels_B, keys_BC = batch(dtype)
    in_float32 = [
        NetworkOutput(a.logits_BC.float(), tuple(s.float() for s in a.stage_outputs)) for a in (student, teacher)
    ]
    loss = build_loss(spec)

    half = loss(LossInputs(student, teacher, labels_B, batch=local_batch(BATCH), keys_BC=keys_BC))
    full = loss(LossInputs(in_float32[0], in_float32[1], labels_B, batch=local_batch(BATCH), keys_BC=keys_BC))
    with torch.autocast("cpu", torch.bfloat16):
        autocast = loss(LossInputs(student, teacher, labels_B, batch=local_batch(BATCH), keys_BC=keys_BC))

    assert half.shape == ()
    assert half.dtype == autocast.dtype == torch.float32
    assert half.item() == full.item() == autocast.item()


@every_loss
def test_adding_a_constant_to_a_samples_logits_changes_nothing(spec: LossSpec) -> None:
    student, teacher, labels_B, keys_BC = batch()
    shift_B1 = torch.linspace(-300.0, 300.0, BATCH, dtype=torch.float64)[:, None]
    shifted_student = student._replace(logits_BC=student.logits_BC + shift_B1)
    shifted_teacher = teacher._replace(logits_BC=teacher.logits_BC - shift_B1)
    loss = build_loss(spec)

    plain = loss(LossInputs(student, teacher, labels_B, batch=local_batch(BATCH), keys_BC=keys_BC))
    shifted = loss(LossInputs(shifted_student, shifted_teacher, labels_B, batch=local_batch(BATCH), keys_BC=keys_BC))

    assert shifted.item() == pytest.approx(plain.item())


@every_loss
def test_logits_of_any_size_give_a_finite_loss(spec: LossSpec) -> None:
    student, teacher, labels_B, keys_BC = batch(torch.float32)
    huge = [answer._replace(logits_BC=1e4 * answer.logits_BC) for answer in (student, teacher)]

    loss = build_loss(spec)(LossInputs(huge[0], huge[1], labels_B, batch=local_batch(BATCH), keys_BC=keys_BC))

    assert loss.isfinite()


@every_distillation_loss
def test_a_teacher_that_would_receive_a_gradient_is_refused(spec: LossSpec) -> None:
    student, teacher, labels_B, keys_BC = batch()
    teacher.logits_BC.requires_grad_()

    with pytest.raises(AssertionError, match="teacher"):
        build_loss(spec)(LossInputs(student, teacher, labels_B, batch=local_batch(BATCH), keys_BC=keys_BC))


@every_distillation_loss
def test_a_teacher_recorded_in_inference_mode_teaches(spec: LossSpec) -> None:
    student, teacher, labels_B, keys_BC = batch()
    with torch.inference_mode():
        recorded = NetworkOutput(teacher.logits_BC + 0, tuple(stage + 0 for stage in teacher.stage_outputs))
    student = trainable(student)

    build_loss(spec)(LossInputs(student, recorded, labels_B, batch=local_batch(BATCH), keys_BC=keys_BC)).backward()

    assert student.logits_BC.grad is not None
    assert student.logits_BC.grad.any()
    assert all((stage.grad is not None) == spec.stage_outputs for stage in student.stage_outputs)


@every_distillation_loss
def test_a_missing_teacher_is_refused(spec: LossSpec) -> None:
    student, _, labels_B, keys_BC = batch()

    with pytest.raises(AssertionError, match="needs a teacher"):
        build_loss(spec)(LossInputs(student, None, labels_B, batch=local_batch(BATCH), keys_BC=keys_BC))


@pytest.mark.parametrize("spec", [s for s in SPECS if s.teacher == "none"], ids=repr)
def test_labels_need_no_teacher(spec: LossSpec) -> None:
    student, teacher, labels_B, _ = batch()
    loss = build_loss(spec)

    alone = loss(LossInputs(student, None, labels_B, batch=local_batch(BATCH)))

    assert alone.item() == loss(LossInputs(student, teacher, labels_B, batch=local_batch(BATCH))).item()


@every_loss
def test_keys_are_needed_by_those_losses_that_say_so(spec: LossSpec) -> None:
    student, teacher, labels_B, _ = batch()

    def loss_without_keys() -> Tensor:
        return build_loss(spec)(LossInputs(student, teacher, labels_B, batch=local_batch(BATCH)))

    if spec.permutation_keys is not None:
        with pytest.raises(AssertionError, match="random keys"):
            loss_without_keys()
    else:
        assert loss_without_keys().isfinite()


@every_loss
def test_stage_outputs_are_needed_by_those_losses_that_say_so(spec: LossSpec) -> None:
    student, teacher, labels_B, keys_BC = batch()
    bare = [answer._replace(stage_outputs=()) for answer in (student, teacher)]

    def loss_without_stages() -> Tensor:
        return build_loss(spec)(LossInputs(bare[0], bare[1], labels_B, batch=local_batch(BATCH), keys_BC=keys_BC))

    if spec.stage_outputs:
        with pytest.raises(AssertionError, match="needs stage outputs"):
            loss_without_stages()
    else:
        whole = build_loss(spec)(LossInputs(student, teacher, labels_B, batch=local_batch(BATCH), keys_BC=keys_BC))
        assert loss_without_stages().item() == whole.item()


@every_loss
def test_labels_act_on_those_losses_that_say_so(spec: LossSpec) -> None:
    student, teacher, labels_B, keys_BC = batch()
    loss = build_loss(spec)

    one, other = (
        loss(LossInputs(student, teacher, labels, batch=local_batch(BATCH), keys_BC=keys_BC)).item()
        for labels in (labels_B, (labels_B + 1) % CLASSES)
    )

    assert (one != other) == spec.labels


@every_loss
def test_only_a_ramp_makes_a_loss_depend_on_progress(spec: LossSpec) -> None:
    student, teacher, labels_B, keys_BC = batch()

    early, late = (
        build_loss(spec)(
            LossInputs(student, teacher, labels_B, batch=local_batch(BATCH), keys_BC=keys_BC, progress=progress)
        ).item()
        for progress in (0.0, 1.0)
    )

    assert (early != late) == (spec == ActivationsLoss(ramp="linear"))


def test_every_option_reaches_its_loss() -> None:
    student, teacher, labels_B, _ = batch()
    z, t = student.logits_BC, teacher.logits_BC
    stages = student.stage_outputs, teacher.stage_outputs
    expected: list[tuple[LossSpec, Tensor]] = [
        (LabelsLoss(smoothing=0.1), labels_loss(z, labels_B, local_batch(len(z)), smoothing=0.1)),
        (KdLoss(temperature=4.0), kd_loss(z, t, local_batch(len(z)), temperature=4.0)),
        (KdLabelsLoss(temperature=4.0), kd_labels_loss(z, t, labels_B, local_batch(len(z)), temperature=4.0)),
        (KdLabelsLoss(mixing=0.9), kd_labels_loss(z, t, labels_B, local_batch(len(z)), mixing=0.9)),
        (CwtmLoss(confidence="label"), cwtm_loss(z, t, labels_B, local_batch(len(z)), confidence="label")),
        (ActivationsLoss(weight=0.5), kd_activations_loss(z, t, *stages, local_batch(len(z)), weight=0.5)),
    ]

    found = [
        build_loss(spec)(LossInputs(student, teacher, labels_B, batch=local_batch(BATCH))).item()
        for spec, _ in expected
    ]

    assert found == [loss.item() for _, loss in expected]
    plain = [type(spec)() for spec, _ in expected]
    without = [
        build_loss(spec)(LossInputs(student, teacher, labels_B, batch=local_batch(BATCH))).item() for spec in plain
    ]
    assert all(one != other for one, other in zip(found, without, strict=True)), "an option that changes nothing"
