"""What language models have in common: words in, an LSTM, and for each time step a distribution over the next word.

Shape suffixes: T time steps, B streams, V words of the vocabulary, H units, E features of a word.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

State = tuple[Tensor, Tensor]
"""The LSTM's hidden state and cell, each (layers, B, H)."""


class LanguageModel(nn.Module, ABC):
    """A language model over words, time first; `forward` takes tokens (T, B) and the state before them.

    Dropout acts on non-recurrent connections only (Zaremba et al., 2014): between the LSTM's layers and on what the
    decoder sees; a subclass says what happens to its words' features.
    """

    def __init__(self, features: int, units: int, layers: int, *, dropout: float, vocabulary_size: int) -> None:
        super().__init__()
        self.units = units
        self.vocabulary_size = vocabulary_size
        # PyTorch warns of dropout between the layers of which there is only one.
        self.lstm = nn.LSTM(features, units, layers, dropout=dropout if layers > 1 else 0.0)
        self.dropout = nn.Dropout(dropout)

    @abstractmethod
    def embed(self, tokens_TB: Tensor) -> Tensor:
        """The features of words, (T, B, E)."""

    @abstractmethod
    def decode(self, hidden_TBH: Tensor) -> Tensor:
        """Logits (T, B, V) from what `hidden` gives."""

    def hidden(self, tokens_TB: Tensor, state: State) -> tuple[Tensor, State]:
        """What the decoder sees, (T, B, H), and the state after the last time step."""
        output_TBH, state_after = self.lstm(self.embed(tokens_TB), state)
        hidden_TBH: Tensor = self.dropout(output_TBH)
        return hidden_TBH, state_after

    def forward(self, tokens_TB: Tensor, state: State) -> tuple[Tensor, State]:
        """Logits (T, B, V) of the word that follows each token, and the state after the last time step."""
        hidden_TBH, state_after = self.hidden(tokens_TB, state)
        return self.decode(hidden_TBH), state_after

    def initial_state(self, batch: int) -> State:
        """The state before a text begins: zeros, on the model's device."""
        weight = next(self.lstm.parameters())
        zeros = torch.zeros(self.lstm.num_layers, batch, self.units, device=weight.device, dtype=weight.dtype)
        return zeros, zeros.clone()


def initialise_uniformly(model: nn.Module, initial_range: float) -> None:
    """Every parameter uniform in +-`initial_range`, biases too: as in the code of Zaremba et al. and of Kim et al.

    Random numbers come from PyTorch's global generator: seed it before the model is built.
    """
    for parameter in model.parameters():
        nn.init.uniform_(parameter, -initial_range, initial_range)
