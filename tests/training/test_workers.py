"""Several workers that share each batch learn what one would: real process groups on this machine."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from close_metrics import assert_close_metrics
from process_group import in_group
from pydantic import TypeAdapter
from torch import nn
from torch._dynamo.testing import CompileCounterWithBackend
from torch._dynamo.utils import counters

from bansweep.config.data import Digits
from bansweep.config.losses import LOSSES, LossSpec
from bansweep.config.networks import WideResNet
from bansweep.config.recipes import RECIPES, Recipe
from bansweep.data.datasets import load_images
from bansweep.graph.generation import Generation
from bansweep.losses.builder import build_loss
from bansweep.losses.building_blocks import NetworkOutput
from bansweep.networks.build import build_network
from bansweep.training.batch_norm import GlobalBatchNorm2d, with_global_batch_norm
from bansweep.training.compilation import CompiledForward
from bansweep.training.image_run import ImageRun, training_forward
from bansweep.training.optimizer import build_optimizer
from bansweep.training.step import TrainingStep
from bansweep.training.teacher import Teacher
from bansweep.training.workers import Workers, distributed

NETWORK = WideResNet(depth=10, width=1)
RECIPE = Recipe.model_validate(RECIPES["wide-resnet"])
DIGITS = Digits(limit=128, test_limit=100)
CPU = torch.device("cpu")
BUILT_IN = [kind for kind in LOSSES if kind != "python"]


def first_epoch(
    workers: Workers, generation: Generation, folder: Path, teacher_weights: bytes
) -> tuple[dict[str, float], list[float]]:
    data = load_images(DIGITS, folder)
    teacher = None
    if generation.teacher is not None:
        teacher = Teacher(generation.network, teacher_weights, input_shape=data.input_shape, classes=10, device=CPU)
    run = ImageRun(generation, data, teacher=teacher, workers=workers, diagnostics=True)
    report = next(run.epochs())
    return dict(report.metrics), run.network.classifier.weight.flatten().tolist()  # type: ignore[union-attr,operator]


@pytest.mark.parametrize("loss", BUILT_IN)
def test_two_workers_agree_with_one(
    loss: str, make_generation: Callable[..., Generation], data_folder: Path, teacher_weights: bytes
) -> None:
    # 27 does not divide by two: the workers' shares are unequal. A small learning rate, because a large one amplifies
    # the last bits, in which sums over two workers differ, whenever a unit happens to lie at the kink of its ReLU.
    teacher = None if loss == "labels" else "t"
    generation = make_generation(loss=loss, teacher=teacher, batch_size=27, learning_rate=0.02, seed=3)
    alone, weights_alone = first_epoch(Workers(), generation, data_folder, teacher_weights)
    both = in_group(2, first_epoch, generation, data_folder, teacher_weights)
    assert both[0] == both[1], "all workers hold the same network and report the same figures"
    assert_close_metrics(both[0][0], alone, absolute=1e-4)
    assert both[0][1] == pytest.approx(weights_alone, abs=1e-4)


def norm_of_share(workers: Workers, values: torch.Tensor, weight: torch.Tensor) -> dict[str, Any]:
    norm = with_global_batch_norm(nn.BatchNorm2d(3), workers, CPU)
    assert type(norm) is GlobalBatchNorm2d
    share = workers.share(values).clone().requires_grad_()
    out = norm(share)
    (out * workers.share(weight)).sum().backward()
    assert share.grad is not None
    return {
        "out": out.detach().numpy(),
        "grad": share.grad.numpy(),
        "mean": norm.running_mean.numpy(),
        "var": norm.running_var.numpy(),
    }


def test_batch_norm_over_workers_is_batch_norm_over_the_whole_batch() -> None:
    torch.manual_seed(0)
    values = torch.randn(5, 3, 4, 4) * 3 + 100  # a mean far from zero: where one pass over the squares fails
    weight = torch.randn(5, 3, 4, 4)
    whole = nn.BatchNorm2d(3)
    inputs = values.clone().requires_grad_()
    expected = whole(inputs)
    (expected * weight).sum().backward()
    assert inputs.grad is not None
    shares = in_group(2, norm_of_share, values, weight)
    for rank, share in enumerate(shares):
        torch.testing.assert_close(torch.from_numpy(share["out"]), expected.detach()[rank::2], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(torch.from_numpy(share["grad"]), inputs.grad[rank::2], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(torch.from_numpy(share["mean"]), whole.running_mean, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(torch.from_numpy(share["var"]), whole.running_var, rtol=1e-4, atol=1e-4)


def test_shares_cover_a_batch_and_differ_by_one_at_most() -> None:
    for size in (1, 2, 3, 5):
        shares = [Workers(rank, size).share(torch.arange(13)) for rank in range(size)]
        assert sorted(torch.cat(shares).tolist()) == list(range(13))
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


def steps_in_float64(workers: Workers, loss: str, *, compiled: bool = False) -> list[float]:
    """Some weights of all layers after a few steps in double precision, where rounding hides nothing."""
    torch.manual_seed(0)
    images, labels = torch.randn(4, 9, 1, 8, 8, dtype=torch.float64), torch.randint(0, 10, (4, 9))
    keys = torch.rand(4, 9, 10, dtype=torch.float64)
    student, teacher = (build_network(NETWORK, input_shape=(1, 8, 8), classes=10).double() for _ in range(2))
    teacher.eval().requires_grad_(requires_grad=False)
    network = with_global_batch_norm(student, workers, CPU, compiled=compiled)
    optimizer = build_optimizer(network, RECIPE)
    spec: LossSpec = TypeAdapter(LossSpec).validate_python(loss)
    step = TrainingStep(
        training_forward(network, workers, CPU, with_stages=spec.stage_outputs, compiled=compiled),
        optimizer,
        build_loss(spec),
        workers=workers,
        batch_size=images.shape[1],
        bf16=False,
        diagnostics=None,
    )
    for images_BKHW, labels_B, keys_BC in zip(images, labels, keys, strict=True):
        share_BKHW = workers.share(images_BKHW)
        answer = None if spec.teacher == "none" else NetworkOutput(*teacher.forward_with_stages(share_BKHW))
        step(share_BKHW, workers.share(labels_B), teacher=answer, keys_BC=workers.share(keys_BC), progress=0.5)
    # Few enough for a pipe: nobody reads it before the process has ended.
    return [value for parameter in network.parameters() for value in parameter.detach().flatten()[:20].tolist()]


@pytest.mark.parametrize("loss", BUILT_IN)
def test_in_double_precision_two_workers_take_exactly_the_steps_of_one(loss: str) -> None:
    alone = steps_in_float64(Workers(), loss)
    for weights in in_group(2, steps_in_float64, loss):
        assert weights == pytest.approx(alone, abs=1e-6), "the teacher answers in single precision"


def compiled_steps_in_float64(workers: Workers, loss: str) -> tuple[list[float], int, list[str]]:
    """The weights, and how many graphs were compiled, and where they break.

    Compiled by dynamo and AOTAutograd, forward and backward. Inductor, which would take minutes, is tried below.
    """
    counter, compile_by = CompileCounterWithBackend("aot_eager"), torch.compile
    torch.compile = lambda module, **_: compile_by(module, backend=counter, dynamic=False)
    weights = steps_in_float64(workers, loss, compiled=True)
    return weights, counter.frame_count, list(counters["graph_break"])


@pytest.mark.parametrize("loss", ["labels", "kd+activations"])
def test_compiled_workers_train_in_one_graph_and_take_the_steps_of_one(loss: str) -> None:
    alone = steps_in_float64(Workers(), loss)
    for weights, graphs, breaks in in_group(2, compiled_steps_in_float64, loss):
        assert graphs == 1
        assert not breaks
        assert weights == pytest.approx(alone, abs=1e-6), "the teacher answers in single precision"


def gradients_by_inductor(workers: Workers, images_BKHW: torch.Tensor, *, compiled: bool) -> list[Any]:
    torch.manual_seed(0)
    network = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
    network = with_global_batch_norm(network.double(), workers, CPU, compiled=compiled)
    module: Callable[..., Any] = distributed(network, workers, CPU)
    if compiled:
        module = CompiledForward(network, workers, CPU, on_failure=pytest.fail)
    # Shares add up to the batch's loss, but DDP averages gradients.
    (module(workers.share(images_BKHW)).square().sum() * workers.size).backward()
    tensors = [*(parameter.grad for parameter in network.parameters()), *network.buffers()]
    return [tensor.tolist() for tensor in tensors if tensor is not None]


@pytest.mark.slow
def test_what_inductor_makes_of_it_computes_the_same() -> None:
    images_BKHW = torch.randn(5, 3, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    alone = gradients_by_inductor(Workers(), images_BKHW, compiled=False)
    for found in in_group(2, partial(gradients_by_inductor, compiled=True), images_BKHW):
        torch.testing.assert_close(found, alone, rtol=1e-10, atol=1e-10)


def ranks_of_all(workers: Workers) -> list[int]:
    return workers.from_all(10 + workers.rank)


def test_every_worker_learns_every_workers_value() -> None:
    assert in_group(2, ranks_of_all) == [[10, 11], [10, 11]]
    assert Workers().from_all("alone") == ["alone"]
