"""Loads the network that lies beside this file, and asks it about two images. Needs bansweep.

python load.py
"""

from __future__ import annotations

import json
from pathlib import Path

import torch

from bansweep.config.networks import is_language_model
from bansweep.graph.generation import Generation
from bansweep.networks.build import build_network

HERE = Path(__file__).parent


def main() -> None:
    described = json.loads((HERE / "generation.json").read_text(encoding="utf-8"))
    classes, shape = described["classes"], described["input"]["shape"]
    mean, std = (torch.tensor(described["input"][name]).view(1, -1, 1, 1) for name in ("mean", "std"))

    spec = Generation.model_validate(described["trained"]).network
    assert not is_language_model(spec)
    network = build_network(spec, input_shape=tuple(shape), classes=len(classes))
    network.load_state_dict(torch.load(HERE / "weights.pt", weights_only=True))
    network.eval()

    # Images of your own go here: float32, (batch, channels, height, width), bytes divided by 255.
    pixels = torch.rand(2, *shape)
    with torch.inference_mode():
        logits = network((pixels - mean) / std)
    for number, probabilities in enumerate(logits.softmax(dim=1)):
        likeliest = int(probabilities.argmax())
        print(f"image {number}: {classes[likeliest]} ({probabilities[likeliest]:.1%})")


if __name__ == "__main__":
    main()
