"""When a trial trains, waits, or gives up, and which worker group follows a lost one. No Ray, no training."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from scheduling.simulation import PREDICTIONS, trained

from bansweep.cluster.attempts import ControllerLostError, WorkersLostError, attempt, train_in_groups
from bansweep.cluster.job import GenerationJob
from bansweep.config.resources import RetryPolicy
from bansweep.errors import ClusterError, DivergedError, TrainingError
from bansweep.graph.results import EpochReport
from bansweep.scheduling.messages import Ended, Outcome
from bansweep.store.progress import Progress
from bansweep.store.store import Store


class Killed(BaseException):
    """What ends a process, as far as the process itself can tell."""


def with_retries(job: GenerationJob, **retries: float) -> GenerationJob:
    return job.model_copy(update={"retries": RetryPolicy.model_validate(retries)})


def publish(job: GenerationJob, store: str | None = None) -> None:
    history = [EpochReport(1, 1, 1.0, 0.0, {"validation_error": 1.0})]
    record = trained(job.generation, history)
    Store(store or job.store).publish(record, weights=b"", history=history, predictions=PREDICTIONS)


def raising(error: BaseException) -> Callable[[], None]:
    def train() -> None:
        raise error

    return train


def never() -> None:
    raise AssertionError("nothing was to be trained")


# A trial's attempts


def test_what_is_published_is_finished_and_what_is_not_was_stopped(job: GenerationJob) -> None:
    assert attempt(job, "t", lambda: None) == Ended(Outcome.STOPPED)
    assert attempt(job, "t", lambda: publish(job)) == Ended(Outcome.FINISHED)


def test_the_lease_is_held_while_it_trains_and_free_afterwards(job: GenerationJob) -> None:
    taken: list[bool] = []
    claim = Store(job.store).claim(job.generation.id)
    attempt(job, "t", lambda: taken.append(claim.is_taken()))
    attempt(job, "t", raising(TrainingError("x")))
    assert [*taken, claim.is_taken()] == [True, False]


@pytest.mark.parametrize(
    ("error", "ended"),
    [
        (DivergedError(2, 3, float("nan")), Outcome.DIVERGED),
        (TrainingError("no memory", remedy="buy some"), Outcome.FAILED),
    ],
)
def test_an_error_of_ours_is_an_outcome(job: GenerationJob, error: Exception, ended: Outcome) -> None:
    assert attempt(job, "t", raising(error)) == Ended(ended, str(error))


def test_an_error_of_a_librarys_is_an_outcome_and_named(job: GenerationJob) -> None:
    assert attempt(job, "t", raising(KeyError("stem"))) == Ended(Outcome.FAILED, "KeyError: 'stem'")


def test_what_another_process_finished_is_reused(job: GenerationJob) -> None:
    publish(job)
    assert attempt(job, "t", never) == Ended(Outcome.REUSED)


def test_a_candidate_whose_search_is_decided_is_superseded(job: GenerationJob, tmp_path: Path) -> None:
    decided = job.model_copy(update={"decides": job.generation.id, "teachers": str(tmp_path / "teachers")})
    assert attempt(decided, "t", lambda: None) == Ended(Outcome.STOPPED), "it is not decided yet"
    publish(job, str(tmp_path / "teachers"))
    assert attempt(decided, "t", never) == Ended(Outcome.REUSED)


def test_a_trial_waits_for_anothers_lease_as_long_as_the_policy_says_and_no_longer(job: GenerationJob) -> None:
    times = iter([100.0, 100.0, 160.0, 160.5])  # the first is when it begins to wait
    with Store(job.store).claim(job.generation.id) as claim:
        assert claim.acquire()
        assert attempt(job, "t", never, clock=lambda: next(times)) == Ended(Outcome.CLAIMED)
    assert list(times) == []


def test_a_trial_does_not_wait_for_a_lease_without_patience(job: GenerationJob) -> None:
    times = iter([0.0, 0.1])
    with Store(job.store).claim(job.generation.id) as claim:
        assert claim.acquire()
        ended = attempt(with_retries(job, lease_wait_s=0.0), "t", never, clock=lambda: next(times))
    assert ended == Ended(Outcome.CLAIMED)


def test_a_free_lease_is_taken_without_patience_however_slow_the_store_is(job: GenerationJob) -> None:
    times = iter(float(second) for second in range(100))
    eager = with_retries(job, lease_wait_s=0.0)
    assert attempt(eager, "t", lambda: publish(job), clock=lambda: next(times)) == Ended(Outcome.FINISHED)


def test_a_trial_trains_what_its_owner_released(job: GenerationJob) -> None:
    claim = Store(job.store).claim(job.generation.id)
    assert claim.acquire()
    looks: list[None] = []

    def clock() -> float:
        looks.append(None)
        if len(looks) == 3:
            claim.release()
        return 0.0

    assert attempt(job, "t", lambda: publish(job), clock=clock) == Ended(Outcome.FINISHED)


def test_what_is_finished_while_a_trial_waits_is_reused(job: GenerationJob) -> None:
    looks: list[None] = []

    def clock() -> float:
        looks.append(None)
        if len(looks) == 3:
            publish(job)
        return 0.0

    with Store(job.store).claim(job.generation.id) as claim:
        assert claim.acquire()
        assert attempt(job, "t", never, clock=clock) == Ended(Outcome.REUSED)


@pytest.mark.parametrize(("policy", "attempts"), [({}, 3), ({"attempts_per_epoch": 1}, 1)])
def test_a_trial_that_dies_in_one_epoch_again_and_again_gives_up(
    job: GenerationJob, policy: dict[str, float], attempts: int
) -> None:
    job = with_retries(job, **policy)
    for _ in range(attempts):
        with pytest.raises(Killed):
            attempt(job, "t", raising(Killed()))
    ended = attempt(job, "t", never)
    assert ended.outcome is Outcome.FAILED
    assert "its process died again and again" in ended.reason
    Store(job.store).save_progress(job.generation.id, Progress(1, b"", ()))
    with pytest.raises(Killed):  # it has saved an epoch
        attempt(job, "t", raising(Killed()))


def test_another_trial_has_attempts_of_its_own(job: GenerationJob) -> None:
    job = with_retries(job, attempts_per_epoch=1)
    for trial in ("t1", "t2"):
        with pytest.raises(Killed):
            attempt(job, trial, raising(Killed()))


# Its worker groups


def lost(kind: type[WorkersLostError | ControllerLostError], cause: str = "gone") -> Exception:
    return kind(TrainingError(cause) if kind is WorkersLostError else ClusterError(cause))


def groups(endings: Iterable[tuple[int, Exception | None]], controller_restarts: int = 1) -> int:
    """How many groups were started of those that each save so many epochs and end so; all of them have to be."""
    runs, epochs, started = iter(endings), [0], [0]

    def train_group() -> None:
        saved, error = next(runs)
        epochs[0] += saved
        if error is not None:
            raise error

    def on_start() -> None:
        started[0] += 1

    train_in_groups(
        train_group, epochs_done=lambda: epochs[0], on_start=on_start, controller_restarts=controller_restarts
    )
    assert list(runs) == [], "it ended before the last group"
    return started[0]


def test_a_group_that_comes_to_its_end_is_the_last() -> None:
    assert groups([(0, None)]) == 1


def test_groups_follow_each_other_as_long_as_each_one_saves_an_epoch() -> None:
    assert groups([*[(1, lost(WorkersLostError)) for _ in range(5)], (1, None)]) == 6


def test_a_group_that_loses_its_workers_without_an_epoch_is_the_last() -> None:
    with pytest.raises(TrainingError, match="the second"):
        groups([(1, lost(WorkersLostError, "the first")), (0, lost(WorkersLostError, "the second")), (0, None)])


@pytest.mark.parametrize("restarts", [0, 1, 2])
def test_a_lost_controller_is_replaced_as_often_as_the_policy_says(restarts: int) -> None:
    endings = [(0, lost(ControllerLostError)) for _ in range(restarts)]
    assert groups([*endings, (0, None)], restarts) == restarts + 1
    with pytest.raises(ClusterError, match="the last"):
        groups([*endings, (0, lost(ControllerLostError, "the last")), (0, None)], restarts)


def test_a_lost_controller_is_replaced_anew_after_each_epoch() -> None:
    controller = lost(ControllerLostError)
    assert groups([(0, controller), (1, controller), (0, controller), (0, None)]) == 4
    assert groups([(1, controller), (1, controller), (0, None)], controller_restarts=0) == 3


@pytest.mark.parametrize("error", [DivergedError(1, 1, float("inf")), TrainingError("no memory"), ValueError("x")])
def test_any_other_error_ends_it_at_once_whatever_was_saved(error: Exception) -> None:
    with pytest.raises(type(error)) as raised:
        groups([(1, error), (1, None)])
    assert raised.value is error
