"""The cache of what MLflow holds: believed when it is whole and of the same server, otherwise forgotten."""

from __future__ import annotations

from pathlib import Path

import pytest

from bansweep.tracking.marker import Marker, marker_path, read_marker, write_marker

MARKER = Marker(uri="http://a", experiment_id="3", complete={"id": "digest"}, parent="p")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = marker_path(tmp_path, "table2")
    assert path == tmp_path / "sweeps" / "table2" / "tracking.json"

    write_marker(path, MARKER)

    assert read_marker(path, "http://a") == MARKER
    assert [file.name for file in path.parent.iterdir()] == ["tracking.json"]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"complete": {}}', b'{"uri": "http://a", "complete": [1]}', b"\xff"]
)
def test_a_damaged_file_is_no_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "tracking.json"
    path.write_bytes(content)

    assert read_marker(path, "http://a") == Marker(uri="http://a")


def test_another_servers_file_is_no_file(tmp_path: Path) -> None:
    path = tmp_path / "tracking.json"
    assert read_marker(path, "http://b") == Marker(uri="http://b")

    write_marker(path, MARKER)

    assert read_marker(path, "http://b") == Marker(uri="http://b")


def test_a_store_that_cannot_be_written_is_borne(tmp_path: Path) -> None:
    (tmp_path / "sweeps").write_text("a file where a folder should be")

    write_marker(marker_path(tmp_path, "table2"), MARKER)

    assert (tmp_path / "sweeps").is_file()
