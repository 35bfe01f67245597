"""What is MLflow's own: experiments, servers that are down, the marker, and quiet."""

from __future__ import annotations

import json
import os
import pickle
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from patience import PROCESS_S, wait_for

from bansweep.graph.events import EpochFinished, GenerationStarted
from bansweep.tracking import mlflow_session as session
from bansweep.tracking import payload
from bansweep.tracking.client import open_client
from bansweep.tracking.mlflow_session import MlflowSession
from bansweep.tracking.mlflow_tracker import MlflowTracker
from bansweep.tracking.sync_state import SyncState, sync_state_path, write_sync_state

TIMEOUT_S = PROCESS_S
DEAD = "http://127.0.0.1:1"


def track(uri: str, root: Path, sweep: Any, *, live: bool = False) -> Any:
    tracker = MlflowTracker(uri, store_root=root, sweep=sweep.plan.sweep)
    tracker.start(sweep.plan, "name: x\n")
    for event in sweep.events if live else ():
        tracker.handle(event)
    return tracker.finish(lambda: sweep.finished, {"report.md": "# Table\n"}, "FINISHED", TIMEOUT_S)


def all_runs(uri: str, sweep: Any) -> list[Any]:
    client = open_client(uri)
    experiment = client.get_experiment_by_name(sweep.plan.sweep)
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id]))


def test_epochs_are_seen_while_the_sweep_runs(database: str, tmp_path: Path, sweep: Any) -> None:
    tracker = MlflowTracker(database, store_root=tmp_path, sweep=sweep.plan.sweep)
    tracker.start(sweep.plan, "")
    tracker.handle(GenerationStarted(sweep.teacher_id))
    tracker.handle(EpochFinished(sweep.teacher_id, sweep.finished[0].history[0]))

    statuses: dict[str, Any] = {}

    def is_seen() -> bool:
        if open_client(database).get_experiment_by_name(sweep.plan.sweep):
            statuses.update(
                {run.info.run_name: (run.info.status, run.data.metrics) for run in all_runs(database, sweep)}
            )
        return "test_error" in str(statuses)

    wait_for(is_seen)
    assert statuses["small / teacher"][0] == statuses[sweep.plan.sweep][0] == "RUNNING"
    assert statuses["small / teacher"][1]["test_error"] == 8.0
    tracker.finish(list, {}, "KILLED", TIMEOUT_S)


def test_runs_say_when_and_on_what_data(database: str, tmp_path: Path, sweep: Any) -> None:
    track(database, tmp_path, sweep)

    runs = {run.data.tags.get("bansweep.generation"): run for run in all_runs(database, sweep)}
    teacher = sweep.finished[0]
    assert runs[sweep.teacher_id].info.start_time == round(teacher.started_at * 1000)
    assert runs[sweep.teacher_id].info.end_time == round(teacher.finished_at * 1000)
    assert runs[None].info.end_time == round(sweep.finished[1].finished_at * 1000)
    [dataset] = [held.dataset for held in runs[sweep.teacher_id].inputs.dataset_inputs]
    assert (dataset.name, dataset.digest) == ("digits", "f" * 36)
    assert json.loads(dataset.source)["fingerprint"] == "f" * 64
    assert json.loads(dataset.profile) == {"validation": 0, "limit": 100}


@pytest.mark.parametrize("live", [False, True])
def test_a_lost_marker_causes_no_duplicates(
    database: str, tmp_path: Path, sweep: Any, mlflow_holds: Callable[[str], Any], live: bool
) -> None:
    track(database, tmp_path, sweep, live=live)
    before = mlflow_holds(database)
    sync_state_path(tmp_path, sweep.plan.sweep).unlink()

    summary = track(database, tmp_path, sweep, live=live)

    assert summary.sent == 2
    assert mlflow_holds(database) == before  # the reader refuses runs and points that stand twice
    inputs = [run.inputs.dataset_inputs for run in all_runs(database, sweep) if run.data.params]
    assert [len(of_run) for of_run in inputs] == [1] * len(sweep.finished)


