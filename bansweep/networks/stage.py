"""A stage of an image network: units (residual blocks, dense units, transitions), one after another."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bansweep.networks.recomputation import recomputed


class Stage(nn.Sequential):
    """Takes and gives features (B, K, H, W).

    With `recompute`, training keeps the inputs of each unit and computes the rest again in the backward pass.
    Evaluation, and whatever runs without gradients, keeps nothing anyway.
    """

    recompute: bool = False

    def forward(self, features_BKHW: Tensor) -> Tensor:
        if self.recompute and self.training and torch.is_grad_enabled():
            return self._recomputed(features_BKHW)
        for unit in self:
            features_BKHW = unit(features_BKHW)
        return features_BKHW

    def _recomputed(self, features_BKHW: Tensor) -> Tensor:
        for unit in self:
            features_BKHW = recomputed(unit, features_BKHW, unit=unit)
        return features_BKHW
