"""Builds the network that a sweep file names, and counts its parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from torch import nn

from bansweep.config import networks as network_specs
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
    Raises DataError for images smaller than 8x8 pixels, TrainingError where user code fails.
    """
    channels, height, width = input_shape
    if isinstance(spec, network_specs.UserNetwork):
        return UserNetwork(spec, input_shape=input_shape, classes=classes)
    check_image_size(spec, height, width)
    match spec:
        case network_specs.WideResNet():
            return WideResNet(spec.depth, spec.width, in_channels=channels, classes=classes, dropout=spec.dropout)
        case network_specs.DenseNet():
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
        case network_specs.PreResNet():
            return PreResNet(spec.depth, in_channels=channels, classes=classes)
        case network_specs.ResidualStudent():
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
        case network_specs.Lstm():
            return Lstm(
                spec.units,
                spec.layers,
                vocabulary_size=len(vocabulary),
                dropout=spec.dropout,
                tied=spec.tied,
                initial_range=spec.initial_range,
            )
        case network_specs.CnnLstm():
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
    """The number of parameters. Batch normalisation's running statistics are not among them."""
    return sum(parameter.numel() for parameter in network.parameters())
