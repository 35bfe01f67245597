"""What tests of a sweep's conducting share."""

from __future__ import annotations

from pathlib import Path

import pytest

from bansweep.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")
