"""What the verbs for clusters refuse before they ask any cluster, and what they say where there is none."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bansweep.cli.app import app
from bansweep.errors import BansweepError, ClusterError, RequestError

NOBODY = "http://127.0.0.1:9"


def refused(*arguments: object) -> BansweepError:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert isinstance(result.exception, BansweepError), result.output
    assert result.stdout == ""
    return result.exception


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--store", "here"], "--store here: a relative folder"),
        (["--store", "s3://key:secret@bucket/x"], "holds credentials"),
        (["--job", "a b"], "cannot be a job's id"),
        (["--job", "../x"], "cannot be a job's id"),
        (["--set", "data={kind: folder, root: images}"], "data.root: images: a relative folder"),
        (["--set", "recipe.epochs=none"], "recipe.epochs"),
        (["--budget", "-1"], "gpu_hours"),
    ],
)
def test_what_the_cluster_could_not_use_is_not_sent(sweep_file: Path, options: list[str], said: str) -> None:
    error = refused("submit", sweep_file, "--address", NOBODY, *options)
    assert isinstance(error, RequestError)
    assert said in str(error)
    assert "secret" not in str(error)


@pytest.mark.parametrize(
    "address", ["host", "127.0.0.1:8265", "ftp://host:1", "http://", "http://host:x", "ray://host:1"]
)
def test_an_address_that_is_none_is_refused(sweep_file: Path, address: str) -> None:
    error = refused("submit", sweep_file, "--address", address)
    assert isinstance(error, RequestError)
    assert "http://HOST:8265" in str(error)


def test_a_token_in_the_address_is_refused(sweep_file: Path) -> None:
    error = refused("submit", sweep_file, "--address", "http://user:t0ken@host:8265")
    assert "credentials" in error.cause
    assert "t0ken" not in str(error)


@pytest.mark.parametrize("verb", [["submit"], ["logs"], ["stop"], ["status"]])
def test_nobody_there_is_told_at_once(sweep_file: Path, verb: list[str]) -> None:
    error = refused(*verb, sweep_file, "--address", NOBODY)
    assert isinstance(error, ClusterError)
    assert error.cause.startswith(f"cannot reach a job server at {NOBODY}: ")
    assert "RAY_API_SERVER_ADDRESS" in error.remedy


def test_what_is_no_job_server_is_told() -> None:
    server = HTTPServer(("127.0.0.1", 0), type("Quiet", (BaseHTTPRequestHandler,), {"log_message": lambda *_: None}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        error = refused("logs", "job", "--address", f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        server.server_close()
    assert "cannot reach a job server" in error.cause


def test_a_sweep_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert "no such file" in str(refused("submit", tmp_path / "none.yaml", "--address", NOBODY))
