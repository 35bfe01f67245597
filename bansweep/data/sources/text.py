"""A text's three files to tokens, with a vocabulary from the training file."""

from __future__ import annotations

import logging
from array import array
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bansweep.data.decoded import DecodedText, Tokens
from bansweep.data.sentences import END_OF_SENTENCE, UNKNOWN, sentences
from bansweep.data.text_files import SplitFiles
from bansweep.errors import DataError

logger = logging.getLogger(__name__)

_SHOWN = 5


def tokenise(files: SplitFiles) -> DecodedText:
    """Each line's words and then `<eos>`, as numbers.

    The vocabulary is that of the whole training file: the most frequent word has number 0, equally frequent ones are
    in alphabetical order (of code points), and `<eos>` has its place among them. Other words of the validation and
    test files are read as `<unk>` where the training file has `<unk>`. Raises DataError where it has not, or a file
    cannot be read or is not text.
    """
    train_N, vocabulary = _training_text(files.train)
    numbers = {word: number for number, word in enumerate(vocabulary)}
    return DecodedText(
        train_N=train_N,
        validation_N=_held_out_text(files.validation, numbers, files.train),
        test_N=_held_out_text(files.test, numbers, files.train),
        vocabulary=vocabulary,
        source=", ".join(map(str, files)),
    )


def _training_text(path: Path) -> tuple[Tokens, tuple[str, ...]]:
    # Words are numbered as they come, so that the file is read once and its words are not kept; then renumbered.
    seen: dict[str, int] = {}
    tokens = array("i")
    for words in sentences(path):
        tokens.extend(seen.setdefault(word, len(seen)) for word in words)
        tokens.append(seen.setdefault(END_OF_SENTENCE, len(seen)))
    first_come_N = np.array(tokens, dtype=np.int32)
    counts = np.bincount(first_come_N).tolist()
    vocabulary = tuple(sorted(seen, key=lambda word: (-counts[seen[word]], word)))
    number_of = np.empty(len(seen), dtype=np.int32)
    number_of[[seen[word] for word in vocabulary]] = np.arange(len(seen), dtype=np.int32)
    return number_of[first_come_N], vocabulary


def _held_out_text(path: Path, numbers: Mapping[str, int], training_file: Path) -> Tokens:
    end_of_sentence, unknown = numbers[END_OF_SENTENCE], numbers.get(UNKNOWN)
    missing: Counter[str] = Counter()
    first_lines: dict[str, int] = {}
    tokens = array("i")
    for line, words in enumerate(sentences(path), start=1):
        for word in words:
            number = numbers.get(word)
            if number is None:
                missing[word] += 1
                first_lines.setdefault(word, line)
                number = -1 if unknown is None else unknown
            tokens.append(number)
        tokens.append(end_of_sentence)
    if missing:
        _report(path, training_file, missing, first_lines, share=missing.total() / len(tokens), refuse=unknown is None)
    return np.array(tokens, dtype=np.int32)


def _report(
    path: Path,
    training_file: Path,
    missing: Counter[str],
    first_lines: Mapping[str, int],
    *,
    share: float,
    refuse: bool,
) -> None:
    shown = [f"{word!r} (line {line:,})" for word, line in list(first_lines.items())[:_SHOWN]]
    listed = ", ".join([*shown, "..."] if len(missing) > _SHOWN else shown)
    found = f"{path} has words that {training_file} has not, {len(missing):,} of them: {listed}"
    if refuse:
        raise DataError(
            found, remedy=f"write {UNKNOWN} for rare words in the training file: it then stands for unknown ones, too"
        )
    logger.warning("%s; read as %s, which makes %.3g%% of its tokens", found, UNKNOWN, 100 * share)
