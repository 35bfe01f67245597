"""The teacher of a generation: a finished network that answers and is never touched."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from bansweep.config.networks import ImageNetworkSpec, LanguageNetworkSpec
from bansweep.losses.building_blocks import NetworkOutput
from bansweep.networks.build import build_language_model, build_network
from bansweep.networks.image_network import ImageNetwork
from bansweep.networks.language_model import LanguageModel
from bansweep.training.precision import autocast
from bansweep.training.snapshot import load_weights


class FrozenTeacher:
    """A network in evaluation mode whose answers carry no gradient; a copy of its own, never the student's module."""

    def __init__(
        self,
        spec: ImageNetworkSpec,
        weights: bytes,
        *,
        input_shape: tuple[int, int, int],
        classes: int,
        device: torch.device,
    ) -> None:
        self.network: ImageNetwork = build_network(spec, input_shape=input_shape, classes=classes)
        load_weights(self.network, weights)
        self.network.eval().requires_grad_(requires_grad=False)
        self.network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def answer(self, images_BKHW: Tensor, *, bf16: bool, with_stages: bool = False) -> NetworkOutput:
        """The teacher's logits (B, C), and where asked for what each of its stages gives, in the types they have."""
        with torch.inference_mode(), autocast(images_BKHW.device, bf16=bf16):
            if with_stages:
                logits_BC, stage_outputs = self.network.forward_with_stages(images_BKHW)
            else:
                logits_BC, stage_outputs = self.network(images_BKHW), ()
        # Autograd refuses to save tensors born in inference mode, even as constants; clones made outside are plain.
        return NetworkOutput(logits_BC.clone(), tuple(features_BKHW.clone() for features_BKHW in stage_outputs))


def frozen_language_model(
    spec: LanguageNetworkSpec, weights: bytes, *, vocabulary: Sequence[str], device: torch.device
) -> LanguageModel:
    """A finished language model in evaluation mode, without gradients: a copy of its own, never the student."""
    model = build_language_model(spec, vocabulary=vocabulary)
    load_weights(model, weights)
    return model.eval().requires_grad_(requires_grad=False).to(device)
