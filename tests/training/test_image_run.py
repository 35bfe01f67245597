"""One generation of an image network: it learns, resumes bit for bit, and leaves its teacher alone."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch

from bansweep.config.data import Digits
from bansweep.data.datasets import ImageData, ImageSplit, load_images
from bansweep.errors import DivergedError
from bansweep.graph.generation import Generation, effective_seed
from bansweep.training.image_run import ImageRun
from bansweep.training.teacher import Teacher

Make = Callable[..., Generation]

RAMP = {"kind": "kd+activations", "ramp": "linear"}
WITH_TEACHER = [
    "kd",
    {"kind": "kd", "temperature": 4},
    "kd+labels",
    {"kind": "kd+labels", "temperature": 4, "mixing": 0.9},
    "cwtm",
    "dkpp",
    {"kind": "dkpp", "permutation": "fixed"},
    "kd+activations",
    RAMP,
]


def finish(run: ImageRun) -> dict[str, torch.Tensor]:
    for _ in run.epochs():
        pass
    return {name: tensor.clone() for name, tensor in run.network.state_dict().items()}


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_it_learns_the_digits(make_generation: Make, digits: ImageData) -> None:
    run = ImageRun(make_generation(epochs=12), digits)
    reports = list(run.epochs())
    assert [report.epoch for report in reports] == list(range(1, 13))
    assert reports[0].metrics["train_loss"] == pytest.approx(math.log(10), abs=0.6), "it begins by guessing"
    assert reports[-1].metrics["test_error"] < 35, "guessing is wrong in 90 % of all cases"


# A loss whose weight grows tells nothing by its own growth.
@pytest.mark.parametrize("loss", [loss for loss in WITH_TEACHER if loss != RAMP], ids=str)
def test_every_loss_pulls_the_student_towards_its_teacher(
    loss: object, make_generation: Make, digits: ImageData, teacher: Teacher
) -> None:
    run = ImageRun(make_generation(loss=loss, teacher="t", epochs=6, seed=5), digits, teacher=teacher)
    losses = [report.metrics["train_loss"] for report in run.epochs()]
    assert losses[-1] < losses[0] - 0.1


@pytest.mark.parametrize("loss", WITH_TEACHER, ids=str)
def test_the_teacher_is_left_alone(loss: object, make_generation: Make, digits: ImageData, teacher: Teacher) -> None:
    before = {name: tensor.clone() for name, tensor in teacher.network.state_dict().items()}
    run = ImageRun(make_generation(loss=loss, teacher="t", epochs=1), digits, teacher=teacher)
    finish(run)
    assert equal(before, teacher.network.state_dict()), "its weights and batch statistics"
    assert not any(module.training for module in teacher.network.modules())
    assert all(p.grad is None and not p.requires_grad for p in teacher.network.parameters())
    shared = {p.data_ptr() for p in teacher.network.parameters()} & {p.data_ptr() for p in run.network.parameters()}
    assert not shared
    assert teacher.network is not run.network


def test_the_teacher_answers_as_an_evaluated_network_without_gradient(teacher: Teacher) -> None:
    images = torch.randn(3, 1, 8, 8)
    logits = teacher.answer(images, bf16=False).logits_BC
    assert not logits.requires_grad
    assert not logits.is_inference(), "autograd may keep it as a constant"
    alone = torch.cat([teacher.answer(image[None], bf16=False).logits_BC for image in images])
    torch.testing.assert_close(logits, alone, rtol=1e-5, atol=1e-5)


def test_two_generations_of_a_chain_start_from_different_weights(make_generation: Make, digits: ImageData) -> None:
    starts = [
        ImageRun(make_generation(seed=effective_seed(0, 0, index)), digits).network.state_dict() for index in range(3)
    ]
    for one, other in [(0, 1), (1, 2), (0, 2)]:
        for name, tensor in starts[one].items():
            if name.endswith("weight") and tensor.dim() == 4:
                assert not torch.equal(tensor, starts[other][name]), name
    again = ImageRun(make_generation(seed=effective_seed(0, 0, 1)), digits).network.state_dict()
    assert equal(starts[1], again)


def test_the_loss_decides_nothing_about_the_start(make_generation: Make, digits: ImageData, teacher: Teacher) -> None:
    one = ImageRun(make_generation(), digits).network.state_dict()
    other = ImageRun(make_generation(loss="kd", teacher="t"), digits, teacher=teacher).network.state_dict()
    assert equal(one, other)


@pytest.mark.parametrize("loss", ["labels", "dkpp", {"kind": "dkpp", "permutation": "fixed"}, RAMP], ids=str)
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_a_resumed_run_ends_in_the_same_bits(
    loss: object, dropout: float, make_generation: Make, digits: ImageData, teacher: Teacher
) -> None:
    network = {"kind": "wide-resnet", "depth": 10, "width": 1, "dropout": dropout}
    learns_from_labels = loss == "labels"
    generation = make_generation(
        network=network, loss=loss, teacher=None if learns_from_labels else "t", epochs=5, decay_at=(0.5,)
    )
    given = None if learns_from_labels else teacher

    undisturbed = ImageRun(generation, digits, teacher=given)
    expected = finish(undisturbed)

    interrupted = ImageRun(generation, digits, teacher=given)
    epochs = interrupted.epochs()
    next(epochs)
    next(epochs)
    snapshot, history = interrupted.snapshot(), list(interrupted.history)
    next(epochs)  # more was done than was saved
    torch.manual_seed(99)
    resumed = ImageRun(generation, digits, teacher=given)
    resumed.resume(snapshot, history)
    assert equal(finish(resumed), expected)
    assert [r.metrics for r in resumed.history] == [r.metrics for r in undisturbed.history]
    assert np.array_equal(resumed.result().answers.probabilities_NC, undisturbed.result().answers.probabilities_NC)


def test_a_run_interrupted_after_its_last_epoch_only_has_to_be_published(
    make_generation: Make, digits: ImageData
) -> None:
    run = ImageRun(make_generation(), digits)
    expected = finish(run)
    resumed = ImageRun(make_generation(), digits)
    resumed.resume(run.snapshot(), run.history)
    assert list(resumed.epochs()) == []
    assert equal(resumed.network.state_dict(), expected)
    assert resumed.result().metrics == run.result().metrics


def test_the_result_is_what_the_last_epoch_measured(make_generation: Make, digits: ImageData) -> None:
    run = ImageRun(make_generation(), digits)
    finish(run)
    result = run.result()
    assert result.metrics == run.history[-1].metrics
    assert result.answers.probabilities_NC.shape == (100, 10)
    np.testing.assert_allclose(result.answers.probabilities_NC.sum(axis=1), 1, rtol=1e-5)
    wrong = (result.answers.probabilities_NC.argmax(axis=1) != result.answers.labels_N).mean()
    assert result.metrics["test_error"] == pytest.approx(100 * wrong)


class Untouchable:
    """A split that nobody may look at."""

    def __getattribute__(self, name: str) -> object:
        raise AssertionError(f"the test split was touched: {name}")


def test_where_there_is_a_validation_split_the_test_split_is_touched_once(
    make_generation: Make, data_folder: Path
) -> None:
    spec = Digits(limit=128, validation=50, test_limit=100)
    data = load_images(spec, data_folder)
    run = ImageRun(make_generation(epochs=3), dataclasses.replace(data, test=cast("ImageSplit", Untouchable())))
    reports = list(run.epochs())
    assert len(reports) == 3
    assert all({"validation_error", "validation_loss"} <= report.metrics.keys() for report in reports)
    assert not any(name.startswith("test") for report in reports for name in report.metrics)
    with pytest.raises(AssertionError, match="touched"):
        run.result()

    run = ImageRun(make_generation(epochs=1), data)
    finish(run)
    result = run.result()
    assert result.answers.probabilities_NC.shape == (100, 10)
    assert result.metrics.keys() > {"validation_error", "test_error"}


def test_divergence_is_told_with_its_epoch_and_step(make_generation: Make, digits: ImageData) -> None:
    run = ImageRun(make_generation(learning_rate=1e30), digits)
    with pytest.raises(DivergedError, match="epoch 1, step 2") as caught:
        finish(run)
    assert (caught.value.epoch, caught.value.step) == (1, 2)
    assert caught.value.remedy.startswith("lower recipe.learning_rate")


def test_a_loss_of_ones_own_is_suspected_first(make_generation: Make, digits: ImageData) -> None:
    text = """
