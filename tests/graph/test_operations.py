"""Sizes by formula, against the real networks: PyTorch counts those, on a device that computes nothing."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from bansweep.config.networks import (
    CnnLstm,
    DenseNet,
    ImageNetworkSpec,
    LanguageNetworkSpec,
    Lstm,
    PreResNet,
    ResidualStudent,
    WideResNet,
    is_language_model,
    network_from_name,
)
from bansweep.config.paper_networks import PAPER_NETWORKS
from bansweep.graph.operations import LONGEST_WORD, Images, NetworkSize, Vocabulary, network_size
from bansweep.networks import language_model as lstm
from bansweep.networks.build import build_language_model, build_network, count_parameters
from bansweep.networks.cnn_lstm import LONGEST
from bansweep.networks.counting import count_operations, count_operations_of_token

CIFAR_100 = Images(3, 32, 32, classes=100)


def built(spec: ImageNetworkSpec, images: Images) -> NetworkSize:
    shape = (images.channels, images.height, images.width)
    with torch.device("meta"):
        network = build_network(spec, input_shape=shape, classes=images.classes)
    return NetworkSize(count_operations(network, input_shape=shape), count_parameters(network), *layers_of(network))


def built_language_model(spec: LanguageNetworkSpec, words: list[str]) -> NetworkSize:
    with torch.device("meta"):
        model = build_language_model(spec, vocabulary=words)
    recurrent = [one for one in model.modules() if isinstance(one, nn.LSTM)]
    # A token takes one multiply-add for each weight of an LSTM.
    in_fp32 = sum(weight.numel() for one in recurrent for name, weight in one.named_parameters() if "weight" in name)
    return NetworkSize(count_operations_of_token(model), count_parameters(model), *layers_of(model), in_fp32)


def layers_of(network: nn.Module) -> tuple[int, int]:
    """Layers that compute a batch at once, and recurrent ones. `lstm.Lstm` decodes by itself, without an nn.Linear."""
    at_once = (nn.Conv1d, nn.Conv2d, nn.BatchNorm2d, nn.Linear, lstm.Lstm)
    modules = list(network.modules())
    return sum(isinstance(one, at_once) for one in modules), sum(isinstance(one, nn.LSTM) for one in modules)


def vocabulary_of(words: list[str]) -> Vocabulary:
    return Vocabulary(len(words), characters=len(set().union(*words)), longest=max(map(len, words)))


@pytest.mark.parametrize(
    "name",
    [paper.name for paper in PAPER_NETWORKS if not is_language_model(paper.spec) and paper.name != "pre-resnet-1001"]
    + ["wrn-10-1-dropout0.3", "wrn-40-4", "pre-resnet-11", "pre-resnet-164"]
    + ["densenet-40-12-stem16-compression0.7-standard-dropout0.2", "densenet-10-1-compression0.1"]
    + ["ban-wide-resnet-1-0.3-like-densenet-22-8-standard", "ban-pre-resnet-2-1-like-densenet-16-5-stem7"],
)
def test_image_networks_are_as_they_are_built(name: str) -> None:
    spec = network_from_name(name)
    assert not is_language_model(spec)
    assert network_size(spec, CIFAR_100) == built(spec, CIFAR_100)


@st.composite
def image_networks(draw: st.DrawFn) -> ImageNetworkSpec:
    densenet = DenseNet(
        depth=draw(st.integers(10, 30)),
        growth=draw(st.integers(1, 9)),
        stem=draw(st.none() | st.integers(1, 20)),
        compression=draw(st.floats(0.05, 1.0)),
        final_transition=draw(st.booleans()),
    )
    networks: list[ImageNetworkSpec] = [
        WideResNet(depth=6 * draw(st.integers(1, 3)) + 4, width=draw(st.integers(1, 3))),
        PreResNet(depth=9 * draw(st.integers(1, 2)) + 2),
        densenet,
        ResidualStudent(
            block=draw(st.sampled_from(["basic", "bottleneck"])),
            blocks=draw(st.integers(1, 3)),
            ratio=draw(st.floats(0.1, 2.0)),
            like=densenet,
        ),
    ]
    return draw(st.sampled_from(networks))


# Odd sizes tell rounding up (convolutions with a stride) from rounding down (pooling).
shapes = st.builds(Images, st.integers(1, 4), st.integers(8, 23), st.integers(8, 23), st.integers(1, 200))


@settings(max_examples=25, deadline=None)
@given(spec=image_networks(), images=shapes)
def test_any_image_network_on_any_shape_is_as_it_is_built(spec: ImageNetworkSpec, images: Images) -> None:
    assert network_size(spec, images) == built(spec, images)


WORDS = ["a", "bee", "<unk>", "<eos>", "chlorofluorocarbons"]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (Lstm(), WORDS),
        (Lstm(units=7, layers=3, tied=False), WORDS),
        (CnnLstm(), WORDS),
        (CnnLstm(units=9, layers=1, widths=(2, 5), maps_per_width=3, highway=0), WORDS),
        (CnnLstm(units=9, layers=2, widths=(12,), most_maps=4, character_embedding=2), ["ab", "c"]),
        (CnnLstm(units=9, layers=1), ["w" * 200, "v"]),
    ],
)
def test_language_models_are_as_they_are_built(spec: LanguageNetworkSpec, words: list[str]) -> None:
    assert network_size(spec, vocabulary_of(words)) == built_language_model(spec, words)


def test_published_counts() -> None:
    # Zagoruyko & Komodakis, table 5 and section 3: 36.5 M parameters, 5.2 billion multiply-adds.
    wide = network_size(network_from_name("wrn-28-10"), Images(3, 32, 32, classes=10))
    assert wide.operations == pytest.approx(5.2e9, rel=0.01)
    assert round(wide.parameters / 1e6, 1) == 36.5
    # Huang et al., table 2: 0.8 M parameters of DenseNet-BC-100-12.
    dense = network_size(network_from_name("densenet-100-12-standard"), Images(3, 32, 32, classes=10))
    assert round(dense.parameters / 1e6, 1) == 0.8


def test_words_are_cut_where_networks_cut_them() -> None:
    assert LONGEST_WORD == LONGEST


def test_a_network_cannot_read_what_is_not_for_it() -> None:
    with pytest.raises(ValueError, match="lstm cannot read"):
        network_size(Lstm(), CIFAR_100)
