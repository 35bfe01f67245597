"""Ray's own processes die while a sweep runs: the command reports it, keeps what is finished, and can be resumed."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from demo_sweep import Command, ended, ids_of, plan_of, wait_until
from patience import wait_for

from bansweep.store.store import Store

pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("default")]


SWEEP = """\
name: demo
data: {kind: digits, limit: 256, test_limit: 100}
recipe: {base: wide-resnet, epochs: 60, batch_size: 32, learning_rate: 0.02, augmentation: null}
networks: [wrn-10-1]
generations:
  teacher: {loss: labels}
  ban:     {loss: kd, teacher: teacher}
"""
API_SCRIPT = """
import json, os, sys, threading
import bansweep

sweep = bansweep.load_sweep(sys.argv[1])
results = []

def run():
    try:
        results.append(len(bansweep.run(sweep, sys.argv[2]).trained))
    except bansweep.BansweepError as error:
        results.append([type(error).__name__, str(error)])

for _ in range(2):
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    import ray
    results.append(ray.is_initialized())
print(json.dumps(results), flush=True)
"""


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    path = tmp_path / "demo.yaml"
    path.write_text(SWEEP)
    return path


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def below(pid: int) -> dict[int, str]:
    """The processes that a process has started, directly or not, with their command lines."""
    parents: dict[int, int] = {}
    titles: dict[int, str] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
            titles[int(stat.parent.name)] = stat.with_name("cmdline").read_text()
        except (OSError, ValueError):  # it has just ended
            continue
    found = {pid}
    while more := {one for one, parent in parents.items() if parent in found} - found:
        found |= more
    return {one: titles.get(one, "") for one in found - {pid}}


def process_of_ray(processes: dict[int, str], executable: str) -> int:
    (pid,) = (one for one, title in processes.items() if title.partition("\0")[0].endswith(f"/{executable}"))
    return pid


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def student_is_training(sweep: Path, store: Store) -> Callable[[], bool]:
    """Whether the teacher is finished, and an epoch of its student is saved."""
    ids = ids_of(plan_of(sweep))
    return lambda: bool(store.finished([ids["teacher"]])) and store.epochs_done(ids["ban"]) >= 1


def runs(store: Store) -> dict[str, str]:
    """MLflow's run -> its status, of the newest run of each name."""
    assert store.directory is not None
    with sqlite3.connect(store.directory / "mlflow.db") as database:
        return dict(database.execute("SELECT name, status FROM runs ORDER BY start_time").fetchall())


def check_report(out: str, err: str, store: Store, cause: str) -> None:
    error, remedy = err.splitlines()[-2:]
    assert error.startswith(f"bansweep: {cause}")
    assert "run the same command to resume: finished generations and saved epochs are kept" in remedy
    (row,) = (line for line in out.splitlines() if line.startswith("wrn-10-1"))
    assert row.split()[1] != "–"
    assert row.split()[2] == "–"
    assert runs(store) == {"demo": "FAILED", "wrn-10-1 / teacher": "FINISHED", "wrn-10-1 / ban": "KILLED"}


def check_resumed(out: str, err: str, sweep: Path, store: Store) -> None:
    """The same command has finished the student, and trained nothing twice."""
    assert json.loads(out)["trained"] == [ids_of(plan_of(sweep))["ban"]]
    assert "goes on after epoch" in err
    assert set(runs(store).values()) == {"FINISHED"}


@pytest.mark.parametrize(
    ("executable", "name"), [("raylet", "raylet"), pytest.param("gcs_server", "GCS server", marks=pytest.mark.slow)]
)
def test_death_of_own_node_ends_the_command_with_a_message(
    start: Command, sweep: Path, store: Store, executable: str, name: str
) -> None:
    command = start("run", sweep, "--store", store.directory)
    wait_until(student_is_training(sweep, store), command)
    processes = below(command.pid)
    victim = process_of_ray(processes, executable)
    os.kill(victim, signal.SIGKILL)
    out, err = ended(command, 1)
    cause = f"Ray's node on this machine died: its {name} (process {victim}) was killed by signal 9"
    check_report(out, err, store, cause)
    assert f"{cause}; ending the sweep" in err
    wait_for(lambda: not any(map(is_running, processes)))

    check_resumed(*ended(start("run", sweep, "--store", store.directory, "--json"), 0), sweep, store)


@pytest.mark.slow
def test_death_in_a_thread_of_the_python_interface_is_raised_and_a_second_call_resumes(
    environment: dict[str, str], sweep: Path, store: Store
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", API_SCRIPT, str(sweep), str(store.directory)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    wait_until(student_is_training(sweep, store), process)
    processes = below(process.pid)
    os.kill(process_of_ray(processes, "gcs_server"), signal.SIGKILL)
    out, _ = ended(process, 0)
    (kind, message), initialised, *second = json.loads(out.splitlines()[-1])
    assert kind == "ClusterError"
    assert message.startswith("Ray's node on this machine died: its GCS server")
    assert not initialised
    assert second == [1, False]
    wait_for(lambda: not any(map(is_running, processes)))
    assert set(runs(store).values()) == {"FINISHED"}


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A cluster of one node on this machine, which the commands do not start."""
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    yield cluster
    cluster.shutdown()


@pytest.mark.parametrize(
    ("executable", "cause"),
    [
        ("raylet", "Ray's node on this machine died: its raylet no longer answers at "),
        ("gcs_server", "the head of the Ray cluster at ADDRESS died or cannot be reached: "),
    ],
)
def test_death_of_another_cluster_ends_the_command_with_a_message(
    start: Command, cluster: Any, sweep: Path, store: Store, executable: str, cause: str
) -> None:
    command = start("run", sweep, "--store", store.directory, "--address", cluster.address)
    wait_until(student_is_training(sweep, store), command)
    others = {kind: infos[0].process for kind, infos in cluster.head_node.all_processes.items()}
    others.pop(executable).kill()
    check_report(*ended(command, 1), store, cause.replace("ADDRESS", cluster.address))
    if executable == "raylet":
        assert others["gcs_server"].poll() is None


@pytest.mark.slow
def test_a_node_that_stands_still_is_not_reported_dead(start: Command, sweep: Path, store: Store) -> None:
    command = start("run", sweep, "--store", store.directory, "--json")
    wait_until(student_is_training(sweep, store), command)
    stopped = [process_of_ray(below(command.pid), one) for one in ("raylet", "gcs_server")]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(3)  # several looks of the watch
    for pid in stopped:
        os.kill(pid, signal.SIGCONT)
    _, err = ended(command, 0)
    assert "died" not in err
