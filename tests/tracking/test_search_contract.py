"""What every tracker does with the candidates of a search, on MLflow with a real SQLite database and in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from patience import PROCESS_S

from bansweep.graph.events import (
    CandidateEnded,
    CandidateEpochFinished,
    CandidateStarted,
    GenerationFailed,
    GenerationStarted,
)

TIMEOUT_S = PROCESS_S


def key_of(sweep: Any, number: int) -> str:
    return f"{sweep.student_id}/{sweep.finished[1].candidates[number].candidate.id}"


def assert_holds_the_search(held: Any, sweep: Any) -> None:
    assert held.runs.keys() == {sweep.teacher_id, sweep.student_id}
    assert held.candidate_runs.keys() == {key_of(sweep, number) for number in range(4)}
    student = held.runs[sweep.student_id]
    assert student.status == "FINISHED"
    assert student.params["recipe.learning_rate"] == "0.05"
    assert student.params["loss.temperature"] == "2.0"
    assert student.params["search.candidates"] == "4"
    assert "| **2** | 0.05 | 2 | 10.00 % | 2 | 3 | **winner** |" in student.tags["mlflow.note.content"]
    winner_id = sweep.finished[1].candidates[1].candidate.id
    assert student.tags["bansweep.winning_candidate"] == f"2 ({winner_id})"
    errors = sorted((point.step, point.value) for point in student.points if point.key == "validation_error")
    assert errors == [(1, 28.0), (2, 10.0), (3, 12.0)]
    runs = [held.candidate_runs[key_of(sweep, number)] for number in range(4)]
    assert [run.status for run in runs] == ["FINISHED", "FINISHED", "FINISHED", "FAILED"]
    assert [run.params["recipe.learning_rate"] for run in runs] == ["0.2", "0.05", "3.0", "9.0"]
    assert [run.tags["mlflow.runName"] for run in runs] == [f"small / ban, candidate {one}" for one in (1, 2, 3, 4)]
    assert [run.tags["bansweep.outcome"] for run in runs] == ["finished", "finished", "pruned", "failed"]
    assert [run.tags.get("bansweep.winner") for run in runs] == [None, "true", None, None]
    assert runs[3].tags["bansweep.reason"] == "the loss became nan"
    assert {point.value for point in runs[0].points if point.key == "final_validation_error"} == {20.0}
    assert {point.step for point in runs[0].points if point.key == "train_loss"} == {1, 2, 3}


def test_what_was_never_heard_live_is_filled_in(search_subject: Any, searched_sweep: Any) -> None:
    search_subject.tracker.start(searched_sweep.plan, "")

    summary = search_subject.tracker.finish(lambda: searched_sweep.finished, {}, "FINISHED", TIMEOUT_S)

    assert (summary.sent, summary.unsent, summary.error) == (2, (), "")
    assert_holds_the_search(search_subject.held(), searched_sweep)
    pruned = search_subject.held().candidate_runs[key_of(searched_sweep, 2)]
    assert {point.step for point in pruned.points} == {1}


def test_live_events_leave_the_same_and_what_was_trained_too_long(search_subject: Any, searched_sweep: Any) -> None:
    search_subject.tracker.start(searched_sweep.plan, "")
    for event in searched_sweep.events:
        search_subject.tracker.handle(event)

    search_subject.tracker.finish(lambda: searched_sweep.finished, {}, "FINISHED", TIMEOUT_S)

    assert_holds_the_search(search_subject.held(), searched_sweep)
    pruned = search_subject.held().candidate_runs[key_of(searched_sweep, 2)]
    assert {point.step for point in pruned.points} == {1, 2}


def test_finishing_twice_adds_nothing(search_subject: Any, searched_sweep: Any) -> None:
    search_subject.tracker.start(searched_sweep.plan, "")
    first = search_subject.tracker.finish(lambda: searched_sweep.finished, {}, "FINISHED", TIMEOUT_S)

    second = search_subject.tracker.finish(lambda: searched_sweep.finished, {"report.md": ""}, "FINISHED", TIMEOUT_S)

    assert first == second
    assert_holds_the_search(search_subject.held(), searched_sweep)


def test_while_it_is_searched_a_generation_has_no_searched_parameters(search_subject: Any, searched_sweep: Any) -> None:
    """And candidates of a sweep that ends before they do are killed, to go on in their runs."""
    one, two, three, _ = searched_sweep.finished[1].candidates
    student_id = searched_sweep.student_id
    search_subject.tracker.start(searched_sweep.plan, "")
    for event in (
        GenerationStarted(student_id),
        CandidateStarted(student_id, one.candidate),
        CandidateEpochFinished(student_id, one.candidate, one.history[0]),
        CandidateStarted(student_id, two.candidate),
        CandidateEnded(student_id, two.candidate, "stopped"),
        CandidateStarted(student_id, three.candidate),
        CandidateEnded(student_id, three.candidate, "pruned"),
    ):
        search_subject.tracker.handle(event)
    search_subject.tracker.finish(list, {}, "KILLED", TIMEOUT_S)

    held = search_subject.held()
    assert held.runs[student_id].status == "KILLED"
    assert not {"recipe.learning_rate", "loss.temperature"} & held.runs[student_id].params.keys()
    runs = [held.candidate_runs[key_of(searched_sweep, number)] for number in range(3)]
    assert [run.status for run in runs] == ["KILLED", "KILLED", "FINISHED"]
    assert [run.tags.get("bansweep.outcome") for run in runs] == [None, None, "pruned"]

    search_subject.tracker.finish(lambda: searched_sweep.finished, {}, "FINISHED", TIMEOUT_S)

    assert_holds_the_search(search_subject.held(), searched_sweep)


def test_a_candidate_that_could_not_be_trained_loses_its_reason_later(search_subject: Any, searched_sweep: Any) -> None:
    """A machine that failed: the generation fails with it, what else ran is interrupted, and all of it goes on."""
    one, two, *_ = searched_sweep.finished[1].candidates
    student_id = searched_sweep.student_id
    search_subject.tracker.start(searched_sweep.plan, "")
    for event in (
        GenerationStarted(student_id),
        CandidateStarted(student_id, one.candidate),
        CandidateStarted(student_id, two.candidate),
        CandidateEnded(student_id, one.candidate, "failed", "no memory"),
        GenerationFailed(student_id, "candidate 1 could not be trained: no memory"),
        CandidateEpochFinished(student_id, two.candidate, two.history[0]),  # it has not heard yet
    ):
        search_subject.tracker.handle(event)
    search_subject.tracker.finish(list, {}, "FAILED", TIMEOUT_S)

    held = search_subject.held()
    assert held.runs[student_id].status == "FAILED"
    runs = [held.candidate_runs[key_of(searched_sweep, number)] for number in range(2)]
    assert [run.status for run in runs] == ["FAILED", "KILLED"]
    assert runs[0].tags["bansweep.reason"] == "no memory"
    assert runs[0].tags["bansweep.outcome"] == "failed"

    for event in searched_sweep.events:
        search_subject.tracker.handle(event)
    search_subject.tracker.finish(lambda: searched_sweep.finished, {}, "FINISHED", TIMEOUT_S)

    held = search_subject.held()
    assert_holds_the_search(held, searched_sweep)
    assert "bansweep.reason" not in held.candidate_runs[key_of(searched_sweep, 0)].tags


@pytest.mark.parametrize("live", [False, True])
def test_another_winner_takes_the_place_of_the_first(search_subject: Any, searched_sweep: Any, live: bool) -> None:
    """A generation that was lost and is searched anew, on another machine, may have another winner."""
    search_subject.tracker.start(searched_sweep.plan, "")
    search_subject.tracker.finish(lambda: searched_sweep.finished, {}, "FINISHED", TIMEOUT_S)
    teacher, searched = searched_sweep.finished
    other = replace(searched, winner=0, history=searched.candidates[0].history)

    events = searched_sweep.events if live else [GenerationStarted(searched_sweep.student_id)]
    for event in events:
        search_subject.tracker.handle(event)
    summary = search_subject.tracker.finish(lambda: (teacher, other), {}, "FINISHED", TIMEOUT_S)

    assert (summary.sent, summary.error) == (2, "")
    held = search_subject.held()
    student = held.runs[searched_sweep.student_id]
    assert (student.status, student.params["recipe.learning_rate"]) == ("FINISHED", "0.2")
    assert {point.value for point in student.points if point.key == "validation_error"} == {30.0, 20.0, 25.0}
    winners = [held.candidate_runs[key_of(searched_sweep, number)].tags.get("bansweep.winner") for number in range(4)]
    assert winners == ["true", None, None, None]
