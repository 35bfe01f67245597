"""What is MLflow's own of a search: nested runs while it goes on, limits, and going on where it was left."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from patience import PROCESS_S, wait_for

from bansweep.graph.events import (
    CandidateEnded,
    CandidateEpochFinished,
    CandidateStarted,
    GenerationNotNeeded,
    GenerationStarted,
    GenerationStopped,
    SweepEvent,
)
from bansweep.tracking import mlflow_session as session
from bansweep.tracking.client import open_client
from bansweep.tracking.completion import Completion
from bansweep.tracking.mlflow_session import send_live
from bansweep.tracking.mlflow_tracker import MlflowTracker
from bansweep.tracking.payload import RunDescription
from bansweep.tracking.runs import SweepRuns, open_runs
from bansweep.tracking.sync_state import sync_state_path

TIMEOUT_S = PROCESS_S


def track(uri: str, root: Path, sweep: Any, finished: Sequence[Any]) -> Any:
    tracker = MlflowTracker(uri, store_root=root, sweep=sweep.plan.sweep)
    tracker.start(sweep.plan, "")
    return tracker.finish(lambda: finished, {}, "FINISHED", TIMEOUT_S)


def all_runs(uri: str, sweep: Any) -> dict[str, Any]:
    client = open_client(uri)
    experiment = client.get_experiment_by_name(sweep.plan.sweep)
    found = [] if experiment is None else client.search_runs([experiment.experiment_id])
    return {run.info.run_name: run for run in found}


def test_candidates_are_seen_below_their_generation_while_they_train(
    database: str, tmp_path: Path, searched_sweep: Any
) -> None:
    one = searched_sweep.finished[1].candidates[0]
    tracker = MlflowTracker(database, store_root=tmp_path, sweep=searched_sweep.plan.sweep)
    tracker.start(searched_sweep.plan, "")
    tracker.handle(GenerationStarted(searched_sweep.student_id))
    tracker.handle(CandidateStarted(searched_sweep.student_id, one.candidate))
    tracker.handle(CandidateEpochFinished(searched_sweep.student_id, one.candidate, one.history[0]))

    runs: dict[str, Any] = {}
    name = "small / ban, candidate 1"

    def is_seen() -> bool:
        runs.update(all_runs(database, searched_sweep))
        return name in runs and bool(runs[name].data.metrics)

    wait_for(is_seen)
    assert runs[name].info.status == runs["small / ban"].info.status == "RUNNING"
    assert runs[name].data.tags["mlflow.parentRunId"] == runs["small / ban"].info.run_id
    assert runs[name].data.metrics["validation_error"] == 30.0
    tracker.finish(list, {}, "KILLED", TIMEOUT_S)


def test_what_was_stopped_is_running_again_without_its_outcome(
    database: str, tmp_path: Path, searched_sweep: Any
) -> None:
    plan, student_id = searched_sweep.plan, searched_sweep.student_id
    candidate = searched_sweep.finished[1].candidates[0].candidate
    runs = open_runs(open_client(database), plan.sweep, tmp_path.as_uri(), 1.7e9, tmp_path / "lock", tmp_path)
    ends: list[SweepEvent] = [
        CandidateEnded(student_id, candidate, "failed", "no memory"),
        GenerationStopped(student_id),
    ]

    send_live(runs, plan, ends)

    held = all_runs(database, searched_sweep)
    generation, one = held["small / ban"], held["small / ban, candidate 1"]
    assert (generation.info.status, one.info.status) == ("KILLED", "FAILED")
    assert one.data.tags["bansweep.reason"] == "no memory"

    send_live(runs, plan, [GenerationStarted(student_id), CandidateStarted(student_id, candidate)])

    held = all_runs(database, searched_sweep)
    generation, one = held["small / ban"], held["small / ban, candidate 1"]
    assert (generation.info.status, one.info.status) == ("RUNNING", "RUNNING")
    assert not {"bansweep.reason", "bansweep.outcome"} & one.data.tags.keys()


def test_runs_say_when_they_were_trained(database: str, tmp_path: Path, searched_sweep: Any) -> None:
    track(database, tmp_path, searched_sweep, searched_sweep.finished)

    runs = all_runs(database, searched_sweep)
    times = {name: (run.info.start_time - 1.7e12, run.info.end_time - 1.7e12) for name, run in runs.items()}
    assert times["small / ban"] == (50_500, 92_000)
    assert times["small / ban, candidate 2"] == (70_500, 76_000)


def test_a_search_that_did_not_get_through_goes_on_where_it_was(
    database: str, tmp_path: Path, searched_sweep: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The marker does not take the generation for complete while one of its candidates is missing."""
    monkeypatch.setattr(session, "_RETRIES_S", ())
    teacher, searched = searched_sweep.finished
    nameless = replace(searched.candidates[2].history[0], metrics={"what? a name that MLflow refuses!": 1.0})
    refused = replace(searched.candidates[2], history=(nameless,))
    odd = replace(searched, candidates=(*searched.candidates[:2], refused, *searched.candidates[3:]))

    summary = track(database, tmp_path, searched_sweep, (teacher, odd))

    assert (summary.sent, summary.unsent) == (1, (searched_sweep.student_id,))
    marker = json.loads(sync_state_path(tmp_path, searched_sweep.plan.sweep).read_text())
    assert marker["complete"].keys() == {searched_sweep.teacher_id}
    keys = [f"{searched_sweep.student_id}/{one.candidate.id}" for one in searched.candidates]
    assert marker["candidates"].keys() == set(keys[:2])

    completed = []
    complete = SweepRuns.complete

    def noted(runs: SweepRuns, description: RunDescription, completion: Completion) -> str:
        completed.append(description.identity[1])
        return complete(runs, description, completion)

    monkeypatch.setattr(SweepRuns, "complete", noted)
    assert track(database, tmp_path, searched_sweep, searched_sweep.finished).sent == 2
    assert completed == [searched_sweep.student_id, *keys[2:]]
    assert all_runs(database, searched_sweep)["small / ban, candidate 4"].data.tags["bansweep.outcome"] == "failed"


