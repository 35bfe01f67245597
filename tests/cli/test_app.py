"""What holds for the command as a whole: interruptions, terminals of any encoding, and other programs' ends."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from demo_sweep import Command, ended
from typer.testing import CliRunner

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


@pytest.mark.parametrize("port", ["0", "70000"])
def test_ports_are_ports(port: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(command.app, ["ui", "--port", port, "--store", str(tmp_path)])
    assert result.exit_code == 2
    assert "'--port'" in result.stderr


@pytest.mark.parametrize(("returncode", "status"), [(0, 1), (3, 3), (-signal.SIGTERM, 143)])
def test_a_server_that_ends_by_itself_has_failed(
    returncode: int, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # MLflow takes tens of seconds to fail.
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, returncode))
    assert CliRunner().invoke(command.app, ["ui", "--store", str(tmp_path)]).exit_code == status
