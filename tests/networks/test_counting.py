"""Multiply-adds against formulas, and against the one that is published."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bansweep.config.networks import CnnLstm, DenseNet, Lstm, NetworkSpec, WideResNet, network_from_name
from bansweep.networks.build import build_language_model, build_network
from bansweep.networks.counting import count_operations, count_operations_of_token


def operations(spec: NetworkSpec, *, input_shape: tuple[int, int, int] = (3, 32, 32), classes: int = 10) -> int:
    with torch.device("meta"):
        network = build_network(spec, input_shape=input_shape, classes=classes)
    return count_operations(network, input_shape=input_shape)


def test_an_lstms_token_by_formula() -> None:
    spec = Lstm(units=10, layers=3)
    model = build_language_model(spec, vocabulary=[str(index) for index in range(50)])
    assert count_operations_of_token(model) == 3 * 4 * 10 * (10 + 10) + 10 * 50


def test_a_cnn_lstms_token_by_formula() -> None:
    spec = CnnLstm(units=10, layers=1, character_embedding=4, widths=(1, 3), maps_per_width=5, highway=1)
    model = build_language_model(spec, vocabulary=["abcd", "e"])
    # Six characters with the marks, so six and four places; 5 + 15 features.
    convolutions = 6 * 4 * 1 * 5 + 4 * 4 * 3 * 15
    assert count_operations_of_token(model) == convolutions + 2 * 20 * 20 + 4 * 10 * (20 + 10) + 10 * 2


def test_a_wide_resnet_by_formula() -> None:
    def block(inputs: int, outputs: int, pixels: int) -> int:
        projection = inputs * outputs if inputs != outputs else 0
        return pixels * (9 * inputs * outputs + 9 * outputs * outputs + projection)

    # One channel of 8x12 pixels; a block a stage, of 32, 64 and 128 channels.
    stages = block(16, 32, 96) + block(32, 64, 24) + block(64, 128, 6)
    expected = 96 * 9 * 16 + stages + 128 * 7

    assert operations(WideResNet(depth=10, width=2), input_shape=(1, 8, 12), classes=7) == expected


def test_a_densenet_by_formula() -> None:
    def unit(inputs: int, pixels: int) -> int:
        return pixels * (inputs * 4 * 6 + 9 * 4 * 6 * 6)

    # Growth 6 from a stem of 12, a unit a block: 18, 15 and 13 channels before transitions, which pool first.
    expected = 64 * 9 * 3 * 12
    expected += unit(12, 64) + 16 * 18 * 9
    expected += unit(9, 16) + 4 * 15 * 7
    expected += unit(7, 4) + 4 * 13 * 6
    expected += 6 * 10

    assert operations(DenseNet(depth=10, growth=6), input_shape=(3, 8, 8)) == expected


def test_wide_resnet_28_10_takes_the_published_5_2_billion() -> None:
    assert operations(network_from_name("wrn-28-10")) == pytest.approx(5.2e9, rel=0.01)


def test_a_network_is_left_as_it_was() -> None:
    network = build_network(WideResNet(depth=10, width=1), input_shape=(1, 8, 8), classes=3).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}

    count_operations(network, input_shape=(1, 8, 8))

    assert network.training
    assert all(module.training for module in network.modules() if isinstance(module, nn.BatchNorm2d))
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
