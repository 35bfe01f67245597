"""Words as their characters, in the numbers that a network takes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

PADDING, BEGINNING, END = 0, 1, 2
# Longer words are read as far as this, or a single web address would decide how large the table is.
LONGEST = 63
_FIRST_CHARACTER = 3


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
    # On the CPU whatever the default device is: a table of numbers is no parameter.
    rows = [[*word, *[PADDING] * (longest - len(word))] for word in spelled]
    return torch.tensor(rows, device="cpu"), torch.tensor([len(word) for word in spelled], device="cpu")
