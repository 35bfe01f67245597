"""`bansweep run` on a real terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from patience import SWEEP_S


@pytest.mark.ray
def test_the_tree_is_shown_and_libraries_are_not(sweep_file: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    command = [sys.executable, "-m", "bansweep", "run", str(sweep_file), "--store", str(tmp_path / "store")]
    process = subprocess.Popen(
        [*command, "--only", "teacher", "--set", "recipe.epochs=20"],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        env={**environment, "TERM": "xterm"},
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # what Linux says at the end of a terminal
            break
        if not part:
            break
        shown += part
    os.close(ours)
    text = shown.decode()
    assert process.wait(timeout=SWEEP_S) == 0, text
    assert "starting Ray" in text
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    assert re.search(r"teacher +[━─]+ +epoch \d+/20", plain)
    assert "1 trained, 0 reused" in text
    assert "INFO" not in text, "what libraries say goes to the log"
    assert "\x1b[?25h" in text[-4000:], "the cursor is there again"
