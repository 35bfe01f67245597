"""A generation whose activations are recomputed learns what one whose activations are kept does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from close_metrics import assert_close_metrics
from process_group import in_group

from bansweep.config.data import Digits
from bansweep.data.datasets import ImageData, load_images
from bansweep.graph.generation import Generation
from bansweep.training.image_run import ImageRun
from bansweep.training.teacher import Teacher
from bansweep.training.workers import Workers

Make = Callable[..., Generation]

DIGITS = Digits(limit=128, test_limit=100)


def histories(run: ImageRun) -> list[dict[str, float]]:
    return [dict(report.metrics) for report in run.epochs()]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(
    "network", ["densenet-16-4", "densenet-16-4-dropout0.2", "wrn-10-1-dropout0.3", "pre-resnet-11"]
)
def test_two_epochs_have_the_same_history(
    network: str, precision: str, make_generation: Make, digits: ImageData
) -> None:
    generation = make_generation(network=network, precision=precision, learning_rate=0.02)
    kept = histories(ImageRun(generation, digits))
    recomputed = histories(ImageRun(generation, digits, recompute=True))
    assert len(kept) == 2
    for one, other in zip(recomputed, kept, strict=True):
        assert_close_metrics(one, other, relative=1e-3)


@pytest.mark.parametrize("loss", ["kd", "kd+activations"])
def test_students_learn_the_same(loss: str, make_generation: Make, digits: ImageData, teacher: Teacher) -> None:
    generation = make_generation(loss=loss, teacher="t", learning_rate=0.02)
    kept = histories(ImageRun(generation, digits, teacher=teacher))
    recomputed = histories(ImageRun(generation, digits, teacher=teacher, recompute=True))
    for one, other in zip(recomputed, kept, strict=True):
        assert_close_metrics(one, other, relative=1e-3)


def weights_after_an_epoch(workers: Workers, generation: Generation, folder: Path, recompute: bool) -> list[float]:
    run = ImageRun(generation, load_images(DIGITS, folder), workers=workers, recompute=recompute)
    next(run.epochs())
    # Few enough for a pipe: nobody reads it before the process has ended.
    norm = run.network.norm
    tensors: tuple[torch.Tensor, ...] = (run.network.classifier.weight, norm.running_mean, norm.running_var)  # type: ignore[assignment]
    return [value for tensor in tensors for value in tensor.flatten().tolist()]


def test_two_workers_recompute_batch_normalisation_over_both(make_generation: Make, data_folder: Path) -> None:
    generation = make_generation(network="densenet-16-4", batch_size=27, learning_rate=0.02, epochs=1)
    alone = weights_after_an_epoch(Workers(), generation, data_folder, False)
    first, second = in_group(2, weights_after_an_epoch, generation, data_folder, True)
    assert first == second
    assert first == pytest.approx(alone, abs=1e-4)


def test_what_is_compiled_is_not_recomputed(make_generation: Make, digits: ImageData) -> None:
    with pytest.raises(AssertionError, match="chooses by itself"):
        ImageRun(make_generation(), digits, compiled=True, recompute=True)
