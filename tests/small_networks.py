"""Small networks of every kind, in evaluation mode, with batch normalisation that has seen data."""

from __future__ import annotations

import torch

from bansweep.config.networks import is_language_model, network_from_name
from bansweep.networks.build import build_language_model, build_network
from bansweep.networks.image_network import StagedNetwork
from bansweep.networks.language_model import LanguageModel

IMAGE_NETWORKS = ("wrn-10-1", "densenet-16-4", "pre-resnet-11", "ban-wide-resnet-1-0.5")
LANGUAGE_MODELS = ("lstm-6-2", "lstm-6-1-untied", "cnn-lstm-6-2")
VOCABULARY = ("<eos>", "a", "bc", "def", "ghij", "klmno", "a-very-long-word")


def image_network(name: str, shape: tuple[int, int, int] = (3, 8, 8)) -> StagedNetwork:
    torch.manual_seed(0)
    spec = network_from_name(name)
    assert not is_language_model(spec)
    network = build_network(spec, input_shape=shape, classes=5)
    with torch.no_grad():
        network.train()(torch.randn(16, *shape))
    return network.eval()


def language_model(name: str) -> LanguageModel:
    torch.manual_seed(0)
    spec = network_from_name(name)
    assert is_language_model(spec)
    return build_language_model(spec, vocabulary=VOCABULARY).eval()
