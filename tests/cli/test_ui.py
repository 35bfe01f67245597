"""`bansweep ui`: its port, its server, and how both end."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from patience import PROCESS_S, wait_for
from typer.testing import CliRunner

from bansweep.cli import app as command
from bansweep.cli.commands import ui as verb
from bansweep.cli.commands.ui import free_port, is_answered
from bansweep.errors import RequestError


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def test_the_first_free_port_is_taken(taken: int) -> None:
    port = free_port("127.0.0.1", None, first=taken)

    assert taken < port < taken + 100
    assert is_answered("127.0.0.1", taken)
    assert not is_answered("127.0.0.1", port)


def test_a_port_that_was_asked_for_is_no_other(taken: int) -> None:
    with pytest.raises(RequestError, match=rf"port {taken} of 127\.0\.0\.1 cannot be listened on: Address already"):
        free_port("127.0.0.1", taken, first=5000)


def test_hosts_are_addresses_of_this_machine() -> None:
    with pytest.raises(RequestError, match=r"every port from 5000 to 5099 of 192\.0\.2\.1 cannot be listened on: "):
        free_port("192.0.2.1", None, first=5000)


@pytest.mark.parametrize("port", ["0", "70000"])
def test_ports_are_ports(port: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(command.app, ["ui", "--port", port, "--store", str(tmp_path)])
    assert result.exit_code == 2
    assert "'--port'" in result.stderr


@pytest.mark.parametrize(
    ("end", "status"),
    [("pass", 1), ("raise SystemExit(3)", 3), ("import os; os.kill(os.getpid(), 15)", 143)],
)
def test_a_server_that_ends_by_itself_has_failed(
    end: str, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # MLflow takes tens of seconds to fail.
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(verb, "_command", lambda *_: [sys.executable, "-c", end])
    result = CliRunner().invoke(command.app, ["ui", "--store", str(tmp_path)])
    assert (result.exit_code, "ended by itself" in result.stderr) == (status, True)


def test_an_address_that_others_reach_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(verb, "_command", lambda *_: [sys.executable, "-c", ""])
    result = CliRunner().invoke(command.app, ["ui", "--store", str(tmp_path), "--host", "0.0.0.0"])
    assert re.search(r"whoever reaches 0\.0\.0\.0:\d+ may change and delete", result.stderr)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_it_answers_at_the_address_that_it_prints_and_leaves_nothing(
    number: signal.Signals, status: int, tmp_path: Path
) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    line = [sys.executable, "-m", "bansweep", "ui", "--store", str(tmp_path)]
    with (tmp_path / "ui.log").open("wb") as log:
        process = subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout is not None
    # MLflow prints to both.
    found = next(found for said in process.stdout if (found := re.search(r"UI: (http://127\.0\.0\.1:(\d+))", said)))
    with urllib.request.urlopen(f"{found[1]}/health", timeout=PROCESS_S) as answer:
        assert answer.status == 200

    process.send_signal(number)
    process.communicate(timeout=PROCESS_S)

    assert process.returncode == status
    assert "Traceback" not in (tmp_path / "ui.log").read_text()
    port = int(found[2])
    wait_for(lambda: not is_answered("127.0.0.1", port))
