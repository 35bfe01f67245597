"""What holds for the command as a whole: interruptions, terminals of any encoding, and other programs' ends."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from demo_sweep import Command, ended

from bansweep.cli import app as command


def test_ctrl_c_in_a_verb_is_no_traceback(start: Command, tmp_path: Path) -> None:
    pipe = tmp_path / "sweep.yaml"
    os.mkfifo(pipe)
    process = start("plan", pipe)
    # Opening waits until the verb reads, and it reads until this end is closed.
    with pipe.open("w"):
        process.send_signal(signal.SIGINT)
        ended(process, 130)


def test_ctrl_c_outside_verbs_has_the_same_status(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "app", interrupted)
    with pytest.raises(SystemExit) as end:
        command.main()
    assert end.value.code == 130


def test_terminals_without_our_characters(start: Command, sweep_file: Path, tmp_path: Path) -> None:
    out, _ = ended(start("report", sweep_file, "--store", tmp_path / "store", env={"PYTHONIOENCODING": "ascii"}))
    assert "teacher" in out
    assert "?" in out
