"""What training asks of every network for images."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn


class ImageNetwork(nn.Module):
    """A network for images (B, K, H, W); gives logits (B, C)."""

    @abstractmethod
    def forward(self, images_BKHW: Tensor) -> Tensor: ...

    @abstractmethod
    def forward_with_stages(self, images_BKHW: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The logits, and the features (B, K, H, W) after each stage, where it has stages."""

    @abstractmethod
    def recompute_activations(self) -> None:
        """From now on compute activations again in the backward pass of training rather than keep them, if it can."""
