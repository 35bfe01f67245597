"""Connecting to Ray: what goes wrong is reported with its own remedy, and the process is left as it was."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from demo_sweep import TINY, Command, ended
from patience import PROCESS_S

from bansweep.cluster import ray_session as session
from bansweep.cluster.ray_environment import ray_environment
from bansweep.cluster.ray_failure import connection_failure, start_failure
from bansweep.cluster.ray_session import ray_session
from bansweep.errors import ClusterError

# As Ray 2.60 words them.
TIMED_OUT = Exception(
    "The current node timed out during startup. This could happen because some of the raylet failed to startup or the "
    "GCS has become overloaded."
)
LONG_SOCKET = OSError("AF_UNIX path length cannot exceed 107 bytes: /very/long/ray/session_x/sockets/plasma_store")


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return path


@pytest.mark.parametrize(
    ("error", "cause", "remedy"),
    [
        (TIMED_OUT, "did not answer in time", "less busy"),
        (RuntimeError("Failed to start GCS.  Last 0 lines of error files:"), "did not answer in time", "less busy"),
        (Exception("Timed out waiting for file /tmp/ray/x/gcs_server_port_1"), "did not answer in time", "less busy"),
        (LONG_SOCKET, "RAY_TMPDIR is too long for the path of a socket", "short path"),
        (OSError(28, "No space left on device"), "No space left on device", "disk space"),
        (RuntimeError("something else"), "something else", "logs"),
    ],
)
def test_each_cause_of_a_failed_start_has_its_own_remedy(
    error: Exception, cause: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_TMPDIR", "/a/place")
    failure = start_failure(error)
    assert failure.cause.startswith("cannot start Ray on this machine: ")
    assert cause in failure.cause
    assert remedy in failure.remedy
    assert "oken" not in str(failure), "no token is involved"
    assert str(failure).count("\n") == 1


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (RuntimeError("RPC error: InvalidAuthToken: Authentication token is missing or incorrect"), "RAY_AUTH_TOKEN"),
        (ConnectionError("Could not find any running Ray instance. Please specify the one"), "ray start --head"),
        (RuntimeError("Version mismatch: The cluster was started with: Ray: 2.50.0"), "same versions"),
        (TimeoutError("timed out"), "check the address"),
    ],
)
def test_each_cause_of_a_failed_connection_has_its_own_remedy(error: Exception, remedy: str) -> None:
    failure = connection_failure("head:6379", error)
    assert "head:6379" in failure.cause
    assert remedy in failure.remedy
    assert ("oken" in failure.remedy) == (remedy == "RAY_AUTH_TOKEN")


def test_ray_client_is_refused_with_what_to_use() -> None:
    with pytest.raises(ClusterError, match="Ray Client") as raised, ray_session("ray://head:10001"):
        pass
    assert "bansweep submit" in raised.value.remedy


def test_nothing_listens_at_the_address() -> None:
    with (
        pytest.raises(ClusterError, match=r"cannot reach Ray at 127\.0\.0\.1:9: .*refused"),
        ray_session("127.0.0.1:9"),
    ):
        pass


def test_the_address_of_a_job_server_is_no_clusters() -> None:
    with pytest.raises(ClusterError, match="a job server is no Ray cluster"), ray_session("http://127.0.0.1:8265"):
        pass


def test_a_cluster_that_has_died_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray keeps the address of the last head that started here in a file, and would wait for it for ever."""
    from ray._private import services

    monkeypatch.setattr(services, "canonicalize_bootstrap_address", lambda _: "127.0.0.1:9")
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    with pytest.raises(ClusterError, match=r"cannot reach Ray at 127\.0\.0\.1:9: .*refused"), ray_session("auto"):
        pass


def test_what_listens_at_the_address_is_not_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_ANSWER_S", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(ClusterError, match="does not answer as Ray in 2 s"), ray_session(address):
            pass


