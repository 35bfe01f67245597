"""How much arithmetic a network takes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from bansweep.networks.language_model import LanguageModel


def count_operations(network: nn.Module, *, input_shape: tuple[int, int, int]) -> int:
    """Multiply-adds of convolutions and linear layers for one image of `input_shape` (channels, height, width).

    They are those of the forward pass; a training step takes about three times as many. Batch normalisation,
    activations and pooling are left out, as in the counts that papers print. A network that was built under
    `torch.device("meta")` computes nothing for it; any network is left in the mode that it was in.
    """
    device = next(network.parameters()).device
    return _counted(network, lambda: network(torch.empty(1, *input_shape, device=device)))


def count_operations_of_token(model: LanguageModel) -> int:
    """Multiply-adds for one token, as `count_operations` has them. The model has to lie on a real device."""
    # The counter does not know PyTorch's LSTM: 4 gates, each from a layer's input and from its own hidden state.
    gates = sum(weight.numel() for name, weight in model.layers.named_parameters() if ".weight" in name)
    tokens_TB = torch.zeros(1, 1, dtype=torch.long)

    def others() -> Tensor:
        return model.decode(torch.zeros(1, 1, model.units)) + model.embed(tokens_TB).sum()

    return gates + _counted(model, others)


def _counted(network: nn.Module, compute: Callable[[], object]) -> int:
    training = network.training
    # On one image batch normalisation cannot train; its running statistics are to stay as they are, too.
    network.eval()
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            compute()
    finally:
        network.train(training)
    # The counter takes a multiplication and an addition for two operations.
    return int(counter.get_total_flops()) // 2
