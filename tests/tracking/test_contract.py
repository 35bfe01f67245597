"""What every tracker does, on MLflow with a real SQLite database and in memory."""

from __future__ import annotations

import statistics
import time
from typing import Any

from patience import PROCESS_S

from bansweep.graph.events import (
    EpochFinished,
    GenerationBlocked,
    GenerationFailed,
    GenerationNotNeeded,
    GenerationStarted,
    GenerationStopped,
)

TIMEOUT_S = PROCESS_S


def expected_points(finished: Any) -> set[tuple[str, float, int, int]]:
    """Written out anew, without the payload module."""
    points = set()
    for report in finished.history:
        at = round(report.finished_at * 1000)
        points |= {(name, value, at, report.epoch) for name, value in report.metrics.items()}
        points.add(("epoch_seconds", report.seconds, at, report.epoch))
    at = round(finished.finished_at * 1000)
    points |= {(f"final_{name}", value, at, 3) for name, value in finished.metrics.items()}
    return points | {("parameters", 77000.0, at, 3), ("training_seconds", 4.5, at, 3)}


def assert_holds_everything(held: Any, sweep: Any) -> None:
    assert held.runs.keys() == {sweep.teacher_id, sweep.student_id}
    for finished in sweep.finished:
        run = held.runs[finished.generation_id]
        assert run.status == "FINISHED"
        assert {tuple(point) for point in run.points} == expected_points(finished)
    student = held.runs[sweep.student_id]
    assert student.params["network.depth"] == "10"
    assert student.params["recipe.learning_rate"] == "0.1"
    assert student.params["seed"] == "67890"
    assert student.tags["mlflow.runName"] == "small / ban, ban-1"
    assert student.tags["bansweep.column"] == "ban, ban-1"
    assert student.tags["bansweep.teacher"] == sweep.teacher_id
    assert student.tags["bansweep.lineage"] == f"{sweep.teacher_id} > {sweep.student_id}"
    assert "test error 5.00 %" in student.tags["mlflow.note.content"]


def test_what_was_never_heard_live_is_filled_in(subject: Any, sweep: Any) -> None:
    subject.tracker.start(sweep.plan, "name: x\n")

    summary = subject.tracker.finish(lambda: sweep.finished, {"report.md": "# Table\n"}, "FINISHED", TIMEOUT_S)

    assert (summary.sent, summary.unsent, summary.error) == (2, (), "")
    held = subject.held()
    assert_holds_everything(held, sweep)
    assert held.parent.status == "FINISHED"
    assert held.parent.tags["bansweep.sweep"] == sweep.plan.sweep
    assert "2 of 2 generations finished" in held.parent.tags["mlflow.note.content"]
    assert held.documents == {"sweep.yaml": "name: x\n", "report.md": "# Table\n"}


def test_live_events_leave_the_same_as_filling_in(subject: Any, sweep: Any) -> None:
    subject.tracker.start(sweep.plan, "name: x\n")
    for event in sweep.events:
        subject.tracker.handle(event)

    subject.tracker.finish(lambda: sweep.finished, {}, "FINISHED", TIMEOUT_S)

    assert_holds_everything(subject.held(), sweep)


def test_finishing_twice_adds_nothing(subject: Any, sweep: Any) -> None:
    subject.tracker.start(sweep.plan, "name: x\n")
    first = subject.tracker.finish(lambda: sweep.finished, {}, "FINISHED", TIMEOUT_S)

    second = subject.tracker.finish(lambda: sweep.finished, {"report.md": "later"}, "FINISHED", TIMEOUT_S)

    assert first == second
    assert_holds_everything(subject.held(), sweep)
    assert subject.held().documents["report.md"] == "later"


def test_failed_and_blocked_generations(subject: Any, sweep: Any) -> None:
    subject.tracker.start(sweep.plan, "")
    subject.tracker.handle(GenerationStarted(sweep.teacher_id))
    subject.tracker.handle(GenerationFailed(sweep.teacher_id, "the loss became nan"))
    subject.tracker.handle(GenerationBlocked(sweep.student_id, cause=sweep.teacher_id))

    summary = subject.tracker.finish(list, {}, "FAILED", TIMEOUT_S)

    assert (summary.sent, summary.unsent, summary.error) == (0, (), "")
    held = subject.held()
    assert held.runs.keys() == {sweep.teacher_id}
    assert held.runs[sweep.teacher_id].status == "FAILED"
    assert held.runs[sweep.teacher_id].tags["bansweep.reason"] == "the loss became nan"
    assert held.parent.status == "FAILED"
    assert held.parent.tags["bansweep.blocked"] == sweep.student_id
    assert "small / ban, ban-1: blocked by small / teacher" in held.parent.tags["mlflow.note.content"]


