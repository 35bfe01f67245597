"""Many processes and users at one MLflow server with a login. Slow: a server takes many seconds to start."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from demo_sweep import Command, ended, plan_of
from patience import PROCESS_S
from tracking.shared_server import SharedServer, as_admin, on_postgresql, on_sqlite

from bansweep.tracking.client import open_client
from bansweep.tracking.mlflow_tracker import MlflowTracker

pytestmark = pytest.mark.slow

TIMEOUT_S = PROCESS_S
WRONG = "not-the-password-of-ann"
ONE_GENERATION = """\
name: taught
data: {kind: digits, limit: 60}
recipe: {base: wide-resnet, epochs: 2, batch_size: 32}
networks: [wrn-10-1]
generations:
  teacher: {loss: labels}
"""

# All of them begin at the same moment, and send at random moments of each other.
SENDER = """
import pickle, sys, time
from pathlib import Path
import mlflow
from bansweep.tracking.mlflow_tracker import MlflowTracker
plan, finished, events = pickle.loads(Path(sys.argv[1]).read_bytes())
tracker = MlflowTracker(None, store_root=Path(sys.argv[2]), sweep=plan.sweep)
tracker.start(plan, "name: x\\n")
print("ready", flush=True)
sys.stdin.readline()
for event in events:
    tracker.handle(event)
    time.sleep(0.2)
