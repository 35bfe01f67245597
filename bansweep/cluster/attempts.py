"""The attempts of a trial and of its worker groups: when to begin, and when to retry. Knows no Ray."""

from __future__ import annotations

import time
from collections.abc import Callable

from bansweep.cluster.job import GenerationJob
from bansweep.errors import BansweepError, DivergedError, TrainingError
from bansweep.scheduling.messages import LOST, Ended, Outcome
from bansweep.store.store import Store


class GroupLostError(Exception):
    """A worker group ended before its training did; `cause` is what to report if no other group follows."""

    def __init__(self, cause: BansweepError) -> None:
        super().__init__(str(cause))
        self.cause = cause


class WorkersLostError(GroupLostError):
    """Its workers failed or died more often than they may be restarted."""


class ControllerLostError(GroupLostError):
    """The process that watches its workers died."""


def attempt(
    job: GenerationJob, trial: str, train: Callable[[], None], *, clock: Callable[[], float] = time.monotonic
) -> Ended:
    """Claim a job's generation, train it unless another process has, and return how that ended.

    `trial` is the same in all attempts of a trial. Side effects: the claim and the count of attempts, in the store, and
    those of `train`. Errors become an outcome: Tune would retry an exception as if the process had died.
    """
    store, generation_id = Store(job.store), job.generation.id
    waiting_since = clock()

    def is_finished() -> bool:
        return bool(store.finished([generation_id]))

    def is_superseded() -> bool:
        decided = job.decides is not None and job.teachers is not None and Store(job.teachers).finished([job.decides])
        return is_finished() or bool(decided)

    def has_waited() -> bool:
        return clock() - waiting_since > job.retries.lease_wait_s

    try:
        with store.claim(generation_id) as claim:
            if not claim.acquire(until=is_superseded, give_up=has_waited):
                # Either another process finished it, or it still trains and we hold a slot that its owner may need.
                return Ended(Outcome.REUSED if is_superseded() else Outcome.CLAIMED)
            if store.begin_attempt(generation_id, trial) > job.retries.attempts_per_epoch:
                raise TrainingError(LOST)
            train()
    except DivergedError as error:
        return Ended(Outcome.DIVERGED, str(error))
    except BansweepError as error:
        return Ended(Outcome.FAILED, str(error))
    except Exception as error:
        return Ended(Outcome.FAILED, f"{type(error).__name__}: {error}")
    return Ended(Outcome.FINISHED if is_finished() else Outcome.STOPPED)


def train_in_groups(
    train_group: Callable[[], None],
    *,
    epochs_done: Callable[[], int],
    on_start: Callable[[], None],
    controller_restarts: int,
) -> None:
    """Train with one worker group after another until one finishes.

    `train_group` runs one and raises GroupLostError if it is lost: another follows if it saved an epoch, or if its
    controller was lost and `controller_restarts` are left. Else its cause is raised, as is any other error of
    `train_group`, at once. `epochs_done` counts those in the store. `on_start` is called before each group: the driver
    then frees what a lost one has left.
    """
    restarts_left = controller_restarts
    while True:
        epochs_before = epochs_done()
        on_start()
        try:
            train_group()
        except WorkersLostError as lost:
            if epochs_done() == epochs_before:
                raise lost.cause from lost
        except ControllerLostError as lost:
            if epochs_done() > epochs_before:
                restarts_left = controller_restarts
            elif restarts_left:
                restarts_left -= 1
            else:
                raise lost.cause from lost
        else:
            return
