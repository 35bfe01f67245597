"""A network's forward pass as training uses it: on all workers, compiled or not, with what the loss compares."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from bansweep.losses.answer import Answer
from bansweep.networks.image_network import ImageNetwork
from bansweep.plan.events import CompileFailure
from bansweep.training.compilation import CompiledForward
from bansweep.training.workers import Workers, distributed


class _WithStages(nn.Module):
    """The network as a module whose forward pass gives the stages' outputs as well: DDP wraps nothing but `forward`."""

    def __init__(self, network: ImageNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images_BKHW: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        return self.network.forward_with_stages(images_BKHW)


class TrainingForward:
    """Images (B, K, H, W) in, what the loss compares out."""

    def __init__(self, forward: nn.Module | CompiledForward) -> None:
        self._forward = forward

    @property
    def compiled(self) -> bool:
        """Whether it runs compiled. What was to be compiled does not if its first call finds that it cannot be."""
        return isinstance(self._forward, CompiledForward) and self._forward.works

    def __call__(self, images_BKHW: Tensor) -> Answer:
        return _answer(self._forward(images_BKHW))


def training_forward(
    network: ImageNetwork,
    workers: Workers,
    device: torch.device,
    *,
    with_stages: bool,
    compiled: bool,
    on_compile_failure: Callable[[CompileFailure], None] = lambda _: None,
) -> TrainingForward:
    """The student's forward pass, with gradients averaged over the workers where there are several.

    `on_compile_failure` is called when the network cannot be compiled and is trained uncompiled instead.
    """
    module: nn.Module = _WithStages(network) if with_stages else network
    if compiled:
        return TrainingForward(CompiledForward(module, workers, device, on_compile_failure))
    return TrainingForward(distributed(module, workers, device))


def _answer(output: object) -> Answer:
    if isinstance(output, Tensor):
        return Answer(output)
    assert isinstance(output, tuple)
    logits_BC, stage_outputs = output
    return Answer(logits_BC, tuple(stage_outputs))
