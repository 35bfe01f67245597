"""Data specs: shorthands, and paths that mean the same everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from bansweep.spec.data import Cifar, Digits, ImageFolder, ParquetImages, with_absolute_paths


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
