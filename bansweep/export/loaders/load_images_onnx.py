"""Asks the network in model.onnx, which lies beside this file, about two images. Needs onnxruntime, not bansweep.

python load_onnx.py
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime

HERE = Path(__file__).parent


def main() -> None:
    described = json.loads((HERE / "generation.json").read_text(encoding="utf-8"))
    session = onnxruntime.InferenceSession(HERE / "model.onnx")

    # Images of your own go here: float32, (batch, channels, height, width), bytes divided by 255. They are normalised
    # in the file.
    pixels = np.random.default_rng(0).random((2, *described["input"]["shape"]), dtype=np.float32)
    (logits,) = session.run(["logits"], {"pixels": pixels})
    for number, row in enumerate(logits):
        probabilities = np.exp(row - row.max())
        probabilities /= probabilities.sum()
        likeliest = int(probabilities.argmax())
        print(f"image {number}: {described['classes'][likeliest]} ({probabilities[likeliest]:.1%})")


if __name__ == "__main__":
    main()
