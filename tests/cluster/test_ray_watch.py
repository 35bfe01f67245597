"""Deaths of processes, and calls that are watched for them. Ray is not started: other processes take its place."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bansweep.cluster import ray_watch
from bansweep.cluster.ray_watch import (
    ChildProbe,
    HeadProbe,
    RayWatch,
    SocketProbe,
    StoppedError,
    call_watched,
    kill_remaining,
)
from bansweep.errors import ClusterError, StoreError

PATIENCE_S = 60.0
NOBODY = RayWatch([])


def process(**environment: str) -> subprocess.Popen[bytes]:
    """One that waits to be killed, and has begun."""
    code = "print(flush=True); import time; time.sleep(3600)"
    started = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env={**os.environ, **environment})
    assert started.stdout is not None
    started.stdout.readline()
    started.stdout.close()
    return started


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    started = process()
    yield started
    started.kill()
    started.wait()


# Probes


def test_a_killed_child_is_reported_with_its_number_and_signal(child: subprocess.Popen[bytes]) -> None:
    probe = ChildProbe("raylet", child)
    assert probe.loss(0) is None
    child.send_signal(signal.SIGSTOP)
    assert probe.loss(0) is None, "a stopped process is not dead"
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    loss = probe.loss(8)
    assert loss is not None
    assert loss.cause == f"Ray's node on this machine died: its raylet (process {child.pid}) was killed by signal 9"
    assert loss.remedy == "run the same command to resume: finished generations and saved epochs are kept"


def test_a_raylet_is_dead_once_its_socket_is_closed_and_refuses(tmp_path: Path) -> None:
    path = str(tmp_path / "raylet")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    probe = SocketProbe(path)
    connection, _ = listener.accept()
    assert probe.loss(0) is None
    connection.close()
    assert probe.loss(0) is None, "the raylet has closed this connection only"
    connection, _ = listener.accept()
    listener.close()
    assert probe.loss(0) is None, "the connection is still open"
    connection.close()
    loss = probe.loss(0)
    assert loss is not None
    assert path in loss.cause
    probe.close()


def test_a_head_is_dead_once_it_has_not_answered_for_a_while() -> None:
    now = [0.0]
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        probe = HeadProbe(address, clock=lambda: now[0])
        now[0] += 10
        assert probe.loss(8) is None, "a server that never accepts is not dead"
    now[0] += 5
    assert probe.loss(8) is None
    now[0] += 5
    loss = probe.loss(8)
    assert loss is not None
    assert loss.cause == f"the head of the Ray cluster at {address} died or cannot be reached: Connection refused"
    assert loss.remedy.startswith("start the cluster again")


def test_a_head_that_answers_again_is_forgiven_its_silence() -> None:
    now = [0.0]
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        probe = HeadProbe(f"127.0.0.1:{port}", clock=lambda: now[0])
    now[0] += 7
    assert probe.loss(8) is None
    with socket.create_server(("127.0.0.1", port)):
        now[0] += 2
        assert probe.loss(8) is None
    now[0] += 7
    assert probe.loss(8) is None
    assert probe.loss(0) is not None, "an error of Ray's needs no second opinion"


def test_what_a_dead_raylet_leaves_behind_is_killed_and_nothing_else() -> None:
    worker, other, server = process(RAY_RAYLET_PID="7654321"), process(RAY_RAYLET_PID="76543210"), process()
    try:
        kill_remaining([server], 7654321)
        assert worker.wait(PATIENCE_S) == -signal.SIGKILL
        assert server.wait(PATIENCE_S) == -signal.SIGKILL
        assert other.poll() is None
    finally:
        for one in (worker, other, server):
            one.kill()
            one.wait()


# Watched calls


def test_a_call_that_nobody_disturbs_returns_or_raises_what_it_raises() -> None:
    heard: list[str] = []
    call_watched(lambda _: heard.append(threading.current_thread().name), NOBODY)
    assert heard == ["bansweep-tune"]

    def fail(_: Callable[[], None]) -> None:
        raise StoreError("the disk is full")

    with pytest.raises(StoreError, match="the disk is full"):
        call_watched(fail, NOBODY)


def test_a_call_that_hangs_is_abandoned_when_a_process_dies(
    child: subprocess.Popen[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    hanging, checks = threading.Event(), []

    def hang(check: Callable[[], None]) -> None:
        check()
        child.kill()
        hanging.wait(PATIENCE_S)
        try:
            check()
        except StoppedError:
            checks.append("stopped")
            raise

    with pytest.raises(ClusterError, match=r"its GCS server \(process \d+\) was killed by signal 9"):
        call_watched(hang, RayWatch([ChildProbe("GCS server", child)]))
    assert checks == [], "it still hangs"
    assert caplog.messages == [
        f"Ray's node on this machine died: its GCS server (process {child.pid}) was killed by signal 9; "
        "ending the sweep"
    ]
    (thread,) = (one for one in threading.enumerate() if one.name == "bansweep-tune")
    hanging.set()
    thread.join(PATIENCE_S)
    assert checks == ["stopped"]


def test_it_works_in_another_thread_than_the_main_one(child: subprocess.Popen[bytes]) -> None:
    raised: list[BaseException] = []
    hanging = threading.Event()

    def call() -> None:
        child.kill()
        try:
            call_watched(lambda _: bool(hanging.wait(PATIENCE_S)) or None, RayWatch([ChildProbe("raylet", child)]))
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join(PATIENCE_S)
    hanging.set()
    assert [type(one) for one in raised] == [ClusterError]


def test_ctrl_c_stops_the_call_before_it_is_raised() -> None:
    ends: list[str] = []

    def work(check: Callable[[], None]) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        try:
            while not threading.Event().wait(0.01):
                check()
        except StoppedError:
            ends.append("stopped")
            raise

    # A shell that runs the tests in the background has Ctrl-C ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            call_watched(work, NOBODY)
    finally:
        signal.signal(signal.SIGINT, before)
    assert ends == ["stopped"]


def test_an_error_of_rays_is_reported_as_the_death_behind_it(child: subprocess.Popen[bytes]) -> None:
    watch = RayWatch([ChildProbe("raylet", child)])

    def fail(_: Callable[[], None]) -> None:
        child.kill()
        raise ConnectionError("broken pipe")

    with pytest.raises(ClusterError, match="its raylet") as raised:
        call_watched(fail, watch)
    assert isinstance(raised.value.__cause__, ConnectionError)


def test_an_error_without_a_death_stays_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_watch, "_CAUSE_S", 0.0)
    error = ValueError("a fault of our own")
    assert NOBODY.cause_of(error) is error
    exit_of_ray = NOBODY.cause_of(SystemExit(0))
    assert isinstance(exit_of_ray, ClusterError)
