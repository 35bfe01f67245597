"""A finished generation as a network again, with its weights."""

from __future__ import annotations

from torch import nn

from bansweep.export.inputs import ImageInput, TextInput
from bansweep.networks.builder import build_language_model, build_network
from bansweep.spec.networks import is_language_model
from bansweep.store.records import GenerationRecord
from bansweep.training.snapshot import load_weights


def rebuilt_network(record: GenerationRecord, inputs: ImageInput | TextInput, weights: bytes) -> nn.Module:
    """The network of a record with its `weights` (safetensors), on the CPU and in evaluation mode."""
    spec = record.trained.network
    network: nn.Module
    if is_language_model(spec):
        assert isinstance(inputs, TextInput)
        network = build_language_model(spec, vocabulary=inputs.vocabulary)
    else:
        assert isinstance(inputs, ImageInput)
        network = build_network(spec, input_shape=inputs.shape, classes=len(inputs.classes))
    load_weights(network, weights)
    return network.eval().requires_grad_(requires_grad=False)
