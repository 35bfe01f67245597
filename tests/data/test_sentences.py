"""Reading text files, and the digest that knows a text by its words."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bansweep.data.sentences import END_OF_SENTENCE, sentences, text_digest
from bansweep.errors import DataError

BLANKS = st.text(" \t", min_size=1, max_size=3)
# No separators (Z) and no control characters (C), which take in line ends and lone surrogates.
WORDS = st.text(st.characters(exclude_categories=("Z", "C")), min_size=1, max_size=4).filter(END_OF_SENTENCE.__ne__)
LINES = st.lists(st.lists(WORDS, max_size=4), min_size=1, max_size=6).filter(any)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("texts") / "text"


@given(
    lines=LINES, data=st.data(), line_end=st.sampled_from(["\n", "\r\n", "\r"]), mark=st.sampled_from(["", "\ufeff"])
)
def test_blanks_and_line_ends_make_no_difference(
    lines: list[list[str]], data: st.DataObject, line_end: str, mark: str, path: Path
) -> None:
    def line_of(words: list[str]) -> str:
        between = [data.draw(BLANKS) for _ in words]
        return data.draw(st.just("") | BLANKS) + "".join(
            word + blank for word, blank in zip(words, between, strict=True)
        )

    path.write_bytes((mark + "".join(line_of(words) + line_end for words in lines)).encode())
    assert list(sentences(path)) == lines
    plain = "".join(" ".join(words) + "\n" for words in lines)
    assert text_digest(path) == hashlib.sha256(plain.encode()).hexdigest()


@given(one=LINES, other=LINES)
def test_other_words_or_lines_are_another_text(one: list[list[str]], other: list[list[str]], path: Path) -> None:
    def digest(lines: list[list[str]]) -> str:
        path.write_text("".join(" ".join(words) + "\n" for words in lines), "utf-8", newline="")
        return text_digest(path)

    assert (digest(one) == digest(other)) == (one == other)


def test_blank_lines_count_and_the_last_line_needs_no_end(path: Path) -> None:
    path.write_text("\n = a =\n \nb c")
    assert list(sentences(path)) == [[], ["=", "a", "="], [], ["b", "c"]]
    unended = text_digest(path)
    path.write_text("\n= a =\n\nb c\n")
    assert text_digest(path) == unended
    path.write_text("\n= a =\n\nb c\n\n")
    assert text_digest(path) != unended


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no word"),
        (b" \n\n\t\n", "holds no word"),
        (b"a\nb \xe9t\xe9\n", r"line 2: is not UTF-8"),
        ("a\n".encode("utf-16"), r"line 1: "),
        (b"a\nb\nc\0d\n", r"line 3: holds a zero byte"),
        (b"PK\x03\x04\x14\x00\x00\x00", r"line 1: holds a zero byte"),
        (b"a b <eos>\nc <eos>\n", r"line 1: holds <eos>, which is added"),
    ],
)
def test_what_is_no_such_text_is_refused(content: bytes, message: str, path: Path) -> None:
    path.write_bytes(content)
    for read in (text_digest, lambda path: list(sentences(path))):
        with pytest.raises(DataError, match=message) as error:
            read(path)
        assert str(path) in error.value.cause
        assert error.value.remedy


def test_a_word_may_contain_the_mark_of_an_end(path: Path) -> None:
    path.write_text("a<eos> b\n")
    assert list(sentences(path)) == [["a<eos>", "b"]]


def test_what_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        text_digest(tmp_path)
    with pytest.raises(DataError, match="cannot be read: No such file"):
        text_digest(tmp_path / "gone")