def surprise(student_logits_BC, teacher_logits_BC, labels_B):
    return (student_logits_BC - student_logits_BC)[:, 0].log()
"""
    code = {"file": "losses/mine.py", "name": "surprise", "text": text}
    run = ImageRun(make_generation(loss={"kind": "python", "code": code}), digits)
    with pytest.raises(DivergedError, match="-inf in epoch 1, step 1") as caught:
        finish(run)
    assert "losses/mine.py:surprise" in caught.value.remedy


def test_bf16_follows_fp32_at_its_own_precision(make_generation: Make, digits: ImageData) -> None:
    runs = [ImageRun(make_generation(precision=precision), digits) for precision in ("fp32", "bf16")]
    fp32, bf16 = (next(run.epochs()).metrics["train_loss"] for run in runs)
    assert fp32 != bf16
    assert bf16 == pytest.approx(fp32, abs=0.1)


def test_a_golden_curve(make_generation: Make, digits: ImageData) -> None:
    """Training as it was when every part had been checked: a change here is a change of what is learnt."""
    run = ImageRun(make_generation(epochs=3, learning_rate=0.02), digits)
    losses = [report.metrics["train_loss"] for report in run.epochs()]
    assert losses == pytest.approx([2.3184, 2.2573, 2.2342], abs=2e-3)
