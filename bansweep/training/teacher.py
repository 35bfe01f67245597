"""The teacher of a generation: a finished network that answers and is never touched."""

from __future__ import annotations

import torch
from torch import Tensor

from bansweep.losses.answer import Answer
from bansweep.networks.builder import build_network
from bansweep.networks.staged import StagedNetwork
from bansweep.spec.networks import NetworkSpec
from bansweep.training.precision import autocast
from bansweep.training.snapshot import load_weights


class FrozenTeacher:
    """A network in evaluation mode whose answers carry no gradient; a copy of its own, never the student's module."""

    def __init__(
        self,
        spec: NetworkSpec,
        weights: bytes,
        *,
        input_shape: tuple[int, int, int],
        classes: int,
        device: torch.device,
    ) -> None:
        self.network: StagedNetwork = build_network(spec, input_shape=input_shape, classes=classes)
        load_weights(self.network, weights)
        self.network.eval().requires_grad_(requires_grad=False)
        self.network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def answer(self, images_BKHW: Tensor, *, bf16: bool, with_stages: bool = False) -> Answer:
        """The teacher's logits (B, C) in float32, and where asked for what each of its stages gives, as computed."""
        with torch.inference_mode(), autocast(images_BKHW.device, bf16=bf16):
            if with_stages:
                logits_BC, stage_outputs = self.network.forward_with_stages(images_BKHW)
            else:
                logits_BC, stage_outputs = self.network(images_BKHW), ()
            logits_BC = logits_BC.float()
        # Autograd refuses to save tensors born in inference mode, even as constants; clones made outside are plain.
        return Answer(logits_BC.clone(), tuple(features_BKHW.clone() for features_BKHW in stage_outputs))
