"""Pre-ResNet against the same computation written out with functions, from the paper's description."""

from __future__ import annotations

import pytest
import torch
from networks.functional_blocks import bottleneck_block, classified, conv, randomised
from torch import Tensor

from bansweep.networks.residual_networks import BottleneckBlock, PreResNet


def network_by_hand(weights: dict[str, Tensor], images_BKHW: Tensor, *, blocks: int, training: bool) -> Tensor:
    features_BKHW = conv(images_BKHW, weights["stem.weight"])
    for stage, stride in enumerate((1, 2, 2)):
        for block in range(blocks):
            features_BKHW = bottleneck_block(
                features_BKHW,
                weights,
                f"stages.{stage}.{block}",
                stride=stride if block == 0 else 1,
                projected=block == 0,
                training=training,
            )
    return classified(features_BKHW, weights, training=training)


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("side", [8, 13])
def test_the_network_computes_what_the_paper_describes(training: bool, side: int) -> None:
    network = randomised(PreResNet(20, in_channels=3, classes=5)).train(training)
    weights = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    images_BKHW = torch.randn(3, 3, side, side, dtype=torch.float64)

    expected_BC = network_by_hand(weights, images_BKHW, blocks=2, training=training)

    torch.testing.assert_close(network(images_BKHW), expected_BC)


def test_stages_have_the_papers_widths() -> None:
    with torch.device("meta"):
        network = PreResNet(29, in_channels=3, classes=10)
    blocks = [[block for block in stage if isinstance(block, BottleneckBlock)] for stage in network.stages]

    assert network.stem.out_channels == 16
    assert [[block.conv2.out_channels for block in stage] for stage in blocks] == [[16] * 3, [32] * 3, [64] * 3]
    assert [[block.conv3.out_channels for block in stage] for stage in blocks] == [[64] * 3, [128] * 3, [256] * 3]
    assert [[block.projection is not None for block in stage] for stage in blocks] == [[True, False, False]] * 3


def test_layers_with_weights_on_the_longest_path_are_the_depth() -> None:
    with torch.device("meta"):
        network = PreResNet(1001, in_channels=3, classes=10)
    convolutions = sum(name.endswith(("conv1", "conv2", "conv3")) for name, _ in network.named_modules())

    assert convolutions + len([network.stem, network.classifier]) == 1001


@pytest.mark.parametrize(("depth", "message"), [(2, "at least 11"), (21, "9n \\+ 2")])
def test_depths_that_no_network_has(depth: int, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        PreResNet(depth, in_channels=3, classes=10)
