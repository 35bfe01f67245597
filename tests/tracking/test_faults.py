"""What must not leave anything twice: answers that are lost, processes that send at once, generations trained again.

On a real SQLite database. `benchmarks/fault_tracking.py` does the same, and more, to a real server.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from patience import PROCESS_S

from bansweep.graph.events import EpochFinished, GenerationStarted
from bansweep.tracking.client import open_client
from bansweep.tracking.mlflow_tracker import MlflowTracker
from bansweep.tracking.sync_state import exclusive_lock, sync_state_path

TIMEOUT_S = PROCESS_S
DEAD = "http://127.0.0.1:1"


def trained_again(finished: Any, from_epoch: int = 1) -> Any:
    """The same generation with other results, an hour later, from an epoch on."""
    history = tuple(
        report
        if report.epoch < from_epoch
        else replace(report, finished_at=report.finished_at + 3600, metrics={**report.metrics, "test_error": 1.25})
        for report in finished.history
    )
    return replace(finished, history=history, metrics={"test_error": 1.25}, finished_at=finished.finished_at + 3600)


def send(uri: str, root: Path, sweep: Any, *, events: Any = (), thorough: bool = False) -> Any:
    tracker = MlflowTracker(uri, store_root=root, sweep=sweep.plan.sweep, thorough=thorough)
    tracker.start(sweep.plan, "")
    for event in events:
        tracker.handle(event)
    return tracker.finish(lambda: sweep.finished, {}, "FINISHED", TIMEOUT_S)


def errors_held(held: Any, generation_id: str) -> list[tuple[int, float]]:
    return sorted((point.step, point.value) for point in held.runs[generation_id].points if point.key == "test_error")


@pytest.mark.parametrize("live", [False, True])
def test_a_generation_that_is_trained_again_has_one_run_with_its_new_points(
    database: str, tmp_path: Path, sweep: Any, mlflow_holds: Callable[[str], Any], live: bool
) -> None:
    send(database, tmp_path, sweep, events=sweep.events)
    again = trained_again(sweep.finished[0])
    events = [GenerationStarted(again.generation_id)]
    events += [EpochFinished(again.generation_id, report) for report in again.history]  # type: ignore[misc]

    summary = send(
        database, tmp_path, replace(sweep, finished=(again, sweep.finished[1])), events=events if live else events[:1]
    )

    assert (summary.sent, summary.error) == (2, "")
    held = mlflow_holds(database)  # the reader refuses runs and points that stand twice
    assert errors_held(held, sweep.teacher_id) == [(1, 1.25), (2, 1.25), (3, 1.25)]
    finals = {point.value for point in held.runs[sweep.teacher_id].points if point.key == "final_test_error"}
    assert finals == {1.25}
    assert errors_held(held, sweep.student_id) == [(1, 8.0), (2, 7.0), (3, 6.0)]


def test_an_epoch_that_is_trained_again_takes_the_place_of_the_first_and_keeps_those_before(
    database: str, tmp_path: Path, sweep: Any, mlflow_holds: Callable[[str], Any]
) -> None:
    """A process that dies after it has told of an epoch, and before that is saved."""
    first, second, _ = sweep.finished[0].history
    [_, again, _] = trained_again(sweep.finished[0], from_epoch=2).history
    teacher_id = sweep.teacher_id
    nothing_finished = replace(sweep, finished=())
    for events in (
        [GenerationStarted(teacher_id), EpochFinished(teacher_id, first), EpochFinished(teacher_id, second)],
        [GenerationStarted(teacher_id, epochs_done=1), EpochFinished(teacher_id, again)],
    ):
        send(database, tmp_path, nothing_finished, events=events)

    assert errors_held(mlflow_holds(database), teacher_id) == [(1, 8.0), (2, 1.25)]


def test_sync_sends_what_another_sweep_trained_again(
    database: str, tmp_path: Path, sweep: Any, mlflow_holds: Callable[[str], Any]
) -> None:
    send(database, tmp_path, sweep)
    changed = replace(sweep, finished=(trained_again(sweep.finished[0]), sweep.finished[1]))

    assert send(database, tmp_path, changed, thorough=True).sent == 2

    assert errors_held(mlflow_holds(database), sweep.teacher_id) == [(1, 1.25), (2, 1.25), (3, 1.25)]


def test_what_is_trained_again_while_the_server_is_down_is_not_taken_for_sent(tmp_path: Path, sweep: Any) -> None:
    """The next session must not believe what an earlier one noted."""
    tracker = MlflowTracker(DEAD, store_root=tmp_path, sweep=sweep.plan.sweep)
    marker = sync_state_path(tmp_path, sweep.plan.sweep)
    marker.parent.mkdir(parents=True)
    complete = {item.generation_id: "digest" for item in sweep.finished}
    marker.write_text(json.dumps({"uri": DEAD, "experiment_id": "1", "complete": complete}))
    tracker.start(sweep.plan, "")
    tracker.handle(GenerationStarted(sweep.teacher_id))

    tracker.finish(lambda: sweep.finished, {}, "FINISHED", TIMEOUT_S)

    assert json.loads(marker.read_text())["complete"].keys() == {sweep.student_id}


def test_sync_sends_again_what_is_gone_from_mlflow(
    database: str, tmp_path: Path, sweep: Any, mlflow_holds: Callable[[str], Any]
) -> None:
    send(database, tmp_path, sweep)
    client = open_client(database)
    experiment = client.get_experiment_by_name(sweep.plan.sweep)
    assert experiment is not None
    [run] = client.search_runs([experiment.experiment_id], f"tags.`bansweep.generation` = '{sweep.student_id}'")
    client.delete_run(run.info.run_id)

    assert send(database, tmp_path, sweep, thorough=True).sent == 2

    assert mlflow_holds(database).runs.keys() == {sweep.teacher_id, sweep.student_id}


def test_a_run_that_was_created_twice_stands_once(
    database: str, tmp_path: Path, sweep: Any, mlflow_holds: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the HTTP client does by itself when an answer is lost: it sends the request again."""
    create = MlflowClient.create_run

    def create_twice(*arguments: Any, **options: Any) -> Any:
        create(*arguments, **options)
        return create(*arguments, **options)

    monkeypatch.setattr(MlflowClient, "create_run", create_twice)

    summary = send(database, tmp_path, sweep, events=sweep.events)

    assert (summary.sent, summary.error) == (2, "")
    assert mlflow_holds(database).runs.keys() == {sweep.teacher_id, sweep.student_id}


