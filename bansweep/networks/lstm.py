"""LSTM over words: W. Zaremba, I. Sutskever and O. Vinyals, "Recurrent Neural Network Regularization", 2014; input
embedding and output matrix tied as in O. Press and L. Wolf, "Using the Output Embedding to Improve Language Models",
2017 (section 4.2 of "Born-Again Neural Networks").

    word -> embedding, dropout -> LSTM layers with dropout between them -> dropout -> linear -> logits
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from bansweep.networks.language_model import DistinctWords, LanguageModel, initialise_uniformly


class Lstm(LanguageModel):
    """An LSTM of `units` in `layers`; word embeddings have as many features as there are units."""

    def __init__(
        self, units: int, layers: int, *, vocabulary_size: int, dropout: float, tied: bool, initial_range: float
    ) -> None:
        super().__init__(units, units, layers, dropout=dropout, vocabulary_size=vocabulary_size)
        self.embedding = nn.Embedding(vocabulary_size, units)
        # One parameter under one name where it is tied: a file of weights has it once, too.
        self.decoder_weight = None if tied else nn.Parameter(torch.empty(vocabulary_size, units))
        self.decoder_bias = nn.Parameter(torch.empty(vocabulary_size))
        initialise_uniformly(self, initial_range)

    def embed(self, tokens_TB: Tensor, distinct: DistinctWords | None = None) -> Tensor:  # noqa: ARG002
        features_TBE: Tensor = self.dropout(self.embedding(tokens_TB))
        return features_TBE

    def decode(self, hidden_TBH: Tensor) -> Tensor:
        weight_VH = self.embedding.weight if self.decoder_weight is None else self.decoder_weight
        return linear(hidden_TBH, weight_VH, self.decoder_bias)
