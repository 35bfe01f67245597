"""The size of a data set without decoding it, for the costs that `bansweep plan` estimates."""

from __future__ import annotations

from pathlib import Path
from typing import assert_never

from bansweep.config.data import (
    Cifar,
    DataSpec,
    Digits,
    ImageDataSpec,
    ImageFolder,
    ParquetImages,
    PennTreebank,
    TextFiles,
    TextSpec,
    UserImages,
    WikiText2,
    is_text,
)
from bansweep.data.cache import cache_folder, prepared_folder
from bansweep.data.descriptions import PreparedImages, PreparedText, read_description, read_vocabulary
from bansweep.data.known_sets import KNOWN_SETS, PENN_TREEBANK, WIKITEXT_2_TOKENS
from bansweep.data.splits import TokenCounts, split_ranges, tokens_used
from bansweep.errors import DataError
from bansweep.graph.operations import LONGEST_WORD, Images, Vocabulary
from bansweep.graph.workload import DataSize

_KNOWN_IMAGES = {
    "digits": Images(channels=1, height=8, width=8, classes=10),
    "cifar10": Images(channels=3, height=32, width=32, classes=10),
    "cifar100": Images(channels=3, height=32, width=32, classes=100),
}
_PENN_TREEBANK_WORDS = Vocabulary(words=10_000, characters=48, longest=19)
# The number of words is as published. The spelling is an estimate: 300 characters, and the longest word that is read.
_WIKITEXT_2_WORDS = Vocabulary(words=33_278, characters=300, longest=LONGEST_WORD)


def data_size(spec: DataSpec, fingerprint: str, cache: Path | None = None) -> DataSize | None:
    """The size of what `spec` takes of the set with this fingerprint; None where that is unknown until it is prepared.

    `cache` (default: `cache_folder()`) is where prepared sets are looked up; nothing is written. Never raises: problems
    with the data are reported by `prepare`.
    """
    prepared = prepared_folder(cache or cache_folder(), fingerprint)
    try:
        return _text_size(spec, prepared) if is_text(spec) else _image_size(spec, prepared)
    except DataError:
        return None


def _image_size(spec: ImageDataSpec, prepared: Path) -> DataSize:
    match spec:
        case Digits() | Cifar():
            known = KNOWN_SETS[spec.kind]
            images, training, test = _KNOWN_IMAGES[spec.kind], known.training_images, known.test_images
        case ParquetImages() | ImageFolder() | UserImages():
            meta = read_description(prepared, PreparedImages)
            height, width, channels = meta.image_shape
            images = Images(channels, height, width, len(meta.classes))
            training, test = meta.training_images, meta.test_images
        case _:
            assert_never(spec)
    ranges = split_ranges(spec, training, test)
    evaluation = ranges.test if ranges.validation is None else ranges.validation
    return DataSize(images, training=len(ranges.train), evaluation=len(evaluation), test=len(ranges.test))


def _text_size(spec: TextSpec, prepared: Path) -> DataSize:
    match spec:
        case PennTreebank():
            vocabulary, tokens = _PENN_TREEBANK_WORDS, PENN_TREEBANK.tokens
        case WikiText2():
            try:
                vocabulary, tokens = _prepared_text(prepared)
            except DataError:
                vocabulary, tokens = _WIKITEXT_2_WORDS, WIKITEXT_2_TOKENS
        case TextFiles():
            vocabulary, tokens = _prepared_text(prepared)
        case _:
            assert_never(spec)
    used = tokens_used(spec, tokens)
    return DataSize(vocabulary, training=used.training, evaluation=used.validation, test=used.test)


def _prepared_text(prepared: Path) -> tuple[Vocabulary, TokenCounts]:
    words = read_vocabulary(prepared)
    vocabulary = Vocabulary(
        words=len(words), characters=len(set().union(*words)), longest=max(map(len, words), default=0)
    )
    return vocabulary, read_description(prepared, PreparedText).tokens
