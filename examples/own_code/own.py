"""A loss, a network and a data set of your own, which own.yaml beside this file names.

Each is an ordinary function; keyword arguments come from `arguments` in the sweep file.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, log_softmax, softmax


def confident(
    student_logits_BC: Tensor, teacher_logits_BC: Tensor | None, labels_B: Tensor, *, penalty: float = 0.1
) -> Tensor:
    """The losses (B,) of a student that learns from its teacher's probabilities, and is penalised for its own entropy.

    Logits are (B, C) in float32, labels (B,) class indices. Without a teacher the labels take its place.
    """
    log_probabilities_BC = log_softmax(student_logits_BC, dim=1)
    entropy_B = -(log_probabilities_BC.exp() * log_probabilities_BC).sum(1)
    if teacher_logits_BC is None:
        match_B = cross_entropy(student_logits_BC, labels_B, reduction="none")
    else:
        match_B = -(softmax(teacher_logits_BC, dim=1) * log_probabilities_BC).sum(1)
    return match_B + penalty * entropy_B


def perceptron(input_shape: tuple[int, int, int], classes: int, *, hidden: int = 64) -> nn.Module:
    """From images (B, channels, height, width), normalised, to logits (B, classes). Weights are drawn from PyTorch's
    global generator, which is seeded: the same seed gives the same network."""
    channels, height, width = input_shape
    return nn.Sequential(
        nn.Flatten(), nn.Linear(channels * height * width, hidden), nn.ReLU(), nn.Linear(hidden, classes)
    )


def bars(*, images: int = 1200, noise: float = 110.0, seed: int = 0) -> dict[str, object]:
    """Grey images of 12x12 pixels: a bar that lies or stands in one of four places, and noise over it.

    Arrays of bytes (N, height, width) and labels (N,), for training and for testing; the same at every call.
    """
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 8, images)
    pixels = generator.normal(80, noise, (images, 12, 12))
    for image, label in zip(pixels, labels, strict=True):
        place = 3 * (label % 4)
        (image if label < 4 else image.T)[place : place + 2] += 60
    whole = np.clip(pixels, 0, 255).astype(np.uint8)
    tested = images // 4
    return {
        "train_images": whole[tested:],
        "train_labels": labels[tested:],
        "test_images": whole[:tested],
        "test_labels": labels[:tested],
        "classes": [f"{way} {place}" for way in ("lying", "standing") for place in range(4)],
    }


if __name__ == "__main__":
    # Try them as they are, before a sweep does.
    data = bars()
    network = perceptron((1, 12, 12), classes=8)
    batch = torch.from_numpy(np.asarray(data["train_images"])[:32, None] / 255).float()
    labels = torch.from_numpy(np.asarray(data["train_labels"])[:32])
    print(confident(network(batch), None, labels).mean())
