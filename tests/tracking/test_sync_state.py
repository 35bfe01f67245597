"""The cache of what MLflow holds: believed when it is whole and of the same server, otherwise forgotten."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from patience import PROCESS_S
from planted import IN_PLACE_OF_A_FILE, put

from bansweep.tracking.sync_state import SyncState, read_sync_state, sync_state_path, write_sync_state

MARKER = SyncState(uri="http://a", experiment_id="3", complete={"id": "digest"}, parent="p")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = sync_state_path(tmp_path, "table2")
    assert path == tmp_path / "sweeps" / "table2" / "tracking.json"

    write_sync_state(path, MARKER)

    assert read_sync_state(path, "http://a") == MARKER
    assert [file.name for file in path.parent.iterdir()] == ["tracking.json"]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"complete": {}}', b'{"uri": "http://a", "complete": [1]}', b"\xff"]
)
def test_a_damaged_file_is_no_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "tracking.json"
    path.write_bytes(content)

    assert read_sync_state(path, "http://a") == SyncState(uri="http://a")


def test_another_servers_file_is_no_file(tmp_path: Path) -> None:
    path = tmp_path / "tracking.json"
    assert read_sync_state(path, "http://b") == SyncState(uri="http://b")

    write_sync_state(path, MARKER)

    assert read_sync_state(path, "http://b") == SyncState(uri="http://b")


def test_a_store_that_cannot_be_written_is_borne(tmp_path: Path) -> None:
    (tmp_path / "sweeps").write_text("a file where a folder should be")

    write_sync_state(sync_state_path(tmp_path, "table2"), MARKER)

    assert (tmp_path / "sweeps").is_file()


@pytest.mark.parametrize("kind", IN_PLACE_OF_A_FILE)
def test_what_is_no_file_is_no_marker(kind: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "tracking.json"
    put(kind, path)
    script = """if True:
        import sys
        from pathlib import Path
        from bansweep.tracking.sync_state import SyncState, read_sync_state
        assert read_sync_state(Path(sys.argv[1]), "http://a") == SyncState(uri="http://a")
    """
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, timeout=PROCESS_S)
    assert done.returncode == 0, done.stderr


def test_nothing_that_lies_there_already_takes_the_text(tmp_path: Path) -> None:
    """The name of the file that is written first cannot be foreseen."""
    path = tmp_path / "tracking.json"
    (tmp_path / "precious").write_text("precious")
    put(lambda link: link.symlink_to(tmp_path / "precious"), tmp_path / f".tracking.json.{os.getpid()}")

    write_sync_state(path, MARKER)

    assert read_sync_state(path, "http://a") == MARKER
    assert (tmp_path / "precious").read_text() == "precious"