def test_runs_that_stand_twice_are_merged_with_what_is_below_them(
    database: str, tmp_path: Path, searched_sweep: Any
) -> None:
    """Two stores that began the same sweep at once."""
    send(database, tmp_path, searched_sweep)
    client = open_client(database)
    experiment = client.get_experiment_by_name(searched_sweep.plan.sweep)
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    for run in runs:
        tags = {key: value for key, value in run.data.tags.items() if key.startswith("bansweep.")}
        if "bansweep.candidate" not in tags:
            client.create_run(experiment.experiment_id, run.info.start_time - 1000, tags)

    assert send(database, tmp_path, searched_sweep, thorough=True).sent == 2

    left = client.search_runs([experiment.experiment_id])
    assert {run.info.run_id for run in left} == {run.info.run_id for run in runs}
    assert all(run.data.tags.get("mlflow.parentRunId") in {None, *(one.info.run_id for one in left)} for run in left)


def test_runs_below_one_that_was_merged_away_are_hung_below_the_one_that_was_kept(
    database: str, tmp_path: Path, searched_sweep: Any
) -> None:
    """Another process may create them there just before it hears of the merging; and may not have finished them."""
    send(database, tmp_path, searched_sweep)
    client = open_client(database)
    experiment = client.get_experiment_by_name(searched_sweep.plan.sweep)
    assert experiment is not None
    right = {run.info.run_id: run.data.tags for run in client.search_runs([experiment.experiment_id])}
    gone = client.create_run(experiment.experiment_id).info.run_id
    client.delete_run(gone)
    for run_id, tags in right.items():
        if "mlflow.parentRunId" in tags:
            client.set_tag(run_id, "mlflow.parentRunId", gone)
            client.update_run(run_id, "RUNNING")

    assert send(database, tmp_path, searched_sweep, thorough=True).sent == 2

    found = {run.info.run_id: run for run in client.search_runs([experiment.experiment_id])}
    assert {run_id: run.data.tags for run_id, run in found.items()} == right
    generations = [run for run in found.values() if "bansweep.generation" in run.data.tags]
    assert {run.info.status for run in generations} == {"FINISHED"}


SENDER = """
import pickle, sys
from pathlib import Path
from bansweep.tracking.mlflow_tracker import MlflowTracker
plan, finished, events = pickle.loads(Path(sys.argv[1]).read_bytes())
tracker = MlflowTracker(None, store_root=Path(sys.argv[2]), sweep=plan.sweep)
tracker.start(plan, "")
sys.stdin.readline()
for event in events:
    tracker.handle(event)
summary = tracker.finish(lambda: finished, {}, "FINISHED", float(sys.argv[3]))
print(summary.sent, summary.error)
"""


def test_processes_that_send_at_once_leave_everything_once(
    tmp_path: Path, sweep: Any, mlflow_holds: Callable[[str], Any]
) -> None:
    """Into a database that does not exist yet; its tables are made once, too."""
    (tmp_path / "sweep.pickle").write_bytes(pickle.dumps((sweep.plan, sweep.finished, sweep.events)))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", SENDER, str(tmp_path / "sweep.pickle"), str(tmp_path), str(TIMEOUT_S)]
    processes = [
        subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()

    assert [process.communicate(timeout=PROCESS_S)[0] for process in processes] == ["2 \n", "2 \n"]
    held = mlflow_holds(f"sqlite:///{tmp_path}/mlflow.db")
    assert held.runs.keys() == {sweep.teacher_id, sweep.student_id}
    assert errors_held(held, sweep.teacher_id) == [(1, 8.0), (2, 7.0), (3, 6.0)]


def test_without_a_lock_it_goes_on(tmp_path: Path) -> None:
    (tmp_path / "sweeps").write_text("a file where a folder should be")
    entered = False
    with exclusive_lock(tmp_path / "sweeps" / "tracking.lock"):
        entered = True

    assert entered


def test_the_error_of_what_is_done_alone_is_passed_on_and_the_lock_freed(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(OSError, match="refused"), exclusive_lock(tmp_path / "lock"):
            raise OSError("refused")
