"""What errors of Ray Train mean for a group of workers. Ray's own exceptions; Ray is not started."""

from __future__ import annotations

import pytest
import ray.exceptions
import ray.train

from bansweep.cluster.attempts import ControllerLostError, WorkersLostError
from bansweep.cluster.worker_group import group_error
from bansweep.errors import BansweepError, ClusterError, OutOfMemoryError, StoreError, TrainingError


def failed_workers(*errors: Exception) -> Exception:
    return ray.train.WorkerGroupError("failed", dict(enumerate(errors)))


@pytest.mark.parametrize("restarts", [0, 2])
def test_workers_that_died_are_lost_and_their_attempts_counted(restarts: int) -> None:
    lost = group_error(failed_workers(RuntimeError("the node is gone")), restarts)
    assert isinstance(lost, WorkersLostError)
    assert type(lost.cause) is TrainingError
    assert str(lost.cause) == f"a worker failed {restarts + 1} times: RuntimeError: the node is gone"


def test_a_group_without_workers_errors_is_lost_too() -> None:
    lost = group_error(failed_workers(), 2)
    assert isinstance(lost, WorkersLostError)
    assert "WorkerGroupError" in str(lost.cause)


def test_a_training_error_of_ours_may_not_come_again_and_keeps_its_words() -> None:
    ours = OutOfMemoryError("no memory", remedy="more workers")
    lost = group_error(failed_workers(RuntimeError("its neighbour was stopped"), ours), 2)
    assert isinstance(lost, WorkersLostError)
    assert lost.cause is ours


@pytest.mark.parametrize("ours", [ClusterError("no such GPU"), StoreError("read-only")])
def test_any_other_error_of_ours_would_come_again(ours: BansweepError) -> None:
    assert group_error(failed_workers(RuntimeError("stopped"), ours), 2) is ours


@pytest.mark.parametrize(
    "error", [ray.exceptions.ActorDiedError(), ray.train.ControllerError(ValueError("a  bug\nhere"))]
)
def test_a_controller_that_died_is_lost(error: Exception) -> None:
    lost = group_error(error, 2)
    assert isinstance(lost, ControllerLostError)
    assert isinstance(lost.cause, ClusterError)
    assert lost.cause.cause.startswith("Ray Train gave up: ")
    assert "\n" not in lost.cause.cause


@pytest.mark.parametrize("ours", [ClusterError("no such GPU"), OutOfMemoryError("no memory")])
def test_an_error_of_ours_in_the_controller_is_told_at_once(ours: BansweepError) -> None:
    assert group_error(ray.train.ControllerError(ours), 2) is ours
