"""What the verbs for clusters refuse before they ask any cluster, and what they say where there is none."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from demo_sweep import Command
from job_dashboard import Dashboard, job_dashboard
from patience import PROCESS_S
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
        (["--store", "memory://bucket/x"], "no kind of store that is known"),
        (["--store", "S3:/bucket/x"], "neither a URL nor a plain folder"),
        (["--follow", "--json"], "submit with --json, and follow the job that it names"),
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


@pytest.fixture
def dashboard() -> Iterator[Dashboard]:
    with job_dashboard() as dashboard:
        yield dashboard


def test_the_packages_of_a_store_are_the_clusters(
    sweep_file: Path, dashboard: Dashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("fsspec", "s3fs"):
        monkeypatch.setitem(sys.modules, package, None)
    store = ["--store", "S3://bucket/a//store/"]
    submitted = CliRunner().invoke(app, ["submit", str(sweep_file), *store, "--address", dashboard.address])
    assert submitted.exit_code == 0, submitted.output
    (job,) = dashboard.jobs.values()
    assert str(job["entrypoint"]).endswith(" --store=s3://bucket/a/store")
    deployed = CliRunner().invoke(app, ["deploy", str(sweep_file), *store])
    assert deployed.exit_code == 0, deployed.output
    assert "s3://bucket/a/store" in deployed.stdout


@pytest.mark.parametrize(
    ("state", "driver_exit_code", "status", "told"),
    [
        ("SUCCEEDED", 0, 0, "succeeded"),
        ("FAILED", 1, 1, "failed: it said so"),
        ("FAILED", 2, 2, "failed: it said so"),
        ("FAILED", 75, 75, "ended early; submitted again, the sweep goes on"),
        ("FAILED", 130, 130, "ended early; submitted again, the sweep goes on"),
        ("FAILED", 127, 1, "failed: it said so"),
        ("FAILED", -9, 1, "failed: it said so"),
        ("FAILED", None, 1, "failed: it said so"),
        ("STOPPED", None, 75, "stopped"),
    ],
)
def test_a_followed_sweep_ends_with_its_own_status(
    dashboard: Dashboard, sweep_file: Path, state: str, driver_exit_code: int | None, status: int, told: str
) -> None:
    message = "it said so, last available logs (truncated): a\nlog"
    dashboard.add("one", state, log="text\n", driver_exit_code=driver_exit_code, message=message)
    for verb in (["logs", "one"], ["submit", str(sweep_file), "--job", "one"]):
        result = CliRunner().invoke(app, [*verb, "--follow", "--address", dashboard.address])
        assert result.exit_code == status, result.output
        assert result.stdout == "text\n"
        assert result.stderr.splitlines()[-1] == f"one: {told}"


def test_a_reader_who_goes_is_no_servers_problem(start: Command, dashboard: Dashboard) -> None:
    dashboard.add("one", "SUCCEEDED", log="".join(f"line {number}\n" for number in range(20_000)))
    follower = start("logs", "one", "--follow", "--address", dashboard.address)
    assert follower.stdout is not None
    assert follower.stderr is not None
    assert follower.stdout.readline() == "line 0\n"
    follower.stdout.close()
    follower.wait(PROCESS_S)
    assert follower.stderr.read() == ""
    follower.stderr.close()
    assert dashboard.asked.count("GET /api/jobs/one/logs/tail") == 1


def test_the_log_is_asked_of_jobs_that_may_have_more_to_say(dashboard: Dashboard, sweep_file: Path) -> None:
    far = "1 of 4 generations done, 1 running"
    for job_id, state in (("oldest", "FAILED"), ("going-on", "RUNNING"), ("ended", "STOPPED"), ("newest", "SUCCEEDED")):
        dashboard.add(job_id, state, log=f"0 of 4 generations done\n{far}\n")
    dashboard.add("another", metadata={"sweep": "another"})
    dashboard.faults = {"GET /api/jobs/newest/logs": [500, 500]}
    result = CliRunner().invoke(app, ["status", str(sweep_file), "--address", dashboard.address])
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert [line.partition(":")[0].strip() for line in lines] == [
        "newest",
        "how far it is cannot be read",
        "ended",
        "going-on",
        far,
        "oldest",
    ]
    assert "answers 500" in lines[1]
    assert {name for name in dashboard.asked if name.endswith("logs")} == {
        "GET /api/jobs/newest/logs",
        "GET /api/jobs/going-on/logs",
    }
    result = CliRunner().invoke(app, ["status", str(sweep_file), "--address", dashboard.address, "--json"])
    jobs = json.loads(result.stdout)["jobs"]
    assert [(job["id"], job["progress"]) for job in jobs] == [
        ("newest", None),
        ("ended", None),
        ("going-on", far),
        ("oldest", None),
    ]
    assert "answers 500" in jobs[0]["progress_error"]
    assert jobs[2]["progress_error"] is None
