"""The size of a network that has been built: operations, and parameters as the paper counts them."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from bansweep.config.paper_networks import Counted
from bansweep.networks.build import count_parameters
from bansweep.networks.cnn_lstm import CnnLstm
from bansweep.networks.image_network import StagedNetwork
from bansweep.networks.language_model import LanguageModel


def count_operations(network: nn.Module, *, input_shape: tuple[int, int, int]) -> int:
    """Multiply-adds of convolutions and linear layers for one image of `input_shape` (channels, height, width).

    They are those of the forward pass; a training step takes about three times as many. Batch normalisation,
    activations and pooling are not counted, as usual in papers. With a network built under `torch.device("meta")`
    nothing is computed. The network's mode (training or evaluation) does not change.
    """
    device = next(network.parameters()).device
    return _counted(network, lambda: network(torch.empty(1, *input_shape, device=device)))


def count_operations_of_token(model: LanguageModel) -> int:
    """Multiply-adds for one token, counted as in `count_operations`, with a model on any device."""
    # The counter does not know PyTorch's LSTM: 4 gates, each from a layer's input and from its own hidden state.
    gates = sum(weight.numel() for name, weight in model.layers.named_parameters() if ".weight" in name)
    device = next(model.parameters()).device

    def others() -> None:
        model.decode(torch.zeros(1, 1, model.units, device=device))
        _look_up_word(model, device)

    return gates + _counted(model, others)


def _look_up_word(model: LanguageModel, device: torch.device) -> Tensor:
    """The features of one word."""
    if isinstance(model, CnnLstm):
        # Not through `embed`, which finds distinct words: the meta device has no values to compare.
        features_UE: Tensor = model.highway(
            model.words(model.characters_VL[:1].to(device), model.lengths_V[:1].to(device))
        )
        return features_UE
    return model.embed(torch.zeros(1, 1, dtype=torch.long, device=device))


def _counted(network: nn.Module, compute: Callable[[], object]) -> int:
    training = network.training
    # Batch normalisation cannot train on one image, and its running statistics must not change.
    network.eval()
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            compute()
    finally:
        network.train(training)
    # The counter counts a multiplication and an addition as two operations.
    return int(counter.get_total_flops()) // 2


def count_as_printed(network: nn.Module, counted: Counted) -> int:
    """The number of parameters as the paper counts them: `counted` names those that it excludes."""
    match counted:
        case "all":
            excluded: list[nn.Module] = []
        case "without first and last layer":
            assert isinstance(network, StagedNetwork)
            excluded = [network.stem, network.classifier]
        case "without batch normalisation":
            excluded = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
        case _:
            assert_never(counted)
    return count_parameters(network) - sum(map(count_parameters, excluded))