summary = tracker.finish(lambda: finished, {"report.md": "# Table\\n"}, "FINISHED", float(sys.argv[3]))
print(summary.sent, len(summary.unsent), summary.error)
"""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedServer]:
    kinds = {"sqlite": on_sqlite, "postgresql": on_postgresql}
    with kinds[request.param](tmp_path_factory.mktemp(request.param)) as running:
        yield running


@pytest.fixture
def as_user(server: SharedServer, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def log_in(user: str) -> None:
        for name, value in server.login(user).items():
            monkeypatch.setenv(name, value)

    # The reader downloads what the tracker never does.
    monkeypatch.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    return log_in


def send(uri: str, root: Path, sweep: Any, *, thorough: bool = False) -> Any:
    tracker = MlflowTracker(uri, store_root=root, sweep=sweep.plan.sweep, thorough=thorough)
    tracker.start(sweep.plan, "name: x\n")
    return tracker.finish(lambda: sweep.finished, {"report.md": "# Table\n"}, "FINISHED", TIMEOUT_S)


def begin_sending(server: SharedServer, root: Path, sweep: Any) -> subprocess.Popen[str]:
    root.mkdir(exist_ok=True)
    file = root / "sweep.pickle"
    file.write_bytes(pickle.dumps((sweep.plan, sweep.finished, sweep.events)))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    environment = {**kept, **server.login("ann"), "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [
            sys.executable,
            "-W",
            "error",
            "-W",
            "ignore::DeprecationWarning",
            "-c",
            SENDER,
            str(file),
            str(root),
            str(TIMEOUT_S),
        ],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_everything_of_many_processes_arrives_once(
    server: SharedServer,
    as_user: Callable[[str], None],
    database: str,
    tmp_path: Path,
    sweep_named: Callable[[str], Any],
    mlflow_holds_of: Callable[[str, str], Any],
) -> None:
    """Sweeps of their own, one sweep twice in one store, and one twice with stores that know nothing of each other."""
    places = [("one", "a"), ("two", "b"), ("three", "c"), ("same-store", "d"), ("same-store", "d")]
    places += [("two-stores", "e"), ("two-stores", "f")]
    sweeps = {name: sweep_named(f"{name}-{tmp_path.name}") for name, _ in places}
    processes = [begin_sending(server, tmp_path / store, sweeps[name]) for name, store in places]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", process.communicate()[1]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()

    assert [ended(process) for process in processes] == [("2 0 \n", "")] * len(processes)

    as_user("ann")
    for sweep in sweeps.values():
        send(database, tmp_path / "private", sweep)
        # The reader refuses what stands twice; a database that nobody shares is what it should be like.
        one, other = (anywhere(mlflow_holds_of(uri, sweep.plan.sweep)) for uri in (server.uri, database))
        assert one == other
        experiment = open_client(server.uri).get_experiment_by_name(sweep.plan.sweep)
        assert experiment is not None
        assert experiment.artifact_location == f"mlflow-artifacts:/{experiment.experiment_id}"
    assert not list(tmp_path.glob("[a-f]/mlflow*"))


def test_a_wrong_password_disturbs_nothing_and_is_told_in_one_line(
    server: SharedServer, as_user: Callable[[str], None], sweep: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_user("ann")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", WRONG)
    tracker = MlflowTracker(None, store_root=tmp_path, sweep=sweep.plan.sweep)
    tracker.start(sweep.plan, "")
    for event in sweep.events:
        tracker.handle(event)

    summary = tracker.finish(lambda: sweep.finished, {}, "FINISHED", TIMEOUT_S)

    assert (summary.sent, len(summary.unsent)) == (0, 2)
    assert summary.error.startswith(
        f"MLflow at {server.uri}: not logged in (401): MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, "
        "or MLFLOW_TRACKING_TOKEN, are missing or wrong"
    )
    assert "\n" not in summary.error
    assert WRONG not in summary.error


@pytest.mark.ray
def test_a_sweep_without_its_password_is_trained_and_sent_by_sync(
    server: SharedServer, as_user: Callable[[str], None], tmp_path: Path, start: Command
) -> None:
    """Of commands, as users see them."""
    sweep_file, store = tmp_path / "sweep.yaml", tmp_path / "store"
    sweep_file.write_text(ONE_GENERATION.replace("taught", f"taught-{tmp_path.name}"))
    for login in (
        {"MLFLOW_TRACKING_PASSWORD": WRONG},
        {"MLFLOW_TRACKING_USERNAME": "", "MLFLOW_TRACKING_PASSWORD": ""},
    ):
        refused = {**server.login("ann"), **login}
        out, err = ended(start("run", sweep_file, "--store", store, env=refused))
        assert "MLflow lacks 1 generations" in out + err
        assert "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, are" in out + err
        assert WRONG not in out + err
    _, err = ended(start("sync", sweep_file, "--store", store, env=refused), status=1)
    assert "not logged in (401)" in err

    out, _ = ended(start("sync", sweep_file, "--store", store, env=server.login("ann")))

    assert out == f"1 generations at {server.uri}, 0 missing\n"
    as_user("ben")  # who may read
    [parent, run] = sorted(
        all_runs(server, plan_of(sweep_file).sweep), key=lambda run: "bansweep.sweep" not in run.data.tags
    )
    assert {"sweep.yaml", "report.md"} <= {
        file.path for file in open_client(server.uri).list_artifacts(parent.info.run_id)
    }
    points = open_client(server.uri).get_metric_history(run.info.run_id, "train_loss")
    assert [point.step for point in points] == [1, 2]


def test_another_users_sweep_of_the_same_name(
    server: SharedServer, as_user: Callable[[str], None], sweep: Any, tmp_path: Path
) -> None:
    name = sweep.plan.sweep
    as_user("ann")
    assert send(server.uri, tmp_path / "ann", sweep).error == ""
    before = {run.info.run_id: run.data.tags for run in all_runs(server, name)}

    as_user("ben")
    refused = send(server.uri, tmp_path / "ben", sweep)

    assert (refused.sent, len(refused.unsent)) == (0, 2)
    assert f"no permission (403) for the experiment {name!r}: have its owner grant you MANAGE" in refused.error
    assert {run.info.run_id: run.data.tags for run in all_runs(server, name)} == before


def test_a_colleague_who_may_manage_sends_what_was_trained_again(
    server: SharedServer, as_user: Callable[[str], None], sweep: Any, tmp_path: Path
) -> None:
    """MLflow can only forget points by deleting their run, for which EDIT is not enough."""
    as_user("ann")
    send(server.uri, tmp_path / "ann", sweep)
    experiment = open_client(server.uri).get_experiment_by_name(sweep.plan.sweep)
    assert experiment is not None
    teacher = sweep.finished[0]
    history = tuple(replace(report, finished_at=report.finished_at + 3600) for report in teacher.history)
    again = replace(sweep, finished=(replace(teacher, history=history), sweep.finished[1]))
    told = {}

    for permission in ("EDIT", "MANAGE"):
        if told:
            as_admin(server.uri, f"users.revoke_user_permission('ben', 'experiment', {experiment.experiment_id!r})")
        grant = f"users.grant_user_permission('ben', 'experiment', {experiment.experiment_id!r}, {permission!r})"
        as_admin(server.uri, grant)
        as_user("ben")
        told[permission] = send(server.uri, tmp_path / "ben", again)

    assert "no permission (403)" in told["EDIT"].error
    assert (told["MANAGE"].sent, told["MANAGE"].error) == (2, "")
    runs = [run for run in all_runs(server, sweep.plan.sweep) if run.data.tags.get("bansweep.generation")]
    assert len(runs) == 2


def anywhere(held: Any) -> Any:
    """What does not depend on where the store and the experiment are, but that links lead to runs of the same one."""
    for run in (held.parent, *held.runs.values(), *held.candidate_runs.values()):
        store = run.tags.pop("bansweep.store")
        note = re.sub(r"#/experiments/\d+/runs/[0-9a-f]{32} ", "# ", run.tags["mlflow.note.content"])
        run.tags["mlflow.note.content"] = note.replace(store, "STORE")
    return held


def all_runs(server: SharedServer, name: str) -> list[Any]:
    client = open_client(server.uri)
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id]))
