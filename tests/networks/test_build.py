"""What holds for every network that can be built."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from bansweep.config.networks import DenseNet, NetworkSpec, PreResNet, ResidualStudent, WideResNet
from bansweep.errors import DataError
from bansweep.networks.build import build_network, count_parameters

SPECS: list[NetworkSpec] = [
    WideResNet(depth=10, width=1),
    WideResNet(depth=16, width=2, dropout=0.3),
    DenseNet(depth=16, growth=4),
    DenseNet(depth=10, growth=6, compression=0.7, final_transition=False, dropout=0.2),
    DenseNet(depth=16, growth=4, stem=9),
    PreResNet(depth=11),
    PreResNet(depth=20),
    ResidualStudent(block="basic", blocks=2, ratio=0.5, like=DenseNet(depth=16, growth=4)),
    ResidualStudent(
        block="bottleneck",
        blocks=1,
        ratio=1.5,
        like=DenseNet(depth=10, growth=6, stem=7, final_transition=False),
    ),
]
every_network = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
with_dropout = pytest.mark.parametrize("spec", SPECS[:5], ids=lambda spec: spec.name)


@every_network
@pytest.mark.parametrize(("input_shape", "classes"), [((1, 8, 8), 10), ((3, 32, 32), 100), ((4, 9, 14), 2)], ids=str)
def test_logits_have_a_column_per_class(spec: NetworkSpec, input_shape: tuple[int, int, int], classes: int) -> None:
    network = build_network(spec, input_shape=input_shape, classes=classes)

    logits_BC = network(torch.randn(3, *input_shape))

    assert logits_BC.shape == (3, classes)
    assert logits_BC.isfinite().all()


@every_network
def test_a_gradient_reaches_every_parameter(spec: NetworkSpec) -> None:
    torch.manual_seed(0)
    network = build_network(spec, input_shape=(3, 16, 16), classes=5)

    cross_entropy(network(torch.randn(8, 3, 16, 16)), torch.randint(5, (8,))).backward()

    untouched = [n for n, parameter in network.named_parameters() if parameter.grad is None or not parameter.grad.any()]
    assert untouched == []


@with_dropout
def test_dropout_acts_in_training_only(spec: WideResNet | DenseNet) -> None:
    torch.manual_seed(0)
    network = build_network(spec, input_shape=(1, 8, 8), classes=10)
    without_dropout = build_network(spec.model_copy(update={"dropout": 0.0}), input_shape=(1, 8, 8), classes=10)
    without_dropout.load_state_dict(network.state_dict())
    images_BKHW = torch.randn(4, 1, 8, 8)

    differs = not torch.equal(network.train()(images_BKHW), network.train()(images_BKHW))
    assert differs == (spec.dropout > 0)

    without_dropout.load_state_dict(network.state_dict())
    assert torch.equal(network.eval()(images_BKHW), without_dropout.eval()(images_BKHW))


@every_network
def test_stages_are_what_the_spec_says(spec: NetworkSpec) -> None:
    network = build_network(spec, input_shape=(3, 16, 24), classes=7)

    _, outputs = network.forward_with_stages(torch.randn(2, 3, 16, 24))

    assert network.stem.out_channels == spec.stem_channels
    assert network.classifier.in_features == network.norm.num_features == spec.stage_channels[-1]
    assert [tuple(output_BKHW.shape) for output_BKHW in outputs] == [
        (2, channels, 16 // factor, 24 // factor)
        for channels, factor in zip(spec.stage_channels, spec.downsampling, strict=True)
    ]


@every_network
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_stage_outputs_come_with_the_same_logits_and_stay_as_they_were(spec: NetworkSpec, training: bool) -> None:
    network = build_network(spec, input_shape=(3, 16, 16), classes=7).train(training)
    images_BKHW = torch.randn(4, 3, 16, 16)
    as_they_were = []

    def note_output(_module: nn.Module, _inputs: tuple[Tensor, ...], output_BKHW: Tensor) -> None:
        as_they_were.append(output_BKHW.clone())

    for stage in network.stages:
        stage.register_forward_hook(note_output)
    torch.manual_seed(0)
    logits_BC, outputs = network.forward_with_stages(images_BKHW)
    torch.manual_seed(0)  # for dropout

    assert torch.equal(network(images_BKHW), logits_BC)
    assert len(outputs) == 3
    for output_BKHW, before_BKHW in zip(outputs, as_they_were[:3], strict=True):
        assert torch.equal(output_BKHW, before_BKHW)
    # The last stage's features are the ones that are classified, and gradients flow into all of them.
    sum(output_BKHW.square().sum() for output_BKHW in outputs).backward()
    assert network.stem.weight.grad is not None


@every_network
def test_channels_last_stays_channels_last_and_changes_no_result(spec: NetworkSpec) -> None:
    torch.manual_seed(0)
    network = build_network(spec, input_shape=(3, 16, 16), classes=10).eval()
    images_BKHW = torch.randn(2, 3, 16, 16)
    expected_BC = network(images_BKHW)
    layouts = []

    def note_layout(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        layouts.append(output.is_contiguous(memory_format=torch.channels_last))

    network.to(memory_format=torch.channels_last)
    for stage in network.get_submodule("stages").children():
        stage.register_forward_hook(note_layout)
    logits_BC = network(images_BKHW.to(memory_format=torch.channels_last))

    torch.testing.assert_close(logits_BC, expected_BC, atol=1e-4, rtol=1e-4)
    assert layouts == [True, True, True]


@every_network
def test_evaluation_takes_a_single_image_and_ignores_its_neighbours(spec: NetworkSpec) -> None:
    torch.manual_seed(0)
    network = build_network(spec, input_shape=(1, 8, 8), classes=10).eval()
    images_BKHW = torch.randn(4, 1, 8, 8)

    torch.testing.assert_close(network(images_BKHW[:1]), network(images_BKHW)[:1], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("input_shape", [(1, 7, 32), (3, 32, 4)], ids=str)
def test_images_that_are_too_small_are_refused_with_a_remedy(input_shape: tuple[int, int, int]) -> None:
    with pytest.raises(DataError, match=f"wrn-10-1 .* {input_shape[1]}x{input_shape[2]}") as caught:
        build_network(WideResNet(depth=10, width=1), input_shape=input_shape, classes=10)

    assert "8x8" in caught.value.remedy


def test_parameters_are_counted_without_running_statistics() -> None:
    assert count_parameters(nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 2, 1, bias=False), nn.Linear(2, 5))) == (
        6 + 6 + 15
    )
