"""What holds for the command as a whole: interruptions, terminals of any encoding, and other programs' ends."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import pytest
from demo_sweep import Command, ended
from patience import PROCESS_S

from bansweep.cli import app as command


def test_ctrl_c_in_a_verb_is_no_traceback(start: Command, sweep_file: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PROCESS_S)
        process = start("status", sweep_file, "--address", f"http://127.0.0.1:{server.getsockname()[1]}")
        server.accept()[0].close()  # the client checks first that the port is open
        request, _ = server.accept()  # which is never answered
        with request:
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
