"""How the losses relate to each other, for any logits."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import kl_div

from bansweep.losses.building_blocks import local_batch
from bansweep.losses.cwtm import cwtm_loss
from bansweep.losses.dkpp import dkpp_loss
from bansweep.losses.kd import kd_loss
from bansweep.losses.kd_labels import kd_labels_loss
from bansweep.losses.labels import labels_loss

any_batch = given(
    samples=st.integers(1, 6), classes=st.integers(2, 8), scale=st.floats(0.01, 20.0), seed=st.integers(0, 2**31)
)
quickly = settings(deadline=None, max_examples=40)


def random_batch(samples: int, classes: int, scale: float, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Student's logits, teacher's logits, labels, keys."""
    generator = torch.Generator().manual_seed(seed)
    student_BC = scale * torch.randn(samples, classes, generator=generator, dtype=torch.float64)
    teacher_BC = scale * torch.randn(samples, classes, generator=generator, dtype=torch.float64)
    labels_B = torch.randint(classes, (samples,), generator=generator)
    return student_BC, teacher_BC, labels_B, torch.rand(samples, classes, generator=generator)


@quickly
@any_batch
def test_no_student_does_better_than_one_that_equals_its_teacher(
    samples: int, classes: int, scale: float, seed: int
) -> None:
    student_BC, teacher_BC, _, _ = random_batch(samples, classes, scale, seed)
    copy_BC = teacher_BC.clone().requires_grad_()

    smallest = kd_loss(copy_BC, teacher_BC, local_batch(len(copy_BC)))
    smallest.backward()

    assert copy_BC.grad is not None
    assert copy_BC.grad.abs().max().item() < 1e-12
    assert kd_loss(student_BC, teacher_BC, local_batch(len(student_BC))).item() >= smallest.item() - 1e-12


@quickly
@any_batch
def test_a_teacher_that_is_certain_of_the_label_teaches_the_label(
    samples: int, classes: int, scale: float, seed: int
) -> None:
    student_BC, _, labels_B, keys_BC = random_batch(samples, classes, scale, seed)
    certain_BC = 1000.0 * torch.eye(classes, dtype=torch.float64)[labels_B]

    expected = pytest.approx(labels_loss(student_BC, labels_B, local_batch(len(student_BC))).item())

    assert kd_loss(student_BC, certain_BC, local_batch(len(student_BC))).item() == expected
    assert cwtm_loss(student_BC, certain_BC, labels_B, local_batch(len(student_BC))).item() == expected
    assert dkpp_loss(student_BC, certain_BC, keys_BC, local_batch(len(student_BC))).item() == expected


@quickly
@any_batch
def test_kd_with_labels_is_the_sum_of_its_parts(samples: int, classes: int, scale: float, seed: int) -> None:
    student_BC, teacher_BC, labels_B, _ = random_batch(samples, classes, scale, seed)

    parts = kd_loss(student_BC, teacher_BC, local_batch(len(student_BC))) + labels_loss(
        student_BC, labels_B, local_batch(len(student_BC))
    )

    assert kd_labels_loss(student_BC, teacher_BC, labels_B, local_batch(len(student_BC))).item() == pytest.approx(
        parts.item()
    )


@quickly
@any_batch
def test_cwtm_weighs_by_confidence_whatever_the_class(samples: int, classes: int, scale: float, seed: int) -> None:
    student_BC, teacher_BC, labels_B, _ = random_batch(samples, classes, scale, seed)

    # A teacher with its classes in another order is as confident as before; one of no opinion weighs all alike.
    rolled = cwtm_loss(student_BC, teacher_BC.roll(1, dims=1), labels_B, local_batch(len(student_BC)))
    indifferent = cwtm_loss(student_BC, torch.zeros_like(teacher_BC), labels_B, local_batch(len(student_BC)))

    assert cwtm_loss(student_BC, teacher_BC, labels_B, local_batch(len(student_BC))).item() == pytest.approx(
        rolled.item()
    )
    assert indifferent.item() == pytest.approx(labels_loss(student_BC, labels_B, local_batch(len(student_BC))).item())


@quickly
@any_batch
def test_dkpp_is_kd_where_there_is_nothing_to_permute(samples: int, classes: int, scale: float, seed: int) -> None:
    student_BC, teacher_BC, _, keys_BC = random_batch(samples, classes, scale, seed)
    two = slice(0, 2)
    rising_keys_BC = torch.linspace(0.0, 0.9, classes).expand(samples, classes)

    with_two_classes = dkpp_loss(student_BC[:, two], teacher_BC[:, two], keys_BC[:, two], local_batch(len(student_BC)))
    kept_in_order = dkpp_loss(student_BC, teacher_BC, rising_keys_BC, local_batch(len(student_BC)))

    assert with_two_classes.item() == pytest.approx(
        kd_loss(student_BC[:, two], teacher_BC[:, two], local_batch(len(student_BC))).item()
    )
    assert kept_in_order.item() == pytest.approx(kd_loss(student_BC, teacher_BC, local_batch(len(student_BC))).item())


