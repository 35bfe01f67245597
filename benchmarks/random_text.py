"""Random tokens to train on, and runs of language models on them: a step's cost does not depend on its words."""

from __future__ import annotations

from typing import Any

import numpy as np

from bansweep.data.text import TextData
from bansweep.plan.generation import DataIdentity, Generation
from bansweep.spec.networks import LanguageNetworkSpec


def random_text(tokens: int, words: int, *, held_out: int = 100) -> TextData:
    """So many training tokens of so many different words; `held_out` tokens each to validate and to test."""
    tokens_N = np.random.default_rng(0).integers(0, words, tokens + 2 * held_out, dtype=np.int32)
    train_N, validation_N, test_N = np.split(tokens_N, [tokens, tokens + held_out])
    vocabulary = (*(f"w{index}" for index in range(words - 1)), "<eos>")
    return TextData(train_N, validation_N, test_N, vocabulary, words - 1)


def language_student(
    network: LanguageNetworkSpec, loss: str, recipe: dict[str, Any], *, precision: str = "fp32"
) -> Generation:
    """A generation that learns from labels, or from a teacher that is given to its run."""
    taught = loss != "labels"
    return Generation.model_validate(
        {
            "network": network,
            "loss": loss,
            "recipe": recipe,
            "data": DataIdentity(kind="text", fingerprint="benchmark"),
            "precision": precision,
            "seed": 1,
            "generation_index": int(taught),
            "teacher": "t" if taught else None,
        }
    )
