"""A network's forward pass as training uses it: on all workers, compiled or not, with what the loss compares."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from bansweep.losses.answer import Answer
from bansweep.networks.image_network import ImageNetwork
from bansweep.training.workers import Workers, distributed


class _WithStages(nn.Module):
    """The network as a module whose forward pass gives the stages' outputs as well: DDP wraps nothing but `forward`."""

    def __init__(self, network: ImageNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images_BKHW: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        return self.network.forward_with_stages(images_BKHW)


def training_forward(
    network: ImageNetwork, workers: Workers, device: torch.device, *, with_stages: bool, compiled: bool
) -> Callable[[Tensor], Answer]:
    """The student's forward pass, with gradients averaged over the workers where there are several."""
    module: nn.Module = _WithStages(network) if with_stages else network
    # The network is compiled, not DDP around it: dynamo cannot trace DDP's own forward pass, and gives up on all of it.
    forward = distributed(compiled_for(module, workers) if compiled else module, workers, device)
    return lambda images_BKHW: _answer(forward(images_BKHW))


def compiled_for(module: nn.Module, workers: Workers) -> nn.Module:
    """The module, compiled when it is first called, into one graph also for several workers.

    Side effect, for several workers: dynamo no longer cuts graphs where DDP's buckets end. With cuts, DDP averages
    gradients while the rest of the backward pass runs; each part is then compiled for itself, and nothing is fused
    across. In one graph gradients are averaged at its end.
    """
    if workers.size > 1:
        # Imported here: it takes seconds, and only what is compiled needs it.
        from torch._dynamo import config

        config.optimize_ddp = False
    return cast(nn.Module, torch.compile(module))


def _answer(output: object) -> Answer:
    if isinstance(output, Tensor):
        return Answer(output)
    assert isinstance(output, tuple)
    logits_BC, stage_outputs = output
    return Answer(logits_BC, tuple(stage_outputs))
