"""Reading a text: UTF-8, a sentence a line, words separated by blanks. Needs no NumPy: planning digests texts.

Lines end at Python's universal newlines, and words are what `str.split` yields, as in the usual language model code.
Blank lines count as sentences without words.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import NamedTuple

from bansweep.errors import DataError
from bansweep.regular_file import open_regular

END_OF_SENTENCE = "<eos>"
UNKNOWN = "<unk>"
_PLAIN_TEXT = "texts are plain files in UTF-8; one in another encoding can be converted with iconv"


def sentences(path: Path) -> Iterator[list[str]]:
    """The words of each line, without the `<eos>` that follows them.

    Raises DataError where the file cannot be read, is not text, holds no word, or writes `<eos>` itself.
    """
    empty = True
    try:
        # Bytes that are not UTF-8 become surrogates first, so that the line that has them can be named.
        with TextIOWrapper(open_regular(path), encoding="utf-8-sig", errors="surrogateescape") as file:
            for number, line in enumerate(file, start=1):
                _check_line(line, f"{path}, line {number:,}")
                words = line.split()
                empty = empty and not words
                yield words
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror or error}", remedy="check the path and its permissions"
        ) from None
    if empty:
        raise DataError(f"{path} holds no word", remedy="a text has one sentence a line, words separated by blanks")


class TextFacts(NamedTuple):
    """What planning needs to know of a text: the digest of its words, and its tokens (words, and an `<eos>` a line)."""

    digest: str
    tokens: int


def text_digest(path: Path) -> str:
    """SHA-256 in hexadecimal of a text's words: one blank between words, a line feed after each line.

    Other blanks, the kind of line ends and a byte order mark make no difference: training does not see them. Raises
    DataError as `sentences` does.
    """
    return text_facts(path).digest


def text_facts(path: Path) -> TextFacts:
    """The digest and the number of tokens of a text, in one reading. Raises DataError as `sentences` does."""
    digest, tokens = hashlib.sha256(), 0
    for words in sentences(path):
        digest.update(" ".join(words).encode())
        digest.update(b"\n")
        tokens += len(words) + 1
    return TextFacts(digest.hexdigest(), tokens)


def text_fingerprint(digests: Sequence[str]) -> str:
    """SHA-256 in hexadecimal that stands for a training, a validation and a test text with these `text_digest`s."""
    return hashlib.sha256("\n".join(("text", *digests)).encode()).hexdigest()


def _check_line(line: str, place: str) -> None:
    if "\0" in line:
        raise DataError(f"{place}: holds a zero byte, so this is no text", remedy=_PLAIN_TEXT)
    if not line.isascii() and not _encodable(line):
        raise DataError(f"{place}: is not UTF-8", remedy=_PLAIN_TEXT)
    if END_OF_SENTENCE in line and END_OF_SENTENCE in line.split():
        raise DataError(
            f"{place}: holds {END_OF_SENTENCE}, which is added at the end of every line",
            remedy=f"remove {END_OF_SENTENCE} from the text, with one sentence a line",
        )


def _encodable(line: str) -> bool:
    try:
        line.encode()
    except UnicodeEncodeError:
        return False
    return True
