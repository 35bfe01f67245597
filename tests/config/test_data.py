"""Data specs: shorthands, and paths that mean the same everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from bansweep.config.data import (
    Cifar,
    DataSpec,
    Digits,
    ImageFolder,
    ParquetImages,
    PennTreebank,
    TextFiles,
    WikiText2,
    is_text,
    with_absolute_paths,
)

DATA: TypeAdapter[DataSpec] = TypeAdapter(DataSpec)


def test_relative_paths_are_those_of_the_folder_the_sweep_was_started_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert with_absolute_paths(Cifar(kind="cifar10", root=Path("sets"))).root == tmp_path / "sets"
    assert with_absolute_paths(ImageFolder(root=Path("../x"))).root == tmp_path / "../x"
    parquet = with_absolute_paths(ParquetImages(train=Path("a"), test=Path("/b"), limit=3))
    assert (parquet.train, parquet.test, parquet.limit) == (tmp_path / "a", Path("/b"), 3)
    assert with_absolute_paths(Digits(limit=5)) == Digits(limit=5)
    assert with_absolute_paths(Cifar(kind="cifar10")).root is None
    text = with_absolute_paths(TextFiles(train=Path("a"), validation=Path("b"), test=Path("/c")))
    assert text == TextFiles(train=tmp_path / "a", validation=tmp_path / "b", test=Path("/c"))


def test_names_stand_for_sets_without_options() -> None:
    assert DATA.validate_python("ptb") == PennTreebank()
    assert DATA.validate_python("wikitext-2") == WikiText2()
    assert DATA.validate_python({"kind": "wikitext-2", "root": "x", "limit": 2}) == WikiText2(root=Path("x"), limit=2)


def test_texts_are_told_from_images() -> None:
    texts = [PennTreebank(), WikiText2(), TextFiles(train=Path("a"), validation=Path("b"), test=Path("c"))]
    images = [
        Digits(),
        Cifar(kind="cifar10"),
        ImageFolder(root=Path("x")),
        ParquetImages(train=Path("a"), test=Path("b")),
    ]
    assert [is_text(spec) for spec in [*texts, *images]] == [True] * 3 + [False] * 4


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"kind": "ptb", "validation": 100}, "unknown key 'validation'; known: kind, limit, root, test_limit"),
        ({"kind": "ptb", "limit": 1}, "greater than or equal to 2, not 1"),
        ({"kind": "wikitext-2", "test_limit": 0}, "greater than or equal to 2, not 0"),
        ({"kind": "text", "train": "a", "test": "b"}, "'validation' is missing"),
    ],
)
def test_what_a_text_does_not_take_is_explained(written: object, message: str) -> None:
    with pytest.raises(ValidationError) as error:
        DATA.validate_python(written)
    assert message in str(error.value)
