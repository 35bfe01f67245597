"""DenseNet against torchvision's implementation of the same units, and against the paper's stage outputs."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torchvision.models import DenseNet as TorchvisionDenseNet

from bansweep.networks.densenet import BottleneckUnit, DenseNet, Transition


def torchvision_densenet(units: int, growth: int, *, stem: int, classes: int) -> TorchvisionDenseNet:
    """Torchvision's DenseNet with the stem for small images: a 3x3 convolution, no pooling."""
    network = TorchvisionDenseNet(
        growth_rate=growth, block_config=(units,) * 3, num_init_features=stem, bn_size=4, num_classes=classes
    )
    network.features.conv0 = nn.Conv2d(3, stem, 3, padding=1, bias=False)
    network.features.norm0 = network.features.relu0 = network.features.pool0 = nn.Identity()
    return network


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("side", [8, 13])
@pytest.mark.parametrize("stem", [None, 11], ids=["stem-2k", "stem-11"])
def test_logits_equal_torchvisions(training: bool, side: int, stem: int | None) -> None:
    torch.manual_seed(0)
    reference = torchvision_densenet(units=3, growth=4, stem=stem or 8, classes=10).double().train(training)
    for module in reference.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 2.0)
            nn.init.normal_(module.bias)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    network = DenseNet(22, 4, in_channels=3, classes=10, stem_channels=stem, final_transition=False)
    network = network.double().train(training)
    # Both list their tensors in the order of the computation.
    theirs, ours = reference.state_dict().values(), network.state_dict()
    network.load_state_dict(dict(zip(ours, theirs, strict=True)))
    images_BKHW = torch.randn(3, 3, side, side, dtype=torch.float64)

    torch.testing.assert_close(network(images_BKHW), reference(images_BKHW))


@pytest.mark.parametrize(("final_transition", "last"), [(True, 750), (False, 1500)])
def test_stage_outputs_of_90_60(final_transition: bool, last: int) -> None:
    with torch.device("meta"):
        network = DenseNet(90, 60, in_channels=3, classes=10, final_transition=final_transition).eval()
        features_BKHW = network.stem(torch.empty(2, 3, 32, 32))
        shapes = [tuple((features_BKHW := stage(features_BKHW)).shape) for stage in network.stages]

    assert shapes == [(2, 480, 16, 16), (2, 660, 8, 8), (2, last, 8, 8)]


def test_compression_is_rounded_down_but_leaves_a_channel() -> None:
    with torch.device("meta"):
        third = DenseNet(10, 3, in_channels=1, classes=2, compression=0.5)  # stem 6; (6+3)/2, (4+3)/2, (3+3)/2
        tiny = DenseNet(10, 1, in_channels=1, classes=2, compression=0.01)

    assert [stage[-1].conv.out_channels for stage in third.stages] == [4, 3, 3]
    assert [stage[-1].conv.out_channels for stage in tiny.stages] == [1, 1, 1]


def test_a_unit_passes_its_input_on_and_adds_to_it() -> None:
    torch.manual_seed(0)
    features_BKHW = torch.randn(2, 6, 8, 8)
    unit = BottleneckUnit(6, 4, dropout=0.0)

    grown_BKHW = unit(features_BKHW)

    assert grown_BKHW.shape == (2, 10, 8, 8)
    assert torch.equal(grown_BKHW[:, :6], features_BKHW)
    assert grown_BKHW[:, 6:].abs().sum() > 0


def test_dropout_spares_what_passes_through_a_unit() -> None:
    features_BKHW = torch.randn(2, 6, 8, 8)

    grown_BKHW = BottleneckUnit(6, 4, dropout=1.0).train()(features_BKHW)

    assert torch.equal(grown_BKHW[:, :6], features_BKHW)
    assert not grown_BKHW[:, 6:].any()


def test_dropout_acts_in_transitions() -> None:
    features_BKHW = torch.randn(2, 6, 8, 8)
    transition = Transition(6, 3, pool=True, dropout=1.0)

    assert not transition.train()(features_BKHW).any()
    assert transition.eval()(features_BKHW).any()
