"""A request names the command line that asks for the same."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from demo_sweep import SWEEP

from bansweep.service.request import REHEARSALS, sweep_request


@pytest.fixture
def sweep_file(tmp_path: Path) -> Path:
    path = tmp_path / "my demo.yaml"
    path.write_text(SWEEP)
    return path


def test_arguments_ask_for_the_same(sweep_file: Path, tmp_path: Path) -> None:
    store = str(tmp_path / "a store")
    request = sweep_request(sweep_file, store, ["data={kind: digits, limit: 64}"], ["wrn-*/ban"], rehearse=True)
    assert request.location == f"{store}/{REHEARSALS}"
    assert shlex.join(request.arguments) == (
        f"'{sweep_file}' --store '{store}' --set 'data={{kind: digits, limit: 64}}' --rehearse --only 'wrn-*/ban'"
    )


def test_a_store_called_rehearsals_is_one_like_any_other(sweep_file: Path, tmp_path: Path) -> None:
    store = str(tmp_path / REHEARSALS)
    assert sweep_request(sweep_file, store, None).arguments == [str(sweep_file), "--store", store]
    rehearsed = sweep_request(sweep_file, store, None, rehearse=True)
    assert rehearsed.location == f"{store}/{REHEARSALS}"
    assert rehearsed.asked_location == store
