"""Code of the user's own, tried on two samples before a sweep starts, while its mistakes are cheap to mend."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from bansweep.config import networks as spec_networks
from bansweep.config.losses import UserLoss
from bansweep.config.user_code import UserCode
from bansweep.errors import RequestError, TrainingError
from bansweep.graph.generation import Generation
from bansweep.losses.builder import LossInputs, build_loss
from bansweep.losses.building_blocks import NetworkOutput, local_batch
from bansweep.networks.build import build_network, count_parameters
from bansweep.networks.image_network import UserNetwork
from bansweep.training.batch_norm import REMEDY as BATCH_NORM_REMEDY
from bansweep.training.batch_norm import local_statistics
from bansweep.training.snapshot import weights_bytes
from bansweep.user_code import REMEDY_FOR_IMPORTS, failure

_SAMPLES = 2
_REMEDY = "fix the file and run the sweep again"


def try_user_code(
    generations: Iterable[Generation], *, input_shape: tuple[int, int, int] | None, classes: int, workers: int = 1
) -> None:
    """Take each network and each loss of the user's own one step forward and back, on a CPU, with random inputs.

    `input_shape` is (channels, height, width), None for text; `classes` counts the words of a vocabulary, too. Several
    `workers` have to share batch statistics. Does nothing for built-in ones. Raises RequestError with the user's file
    and line.
    """
    tried: set[object] = set()
    try:
        with torch.random.fork_rng(devices=[]):
            for generation in generations:
                network, loss, taught = generation.network, generation.loss, generation.teacher is not None
                if isinstance(network, spec_networks.UserNetwork) and network not in tried:
                    assert input_shape is not None, "there are no language models of the user's own"
                    _try_network(network, input_shape, classes, workers)
                if isinstance(loss, UserLoss) and (loss, taught) not in tried:
                    _try_loss(loss, classes, taught=taught)
                tried |= {network, (loss, taught)}
    except TrainingError as error:
        raise RequestError(
            error.cause, remedy=REMEDY_FOR_IMPORTS if error.remedy == REMEDY_FOR_IMPORTS else _REMEDY
        ) from error


def _try_network(
    spec: spec_networks.UserNetwork, input_shape: tuple[int, int, int], classes: int, workers: int
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
    _step_back(spec.code, lambda: network.train()(images_BKHW))
    with torch.no_grad():
        network.eval()(images_BKHW)
    try:
        weights_bytes(network)
    except (RuntimeError, ValueError) as error:
        raise failure(spec.code, error) from error


def _try_loss(spec: UserLoss, classes: int, *, taught: bool) -> None:
    student_BC = torch.randn(_SAMPLES, classes, requires_grad=True)
    teacher = NetworkOutput(torch.randn(_SAMPLES, classes)) if taught else None
    labels_B = torch.arange(_SAMPLES) % classes
    loss = build_loss(spec)
    _step_back(spec.code, lambda: loss(LossInputs(NetworkOutput(student_BC), teacher, labels_B, local_batch(_SAMPLES))))


def _step_back(code: UserCode, forward: Callable[[], Tensor]) -> None:
    """Backward through the sum of what `forward` gives."""
    result = forward()
    try:
        result.sum().backward()
    except RuntimeError as error:
        raise failure(code, error) from error