def test_a_column_added_later_reaches_the_candidates(database: str, tmp_path: Path, searched_sweep: Any) -> None:
    track(database, tmp_path, searched_sweep, searched_sweep.finished)
    plan = searched_sweep.plan
    wider = replace(plan, cells=(*plan.cells, replace(plan.cells[1], column="best")))

    track(database, tmp_path, replace(searched_sweep, plan=wider), searched_sweep.finished)

    runs = all_runs(database, searched_sweep)
    assert len(runs) == 1 + 2 + 4
    assert runs["small / ban, best, candidate 3"].data.tags["bansweep.column"] == "ban, best"


def test_more_parameters_than_fit_in_a_batch(database: str, tmp_path: Path, searched_sweep: Any) -> None:
    client = open_client(database)
    experiment_id = client.create_experiment(searched_sweep.plan.sweep)
    run_id = client.create_run(experiment_id).info.run_id
    params = {f"search.parameters.loss.{number}.low": str(number) for number in range(250)}

    SweepRuns(client, experiment_id, run_id, tmp_path / "lock", tmp_path)._log_params(run_id, params)

    assert client.get_run(run_id).data.params == params


def test_a_sweep_whose_chain_ended_asks_neither_mlflow_nor_the_store_again(
    database: str, tmp_path: Path, sweep: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tracker_of_the_ended_chain() -> MlflowTracker:
        tracker = MlflowTracker(database, store_root=tmp_path, sweep=sweep.plan.sweep)
        tracker.start(sweep.plan, "")
        tracker.handle(GenerationNotNeeded(sweep.student_id, cause=sweep.teacher_id))
        return tracker

    tracker_of_the_ended_chain().finish(lambda: sweep.finished[:1], {}, "FINISHED", TIMEOUT_S)
    monkeypatch.setattr(session.client, "open_client", lambda uri: pytest.fail(f"{uri} was contacted"))

    summary = tracker_of_the_ended_chain().finish(lambda: pytest.fail("the store was read"), {}, "FINISHED", TIMEOUT_S)

    assert (summary.sent, summary.unsent, summary.error) == (1, (), "")
