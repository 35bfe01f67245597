"""The weights that a network starts from, as in the published code of Wide-ResNet and of DenseNet."""

from __future__ import annotations

from torch import nn


def initialise(network: nn.Module) -> None:
    """Draw the weights of every convolution and zero the bias of every linear layer, in place.

    He et al. (2015), section 2.2, "backward" form: normal with variance 2 / (kernel area * output channels), which both
    authors' Lua code uses. Linear weights and batch normalisation (scale 1, shift 0) keep PyTorch's defaults.
    Random numbers come from PyTorch's global generator: seed it before the network is built. On the meta device there
    is nothing to draw, which takes PyTorch as long as drawing does.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and not module.weight.is_meta:
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)
