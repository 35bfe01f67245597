"""Finished generations with real, fresh weights, for tests of what takes networks out of a store."""

from __future__ import annotations

import numpy as np
import torch
from made_up_generation import ONE_IMAGE, made_up_record

from bansweep.config.networks import is_language_model
from bansweep.graph.generation import Generation
from bansweep.networks.build import build_language_model, build_network
from bansweep.store.parquet_tables import TokenPredictions
from bansweep.store.records import GenerationRecord
from bansweep.store.store import Store
from bansweep.training.snapshot import weights_bytes


def publish_untrained(
    store: Store,
    generation: Generation,
    *,
    input_shape: tuple[int, int, int] = (1, 8, 8),
    classes: int = 10,
    vocabulary: tuple[str, ...] = (),
    label: str = "untrained",
) -> GenerationRecord:
    """Publish a network whose batch normalisation has seen data, so that its statistics are not what they begin as."""
    torch.manual_seed(1)
    nothing_N = np.zeros(1, np.float32)
    if is_language_model(generation.network):
        network: torch.nn.Module = build_language_model(generation.network, vocabulary=vocabulary)
        record = made_up_record(generation, input_shape=None, classes=len(vocabulary), label=label)
        predictions: object = TokenPredictions(nothing_N, nothing_N)
    else:
        network = build_network(generation.network, input_shape=input_shape, classes=classes)
        with torch.no_grad():
            network.train()(torch.randn(16, *input_shape))
        record = made_up_record(
            generation, input_shape=input_shape, classes=classes, label=label, metrics={"test_error": 12.5}
        )
        predictions = ONE_IMAGE
    return store.publish(record, weights=weights_bytes(network), history=(), predictions=predictions)