@quickly
@any_batch
@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0, 20.0])
def test_the_gradient_is_that_of_the_kl_divergence_of_softened_distributions(
    temperature: float, samples: int, classes: int, scale: float, seed: int
) -> None:
    student_BC, teacher_BC, _, _ = random_batch(samples, classes, scale, seed)
    student_BC.requires_grad_()
    log_p_BC, log_q_BC = ((logits / temperature).log_softmax(dim=1) for logits in (teacher_BC, student_BC))
    divergence = temperature**2 * kl_div(log_q_BC, log_p_BC, reduction="batchmean", log_target=True)
    (expected_BC,) = torch.autograd.grad(divergence, student_BC)

    loss = kd_loss(student_BC, teacher_BC, local_batch(len(student_BC)), temperature=temperature)
    (gradient_BC,) = torch.autograd.grad(loss, student_BC)

    torch.testing.assert_close(gradient_BC, expected_BC)
    softened_BC = (student_BC.detach() / temperature).softmax(dim=1) - log_p_BC.exp()
    torch.testing.assert_close(gradient_BC, temperature * softened_BC / samples)


@quickly
@any_batch
def test_a_high_temperature_compares_centred_logits(samples: int, classes: int, scale: float, seed: int) -> None:
    """Hinton et al. (2015), Eq. 4: with T far above the logits, T (q - p) comes near (z - t) / n of centred ones."""
    student_BC, teacher_BC, _, _ = random_batch(samples, classes, scale, seed)
    student_BC, teacher_BC = (logits / (1e3 * logits.abs().max()) for logits in (student_BC, teacher_BC))
    centred_BC = [logits - logits.mean(dim=1, keepdim=True) for logits in (student_BC, teacher_BC)]
    student_BC.requires_grad_()

    loss = kd_loss(student_BC, teacher_BC, local_batch(len(student_BC)), temperature=1000.0)
    (gradient_BC,) = torch.autograd.grad(loss, student_BC)

    expected_BC = (centred_BC[0] - centred_BC[1]) / (classes * samples)
    torch.testing.assert_close(gradient_BC, expected_BC, rtol=1e-4, atol=1e-8)


@quickly
@any_batch
def test_mixing_goes_from_the_labels_to_kd(samples: int, classes: int, scale: float, seed: int) -> None:
    student_BC, teacher_BC, labels_B, _ = random_batch(samples, classes, scale, seed)
    kd = kd_loss(student_BC, teacher_BC, local_batch(len(student_BC)), temperature=3.0).item()
    labels = labels_loss(student_BC, labels_B, local_batch(len(student_BC))).item()

    def mixed(mixing: float) -> float:
        return kd_labels_loss(
            student_BC, teacher_BC, labels_B, local_batch(len(student_BC)), temperature=3.0, mixing=mixing
        ).item()

    assert mixed(0.0) == labels
    assert mixed(1.0) == kd
    assert mixed(0.5) == pytest.approx((kd + labels) / 2)


@quickly
@any_batch
def test_importance_weighting_is_cwtm_where_the_teacher_is_right(
    samples: int, classes: int, scale: float, seed: int
) -> None:
    student_BC, teacher_BC, labels_B, _ = random_batch(samples, classes, scale, seed)
    likeliest_B = teacher_BC.argmax(dim=1)

    right = cwtm_loss(student_BC, teacher_BC, likeliest_B, local_batch(len(student_BC)), confidence="label")
    p_B = teacher_BC.softmax(dim=1)[torch.arange(samples), labels_B]
    log_q_B = student_BC.log_softmax(dim=1)[torch.arange(samples), labels_B]

    assert right.item() == cwtm_loss(student_BC, teacher_BC, likeliest_B, local_batch(len(student_BC))).item()
    of_labels = cwtm_loss(student_BC, teacher_BC, labels_B, local_batch(len(student_BC)), confidence="label")
    assert of_labels.item() == pytest.approx(-(p_B / p_B.sum() * log_q_B).sum().item())


@quickly
@any_batch
def test_smoothing_mixes_the_labels_with_a_teacher_of_no_opinion(
    samples: int, classes: int, scale: float, seed: int
) -> None:
    student_BC, _, labels_B, _ = random_batch(samples, classes, scale, seed)
    indifferent_BC = torch.zeros_like(student_BC)

    smoothed = labels_loss(student_BC, labels_B, local_batch(len(student_BC)), smoothing=0.2)

    mixed = kd_labels_loss(student_BC, indifferent_BC, labels_B, local_batch(len(student_BC)), mixing=0.2)
    assert smoothed.item() == pytest.approx(mixed.item())
