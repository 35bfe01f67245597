"""Wide-ResNet's block against the same computation written out."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d

from bansweep.networks.residual_networks import BasicBlock, WideResNet


def batch_normalised(features_BKHW: Tensor, scale_K: Tensor, shift_K: Tensor) -> Tensor:
    mean = features_BKHW.mean(dim=(0, 2, 3), keepdim=True)
    variance = ((features_BKHW - mean) ** 2).mean(dim=(0, 2, 3), keepdim=True)
    normalised = (features_BKHW - mean) / (variance + 1e-5).sqrt()
    return normalised * scale_K[:, None, None] + shift_K[:, None, None]


def block_by_hand(block: BasicBlock, features_BKHW: Tensor, *, stride: int) -> Tensor:
    weights = dict(block.named_parameters())
    activated = batch_normalised(features_BKHW, weights["norm1.weight"], weights["norm1.bias"]).clamp(min=0)
    hidden = conv2d(activated, weights["conv1.weight"], stride=stride, padding=1)
    hidden = batch_normalised(hidden, weights["norm2.weight"], weights["norm2.bias"]).clamp(min=0)
    residual = conv2d(hidden, weights["conv2.weight"], padding=1)
    if "projection.weight" in weights:
        return residual + conv2d(activated, weights["projection.weight"], stride=stride)
    return residual + features_BKHW


@pytest.mark.parametrize(
    ("in_channels", "out_channels", "stride"), [(6, 6, 1), (4, 8, 1), (4, 8, 2)], ids=["identity", "wider", "halving"]
)
def test_block_computes_what_the_paper_describes(in_channels: int, out_channels: int, stride: int) -> None:
    torch.manual_seed(0)
    block = BasicBlock(in_channels, out_channels, stride=stride, dropout=0.0).double()
    for norm in (block.norm1, block.norm2):
        torch.nn.init.uniform_(norm.weight, 0.5, 2.0)
        torch.nn.init.normal_(norm.bias)
    features_BKHW = torch.randn(3, in_channels, 8, 8, dtype=torch.float64)

    torch.testing.assert_close(block(features_BKHW), block_by_hand(block, features_BKHW, stride=stride))


def test_block_leaves_its_input_as_it_was() -> None:
    block = BasicBlock(4, 4, stride=1, dropout=0.0)
    features_BKHW = torch.randn(2, 4, 8, 8)
    before = features_BKHW.clone()

    block(features_BKHW)

    assert torch.equal(features_BKHW, before)


def test_dropout_lies_between_the_convolutions() -> None:
    # Where everything is dropped, nothing reaches the second convolution, and only the shortcut is left.
    block = BasicBlock(4, 4, stride=1, dropout=1.0)
    features_BKHW = torch.randn(2, 4, 8, 8)

    assert torch.equal(block.train()(features_BKHW), features_BKHW)
    assert not torch.equal(block.eval()(features_BKHW), features_BKHW)


def test_stages_halve_the_resolution_twice_and_double_the_channels() -> None:
    with torch.device("meta"):
        network = WideResNet(16, 3, in_channels=3, classes=10).eval()
        features_BKHW = network.stem(torch.empty(2, 3, 32, 32))
        shapes = [tuple((features_BKHW := stage(features_BKHW)).shape) for stage in network.stages]

    assert shapes == [(2, 48, 32, 32), (2, 96, 16, 16), (2, 192, 8, 8)]
    assert [len(stage) for stage in network.stages] == [2, 2, 2]
