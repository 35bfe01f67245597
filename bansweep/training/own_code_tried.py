"""Code of the user's own, tried on two samples before a sweep starts, while its mistakes are cheap to mend."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from bansweep.errors import RequestError, TrainingError
from bansweep.losses.answer import Answer
from bansweep.losses.builder import build_loss
from bansweep.losses.weighted_mean import local_batch
from bansweep.networks.builder import build_network, count_parameters
from bansweep.networks.own_network import OwnNetwork
from bansweep.own_code.running import REMEDY_FOR_IMPORTS, failure
from bansweep.plan.generation import Generation
from bansweep.spec import networks as spec_networks
from bansweep.spec.losses import OwnLoss
from bansweep.spec.own_code import OwnCode
from bansweep.training.batch_norm import REMEDY as BATCH_NORM_REMEDY
from bansweep.training.batch_norm import local_statistics
from bansweep.training.snapshot import weights_bytes

_SAMPLES = 2
_REMEDY = "fix the file and run the sweep again"


def try_own_code(
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
                if isinstance(network, spec_networks.OwnNetwork) and network not in tried:
                    assert input_shape is not None, "there are no language models of the user's own"
                    _try_network(network, input_shape, classes, workers)
                if isinstance(loss, OwnLoss) and (loss, taught) not in tried:
                    _try_loss(loss, classes, taught=taught)
                tried |= {network, (loss, taught)}
    except TrainingError as error:
        raise RequestError(
            error.cause, remedy=REMEDY_FOR_IMPORTS if error.remedy == REMEDY_FOR_IMPORTS else _REMEDY
        ) from error


def _try_network(spec: spec_networks.OwnNetwork, input_shape: tuple[int, int, int], classes: int, workers: int) -> None:
    network = build_network(spec, input_shape=input_shape, classes=classes)
    assert isinstance(network, OwnNetwork)
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


def _try_loss(spec: OwnLoss, classes: int, *, taught: bool) -> None:
    student_BC = torch.randn(_SAMPLES, classes, requires_grad=True)
    teacher = Answer(torch.randn(_SAMPLES, classes)) if taught else None
    labels_B = torch.arange(_SAMPLES) % classes
    loss = build_loss(spec)
    _step_back(spec.code, lambda: loss(Answer(student_BC), teacher, labels_B, batch=local_batch(_SAMPLES)))


def _step_back(code: OwnCode, forward: Callable[[], Tensor]) -> None:
    """Backward through the sum of what `forward` gives."""
    result = forward()
    try:
        result.sum().backward()
    except RuntimeError as error:
        raise failure(code, error) from error