def test_a_finished_sweep_asks_neither_mlflow_nor_the_store(
    database: str, tmp_path: Path, sweep: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    track(database, tmp_path, sweep)
    monkeypatch.setattr(session.client, "open_client", lambda uri: pytest.fail(f"{uri} was contacted"))
    tracker = MlflowTracker(database, store_root=tmp_path, sweep=sweep.plan.sweep)
    tracker.start(sweep.plan, "name: x\n")

    summary = tracker.finish(
        lambda: pytest.fail("the store was read"), {"report.md": "# Table\n"}, "FINISHED", TIMEOUT_S
    )

    assert (summary.sent, summary.unsent, summary.error) == (2, (), "")


def test_a_column_added_later_reaches_the_complete_run(database: str, tmp_path: Path, sweep: Any) -> None:
    track(database, tmp_path, sweep)
    cells = (*sweep.plan.cells, replace(sweep.plan.cells[1], column="born-again"))

    track(database, tmp_path, replace(sweep, plan=replace(sweep.plan, cells=cells)))

    runs = {run.data.tags.get("bansweep.generation"): run for run in all_runs(database, sweep)}
    assert runs[sweep.student_id].data.tags["bansweep.column"] == "ban, ban-1, born-again"
    assert runs[sweep.student_id].info.run_name == "small / ban, ban-1, born-again"
    assert len(runs) == 3


def test_a_dead_server_costs_nothing_and_is_filled_in_later(
    database: str, tmp_path: Path, sweep: Any, mlflow_holds: Callable[[str], Any]
) -> None:
    tracker = MlflowTracker(DEAD, store_root=tmp_path, sweep=sweep.plan.sweep)
    tracker.start(sweep.plan, "name: x\n")
    seconds = []
    for event in sweep.events:
        begun = time.perf_counter()
        tracker.handle(event)
        seconds.append(time.perf_counter() - begun)
        time.sleep(0.02)
    summary = tracker.finish(lambda: sweep.finished, {}, "FINISHED", TIMEOUT_S)

    assert statistics.median(seconds) < 0.05, "a busy machine may pause some calls, not most of them"
    assert (summary.sent, summary.unsent) == (0, (sweep.teacher_id, sweep.student_id))
    assert summary.error == f"MLflow at {DEAD}: Connection refused"

    assert track(database, tmp_path, sweep).sent == 2
    assert mlflow_holds(database).runs.keys() == {sweep.teacher_id, sweep.student_id}


def test_a_server_that_does_not_answer_is_left_in_time(
    tmp_path: Path, sweep: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "3600")  # MLflow's own patience
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts connections, answers nothing
        uri = f"http://user:secret@127.0.0.1:{silent.getsockname()[1]}"
        tracker = MlflowTracker(uri, store_root=tmp_path, sweep=sweep.plan.sweep)
        tracker.start(sweep.plan, "")
        begun = time.perf_counter()
        summary = tracker.finish(lambda: sweep.finished, {}, "FINISHED", timeout_s=1.0)

        assert time.perf_counter() - begun < PROCESS_S
        assert summary.unsent == (sweep.teacher_id, sweep.student_id)
        assert "not done within 1 s" in summary.error
        assert "secret" not in f"{summary}"


def test_one_refused_generation_does_not_keep_the_others(
    database: str, tmp_path: Path, sweep: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_RETRIES_S", (0.0,))
    nameless = replace(sweep.finished[0], metrics={"what? a name that MLflow refuses!": 1.0})

    summary = track(database, tmp_path, replace(sweep, finished=(nameless, sweep.finished[1])))

    assert (summary.sent, summary.unsent) == (1, (sweep.teacher_id,))
    assert "MLflow refuses!" in summary.error
    assert "\n" not in summary.error


def test_figures_that_are_not_numbers_are_replayed_once(database: str, tmp_path: Path, sweep: Any) -> None:
    odd = replace(sweep.finished[0], metrics={"test_error": float("nan"), "test_loss": float("inf")})
    odd_sweep = replace(sweep, finished=(odd, sweep.finished[1]))
    for _ in range(2):
        assert track(database, tmp_path, odd_sweep).sent == 2
        sync_state_path(tmp_path, sweep.plan.sweep).unlink()

    [run] = [run for run in all_runs(database, sweep) if run.data.tags.get("bansweep.generation") == sweep.teacher_id]
    for key in ("final_test_error", "final_test_loss"):
        assert len(open_client(database).get_metric_history(run.info.run_id, key)) == 1


def test_long_histories_are_sent_in_batches(database: str, tmp_path: Path, sweep: Any) -> None:
    teacher = sweep.finished[0]
    history = tuple(
        replace(teacher.history[0], epoch=epoch, epochs=300, finished_at=1.7e9 + epoch) for epoch in range(1, 301)
    )
    assert len(history) * 5 > 1000

    track(database, tmp_path, replace(sweep, finished=(replace(teacher, history=history), sweep.finished[1])))

    [run] = [run for run in all_runs(database, sweep) if run.data.tags.get("bansweep.generation") == sweep.teacher_id]
    points = open_client(database).get_metric_history(run.info.run_id, "test_error")
    assert [point.step for point in points] == list(range(1, 301))


def test_a_deleted_experiment_is_restored(database: str, tmp_path: Path, sweep: Any) -> None:
    track(database, tmp_path, sweep)
    client = open_client(database)
    experiment = client.get_experiment_by_name(sweep.plan.sweep)
    assert experiment is not None
    client.delete_experiment(experiment.experiment_id)
    sync_state_path(tmp_path, sweep.plan.sweep).unlink()

    summary = track(database, tmp_path, sweep)

    assert (summary.sent, summary.error) == (2, "")
    assert len(all_runs(database, sweep)) == 3


def test_the_marker_of_another_database_is_not_believed(
    database: str, tmp_path: Path, sweep: Any, mlflow_holds: Callable[[str], Any]
) -> None:
    track(database, tmp_path, sweep)
    marker = sync_state_path(tmp_path, sweep.plan.sweep)
    held = json.loads(marker.read_text())
    assert held["complete"].keys() == {sweep.teacher_id, sweep.student_id}
    assert held["uri"] == database
    client = open_client(database)
    experiment = client.get_experiment_by_name(sweep.plan.sweep)
    assert experiment is not None
    client.rename_experiment(experiment.experiment_id, f"{sweep.plan.sweep}-old")
    tracker = MlflowTracker(database, store_root=tmp_path, sweep=sweep.plan.sweep)
    tracker.start(sweep.plan, "name: changed\n")

    summary = tracker.finish(lambda: sweep.finished, {}, "FINISHED", TIMEOUT_S)

    assert summary.sent == 2
    assert mlflow_holds(database).runs.keys() == {sweep.teacher_id, sweep.student_id}


def test_the_marker_of_a_deleted_database_is_not_believed(tmp_path: Path, sweep: Any) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    complete = {item: payload.describe(sweep.plan, item).digest for item in sweep.plan.generations}
    write_sync_state(sync_state_path(tmp_path, sweep.plan.sweep), SyncState(uri=uri, complete=complete))
    remembered = MlflowSession(uri, tmp_path, sweep.plan.sweep)

    remembered.recall(sweep.plan)
    assert remembered.sent == set()

    (tmp_path / "mlflow.db").touch()
    remembered.recall(sweep.plan)
    assert remembered.sent == set(sweep.plan.generations)


def test_what_is_trained_anew_is_sent_anew(database: str, tmp_path: Path, sweep: Any) -> None:
    track(database, tmp_path, sweep)
    teacher = replace(sweep.finished[0], metrics={"test_error": 1.5}, finished_at=sweep.finished[0].finished_at + 900)

    track(database, tmp_path, replace(sweep, finished=(teacher, sweep.finished[1])), live=True)

    [run] = [run for run in all_runs(database, sweep) if run.data.tags.get("bansweep.generation") == sweep.teacher_id]
    assert run.data.metrics["final_test_error"] == 1.5
    assert run.data.tags["mlflow.note.content"].startswith("**test error 1.50 %**")


LIFE = """
import pickle, sys, time
from pathlib import Path
from bansweep.tracking.mlflow_tracker import MlflowTracker
heavy = {"mlflow", "torch", "ray", "numpy", "pyarrow", "pandas"}
assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()
plan, finished, events = pickle.loads(Path(sys.argv[1]).read_bytes())
tracker = MlflowTracker(None, store_root=Path(sys.argv[2]), sweep=plan.sweep)
tracker.start(plan, "name: x")
assert "mlflow" not in sys.modules
for event in events:
    tracker.handle(event)
summary = tracker.finish(lambda: finished, {"report.md": "# Table"}, "FINISHED", float(sys.argv[5]))
assert (summary.sent, summary.error) == (int(sys.argv[3]), sys.argv[4]), summary
"""


def live_in_a_process(folder: Path, sweep: Any, sent: int, error: str, **environment: str) -> None:
    (folder / "sweep.pickle").write_bytes(pickle.dumps((sweep.plan, sweep.finished, sweep.events)))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    project = str(Path(__file__).parents[2])
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-c",
            LIFE,
            folder / "sweep.pickle",
            folder / "a store",
            str(sent),
            error,
            str(TIMEOUT_S),
        ],
        env={**kept, **environment, "PYTHONPATH": project},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PROCESS_S,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_stores_own_database_is_made_quietly(tmp_path: Path, sweep: Any) -> None:
    live_in_a_process(tmp_path, sweep, sent=2, error="")

    store = tmp_path / "a store"
    assert {file.name for file in store.iterdir()} == {"mlflow.db", "mlflow-artifacts", "sweeps"}
    assert [file.read_text() for file in store.glob("mlflow-artifacts/**/report.md")] == ["# Table"]
    assert not (tmp_path / "mlruns").exists()


def test_mlflow_tracking_uri_is_honoured_and_its_silence_borne_quietly(tmp_path: Path, sweep: Any) -> None:
    error = f"MLflow at {DEAD}: Connection refused"

    live_in_a_process(tmp_path, sweep, sent=0, error=error, MLFLOW_TRACKING_URI=DEAD)

    assert not (tmp_path / "a store" / "mlflow.db").exists()
