"""A prepared text: the tokens of its splits, and the vocabulary that they are positions in."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from bansweep.data.decoded import DecodedText
from bansweep.data.prepared import FORMAT_VERSION, PreparedSet, check_files, read_description, remedy
from bansweep.data.saving import save_array, save_description, save_json
from bansweep.data.token_counts import TokenCounts
from bansweep.errors import DataError

ARRAYS = ("train_tokens.npy", "validation_tokens.npy", "test_tokens.npy")
VOCABULARY = "vocabulary.json"

_WORDS = TypeAdapter(tuple[str, ...])


class PreparedText(PreparedSet):
    """`vocabulary_size` counts words, `<eos>` among them."""

    tokens: TokenCounts
    vocabulary_size: int


def read_prepared_text(folder: Path) -> PreparedText:
    """The description of a prepared text. Raises DataError where it is missing or damaged."""
    return read_description(folder, PreparedText)


def read_vocabulary(folder: Path) -> tuple[str, ...]:
    """The words by number. Raises DataError where the file is missing or damaged."""
    path = folder / VOCABULARY
    try:
        return _WORDS.validate_json(path.read_bytes())
    except (OSError, ValidationError):
        raise DataError(f"{path} is missing or damaged", remedy=remedy(folder)) from None


def check_prepared_text(folder: Path, fingerprint: str, *, digests: bool = False) -> None:
    """Raises DataError where something in `folder` is missing, damaged or of another set (see `check_files`)."""
    check_files(folder, read_prepared_text(folder), (*ARRAYS, VOCABULARY), fingerprint, digests=digests)


def write_text(folder: Path, decoded: DecodedText, kind: str, fingerprint: str) -> None:
    """Write the tokens, the vocabulary and their description into `folder`. Raises OSError."""
    splits = (decoded.train_N, decoded.validation_N, decoded.test_N)
    files = {name: save_array(folder / name, tokens_N) for name, tokens_N in zip(ARRAYS, splits, strict=True)}
    words = json.dumps(decoded.vocabulary, ensure_ascii=False, indent=0)
    files[VOCABULARY] = save_json(folder / VOCABULARY, words)
    meta = PreparedText(
        version=FORMAT_VERSION,
        kind=kind,
        fingerprint=fingerprint,
        source=decoded.source,
        tokens=TokenCounts(*map(len, splits)),
        vocabulary_size=len(decoded.vocabulary),
        files=files,
    )
    save_description(folder, meta)
