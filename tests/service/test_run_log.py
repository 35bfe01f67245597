"""A sweep's log is a file of its own: nothing else is written to, and nothing else is waited for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from patience import PROCESS_S
from planted import IN_PLACE_OF_A_FILE, folder, named_pipe, put

from bansweep.service.run_log import run_log
from bansweep.store.store import Store

SCRIPT = """
import sys
from bansweep.errors import StoreError
from bansweep.service.run_log import run_log
from bansweep.store.store import Store

try:
    with run_log(Store(sys.argv[1]), "demo"):
        print("what libraries print")
except StoreError as error:
    print(error.cause)
"""


def logged(root: Path) -> str:
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(root)], capture_output=True, text=True, timeout=PROCESS_S)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("kind", [kind for kind in IN_PLACE_OF_A_FILE if kind.__name__ != "larger_than_any"])
def test_a_log_that_is_no_file_is_refused(kind: Callable[[Path], None], tmp_path: Path) -> None:
    log = tmp_path / "sweeps" / "demo" / "run.log"
    put(kind, log)
    said = logged(tmp_path)
    assert said.startswith(f"cannot write {log}: "), said
    assert said.endswith("Is a directory\n" if kind is folder else " is there, not a regular file\n")
    assert kind is named_pipe or not (log.parent / "nothing").exists()


def test_a_link_to_another_file_is_not_followed(tmp_path: Path) -> None:
    """Who may write to a store cannot have a file of its user's written to."""
    (tmp_path / "precious").write_text("precious")
    log = tmp_path / "store" / "sweeps" / "demo" / "run.log"
    put(lambda path: path.symlink_to(tmp_path / "precious"), log)
    assert "a link is there" in logged(tmp_path / "store")
    assert (tmp_path / "precious").read_text() == "precious"


def test_each_run_adds_to_the_log(tmp_path: Path) -> None:
    assert [logged(tmp_path), logged(tmp_path)] == ["", ""]
    log = tmp_path / "sweeps" / "demo" / "run.log"
    assert log.read_text() == "what libraries print\n" * 2
    with run_log(Store(tmp_path), "demo") as kept:
        assert kept.bytes_before == log.stat().st_size
