"""Loads the language model that lies beside this file, and asks it how a text begins and goes on. Needs bansweep.

python load.py
"""

from __future__ import annotations

import json
from pathlib import Path

import torch

from bansweep.config.networks import is_language_model
from bansweep.graph.generation import Generation
from bansweep.networks.build import build_language_model

HERE = Path(__file__).parent
WORDS = 10


def main() -> None:
    described = json.loads((HERE / "generation.json").read_text(encoding="utf-8"))
    vocabulary = json.loads((HERE / "vocabulary.json").read_text(encoding="utf-8"))

    spec = Generation.model_validate(described["trained"]).network
    assert is_language_model(spec)
    model = build_language_model(spec, vocabulary=vocabulary)
    model.load_state_dict(torch.load(HERE / "weights.pt", weights_only=True))
    model.eval()

    # A text begins after the end of a sentence, from a state of zeros, which is then carried along.
    token, state = described["input"]["end_of_sentence"], model.initial_state(1)
    words = []
    with torch.inference_mode():
        for _ in range(WORDS):
            logits, state = model(torch.tensor([[token]]), state)
            token = int(logits[0, 0].argmax())
            words.append(vocabulary[token])
    print(" ".join(words))


if __name__ == "__main__":
    main()
