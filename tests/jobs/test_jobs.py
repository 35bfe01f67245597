"""Sweeps submitted to a real Ray head that asks for a token, followed, stopped, and gone on with."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from demo_sweep import Command, ended, ids_of, plan_of, wait_until
from patience import PROCESS_S, SWEEP_S, wait_for

from bansweep.cli.commands.ui import is_answered
from bansweep.store.store import Store

pytestmark = pytest.mark.ray

TOKEN = "a-token-that-nobody-guesses-0123456789"
KNOWN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}


def free_ports(number: int) -> list[int]:
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


@pytest.fixture(scope="module")
def address(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The job server of a head of two CPUs, on this machine alone."""
    port, dashboard = free_ports(2)
    folder = Path("/tmp") / f"bansweep-ray-{os.getpid()}"  # sockets have short paths
    command = [Path(sys.executable).with_name("ray"), "start", "--head", "--block", "--disable-usage-stats"]
    command += ["--node-ip-address=127.0.0.1", f"--port={port}", "--num-cpus=2", f"--temp-dir={folder}"]
    command += ["--include-dashboard=true", "--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard}"]
    # Far from the ports that the system hands out, of which two are taken.
    command += ["--min-worker-port=20000", "--max-worker-port=20999", "--dashboard-agent-listen-port=0"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    settings = {**environment, **KNOWN, "PATH": path, "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    log = tmp_path_factory.mktemp("head") / "log"
    with log.open("wb") as output:
        head = subprocess.Popen(command, env=settings, stdout=output, stderr=output, start_new_session=True)
    try:

        def answers() -> bool:
            assert head.poll() is None, log.read_text()
            return is_answered("127.0.0.1", dashboard)

        wait_for(answers, SWEEP_S)
        yield f"http://127.0.0.1:{dashboard}"
    finally:
        # `ray start --block` ends its processes, and nobody else's.
        head.send_signal(signal.SIGTERM)
        try:
            head.wait(PROCESS_S)
        finally:
            os.killpg(head.pid, signal.SIGKILL) if head.poll() is None else None


def test_without_the_token_nothing_is_taken(start: Command, address: str, sweep_file: Path, tmp_path: Path) -> None:
    arguments = ("submit", sweep_file, "--address", address, "--store", tmp_path / "store", "--job", "refused")
    nobody = {"RAY_AUTH_MODE": "", "RAY_AUTH_TOKEN": "", "HOME": str(tmp_path)}
    for settings, said in (
        (nobody, "wants a token"),
        ({**KNOWN, "RAY_AUTH_TOKEN": "another-token-0123456789"}, "refuses this token"),
    ):
        out, err = ended(start(*arguments, env=settings), 1)
        assert out == ""
        assert err.startswith(f"bansweep: the cluster at {address} {said}\n  set RAY_AUTH_MODE=token")
        assert TOKEN not in err
        assert "another-token" not in err
    _, err = ended(start("logs", "refused", "--address", address, env=KNOWN), 1)
    assert "knows no such job" in err
    assert not (tmp_path / "store").exists()


def test_a_sweep_is_submitted_followed_and_ends_with_its_status(
    start: Command, address: str, sweep_file: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    options = ("--address", address, "--store", store, "--job", "once", "--only", "teacher", "--follow")
    out, err = ended(start("submit", sweep_file, *options, env=KNOWN))
    assert "finished  wrn-10-1 / teacher" in out
    assert "1 trained, 0 reused" in out
    assert err.splitlines() == ["once submitted", "once: succeeded"]
    teacher = ids_of(plan_of(sweep_file))["teacher"]
    assert Store(store).finished([teacher]) == {teacher}

    out_again, err = ended(start("submit", sweep_file, *options, env=KNOWN))
    assert err.splitlines() == ["once is there already", "once: succeeded"]
    assert out_again == out, "it is the first one's log"
    whole, _ = ended(start("logs", sweep_file, "--address", address, env=KNOWN))
    assert whole == out
    document = json.loads(ended(start("status", sweep_file, "--address", address, "--json", env=KNOWN))[0])
    assert [(job["id"], job["state"], job["progress"]) for job in document["jobs"]] == [
        ("once", "SUCCEEDED", "1 of 1 generations done")
    ]


def test_a_sweep_outlives_its_follower_is_stopped_and_goes_on(
    start: Command, address: str, sweep_file: Path, tmp_path: Path
) -> None:
    text = sweep_file.read_text().replace("name: demo", "name: long").replace("epochs: 4", "epochs: 4000")
    sweep_file.write_text(text)
    store = Store(tmp_path / "store")
    teacher = ids_of(plan_of(sweep_file))["teacher"]
    common = ("--address", address, "--store", store.directory, "--only", "teacher")
    follower = start("submit", sweep_file, *common, "--follow", env=KNOWN)
    wait_until(lambda: store.epochs_done(teacher) >= 2, follower)
    follower.kill()
    follower.communicate()
    before = store.epochs_done(teacher)
    follower = start("logs", sweep_file, "--address", address, "--follow", env=KNOWN)
    wait_until(lambda: store.epochs_done(teacher) > before + 20, follower)

    out, _ = ended(start("stop", sweep_file, "--address", address, env=KNOWN))
    assert "is being stopped" in out
    _, err = ended(follower, 75)
    assert err.rstrip().endswith(": stopped")
    done = store.epochs_done(teacher)
    assert done > before
    out, _ = ended(start("status", sweep_file, "--address", address, env=KNOWN))
    assert out.startswith("bansweep-long-")
    assert ": stopped, since " in out

    follower = start("submit", sweep_file, *common, "--follow", env=KNOWN)
    wait_until(lambda: store.epochs_done(teacher) > done, follower)
    assert follower.stdout is not None
    lines = iter(follower.stdout.readline, "")
    assert any(f"goes on after epoch {done}" in line for line in lines)
    follower.send_signal(signal.SIGINT)
    _, err = ended(follower, 130)
    assert "goes on:\n  bansweep logs bansweep-long-" in err
    ended(start("stop", sweep_file, "--address", address, env=KNOWN))
