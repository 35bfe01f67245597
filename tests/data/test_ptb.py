"""The Penn Treebank: as published, found in every place, downloaded, and refused where it is something else."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from bansweep.config.data import PennTreebank
from bansweep.data.datasets import load_text
from bansweep.data.known_sets import PENN_TREEBANK
from bansweep.data.prepare import prepare
from bansweep.data.sources.text import download_ptb, ptb_files, require_ptb_at_root
from bansweep.errors import DataError

# Ids are those of TensorFlow's PTB reader, which orders words likewise; its tutorials print the first of them.
FIRST_TOKENS = [
    *(9970, 9971, 9972, 9974, 9975, 9976, 9980, 9981, 9982, 9983, 9984, 9986, 9987, 9988, 9989, 9991, 9992, 9993, 9994),
    *(9995, 9996, 9997, 9998, 9999, 2, 9256, 1, 3, 72, 393, 33, 2133, 0, 146, 19, 6, 9207, 276, 407, 3),
]


@pytest.fixture(autouse=True)
def _no_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BANSWEEP_DATA", raising=False)


def test_the_fingerprint_is_pinned() -> None:
    assert PENN_TREEBANK.fingerprint == "9ab9e49a97c4bfc82b15b7a0120598571548172b3adcd224ba659db29bd48380"


def test_the_penn_treebank_is_the_published_one(shared_ptb: Path, tmp_path: Path) -> None:
    spec = PennTreebank(root=shared_ptb)
    data = load_text(spec, prepare(spec, tmp_path))
    assert (len(data.train_N), len(data.validation_N), len(data.test_N)) == (929_589, 73_760, 82_430)
    assert len(data.vocabulary) == 10_000
    assert data.vocabulary[:5] == ("the", "<unk>", "<eos>", "N", "of")
    assert data.end_of_sentence == 2
    # Lines: 42,068, 3,370 and 3,761.
    splits = (data.train_N, data.validation_N, data.test_N)
    assert [int(np.count_nonzero(tokens_N == 2)) for tokens_N in splits] == [42_068, 3_370, 3_761]
    assert data.train_N[:40].tolist() == FIRST_TOKENS
    first_words = (shared_ptb / "ptb" / "ptb.train.txt").read_text()[:1_000].replace("\n", "<eos>").split()[:40]
    assert [data.vocabulary[token] for token in data.train_N[:40]] == first_words


def test_it_is_found_in_a_folder_its_subfolder_or_the_data_folder(
    shared_ptb: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = ptb_files(PennTreebank(root=shared_ptb), tmp_path)
    assert files == ptb_files(PennTreebank(root=shared_ptb / "ptb"), tmp_path)
    monkeypatch.setenv("BANSWEEP_DATA", str(shared_ptb))
    assert files == ptb_files(PennTreebank(), tmp_path)
    assert files.test == shared_ptb / "ptb" / "ptb.test.txt"


def test_it_is_downloaded_once(shared_ptb: Path, tmp_path: Path) -> None:
    served = tmp_path / "served"
    shutil.copytree(shared_ptb / "ptb", served)
    files = ptb_files(PennTreebank(), tmp_path, served.as_uri())
    assert files.train == tmp_path / "downloads" / "ptb" / "ptb.train.txt"
    assert sorted(path.name for path in files.train.parent.iterdir()) == [
        "ptb.test.txt",
        "ptb.train.txt",
        "ptb.valid.txt",
    ]
    shutil.rmtree(served)
    assert ptb_files(PennTreebank(), tmp_path, served.as_uri()) == files
    assert prepare(PennTreebank(), tmp_path).is_dir()


def test_something_else_that_is_served_is_not_kept(tmp_path: Path) -> None:
    (tmp_path / "ptb.train.txt").write_text("<html>please log in</html>")
    with pytest.raises(DataError, match=r"ptb\.train\.txt served a file whose SHA-256 is not fcea919f"):
        download_ptb(tmp_path / "downloads", tmp_path.as_uri())
    assert list((tmp_path / "downloads").iterdir()) == []


def test_a_download_that_fails_says_where_the_set_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"ptb is not in .*downloads, and could not be fetched from file:") as error:
        ptb_files(PennTreebank(), tmp_path, (tmp_path / "nowhere").as_uri())
    assert "ptb.train.txt, ptb.valid.txt and ptb.test.txt" in error.value.remedy
    assert "BANSWEEP_DATA" in error.value.remedy


def test_a_named_root_without_it_is_an_error(tmp_path: Path) -> None:
    spec = PennTreebank(root=tmp_path)
    for look in (lambda: ptb_files(spec, tmp_path / "cache"), lambda: require_ptb_at_root(spec)):
        with pytest.raises(DataError, match="ptb is not in"):
            look()
    with pytest.raises(DataError, match="is no folder"):
        require_ptb_at_root(PennTreebank(root=tmp_path / "gone"))


def test_a_changed_word_is_not_the_penn_treebank(shared_ptb: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    shutil.copytree(shared_ptb / "ptb", root, copy_function=shutil.copyfile)
    test = root / "ptb.test.txt"
    test.write_text(test.read_text().replace(" the ", " a ", 1))
    with pytest.raises(DataError, match=r"ptb\.test\.txt is not that of the Penn Treebank"):
        prepare(PennTreebank(root=root), tmp_path)
    # Blanks and line ends are not words.
    shutil.copyfile(shared_ptb / "ptb" / "ptb.test.txt", test)
    test.write_bytes(test.read_bytes().replace(b" \n ", b"\r\n"))
    assert prepare(PennTreebank(root=root), tmp_path).is_dir()
