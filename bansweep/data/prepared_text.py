"""A prepared text: the tokens of its splits, and the vocabulary that they are positions in."""

from __future__ import annotations

import json
from pathlib import Path

from bansweep.data.cache import PREPARED_VERSION
from bansweep.data.decoded import DecodedText
from bansweep.data.descriptions import VOCABULARY, PreparedText, read_description
from bansweep.data.prepared import check_files
from bansweep.data.saving import save_array, save_description, save_json
from bansweep.data.token_counts import TokenCounts

ARRAYS = ("train_tokens.npy", "validation_tokens.npy", "test_tokens.npy")


def check_prepared_text(folder: Path, fingerprint: str, *, digests: bool = False) -> None:
    """Raises DataError where something in `folder` is missing, damaged or of another set (see `check_files`)."""
    check_files(folder, read_description(folder, PreparedText), (*ARRAYS, VOCABULARY), fingerprint, digests=digests)


def write_text(folder: Path, decoded: DecodedText, kind: str, fingerprint: str) -> None:
    """Write the tokens, the vocabulary and their description into `folder`. Raises OSError."""
    splits = (decoded.train_N, decoded.validation_N, decoded.test_N)
    files = {name: save_array(folder / name, tokens_N) for name, tokens_N in zip(ARRAYS, splits, strict=True)}
    words = json.dumps(decoded.vocabulary, ensure_ascii=False, indent=0)
    files[VOCABULARY] = save_json(folder / VOCABULARY, words)
    meta = PreparedText(
        version=PREPARED_VERSION,
        kind=kind,
        fingerprint=fingerprint,
        source=decoded.source,
        tokens=TokenCounts(*map(len, splits)),
        vocabulary_size=len(decoded.vocabulary),
        files=files,
    )
    save_description(folder, meta)
