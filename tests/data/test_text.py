"""Texts by identity, prepared on disk, and loaded with limits."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bansweep.config.data import PennTreebank, TextFiles, WikiText2
from bansweep.data.cache import SETTLED_NS, prepared_folder
from bansweep.data.datasets import load_text
from bansweep.data.fingerprint import data_identity
from bansweep.data.known_sets import PENN_TREEBANK
from bansweep.data.prepare import prepare
from bansweep.data.sentences import text_digest
from bansweep.errors import DataError
from bansweep.graph.generation import DataIdentity

WriteText = Callable[..., TextFiles]
TRAIN = "b a\n\nb c b\nd c a\n"


@pytest.fixture
def spec(write_text: WriteText) -> TextFiles:
    return write_text(TRAIN, "c\n\n", "a b\n")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_a_text_is_known_by_its_words_and_which_split_has_them(write_text: WriteText, cache: Path) -> None:
    def fingerprint(*contents: str | bytes, folder: str = "text") -> str:
        return data_identity(write_text(*contents, folder=folder), cache).fingerprint

    original = fingerprint("a b\nc\n", "a\n", "b\n")
    assert fingerprint("a b\nc\n", "a\n", "b\n", folder="elsewhere") == original
    assert fingerprint(" a  b\r\nc", b"\xef\xbb\xbfa\r\n", "b") == original
    others = [
        fingerprint("a b\nd\n", "a\n", "b\n"),
        fingerprint("a b c\n", "a\n", "b\n"),
        fingerprint("a b\nc\n\n", "a\n", "b\n"),
        fingerprint("a b\nc\n", "b\n", "a\n"),
        fingerprint("a b\n", "c\na\n", "b\n"),
    ]
    assert len({original, *others}) == 6


def test_the_identity_has_the_limits(spec: TextFiles, cache: Path) -> None:
    identity = data_identity(spec.model_copy(update={"limit": 5, "test_limit": 2}), cache)
    fingerprint = data_identity(spec, cache).fingerprint
    assert identity == DataIdentity(kind="text", fingerprint=fingerprint, limit=5, test_limit=2)


def test_digests_of_texts_are_remembered(spec: TextFiles, cache: Path) -> None:
    for path in (spec.train, spec.validation, spec.test):
        os.utime(path, (1_000_000, 1_000_000))
    while time.time_ns() - spec.test.stat().st_ctime_ns <= SETTLED_NS:
        time.sleep(0.05)
    first = data_identity(spec, cache)
    assert data_identity(spec, cache) == first
    # Another digest in the memory changes the identity: the proof that no file was read again.
    (memory,) = (cache / "digests").iterdir()
    memory.write_text(memory.read_text().replace(text_digest(spec.test), "0" * 64))
    assert data_identity(spec, cache) != first
    # The size and the modification time stay: the change shows all the same.
    spec.test.write_text("b a\n")
    os.utime(spec.test, (1_000_000, 1_000_000))
    changed = data_identity(spec, cache)
    assert changed == data_identity(spec, cache.with_name("empty")) != first


def test_planning_finds_what_is_missing_or_no_text(spec: TextFiles, cache: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.validation: .*gone\.txt does not exist"):
        data_identity(spec.model_copy(update={"validation": tmp_path / "gone.txt"}), cache)
    with pytest.raises(DataError, match=r"data\.test: .* is a folder"):
        data_identity(spec.model_copy(update={"test": tmp_path}), cache)
    spec.test.write_bytes(b"\0")
    with pytest.raises(DataError, match="zero byte"):
        data_identity(spec, cache)


def test_a_prepared_text(spec: TextFiles, cache: Path) -> None:
    folder = prepare(spec, cache)
    data = load_text(spec, folder)
    assert data.vocabulary == ("<eos>", "b", "a", "c", "d")
    assert data.end_of_sentence == 0
    assert data.train_N.tolist() == [1, 2, 0, 0, 1, 3, 1, 0, 4, 3, 2, 0]
    assert data.validation_N.tolist() == [3, 0, 0]
    assert data.test_N.tolist() == [2, 1, 0]
    for tokens_N in (data.train_N, data.validation_N, data.test_N):
        assert tokens_N.dtype == np.int32
        assert isinstance(tokens_N, np.memmap)
        assert not tokens_N.flags.writeable
    meta = json.loads((folder / "meta.json").read_text())
    assert (meta["kind"], meta["fingerprint"], meta["vocabulary_size"]) == ("text", folder.name, 5)
    assert folder.name == data_identity(spec, cache).fingerprint
    assert prepare(spec, cache, verify=True) == folder


def test_limits_are_first_tokens_and_leave_the_vocabulary(spec: TextFiles, cache: Path) -> None:
    limited = spec.model_copy(update={"limit": 5, "test_limit": 2})
    folder = prepare(limited, cache)
    assert prepare(spec, cache) == folder
    data = load_text(limited, folder)
    assert data.train_N.tolist() == [1, 2, 0, 0, 1]
    assert (data.validation_N.tolist(), data.test_N.tolist()) == ([3, 0], [2, 1])
    assert len(data.vocabulary) == 5


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"limit": 13}, r"^limit: 13 is more than the 12 training tokens of text"),
        ({"test_limit": 4}, r"^test_limit: 4 is more than the 3 validation tokens of text"),
    ],
)
def test_limits_beyond_the_text_are_refused(limits: dict[str, int], message: str, spec: TextFiles, cache: Path) -> None:
    folder = prepare(spec, cache)
    with pytest.raises(DataError, match=message):
        load_text(spec.model_copy(update=limits), folder)


@pytest.mark.parametrize("name", ["train_tokens.npy", "validation_tokens.npy", "vocabulary.json", "meta.json"])
def test_what_is_damaged_is_set_aside_and_made_again(
    name: str, spec: TextFiles, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = prepare(spec, cache)
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[:-1])
    with caplog.at_level(logging.WARNING):
        assert prepare(spec, cache) == folder
    assert name in caplog.text
    assert (folder / name).read_bytes() == whole
    if name == "meta.json":
        return
    (folder / name).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert prepare(spec, cache) == folder
    assert (folder / name).read_bytes() != whole
    prepare(spec, cache, verify=True)
    assert (folder / name).read_bytes() == whole


def test_damage_is_an_error_where_it_is_read(spec: TextFiles, cache: Path) -> None:
    folder = prepare(spec, cache)
    (folder / "vocabulary.json").write_text("[1, 2]")
    with pytest.raises(DataError, match=r"vocabulary\.json is missing or damaged"):
        load_text(spec, folder)
    (folder / "meta.json").write_text("{}")
    with pytest.raises(DataError, match=r"meta\.json is damaged"):
        load_text(spec, folder)


def test_a_text_that_cannot_be_decoded_leaves_no_folder(write_text: WriteText, cache: Path) -> None:
    with pytest.raises(DataError, match="1 of them: 'x'"):
        prepare(write_text("a\n", "x\n", "a\n"), cache)
    assert [path.suffix for path in prepared_folder(cache, "").iterdir()] == [".lock"]


def _wikitext_2(folder: Path) -> None:
    folder.mkdir(parents=True)
    for split in ("train", "valid", "test"):
        (folder / f"wiki.{split}.tokens").write_text(" \n = A =\n \n <unk> B .\n")


def test_wikitext_2_counts_every_line(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _wikitext_2(tmp_path / "plain")
    _wikitext_2(tmp_path / "sets" / "wikitext-2")
    plain = WikiText2(root=tmp_path / "plain")
    with caplog.at_level(logging.WARNING):
        data = load_text(plain, prepare(plain, cache))
    assert [data.vocabulary[token] for token in data.test_N] == [
        "<eos>", "=", "A", "=", "<eos>", "<eos>", "<unk>", "B", ".", "<eos>",
    ]  # fmt: skip
    assert "10 + 10 + 10 tokens are not those of WikiText-2 as published" in caplog.text
    monkeypatch.setenv("BANSWEEP_DATA", str(tmp_path / "sets"))
    assert data_identity(WikiText2(), cache) == data_identity(plain, cache)


def test_a_missing_wikitext_2_says_where_to_get_it(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BANSWEEP_DATA", raising=False)
    with pytest.raises(DataError, match=r"neither of which is set; it is not downloaded: .* wikitext-2-v1\.zip"):
        data_identity(WikiText2(), cache)
    (tmp_path / "wiki.train.tokens").write_text("a\n")
    with pytest.raises(DataError) as error:
        data_identity(WikiText2(root=tmp_path), cache)
    assert str(tmp_path) in error.value.cause
    assert "wiki.train.tokens, wiki.valid.tokens and wiki.test.tokens" in error.value.remedy


def test_the_penn_treebank_needs_no_files(tmp_path: Path) -> None:
    here = data_identity(PennTreebank(root=tmp_path / "here", limit=929_589, test_limit=73_760), tmp_path)
    assert here == data_identity(PennTreebank(limit=929_589, test_limit=73_760))
    assert here.fingerprint == PENN_TREEBANK.fingerprint
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(DataError, match=r"limit: 929,590 is more than the 929,589 training tokens of ptb"):
        data_identity(PennTreebank(limit=929_590))
