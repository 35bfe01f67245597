"""The searcher between Tune and the conductor, called as Tune calls it; Ray is not started."""

from __future__ import annotations

import os
import pickle
import socket
from pathlib import Path

import pytest
from demo_sweep import ids_of, plan_of
from ray.tune.search import Searcher

from bansweep.cluster.searcher import SweepSearcher
from bansweep.cluster.tpe import sampler_of
from bansweep.graph.events import (
    CompileFailure,
    EpochFinished,
    GenerationBlocked,
    GenerationElsewhere,
    GenerationFailed,
    GenerationFinished,
    GenerationStarted,
    GenerationUncompiled,
    SweepEvent,
)
from bansweep.graph.results import EpochReport
from bansweep.scheduling.conductor import Conductor
from bansweep.scheduling.messages import Displaced, Ended, EpochDone, Outcome, Placed, Started, Uncompiled, as_result
from bansweep.scheduling.meter import Meter
from bansweep.store.store import Store


@pytest.fixture
def ids(sweep_file: Path) -> dict[str, str]:
    return ids_of(plan_of(sweep_file))


@pytest.fixture
def events() -> list[SweepEvent]:
    return []


@pytest.fixture
def removed() -> list[str]:
    """The placement groups that were given back."""
    return []


@pytest.fixture
def room() -> list[int]:
    """How many trials the cluster holds."""
    return [100]


@pytest.fixture
def now() -> list[float]:
    """The time, in seconds."""
    return [0.0]


@pytest.fixture
def meter(now: list[float]) -> Meter:
    return Meter(None, None, clock=lambda: now[0])


@pytest.fixture
def searcher(
    sweep_file: Path,
    tmp_path: Path,
    events: list[SweepEvent],
    removed: list[str],
    room: list[int],
    now: list[float],
    meter: Meter,
) -> SweepSearcher:
    conductor = Conductor(
        plan_of(sweep_file),
        Store(tmp_path / "store"),
        sampler_of=sampler_of,
        emit=events.append,
        meter=meter,
    )
    return SweepSearcher(
        conductor, lambda task: {"generation": task.generation_id}, lambda: room[0], removed.append, lambda: now[0]
    )


