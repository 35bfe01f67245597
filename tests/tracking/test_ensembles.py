"""Ensembles as runs: what they show, once, whatever was trained again or lost meanwhile."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from patience import PROCESS_S

from bansweep.tracking import mlflow_session as session
from bansweep.tracking.client import open_client
from bansweep.tracking.completion import describe_ensemble
from bansweep.tracking.mlflow_tracker import MlflowTracker
from bansweep.tracking.protocol import FinishedEnsemble
from bansweep.tracking.sync_state import sync_state_path

TIMEOUT_S = PROCESS_S


@pytest.fixture
def both(sweep: Any) -> FinishedEnsemble:
    """The mean of teacher and student."""
    return FinishedEnsemble("small", "ens*2", 0, (sweep.teacher_id, sweep.student_id), {"test_error": 4.5})


def track(uri: str, root: Path, sweep: Any, *ensembles: FinishedEnsemble, thorough: bool = False) -> Any:
    tracker = MlflowTracker(uri, store_root=root, sweep=sweep.plan.sweep, thorough=thorough)
    tracker.start(sweep.plan, "")
    return tracker.finish(lambda: sweep.finished, {}, "FINISHED", TIMEOUT_S, ensembles)


def test_an_ensemble_is_a_run_of_its_own(subject: Any, sweep: Any, both: FinishedEnsemble) -> None:
    subject.tracker.start(sweep.plan, "")

    summary = subject.tracker.finish(lambda: sweep.finished, {}, "FINISHED", TIMEOUT_S, (both,))

    assert (summary.sent, summary.error) == (2, "")
    held = subject.held()
    [run] = held.ensemble_runs.values()
    assert run.status == "FINISHED"
    assert run.params == {}
    at = round(sweep.finished[1].finished_at * 1000)
    assert {tuple(point) for point in run.points} == {
        ("final_test_error", 4.5, at, 0),
        ("parameters", 154_000.0, at, 0),
        ("training_seconds", 9.0, at, 0),
    }
    assert run.tags["mlflow.runName"] == "small / ens*2"
    assert run.tags["bansweep.level"] == "ensemble"
    assert run.tags["bansweep.network"] == "wrn-10-1"
    assert run.tags["bansweep.members"] == f"{sweep.teacher_id}, {sweep.student_id}"
    assert run.tags["mlflow.note.content"].startswith("**test error 4.50 %**\n\n**ensemble**: the mean")


def test_its_note_links_to_its_members(database: str, tmp_path: Path, sweep: Any, both: FinishedEnsemble) -> None:
    track(database, tmp_path, sweep, both)

    client = open_client(database)
    experiment = client.get_experiment_by_name(sweep.plan.sweep)
    assert experiment is not None
    runs = {run.data.tags["bansweep.level"]: run for run in client.search_runs([experiment.experiment_id])}
    of_generations = client.search_runs([experiment.experiment_id], "tags.`bansweep.level` = 'generation'")
    note = runs["ensemble"].data.tags["mlflow.note.content"]
    for run in of_generations:
        assert f"](#/experiments/{experiment.experiment_id}/runs/{run.info.run_id} " in note
    assert [one.dataset.name for one in runs["ensemble"].inputs.dataset_inputs] == ["digits"]


def test_a_second_time_changes_nothing_and_asks_nobody(
    database: str,
    tmp_path: Path,
    sweep: Any,
    both: FinishedEnsemble,
    mlflow_holds: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    track(database, tmp_path, sweep, both)
    before = mlflow_holds(database)
    track(database, tmp_path, sweep, both, thorough=True)
    sync_state_path(tmp_path, sweep.plan.sweep).unlink()
    track(database, tmp_path, sweep, both)
    assert mlflow_holds(database) == before  # the reader refuses runs and points that stand twice

    monkeypatch.setattr(session.client, "open_client", lambda uri: pytest.fail(f"{uri} was contacted"))
    assert track(database, tmp_path, sweep, both).error == ""


def test_one_that_was_deleted_comes_back(
    database: str, tmp_path: Path, sweep: Any, both: FinishedEnsemble, mlflow_holds: Any
) -> None:
    track(database, tmp_path, sweep, both)
    before = mlflow_holds(database)
    client = open_client(database)
    experiment = client.get_experiment_by_name(sweep.plan.sweep)
    assert experiment is not None
    [run] = client.search_runs([experiment.experiment_id], "tags.`bansweep.level` = 'ensemble'")
    client.delete_run(run.info.run_id)

    track(database, tmp_path, sweep, both, thorough=True)

    assert mlflow_holds(database) == before


def test_a_sweep_that_was_tracked_before_its_ensembles_were_gets_them(
    database: str, tmp_path: Path, sweep: Any, both: FinishedEnsemble, mlflow_holds: Any
) -> None:
    track(database, tmp_path, sweep)
    assert mlflow_holds(database).ensemble_runs == {}

    track(database, tmp_path, sweep, both)

    assert len(mlflow_holds(database).ensemble_runs) == 1


def test_a_member_that_was_trained_again_leaves_one_run_with_the_new_figures(
    database: str, tmp_path: Path, sweep: Any, both: FinishedEnsemble, mlflow_holds: Any
) -> None:
    track(database, tmp_path, sweep, both)
    student = sweep.finished[1]
    later = replace(
        student,
        finished_at=student.finished_at + 500,
        history=tuple(replace(one, finished_at=one.finished_at + 500) for one in student.history),
    )

    track(
        database,
        tmp_path,
        replace(sweep, finished=(sweep.finished[0], later)),
        replace(both, metrics={"test_error": 4.0}),
    )

    [run] = mlflow_holds(database).ensemble_runs.values()
    assert [point.value for point in run.points if point.key == "final_test_error"] == [4.0]
    assert "test error 4.00 %" in run.tags["mlflow.note.content"]


def test_one_whose_member_is_lost_keeps_nothing_else_from_mlflow(
    database: str, tmp_path: Path, sweep: Any, both: FinishedEnsemble, mlflow_holds: Any
) -> None:
    tracker = MlflowTracker(database, store_root=tmp_path, sweep=sweep.plan.sweep)
    tracker.start(sweep.plan, "")

    summary = tracker.finish(lambda: sweep.finished[:1], {}, "KILLED", TIMEOUT_S, (both,))

    assert (summary.sent, summary.error) == (1, "")
    assert mlflow_holds(database).ensemble_runs == {}
    assert mlflow_holds(database).parent.status == "KILLED"


def test_the_key_is_of_place_and_members(sweep: Any, both: FinishedEnsemble) -> None:
    teacher, student = both.members
    assert replace(both, members=(student, teacher), metrics={}).key == both.key
    others = [replace(both, members=(student,)), replace(both, column="ens*3"), replace(both, replica_seed=1)]
    assert len({both.key, *(other.key for other in others)}) == 4
    assert describe_ensemble(sweep.plan, both).identity == ("bansweep.ensemble", both.key)
