"""Random tokens to train on: a step's cost does not depend on its words."""

from __future__ import annotations

import numpy as np

from bansweep.data.datasets import TextData


def random_text(tokens: int, words: int, *, held_out: int = 100) -> TextData:
    """So many training tokens of so many different words; `held_out` tokens each to validate and to test."""
    tokens_N = np.random.default_rng(0).integers(0, words, tokens + 2 * held_out, dtype=np.int32)
    train_N, validation_N, test_N = np.split(tokens_N, [tokens, tokens + held_out])
    vocabulary = (*(f"w{index}" for index in range(words - 1)), "<eos>")
    return TextData(train_N, validation_N, test_N, vocabulary, words - 1)
