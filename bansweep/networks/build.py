"""From what a sweep file says of a network to the network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from torch import nn

from bansweep.config import networks as spec_networks
from bansweep.config.networks import ImageNetworkSpec, LanguageNetworkSpec, check_image_size
from bansweep.networks.cnn_lstm import CnnLstm
from bansweep.networks.densenet import DenseNet
from bansweep.networks.image_network import ImageNetwork, UserNetwork
from bansweep.networks.language_model import LanguageModel, Lstm
from bansweep.networks.residual_networks import PreResNet, ResidualStudent, WideResNet


def build_network(spec: ImageNetworkSpec, *, input_shape: tuple[int, int, int], classes: int) -> ImageNetwork:
    """A new network with random weights, drawn from PyTorch's global generator: seed that first.

    `input_shape` is (channels, height, width) of one image. The network takes (B, channels, height, width) and gives
    logits (B, classes). Under `torch.device("meta")` it costs neither memory nor time.
    Raises DataError for images smaller than 8x8 pixels, TrainingError where code of the user's own fails.
    """
    channels, height, width = input_shape
    if isinstance(spec, spec_networks.UserNetwork):
        return UserNetwork(spec, input_shape=input_shape, classes=classes)
    check_image_size(spec, height, width)
    match spec:
        case spec_networks.WideResNet():
            return WideResNet(spec.depth, spec.width, in_channels=channels, classes=classes, dropout=spec.dropout)
        case spec_networks.DenseNet():
            return DenseNet(
                spec.depth,
                spec.growth,
                in_channels=channels,
                classes=classes,
                stem_channels=spec.stem,
                compression=spec.compression,
                final_transition=spec.final_transition,
                dropout=spec.dropout,
            )
        case spec_networks.PreResNet():
            return PreResNet(spec.depth, in_channels=channels, classes=classes)
        case spec_networks.ResidualStudent():
            return ResidualStudent(
                spec.block,
                spec.blocks,
                stem_channels=spec.stem_channels,
                block_channels=spec.block_channels,
                stage_channels=spec.stage_channels,
                in_channels=channels,
                classes=classes,
                dropout=spec.like.dropout,
            )
        case _:
            assert_never(spec)


def build_language_model(spec: LanguageNetworkSpec, *, vocabulary: Sequence[str]) -> LanguageModel:
    """A new language model with random weights, drawn from PyTorch's global generator: seed that first.

    A token is a word's position in `vocabulary`.
    """
    match spec:
        case spec_networks.Lstm():
            return Lstm(
                spec.units,
                spec.layers,
                vocabulary_size=len(vocabulary),
                dropout=spec.dropout,
                tied=spec.tied,
                initial_range=spec.initial_range,
            )
        case spec_networks.CnnLstm():
            return CnnLstm(
                spec.units,
                spec.layers,
                vocabulary=vocabulary,
                dropout=spec.dropout,
                character_embedding=spec.character_embedding,
                widths=spec.widths,
                maps=spec.maps,
                highway=spec.highway,
                initial_range=spec.initial_range,
            )
        case _:
            assert_never(spec)


def count_parameters(network: nn.Module) -> int:
    """How many numbers the network learns: its parameters, without batch normalisation's running statistics."""
    return sum(parameter.numel() for parameter in network.parameters())
