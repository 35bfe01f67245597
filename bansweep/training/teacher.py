"""The teacher of a generation: a finished network that answers and is never touched."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bansweep.networks.builder import build_network
from bansweep.spec.networks import NetworkSpec
from bansweep.training.precision import autocast
from bansweep.training.snapshot import load_weights


class FrozenTeacher:
    """A network in evaluation mode whose logits carry no gradient; a copy of its own, never the student's module."""

    def __init__(
        self,
        spec: NetworkSpec,
        weights: bytes,
        *,
        input_shape: tuple[int, int, int],
        classes: int,
        device: torch.device,
    ) -> None:
        self.network: nn.Module = build_network(spec, input_shape=input_shape, classes=classes)
        load_weights(self.network, weights)
        self.network.eval().requires_grad_(requires_grad=False)
        self.network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def logits(self, images_BKHW: Tensor, *, bf16: bool) -> Tensor:
        """The teacher's logits (B, C) in float32."""
        with torch.inference_mode(), autocast(images_BKHW.device, bf16=bf16):
            logits_BC: Tensor = self.network(images_BKHW).float()
        # Autograd refuses to save tensors born in inference mode, even as constants; a clone made outside is plain.
        return logits_BC.clone()