def test_an_interrupted_generation_is_killed_and_goes_on_in_its_run(subject: Any, sweep: Any) -> None:
    teacher = sweep.finished[0]
    subject.tracker.start(sweep.plan, "")
    subject.tracker.handle(GenerationStarted(sweep.teacher_id))
    subject.tracker.handle(EpochFinished(sweep.teacher_id, teacher.history[0]))
    subject.tracker.finish(list, {}, "KILLED", TIMEOUT_S)
    interrupted = subject.held().runs[sweep.teacher_id]
    assert interrupted.status == "KILLED"
    assert {point.step for point in interrupted.points} == {1}
    assert subject.held().parent.status == "KILLED"

    subject.tracker.handle(GenerationStarted(sweep.teacher_id, epochs_done=1))
    summary = subject.tracker.finish(lambda: sweep.finished, {}, "FINISHED", TIMEOUT_S)

    assert summary.sent == 2
    assert_holds_everything(subject.held(), sweep)


def test_a_stopped_generation_is_killed_and_goes_on_in_its_run(subject: Any, sweep: Any) -> None:
    subject.tracker.start(sweep.plan, "")
    subject.tracker.handle(GenerationStarted(sweep.teacher_id))
    subject.tracker.handle(EpochFinished(sweep.teacher_id, sweep.finished[0].history[0]))
    subject.tracker.handle(GenerationStopped(sweep.teacher_id))
    subject.tracker.finish(list, {}, "FINISHED", TIMEOUT_S)
    held = subject.held()
    assert (held.parent.status, held.runs[sweep.teacher_id].status) == ("FINISHED", "KILLED")

    for event in sweep.events:
        subject.tracker.handle(event)
    subject.tracker.finish(lambda: sweep.finished, {}, "FINISHED", TIMEOUT_S)

    assert_holds_everything(subject.held(), sweep)


def test_a_generation_that_is_not_needed_has_no_run(subject: Any, sweep: Any) -> None:
    subject.tracker.start(sweep.plan, "")
    for event in sweep.events[:5]:
        subject.tracker.handle(event)
    subject.tracker.handle(GenerationNotNeeded(sweep.student_id, cause=sweep.teacher_id))

    summary = subject.tracker.finish(lambda: sweep.finished[:1], {}, "FINISHED", TIMEOUT_S)

    assert (summary.sent, summary.unsent, summary.error) == (1, (), "")
    held = subject.held()
    assert held.runs.keys() == {sweep.teacher_id}
    assert held.parent.tags["mlflow.note.content"].splitlines() == [
        "1 of 2 generations finished",
        "- small / ban, ban-1: not needed, its chain ended with small / teacher",
    ]


def test_a_failed_generation_that_succeeds_later_loses_its_reason(subject: Any, sweep: Any) -> None:
    subject.tracker.start(sweep.plan, "")
    subject.tracker.handle(GenerationFailed(sweep.teacher_id, "no memory"))
    subject.tracker.finish(list, {}, "FAILED", TIMEOUT_S)
    assert "bansweep.reason" in subject.held().runs[sweep.teacher_id].tags

    for event in sweep.events:
        subject.tracker.handle(event)
    subject.tracker.finish(lambda: sweep.finished, {}, "FINISHED", TIMEOUT_S)

    assert "bansweep.reason" not in subject.held().runs[sweep.teacher_id].tags
    assert_holds_everything(subject.held(), sweep)


def test_a_store_that_cannot_be_read_is_said_not_raised(subject: Any, sweep: Any) -> None:
    def unreadable() -> list[Any]:
        raise OSError("Stale file handle")

    subject.tracker.start(sweep.plan, "")

    summary = subject.tracker.finish(unreadable, {}, "FAILED", TIMEOUT_S)

    assert summary.sent == 0
    assert "Stale file handle" in summary.error


def test_events_of_unknown_generations_are_ignored(subject: Any, sweep: Any) -> None:
    subject.tracker.handle(GenerationStarted("before start()"))
    subject.tracker.start(sweep.plan, "")
    subject.tracker.handle(GenerationStarted("0123456789abcdef"))

    assert subject.tracker.finish(lambda: sweep.finished, {}, "FINISHED", TIMEOUT_S).error == ""

    assert subject.held().runs.keys() == {sweep.teacher_id, sweep.student_id}


def test_handle_returns_at_once(subject: Any, sweep: Any) -> None:
    subject.tracker.start(sweep.plan, "")
    seconds = []
    for event in sweep.events * 10:
        begun = time.perf_counter()
        subject.tracker.handle(event)
        seconds.append(time.perf_counter() - begun)
    subject.tracker.finish(lambda: sweep.finished, {}, "FINISHED", TIMEOUT_S)

    assert statistics.median(seconds) < 0.05, "a busy machine may pause some calls, not most of them"
