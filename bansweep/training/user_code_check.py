"""Runs user networks and losses on two samples before a sweep starts, while mistakes are cheap to fix."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from bansweep.config import networks as network_specs
from bansweep.config.losses import UserLoss
from bansweep.config.user_code import UserCode
from bansweep.errors import RequestError, TrainingError
from bansweep.graph.generation import Generation
from bansweep.losses.builder import LossInputs, build_loss
from bansweep.losses.building_blocks import NetworkOutput, local_batch
from bansweep.networks.build import build_network, count_parameters
from bansweep.networks.image_network import UserNetwork
from bansweep.training.batch_norm import BATCH_NORM_REMEDY, local_statistics
from bansweep.training.snapshot import weights_bytes
from bansweep.user_code import REMEDY_FOR_IMPORTS, failure

_SAMPLES = 2
_REMEDY = "fix the file and run the sweep again"


def try_user_code(
    generations: Iterable[Generation], *, input_shape: tuple[int, int, int] | None, classes: int, workers: int = 1
) -> None:
    """Run one forward and backward pass of each user network and each custom loss, on a CPU, with random inputs.

    `input_shape` is (channels, height, width), None for text; `classes` counts the words of a vocabulary, too. Several
    `workers` have to share batch statistics. Built-in networks and losses are not run. Raises RequestError with the
    user's file and line.
    """
    tried: set[object] = set()
    try:
        with torch.random.fork_rng(devices=[]):
            for generation in generations:
                network, loss, has_teacher = generation.network, generation.loss, generation.teacher is not None
                if isinstance(network, network_specs.UserNetwork) and network not in tried:
                    assert input_shape is not None, "there are no language models of the user's own"
                    _try_network(network, input_shape, classes, workers)
                if isinstance(loss, UserLoss) and (loss, has_teacher) not in tried:
                    _try_loss(loss, classes, has_teacher=has_teacher)
                tried |= {network, (loss, has_teacher)}
    except TrainingError as error:
        raise RequestError(
            error.cause, remedy=REMEDY_FOR_IMPORTS if error.remedy == REMEDY_FOR_IMPORTS else _REMEDY
        ) from error


def _try_network(
    spec: network_specs.UserNetwork, input_shape: tuple[int, int, int], classes: int, workers: int
) -> None:
    network = build_network(spec, input_shape=input_shape, classes=classes)
    assert isinstance(network, UserNetwork)
    if any(map(is_lazy, network.parameters())):
        raise TrainingError(f"{spec.code.file}: the network of {spec.code.name} has lazy layers: give them their sizes")
    if not count_parameters(network):
        raise TrainingError(f"{spec.code.file}: the network of {spec.code.name} has no parameters, so nothing to learn")
    cause = local_statistics(network) if workers > 1 else None
    if cause:
        raise RequestError(f"{cause}, which {workers} workers cannot share", remedy=BATCH_NORM_REMEDY)
    images_BKHW = torch.randn(_SAMPLES, *input_shape)
    _forward_and_backward(spec.code, lambda: network.train()(images_BKHW))
    with torch.no_grad():
        network.eval()(images_BKHW)
    try:
        weights_bytes(network)
    except (RuntimeError, ValueError) as error:
        raise failure(spec.code, error) from error


def _try_loss(spec: UserLoss, classes: int, *, has_teacher: bool) -> None:
    student_BC = torch.randn(_SAMPLES, classes, requires_grad=True)
    teacher = NetworkOutput(torch.randn(_SAMPLES, classes)) if has_teacher else None
    labels_B = torch.arange(_SAMPLES) % classes
    loss = build_loss(spec)
    _forward_and_backward(
        spec.code, lambda: loss(LossInputs(NetworkOutput(student_BC), teacher, labels_B, local_batch(_SAMPLES)))
    )


def _forward_and_backward(code: UserCode, forward: Callable[[], Tensor]) -> None:
    """Run `forward`, and the backward pass through the sum of its result."""
    result = forward()
    try:
        result.sum().backward()
    except RuntimeError as error:
        raise failure(code, error) from error
