"""A cache of the tests' own, with digits in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bansweep.config.data import Digits
from bansweep.data.cache import CACHE_VARIABLE
from bansweep.data.prepare import prepare


@pytest.fixture(scope="session")
def digits_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(Digits(), tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True)
def _own_cache(digits_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(digits_folder.parent.parent))
