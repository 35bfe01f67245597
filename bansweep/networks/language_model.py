"""Language models: the interface that training needs, and an LSTM over words.

    word -> embedding, dropout -> LSTM layers with dropout between them -> dropout -> linear -> logits

LSTM over words: W. Zaremba, I. Sutskever and O. Vinyals, "Recurrent Neural Network Regularization", 2014; input
embedding and output matrix tied as in O. Press and L. Wolf, "Using the Output Embedding to Improve Language Models",
2017 (section 4.2 of "Born-Again Neural Networks").

Shape suffixes: T time steps, B streams, V words of the vocabulary, U distinct words of a window, H units, E features
of a word.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

State = tuple[Tensor, Tensor]
"""The LSTM's hidden state and cell, each (layers, B, H)."""


class DistinctWords(NamedTuple):
    """The distinct words of a window, in ascending order, and the place among them of each token; both int64.

    Finding them makes the host wait for a GPU, so training finds them on the host, before a text is first read.
    """

    words_U: Tensor
    places_TB: Tensor

    @classmethod
    def of(cls, tokens_TB: Tensor) -> DistinctWords:
        return cls(*tokens_TB.unique(return_inverse=True))


class LanguageModel(nn.Module, ABC):
    """A language model over words, time first; `forward` takes tokens (T, B) and the state before them.

    `uses_distinct_words`: the model computes the features of each distinct word once. A caller that knows the
    `DistinctWords` of the tokens passes them; otherwise the model finds them.

    Dropout acts on non-recurrent connections only (Zaremba et al., 2014): between the LSTM's layers and on what the
    decoder sees. Each subclass decides whether it drops features of words.
    """

    uses_distinct_words: ClassVar[bool] = False

    def __init__(self, features: int, units: int, layers: int, *, dropout: float, vocabulary_size: int) -> None:
        super().__init__()
        self.units = units
        self.vocabulary_size = vocabulary_size
        # Not one LSTM of several layers: cuDNN's dropout between them ignores PyTorch's seed, so that a resumed run
        # would draw other masks than an uninterrupted one.
        self.layers = nn.ModuleList(nn.LSTM(features if layer == 0 else units, units) for layer in range(layers))
        self.dropout = nn.Dropout(dropout)

    @abstractmethod
    def embed(self, tokens_TB: Tensor, distinct: DistinctWords | None = None) -> Tensor:
        """The features of words, (T, B, E)."""

    @abstractmethod
    def decode(self, hidden_TBH: Tensor) -> Tensor:
        """Logits (T, B, V) from what `hidden` gives."""

    def hidden(self, tokens_TB: Tensor, state: State, distinct: DistinctWords | None = None) -> tuple[Tensor, State]:
        """What the decoder sees, (T, B, H), and the state after the last time step, in float32 like the state before.

        The recurrence is computed in float32 even under autocast: rounding to bfloat16 would add up over a text.
        """
        features_TBE = self.embed(tokens_TB, distinct)
        states_after = []
        with torch.autocast(features_TBE.device.type, enabled=False):
            output = features_TBE.to(state[0].dtype)
            for layer, before in zip(self.layers, zip(*state, strict=True), strict=True):
                output, after = layer(output, tuple(part[None] for part in before))
                states_after.append(after)
                output = self.dropout(output)
        hidden, cell = (torch.cat(parts) for parts in zip(*states_after, strict=True))
        return output, (hidden, cell)

    def forward(self, tokens_TB: Tensor, state: State, distinct: DistinctWords | None = None) -> tuple[Tensor, State]:
        """Logits (T, B, V) of the word that follows each token, and the state after the last time step."""
        hidden_TBH, state_after = self.hidden(tokens_TB, state, distinct)
        return self.decode(hidden_TBH), state_after

    def initial_state(self, batch: int) -> State:
        """The state before a text begins: zeros, on the model's device."""
        weight = next(self.layers.parameters())
        shape = (len(self.layers), batch, self.units)
        return weight.new_zeros(shape), weight.new_zeros(shape)


def initialise_uniformly(model: nn.Module, initial_range: float) -> None:
    """Every parameter uniform in +-`initial_range`, biases too: as in the code of Zaremba et al. and of Kim et al.

    Random numbers come from PyTorch's global generator: seed it before the model is built.
    """
    for parameter in model.parameters():
        nn.init.uniform_(parameter, -initial_range, initial_range)


class Lstm(LanguageModel):
    """An LSTM of `units` in `layers`; word embeddings have as many features as there are units."""

    def __init__(
        self, units: int, layers: int, *, vocabulary_size: int, dropout: float, tied: bool, initial_range: float
    ) -> None:
        super().__init__(units, units, layers, dropout=dropout, vocabulary_size=vocabulary_size)
        self.embedding = nn.Embedding(vocabulary_size, units)
        # A tied matrix is one parameter under one name, so that weight files hold it once.
        self.decoder_weight = None if tied else nn.Parameter(torch.empty(vocabulary_size, units))
        self.decoder_bias = nn.Parameter(torch.empty(vocabulary_size))
        initialise_uniformly(self, initial_range)

    def embed(self, tokens_TB: Tensor, distinct: DistinctWords | None = None) -> Tensor:  # noqa: ARG002
        features_TBE: Tensor = self.dropout(self.embedding(tokens_TB))
        return features_TBE

    def decode(self, hidden_TBH: Tensor) -> Tensor:
        weight_VH = self.embedding.weight if self.decoder_weight is None else self.decoder_weight
        return linear(hidden_TBH, weight_VH, self.decoder_bias)
