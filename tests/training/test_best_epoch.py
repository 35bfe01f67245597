"""Where the best epoch counts, a generation is what the network was then, whatever came after it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import safetensors.torch
import torch

from bansweep.config.data import Digits
from bansweep.data.datasets import ImageData, load_images
from bansweep.data.fingerprint import data_identity
from bansweep.data.prepare import prepare
from bansweep.graph.generation import Generation
from bansweep.training.image_run import ImageRun

VALIDATED = Digits(limit=128, validation=60, test_limit=100)


@pytest.fixture(scope="module")
def validated(tmp_path_factory: pytest.TempPathFactory) -> ImageData:
    return load_images(VALIDATED, prepare(VALIDATED, tmp_path_factory.mktemp("cache")))


@pytest.fixture
def generation(make_generation: Callable[..., Generation]) -> Generation:
    """So restless that its last epoch is not its best one."""
    return make_generation(
        data=data_identity(VALIDATED),
        select={"metric": "validation_error", "epoch": "best"},
        epochs=8,
        learning_rate=0.1,
        decay_at=(),
        batch_size=16,
    )


def weights_after_each_epoch(run: ImageRun) -> list[dict[str, torch.Tensor]]:
    return [
        {name: tensor.clone().contiguous() for name, tensor in run.network.state_dict().items()} for _ in run.epochs()
    ]


def test_the_weights_are_those_of_the_best_epoch(generation: Generation, validated: ImageData) -> None:
    run = ImageRun(generation, validated)
    after = weights_after_each_epoch(run)
    errors = [report.metrics["validation_error"] for report in run.history]
    best = errors.index(min(errors)) + 1
    assert best < 8, f"an example whose best epoch is not the last: {errors}"
    result = run.result()
    assert result.epoch == best
    assert result.metrics["validation_error"] == min(errors)
    stored = safetensors.torch.load(result.weights)
    assert all(torch.equal(stored[name], after[best - 1][name]) for name in stored)
    assert any(not torch.equal(stored[name], after[-1][name]) for name in stored)


def test_the_last_epoch_counts_otherwise(generation: Generation, validated: ImageData) -> None:
    last = Generation.model_validate({**generation.model_dump(), "select": {}})
    run = ImageRun(last, validated)
    after = weights_after_each_epoch(run)
    result = run.result()
    assert result.epoch == 8
    stored = safetensors.torch.load(result.weights)
    assert all(torch.equal(stored[name], after[-1][name]) for name in stored)


@pytest.mark.parametrize("epochs_before", [1, 5, 6, 7])
def test_a_resumed_run_remembers_its_best_epoch(
    epochs_before: int, generation: Generation, validated: ImageData
) -> None:
    undisturbed = ImageRun(generation, validated)
    list(undisturbed.epochs())
    interrupted = ImageRun(generation, validated)
    epochs = interrupted.epochs()
    for _ in range(epochs_before):
        next(epochs)
    resumed = ImageRun(generation, validated)
    resumed.resume(interrupted.snapshot(), interrupted.history)
    list(resumed.epochs())
    expected, actual = undisturbed.result(), resumed.result()
    assert (actual.weights, actual.epoch) == (expected.weights, expected.epoch)
