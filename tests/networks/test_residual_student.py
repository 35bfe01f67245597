"""Residual students against the same computation written out with functions, and against the DenseNet they are like."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from networks.functional_blocks import basic_block, bottleneck_block, classified, conv, randomised, transition
from torch import Tensor

from bansweep.config.networks import DenseNet, ResidualStudent
from bansweep.networks.build import build_network

# Its stages give 15, 15 and 15 channels from a stem of 14: blocks of 15 (ratio 1) need a projection in the first stage
# only.
LIKE = DenseNet(depth=16, growth=8, stem=14)

BLOCKS: dict[str, Callable[..., Tensor]] = {"basic": basic_block, "bottleneck": bottleneck_block}


def network_by_hand(
    weights: dict[str, Tensor], images_BKHW: Tensor, spec: ResidualStudent, *, projected: list[bool], training: bool
) -> Tensor:
    features_BKHW = conv(images_BKHW, weights["stem.weight"])
    for stage in range(3):
        for block in range(spec.blocks):
            features_BKHW = BLOCKS[spec.block](
                features_BKHW,
                weights,
                f"stages.{stage}.{block}",
                projected=projected[stage] and block == 0,
                training=training,
            )
        exit_name = f"stages.{stage}.{spec.blocks}"
        features_BKHW = transition(features_BKHW, weights, exit_name, pool=stage < 2, training=training)
    return classified(features_BKHW, weights, training=training)


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("block", ["basic", "bottleneck"])
@pytest.mark.parametrize(("ratio", "projected"), [(1, [True, False, False]), (0.5, [True] * 3)], ids=["whole", "half"])
def test_the_network_computes_what_the_paper_describes(
    block: str, ratio: float, projected: list[bool], training: bool
) -> None:
    assert LIKE.stage_channels == (15, 15, 15)
    spec = ResidualStudent.model_validate({"block": block, "blocks": 2, "ratio": ratio, "like": LIKE})
    network = randomised(build_network(spec, input_shape=(3, 12, 12), classes=5)).train(training)
    weights = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    images_BKHW = torch.randn(3, 3, 12, 12, dtype=torch.float64)

    expected_BC = network_by_hand(weights, images_BKHW, spec, projected=projected, training=training)

    torch.testing.assert_close(network(images_BKHW), expected_BC)


@pytest.mark.parametrize("final_transition", [True, False])
def test_first_and_last_layer_and_features_fit_the_densenets(final_transition: bool) -> None:
    like = DenseNet(depth=16, growth=6, final_transition=final_transition)
    student = ResidualStudent(block="basic", blocks=1, ratio=0.5, like=like)
    images_BKHW = torch.randn(2, 3, 16, 16)
    networks = [build_network(spec, input_shape=(3, 16, 16), classes=5) for spec in (like, student)]

    networks[1].stem.load_state_dict(networks[0].stem.state_dict())
    networks[1].classifier.load_state_dict(networks[0].classifier.state_dict())
    shapes = [[tuple(one.shape) for one in network.forward_with_stages(images_BKHW)[1]] for network in networks]

    assert shapes[0] == shapes[1]


def test_dropout_of_the_densenet_acts_in_transitions() -> None:
    like = DenseNet(depth=10, growth=6, dropout=0.5)
    network = build_network(
        ResidualStudent(block="basic", blocks=1, ratio=1, like=like), input_shape=(1, 8, 8), classes=5
    )
    images_BKHW = torch.randn(2, 1, 8, 8)

    assert not torch.equal(network.train()(images_BKHW), network.train()(images_BKHW))
    assert torch.equal(network.eval()(images_BKHW), network.eval()(images_BKHW))
