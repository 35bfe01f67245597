"""What leaves answers as what was trained does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_networks import IMAGE_NETWORKS, LANGUAGE_MODELS, VOCABULARY, image_network, language_model

from bansweep.data.datasets import ImageSplit
from bansweep.data.resident import ResidentImages
from bansweep.export.onnx_file import PixelClassifier, StatefulLanguageModel

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


@pytest.mark.parametrize("name", IMAGE_NETWORKS)
def test_pixels_are_normalised_as_in_training(name: str) -> None:
    network = image_network(name)
    images_NHWC = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
    split = ImageSplit(images_NHWC, np.zeros(4, np.int64))
    in_training_BKHW, _ = ResidentImages(split, device="cpu", mean=MEAN, std=STD).batch(torch.arange(4), None)
    pixels_BKHW = torch.from_numpy(images_NHWC).permute(0, 3, 1, 2) / 255
    with torch.inference_mode():
        expected_BC = network(in_training_BKHW)
        logits_BC = PixelClassifier(network, MEAN, STD).eval()(pixels_BKHW)
    torch.testing.assert_close(logits_BC, expected_BC, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", LANGUAGE_MODELS)
def test_words_looked_up_are_words_read(name: str) -> None:
    model = language_model(name)
    tokens_TB = torch.randint(len(VOCABULARY), (5, 3))
    state = tuple(torch.randn_like(part) for part in model.initial_state(3))
    with torch.inference_mode():
        expected_TBV, (hidden_LBU, cell_LBU) = model(tokens_TB, state)
        answers = StatefulLanguageModel(model).eval()(tokens_TB, *state)
    for answer, expected in zip(answers, (expected_TBV, hidden_LBU, cell_LBU), strict=True):
        torch.testing.assert_close(answer, expected, rtol=1e-5, atol=1e-6)
