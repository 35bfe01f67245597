"""The weights that networks start from."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bansweep.config.networks import DenseNet, NetworkSpec, PreResNet, ResidualStudent, WideResNet
from bansweep.networks.build import build_network

SPECS: list[NetworkSpec] = [
    WideResNet(depth=10, width=1),
    DenseNet(depth=10, growth=4),
    PreResNet(depth=11),
    ResidualStudent(block="basic", blocks=1, ratio=1, like=DenseNet(depth=10, growth=4)),
]


def weights_from_seed(spec: NetworkSpec, seed: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    return build_network(spec, input_shape=(1, 8, 8), classes=10).state_dict()


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_one_seed_gives_one_network(spec: NetworkSpec) -> None:
    first, again = weights_from_seed(spec, 7), weights_from_seed(spec, 7)

    assert all(torch.equal(first[name], again[name]) for name in first)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_another_seed_gives_another_network(spec: NetworkSpec) -> None:
    first, other = weights_from_seed(spec, 7), weights_from_seed(spec, 8)
    drawn = [name for name in first if "conv" in name or "stem" in name or name == "classifier.weight"]

    assert drawn
    assert all(not torch.equal(first[name], other[name]) for name in drawn)


@pytest.mark.parametrize(
    "spec",
    [
        WideResNet(depth=10, width=4),
        DenseNet(depth=10, growth=32),
        PreResNet(depth=20),
        ResidualStudent(block="bottleneck", blocks=2, ratio=1, like=DenseNet(depth=10, growth=32)),
    ],
    ids=lambda spec: spec.name,
)
def test_convolutions_have_hes_variance_and_linear_biases_are_zero(spec: NetworkSpec) -> None:
    torch.manual_seed(0)
    network = build_network(spec, input_shape=(3, 8, 8), classes=10)

    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            assert module.bias is None
            side, _ = module.kernel_size
            expected = (2 / (side * side * module.out_channels)) ** 0.5
            samples = module.weight.numel()
            # A sample's standard deviation scatters by about 1 / sqrt(2n): allow five times that.
            tolerance = 5 / (2 * samples) ** 0.5
            assert module.weight.std().item() == pytest.approx(expected, rel=tolerance), name
        if isinstance(module, nn.Linear):
            assert not module.bias.any()