def test_the_store_is_not_asked_ten_times_a_second(
    searcher: SweepSearcher, ids: dict[str, str], now: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []
    ask = Conductor.next
    monkeypatch.setattr(Conductor, "next", lambda conductor: (asked.append(now[0]), ask(conductor))[1])
    searcher.suggest("t1")
    for step in range(25):
        now[0] = step / 10
        assert searcher.suggest("t2") is None
    assert asked == [0.0, 0.0, 1.0, 2.0]
    searcher.on_trial_complete("t1", as_result(Ended(Outcome.FINISHED)))
    assert searcher.suggest("t3") == {"generation": ids["ban"]}, "but at once where something has happened"


def test_no_more_are_suggested_than_there_is_room_for(
    searcher: SweepSearcher, ids: dict[str, str], room: list[int]
) -> None:
    assert searcher.suggest("t1") == {"generation": ids["teacher"]}
    searcher.on_trial_complete("t1", as_result(Ended(Outcome.FINISHED)))
    room[0] = 1
    assert searcher.suggest("t2") == {"generation": ids["ban"]}
    assert searcher.suggest("t3") is None
    room[0] = 2  # a node has joined
    assert searcher.suggest("t4") == {"generation": ids["cwtm"]}
    room[0] = 1  # and left: what runs there is Ray's to start again elsewhere
    searcher.on_trial_complete("t2", as_result(Ended(Outcome.FINISHED)))
    assert searcher.suggest("t5") is None
    searcher.on_trial_complete("t4", as_result(Ended(Outcome.FINISHED)))
    assert searcher.suggest("t6") == {"generation": ids["ban-2"]}


def test_students_are_suggested_when_their_teacher_is_finished(searcher: SweepSearcher, ids: dict[str, str]) -> None:
    assert searcher.suggest("t1") == {"generation": ids["teacher"]}
    assert searcher.suggest("t2") is None, "Tune is to ask again"
    searcher.on_trial_complete("t1", as_result(Ended(Outcome.FINISHED)))
    assert searcher.suggest("t3") == {"generation": ids["ban"]}, "the longer chain first"
    assert searcher.suggest("t4") == {"generation": ids["cwtm"]}
    searcher.on_trial_complete("t4", as_result(Ended(Outcome.REUSED)))
    searcher.on_trial_complete("t3", as_result(Ended(Outcome.FINISHED)))
    assert searcher.suggest("t5") == {"generation": ids["ban-2"]}
    assert searcher.suggest("t6") is None
    searcher.on_trial_complete("t5", as_result(Ended(Outcome.FINISHED)))
    assert searcher.suggest("t7") == Searcher.FINISHED, "None would hang Tune for ever"


def test_what_trials_report_becomes_events(
    searcher: SweepSearcher, ids: dict[str, str], events: list[SweepEvent]
) -> None:
    report = EpochReport(1, 4, 0.1 + 0.2, 1e9 / 3, {"train_loss": float("inf"), "test_error": 1 / 3})
    searcher.suggest("t1")
    failure = CompileFailure("gpu-box", "no C compiler was found", "Install gcc")
    searcher.on_trial_result("t1", as_result(Started(2)))
    searcher.on_trial_result("t1", {"config/job": "x", **as_result(Uncompiled(failure, 2))})
    searcher.on_trial_result("t1", as_result(Uncompiled(None, 1)))
    searcher.on_trial_result("t1", {"config/job": "x", **as_result(EpochDone(report))})
    searcher.on_trial_complete("t1", as_result(Ended(Outcome.FINISHED)))
    teacher = ids["teacher"]
    assert events == [
        GenerationStarted(teacher, epochs_done=2),
        GenerationUncompiled(teacher, failure, compiled_epochs=2),
        GenerationUncompiled(teacher, None, compiled_epochs=1),
        EpochFinished(teacher, report),
        GenerationFinished(teacher),
    ]


def test_an_outcome_that_came_with_a_result_counts_too(searcher: SweepSearcher, events: list[SweepEvent]) -> None:
    searcher.suggest("t1")
    searcher.on_trial_result("t1", as_result(Ended(Outcome.FINISHED)))
    searcher.on_trial_complete("t1", None)
    assert isinstance(events[-1], GenerationFinished)


@pytest.mark.parametrize(
    ("result", "error", "reason"),
    [
        (as_result(Ended(Outcome.FAILED, "the loss became nan")), False, "the loss became nan"),
        (None, True, "its process died again and again"),
        (as_result(Started(0)), True, "its process died again and again"),
    ],
)
def test_a_failure_blocks_the_descendants_and_nothing_else(
    result: dict[str, object] | None,
    error: bool,
    reason: str,
    searcher: SweepSearcher,
    ids: dict[str, str],
    events: list[SweepEvent],
) -> None:
    searcher.suggest("t1")
    searcher.on_trial_complete("t1", as_result(Ended(Outcome.FINISHED)))
    searcher.suggest("t2")
    searcher.suggest("t3")
    searcher.on_trial_complete("t2", result, error=error)
    failed, blocked = events[-2:]
    assert isinstance(failed, GenerationFailed)
    assert failed.generation_id == ids["ban"]
    assert reason in failed.reason
    assert blocked == GenerationBlocked(ids["ban-2"], cause=ids["ban"])
    assert searcher.suggest("t4") is None, "cwtm still runs"
    searcher.on_trial_complete("t3", as_result(Ended(Outcome.FINISHED)))
    assert searcher.suggest("t5") == Searcher.FINISHED


def test_tune_may_pickle_it(searcher: SweepSearcher) -> None:
    pickle.dumps(searcher)


def test_what_a_lost_group_held_is_given_back_before_the_next_attempt(
    searcher: SweepSearcher, removed: list[str]
) -> None:
    searcher.suggest("t1")
    searcher.on_trial_result("t1", as_result(Started(0)))
    searcher.on_trial_result("t1", as_result(Placed("g1")))
    assert removed == []
    searcher.on_trial_result("t1", as_result(Started(2)))
    assert removed == ["g1"]
    searcher.on_trial_result("t1", as_result(Placed("g2")))
    searcher.on_trial_complete("t1", None, error=True)
    assert removed == ["g1", "g2"]


def test_a_trial_that_ends_twice_ends_once(searcher: SweepSearcher, events: list[SweepEvent]) -> None:
    searcher.suggest("t1")
    searcher.on_trial_complete("t1", as_result(Ended(Outcome.FINISHED)))
    searcher.on_trial_complete("t1", as_result(Ended(Outcome.FAILED, "x")))
    searcher.on_trial_result("t1", as_result(Started(0)))
    assert len(events) == 1


def test_a_budget_counts_what_is_held_and_no_waiting(
    searcher: SweepSearcher, meter: Meter, now: list[float], removed: list[str]
) -> None:
    def seconds_at(time: float) -> float:
        now[0] = time
        searcher.on_step()
        return round(3600 * meter.hours, 6)

    searcher.suggest("t1")
    searcher.on_trial_result("t1", as_result(Started(0)))
    assert seconds_at(100) == 0, "its workers wait for a node"
    searcher.on_trial_result("t1", as_result(Placed("g1")))
    assert seconds_at(110) == 10
    searcher.on_trial_result("t1", as_result(Displaced()))
    assert seconds_at(200) == 10, "its node is gone, and Ray Train waits for another"
    searcher.on_trial_result("t1", as_result(Placed("g2")))
    assert seconds_at(205) == 15
    searcher.on_trial_lost("t1")
    assert removed == ["g2"], "nobody else gives it back"
    assert seconds_at(300) == 15, "the trial itself waits"
    searcher.on_trial_result("t1", as_result(Started(3), Placed("")))
    assert seconds_at(301) == 16
    searcher.on_trial_complete("t1", as_result(Ended(Outcome.FINISHED)))
    assert seconds_at(400) == 16
    searcher.on_trial_lost("t1")
    assert removed == ["g2"]


def test_what_another_process_trains_is_waited_for_without_a_trial(
    searcher: SweepSearcher, ids: dict[str, str], now: list[float], tmp_path: Path
) -> None:
    elsewhere = Store(tmp_path / "store").claim(ids["teacher"])
    assert elsewhere.acquire()
    for now[0] in (1.0, 2.0, 3.0):
        assert searcher.suggest("t1") is None
    elsewhere.release()
    now[0] = 4.0
    assert searcher.suggest("t1") == {"generation": ids["teacher"]}


def test_a_trial_that_came_too_late_is_begun_again_once_the_other_one_is_through(
    searcher: SweepSearcher, ids: dict[str, str], now: list[float], tmp_path: Path, events: list[SweepEvent]
) -> None:
    searcher.suggest("t1")
    elsewhere = Store(tmp_path / "store").claim(ids["teacher"])
    assert elsewhere.acquire()
    searcher.on_trial_complete("t1", as_result(Ended(Outcome.CLAIMED)))
    assert searcher.suggest("t2") is None
    elsewhere.release()
    now[0] = 1.0
    assert searcher.suggest("t2") == {"generation": ids["teacher"]}
    searcher.on_trial_complete("t2", as_result(Ended(Outcome.REUSED)))
    assert events == [
        GenerationElsewhere(ids["teacher"], by=f"process {os.getpid()} on {socket.gethostname()}"),
        GenerationFinished(ids["teacher"], reused=True),
    ]
