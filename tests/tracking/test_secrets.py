"""What opens the tracking server is nowhere to be read: not in what commands say, not in the store, not in MLflow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from patience import SWEEP_S

PROJECT = Path(__file__).parents[2]
SECRETS = {"uri": "hunter2-in-the-uri", "password": "correct-horse", "token": "dapi-0123456789"}
SWEEP = """
name: secretive
data: {kind: digits, limit: 60}
recipe: {base: wide-resnet, epochs: 1, batch_size: 32}
networks: [wrn-10-1]
generations:
  teacher: {loss: labels}
"""


class Talkative(BaseHTTPRequestHandler):
    """Refuses everything, quoting what it was asked with."""

    def do_GET(self) -> None:
        message = f"no access to http://{self.headers['Host']}{self.path} with {self.headers['Authorization']}"
        body = json.dumps({"error_code": "PERMISSION_DENIED", "message": message}).encode()
        self.send_response(403)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def talkative() -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), Talkative)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def told_by(verb: str, folder: Path, **environment: str) -> str:
    """All that a command prints, with the text of every file of its store."""
    (folder / "sweep.yaml").write_text(SWEEP)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    done = subprocess.run(
        [sys.executable, "-m", "bansweep", verb, "sweep.yaml", "--store", "store"],
        env={**kept, **environment, "PYTHONPATH": str(PROJECT)},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SWEEP_S,
    )
    files = [file.read_text(errors="replace") for file in sorted((folder / "store").rglob("*")) if file.is_file()]
    return "\n".join((done.stdout, done.stderr, *files))


def assert_tells_no_secret(told: str) -> None:
    assert "MLflow" in told
    for kind, secret in SECRETS.items():
        assert secret not in told, kind


@pytest.mark.parametrize("authorised", ["uri", "password", "token"])
def test_a_server_that_quotes_what_it_refuses(tmp_path: Path, talkative: int, authorised: str) -> None:
    given = {
        "uri": {"MLFLOW_TRACKING_URI": f"http://me:{SECRETS['uri']}@127.0.0.1:{talkative}"},
        "password": {"MLFLOW_TRACKING_USERNAME": "me", "MLFLOW_TRACKING_PASSWORD": SECRETS["password"]},
        "token": {"MLFLOW_TRACKING_TOKEN": SECRETS["token"]},
    }[authorised]

    told = told_by("sync", tmp_path, **{"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{talkative}", **given})

    assert_tells_no_secret(told)
    assert "no access to http://" in told
    assert "***" in told
    assert "bWU6" not in told  # `me:`, as a header of basic authentication begins


def test_a_dead_server(tmp_path: Path) -> None:
    told = told_by("sync", tmp_path, **everything_set())

    assert_tells_no_secret(told)
    assert "http://***@127.0.0.1:1: Connection refused" in told


def everything_set() -> dict[str, str]:
    return {
        "MLFLOW_TRACKING_URI": f"http://me:{SECRETS['uri']}@127.0.0.1:1",
        "MLFLOW_TRACKING_USERNAME": "me",
        "MLFLOW_TRACKING_PASSWORD": SECRETS["password"],
        "MLFLOW_TRACKING_TOKEN": SECRETS["token"],
    }
