"""`bansweep data` with texts, in processes of their own."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from demo_sweep import Command, ended


def _wikitext_2(root: Path, words: str) -> Path:
    root.mkdir()
    for split in ("train", "valid", "test"):
        (root / f"wiki.{split}.tokens").write_text(words)
    return root


def test_a_text_is_counted(start: Command, tmp_path: Path) -> None:
    root = _wikitext_2(tmp_path / "sets", "a b\n\nb c\n")
    out, _ = ended(start("data", "wikitext-2", "--root", root), 0)
    assert "wikitext-2: 7 training, 7 validation and 7 test tokens, a vocabulary of 4; checked, decoded in " in out
    out, _ = ended(start("data", "wikitext-2", "--root", root, "--json"), 0)
    facts = json.loads(out)
    assert Path(facts.pop("folder"), "vocabulary.json").is_file()
    assert facts == {"name": "wikitext-2", "train": 7, "validation": 7, "test": 7, "vocabulary": 4}


def test_images_are_counted(start: Command) -> None:
    out, _ = ended(start("data", "digits", "--json"), 0)
    facts = json.loads(out)
    del facts["folder"]
    assert facts == {"name": "digits", "train": 1437, "test": 360, "classes": 10, "shape": [1, 8, 8]}


def test_the_penn_treebank_is_counted(start: Command) -> None:
    shared = os.environ.get("BANSWEEP_SHARED")
    root = (Path(shared) if shared else Path(__file__).parents[2].parent / "shared") / "data"
    if not (root / "ptb" / "ptb.train.txt").is_file():
        pytest.skip(f"the Penn Treebank is not in {root}; BANSWEEP_SHARED names its parent")
    out, _ = ended(start("data", "ptb", "--root", root), 0)
    assert "929,589 training, 73,760 validation and 82,430 test tokens, a vocabulary of 10,000" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "wiki.train.tokens holds no word"),
        ("a <eos>\n", "wiki.train.tokens, line 1: holds <eos>"),
    ],
)
def test_what_is_no_text_is_one_message(words: str, message: str, start: Command, tmp_path: Path) -> None:
    out, err = ended(start("data", "wikitext-2", "--root", _wikitext_2(tmp_path / "sets", words)), 2)
    assert message in err
    assert "Traceback" not in err
    assert out == ""


def test_a_root_without_the_set_is_refused_even_when_it_is_prepared(start: Command, tmp_path: Path) -> None:
    for name in ("ptb", "wikitext-2"):
        _, err = ended(start("data", name, "--root", tmp_path), 2)
        assert f"{name} is not in {tmp_path}" in err
