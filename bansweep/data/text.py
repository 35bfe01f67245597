"""The part of a prepared text that a sweep uses, mapped into memory: nothing is read until it is touched."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bansweep.data.decoded import Tokens
from bansweep.data.descriptions import PreparedText, read_description, read_vocabulary
from bansweep.data.prepared import map_array
from bansweep.data.prepared_text import ARRAYS
from bansweep.data.sentences import END_OF_SENTENCE
from bansweep.data.token_counts import tokens_used
from bansweep.spec.text_data import TextSpec


@dataclass(frozen=True)
class TextData:
    """What a language model is trained, validated and tested on.

    The splits are int32 (N,), read-only, in the order of the text; a token is a position in `vocabulary`, which is
    that of the whole training file. `end_of_sentence` is the token that ends every line.
    """

    train_N: Tokens
    validation_N: Tokens
    test_N: Tokens
    vocabulary: tuple[str, ...]
    end_of_sentence: int


def load_text(spec: TextSpec, folder: Path) -> TextData:
    """The first tokens, as many as `spec` asks for, of the text that `prepare(spec)` left in `folder`.

    Raises DataError where a file cannot be read, or the text has too few tokens.
    """
    used = tokens_used(spec, read_description(folder, PreparedText).tokens)
    vocabulary = read_vocabulary(folder)
    train_N, validation_N, test_N = (
        map_array(folder / name)[:tokens] for name, tokens in zip(ARRAYS, used, strict=True)
    )
    return TextData(train_N, validation_N, test_N, vocabulary, vocabulary.index(END_OF_SENTENCE))