def test_variables_of_a_site_are_replaced_and_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    site = {
        "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "1",
        "RAY_TRAIN_V2_ENABLED": "0",
        "TUNE_RESULT_BUFFER_LENGTH": "50",
        "TUNE_RESULT_DIR": "/elsewhere",
        "RAY_TUNE_CALLBACKS": "site.Callback",
        "RAY_RUNTIME_ENV_HOOK": "site.hook",
        "RAY_REDIS_ADDRESS": "redis:6379",
        "PYTHONPATH": ":/installed:.",
    }
    for name, value in site.items():
        monkeypatch.setenv(name, value)
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    before = dict(os.environ)
    with ray_environment(starts_cluster=True):
        inside = dict(os.environ)
    assert dict(os.environ) == before
    assert inside["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] == "0"
    assert inside["RAY_TRAIN_V2_ENABLED"] == "1"
    assert inside["TUNE_RESULT_BUFFER_LENGTH"] == "1"
    for name in ("TUNE_RESULT_DIR", "RAY_TUNE_CALLBACKS", "RAY_RUNTIME_ENV_HOOK"):
        assert name not in inside
    assert "RAY_REDIS_ADDRESS" not in inside, "that Redis is another cluster's"
    assert inside["PYTHONPATH"] == "/installed"
    assert len(inside["RAY_AUTH_TOKEN"]) == 64
    with ray_environment(starts_cluster=False):
        assert os.environ["RAY_REDIS_ADDRESS"] == "redis:6379", "an existing cluster may need it"
        assert "RAY_AUTH_TOKEN" not in os.environ


@pytest.mark.parametrize(
    ("given", "own"),
    [
        ({}, True),
        ({"RAY_AUTH_MODE": "token"}, True),
        ({"RAY_AUTH_MODE": "disabled"}, False),
        ({"RAY_AUTH_TOKEN_PATH": "/a/file"}, False),
        ({"RAY_AUTH_TOKEN": "given"}, False),
    ],
)
def test_a_cluster_gets_a_token_of_its_own_unless_one_is_named(
    given: dict[str, str], own: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a mode is named and no token, Ray would write one that every user of the machine can read."""
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with ray_environment(starts_cluster=True):
        assert (len(os.environ.get("RAY_AUTH_TOKEN", "")) == 64) == own
        assert os.environ.get("RAY_AUTH_MODE") == given.get("RAY_AUTH_MODE", "token" if own else None)


def test_uv_run_makes_ray_upload_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where Ray was imported before, and has read its variables."""
    from ray._private import ray_constants
    from ray._private.runtime_env import uv_runtime_env_hook
    from ray._private.worker import _maybe_modify_runtime_env

    monkeypatch.setattr(uv_runtime_env_hook, "_get_uv_run_cmdline", lambda: ["uv", "run", "bansweep"])
    monkeypatch.setattr(ray_constants, "RAY_ENABLE_UV_RUN_RUNTIME_ENV", True)
    with ray_environment(starts_cluster=True):
        assert _maybe_modify_runtime_env(None, False) is None
        assert not ray_constants.ENABLE_RAY_CLUSTER, "it listens on 127.0.0.1"
    assert ray_constants.RAY_ENABLE_UV_RUN_RUNTIME_ENV


def children_of(pid: int, program: bytes) -> set[int]:
    """The children of a process that run this program of Ray's."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == pid and program in (folder / "cmdline").read_bytes().partition(b"\0")[0]:
                found.add(int(folder.name))
    return found


class StoppedProcesses(threading.Thread):
    """Stops each process of this program as it appears, up to `count`: what a busy machine does to it by chance."""

    def __init__(self, process: subprocess.Popen[str], program: bytes, count: int) -> None:
        super().__init__(daemon=True)
        self.stopped: set[int] = set()
        self._process, self._program, self._count = process, program, count

    def run(self) -> None:
        while self._process.poll() is None and len(self.stopped) < self._count:
            for pid in children_of(self._process.pid, self._program) - self.stopped:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
                    self.stopped.add(pid)


def is_alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


@pytest.mark.ray
@pytest.mark.parametrize(
    ("program", "stopped"),
    [
        pytest.param(b"/raylet", 1, marks=pytest.mark.slow),
        pytest.param(b"/raylet", 2, marks=pytest.mark.slow),
        (b"/gcs_server", 1),
    ],
)
def test_a_start_that_takes_too_long_is_tried_once_more(
    start: Command, tiny: Path, tmp_path: Path, program: bytes, stopped: int
) -> None:
    """Also where the address is `local`: Ray's own word for a cluster that is started here."""
    # The raylet has 30 s whatever is set.
    env = {"RAY_gcs_server_port_wait_time_s": "30", "RAY_ADDRESS": "local"}
    process = start("run", tiny, "--store", tmp_path / "store", env=env)
    processes = StoppedProcesses(process, program, stopped)
    processes.start()
    _, err = ended(process, status=stopped - 1)
    processes.join()
    assert len(processes.stopped) == stopped
    if stopped == 1:
        assert "1 trained" in err
    else:
        assert (
            "bansweep: cannot start Ray on this machine: its processes did not answer in time, in two attempts" in err
        )
    assert not any(map(is_alive, processes.stopped)), "a half-started node is ended"


@pytest.mark.ray
def test_a_process_that_ends_at_once_is_not_tried_again(start: Command, tiny: Path, tmp_path: Path) -> None:
    env = {"RAY_gcs_storage": "nonsense", "RAY_gcs_server_port_wait_time_s": "10"}
    command = start("run", tiny, "--store", tmp_path / "store", env=env)
    begun = time.monotonic()
    _, err = ended(command, status=1)
    assert "cannot start Ray on this machine" in err
    assert "one of its processes ended by itself\n  Ray's logs say why" in err
    assert time.monotonic() - begun < PROCESS_S


@pytest.mark.ray
def test_a_temporary_folder_with_a_long_name_is_reported_with_the_variable(
    start: Command, tiny: Path, tmp_path: Path
) -> None:
    folder = tmp_path / ("x" * 90)
    folder.mkdir()
    _, err = ended(start("run", tiny, "--store", tmp_path / "store", env={"TMPDIR": str(folder)}), status=1)
    assert f"TMPDIR is too long for the path of a socket: {folder}/ray\n  set RAY_TMPDIR to a short path" in err
