"""Asks the language model in model.onnx beside this file how a text begins. Needs onnxruntime, not bansweep.

python load_onnx.py
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime

HERE = Path(__file__).parent
WORDS = 10


def main() -> None:
    described = json.loads((HERE / "generation.json").read_text(encoding="utf-8"))
    vocabulary = json.loads((HERE / "vocabulary.json").read_text(encoding="utf-8"))
    session = onnxruntime.InferenceSession(HERE / "model.onnx")

    # A text begins after the end of a sentence, from a state of zeros, which is then carried along.
    layers, _, units = next(one.shape for one in session.get_inputs() if one.name == "hidden")
    hidden = cell = np.zeros((layers, 1, units), dtype=np.float32)
    token, words = described["input"]["end_of_sentence"], []
    for _ in range(WORDS):
        logits, hidden, cell = session.run(
            ["logits", "hidden_after", "cell_after"],
            {"tokens": np.array([[token]], dtype=np.int64), "hidden": hidden, "cell": cell},
        )
        token = int(logits[0, 0].argmax())
        words.append(vocabulary[token])
    print(" ".join(words))


if __name__ == "__main__":
    main()
