"""Texts to tokens: the vocabulary, its order, and words that it has not."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bansweep.config.data import TextFiles
from bansweep.data.decoded import DecodedText
from bansweep.data.prepare import decode_text
from bansweep.errors import DataError

WriteText = Callable[..., TextFiles]


def test_a_counted_text(write_text: WriteText, tmp_path: Path) -> None:
    # <eos> 4, b 3, a 2, c 2, d 1
    decoded = decode_text(write_text("b a\n\nb c b\nd c a\n", "c\n\n", "a b"), tmp_path)
    assert decoded.vocabulary == ("<eos>", "b", "a", "c", "d")
    assert decoded.train_N.tolist() == [1, 2, 0, 0, 1, 3, 1, 0, 4, 3, 2, 0]
    assert decoded.validation_N.tolist() == [3, 0, 0]
    assert decoded.test_N.tolist() == [2, 1, 0]
    assert decoded.train_N.dtype == decoded.validation_N.dtype == np.int32
    assert decoded.source.count("/text/") == 3


def test_ties_are_in_order_of_code_points(write_text: WriteText, tmp_path: Path) -> None:
    decoded = decode_text(write_text("é Z a <unk> <\n", "a\n", "a\n"), tmp_path)
    assert decoded.vocabulary == ("<", "<eos>", "<unk>", "Z", "a", "é")


WORDS = st.sampled_from(["the", "a", "N", "<unk>", "été", "日本", "'s"])
LINES = st.lists(st.lists(WORDS, max_size=5), min_size=1, max_size=8).filter(any)


def text_of(decoded: DecodedText, tokens_N: np.ndarray) -> list[list[str]]:
    words = " ".join(decoded.vocabulary[token] for token in tokens_N)
    *lines, rest = [line.split() for line in words.split("<eos>")]
    assert rest == []
    return lines


@given(train=LINES, held_out=st.data())
def test_tokens_decode_to_the_text(train: list[list[str]], held_out: st.DataObject, tmp_path_factory: object) -> None:
    assert isinstance(tmp_path_factory, pytest.TempPathFactory)
    folder = tmp_path_factory.mktemp("text")
    known = sorted({word for words in train for word in words})
    other = held_out.draw(st.lists(st.lists(st.sampled_from(known), max_size=5), min_size=1).filter(any))
    for name, lines in (("train", train), ("other", other)):
        (folder / name).write_text("".join(" ".join(words) + "\n" for words in lines), "utf-8")
    decoded = decode_text(TextFiles(train=folder / "train", validation=folder / "other", test=folder / "other"), folder)
    assert text_of(decoded, decoded.train_N) == train
    assert text_of(decoded, decoded.validation_N) == text_of(decoded, decoded.test_N) == other
    counts = Counter(decoded.train_N.tolist())
    assert sorted(counts) == list(range(len(decoded.vocabulary)))
    order = [(-counts[number], word) for number, word in enumerate(decoded.vocabulary)]
    assert order == sorted(order)


def test_unknown_words_are_unk_where_there_is_one(
    write_text: WriteText, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = write_text("a a <unk>\n", "b a\nc b\n", "a\n")
    with caplog.at_level(logging.WARNING):
        decoded = decode_text(text, tmp_path)
    assert text_of(decoded, decoded.validation_N) == [["<unk>", "a"], ["<unk>", "<unk>"]]
    (record,) = caplog.records
    assert "2 of them: 'b' (line 1), 'c' (line 2)" in record.getMessage()
    assert "50% of its tokens" in record.getMessage()


def test_unknown_words_are_refused_where_nothing_stands_for_them(write_text: WriteText, tmp_path: Path) -> None:
    text = write_text("a b\n", "a\n", "a\n\nq r s\nt q u v w\n")
    with pytest.raises(DataError) as error:
        decode_text(text, tmp_path)
    assert error.value.cause == (
        f"{text.test} has words that {text.train} has not, 7 of them: "
        "'q' (line 3), 'r' (line 3), 's' (line 3), 't' (line 4), 'u' (line 4), ..."
    )
    assert "<unk>" in error.value.remedy
    decode_text(write_text("a b\n", "a\n", "b\n"), tmp_path)
