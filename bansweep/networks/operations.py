"""How much arithmetic a network takes."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def count_operations(network: nn.Module, *, input_shape: tuple[int, int, int]) -> int:
    """Multiply-adds of convolutions and linear layers for one image of `input_shape` (channels, height, width).

    They are those of the forward pass; a training step takes about three times as many. Batch normalisation,
    activations and pooling are left out, as in the counts that papers print. A network that was built under
    `torch.device("meta")` computes nothing for it; any network is left in the mode that it was in.
    """
    training = network.training
    device = next(network.parameters()).device
    # On one image batch normalisation cannot train; its running statistics are to stay as they are, too.
    network.eval()
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            network(torch.empty(1, *input_shape, device=device))
    finally:
        network.train(training)
    # The counter takes a multiplication and an addition for two operations.
    return int(counter.get_total_flops()) // 2
