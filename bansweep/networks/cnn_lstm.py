"""A language model that reads words character by character.

Y. Kim, Y. Jernite, D. Sontag and A. Rush, "Character-Aware Neural Language Models", AAAI 2016, sections 2 and 4.2
(their large model):

    characters -> embedding -> convolutions, tanh, largest over the word -> highway layers -> LSTM -> dropout -> linear

Shape suffixes: U distinct words, L characters, K features, D features of a character; others as in `language_model`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from bansweep.networks.language_model import DistinctWords, LanguageModel, initialise_uniformly

PADDING, BEGINNING, END = 0, 1, 2
# Longer words are cut: otherwise a single web address would determine the size of the table.
LONGEST = 63
_FIRST_CHARACTER = 3

_GATE_BIAS = -2.0


class CnnLstm(LanguageModel):
    """An LSTM that reads the spelling of words. No dropout before its first layer, as in its authors' code."""

    uses_distinct_words: ClassVar[bool] = True

    characters_VL: Tensor
    lengths_V: Tensor

    def __init__(
        self,
        units: int,
        layers: int,
        *,
        vocabulary: Sequence[str],
        dropout: float,
        character_embedding: int,
        widths: Sequence[int],
        maps: Sequence[int],
        highway: int,
        initial_range: float,
    ) -> None:
        super().__init__(sum(maps), units, layers, dropout=dropout, vocabulary_size=len(vocabulary))
        characters_VL, lengths_V = spell(vocabulary, shortest=max(widths))
        self.register_buffer("characters_VL", characters_VL, persistent=False)
        self.register_buffer("lengths_V", lengths_V, persistent=False)
        self.words = CharacterConvolutions(characters_of(vocabulary), character_embedding, widths, maps)
        self.highway = nn.Sequential(*(HighwayLayer(sum(maps)) for _ in range(highway)))
        self.decoder = nn.Linear(units, len(vocabulary))
        initialise_uniformly(self, initial_range)
        with torch.no_grad():
            self.words.embedding.weight[PADDING] = 0
            for layer in self.highway:
                assert isinstance(layer, HighwayLayer)
                layer.gate.bias.add_(_GATE_BIAS)

    def embed(self, tokens_TB: Tensor, distinct: DistinctWords | None = None) -> Tensor:
        # Many words of a window are the same: compute the features of each once.
        words_U, places_TB = distinct or DistinctWords.of(tokens_TB)
        features_UE = self.highway(self.words(self.characters_VL[words_U], self.lengths_V[words_U]))
        features_TBE: Tensor = features_UE[places_TB]
        return features_TBE

    def decode(self, hidden_TBH: Tensor) -> Tensor:
        logits_TBV: Tensor = self.decoder(hidden_TBH)
        return logits_TBV


class CharacterConvolutions(nn.Module):
    """Features of words from their characters: for each convolution the largest value within the word."""

    def __init__(self, characters: int, embedding: int, widths: Sequence[int], maps: Sequence[int]) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, embedding, padding_idx=PADDING)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(embedding, channels, width) for width, channels in zip(widths, maps, strict=True)
        )

    def forward(self, characters_UL: Tensor, lengths_U: Tensor) -> Tensor:
        embedded_UDL = self.embedding(characters_UL).transpose(1, 2)
        features = []
        for convolution in self.convolutions:
            assert isinstance(convolution, nn.Conv1d)
            values_UKL = convolution(embedded_UDL)
            # A word shorter than the convolution is seen once, followed by zeros. Of other words only positions within
            # the word count: the padding, whose length depends on the longest word, must not affect the result.
            last_U = (lengths_U - convolution.kernel_size[0]).clamp_min(0)
            beyond_UL = torch.arange(values_UKL.shape[2], device=lengths_U.device) > last_U[:, None]
            largest_UK = values_UKL.masked_fill(beyond_UL[:, None], -torch.inf).amax(dim=2)
            features.append(largest_UK.tanh())  # monotone: the largest may be taken first
        return torch.cat(features, dim=1)


class HighwayLayer(nn.Module):
    """g * relu(W x) + (1 - g) * x; the gate g begins nearly closed (a bias of -2), so that words pass at first."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.transform = nn.Linear(features, features)
        self.gate = nn.Linear(features, features)

    def forward(self, features_UE: Tensor) -> Tensor:
        gate_UE = self.gate(features_UE).sigmoid()
        passed_UE: Tensor = gate_UE * relu(self.transform(features_UE)) + (1 - gate_UE) * features_UE
        return passed_UE


def characters_of(vocabulary: Sequence[str]) -> int:
    """How many different symbols `spell` uses: padding, beginning, end, and the characters of all words."""
    return _FIRST_CHARACTER + len(set().union(*vocabulary))


def spell(vocabulary: Sequence[str], *, shortest: int) -> tuple[Tensor, Tensor]:
    """Characters (V, L) of all words between a beginning and an end, padded to the longest and at least `shortest`;
    and lengths (V,) with both marks.

    Special words such as `<unk>` and `<eos>` are spelled like any other: no word has their spelling.
    """
    characters = sorted(set().union(*vocabulary))
    number_of = {character: _FIRST_CHARACTER + index for index, character in enumerate(characters)}
    spelled = [[BEGINNING, *(number_of[character] for character in word[:LONGEST]), END] for word in vocabulary]
    longest = max(shortest, *(len(word) for word in spelled))
    # On the CPU whatever the default device is: the table is data, not a parameter.
    rows = [[*word, *[PADDING] * (longest - len(word))] for word in spelled]
    return torch.tensor(rows, device="cpu"), torch.tensor([len(word) for word in spelled], device="cpu")
