"""A sweep as a Ray Tune searcher, which suggests what may be trained next. Runs in the driver, in Tune's loop."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, assert_never

from ray.tune import Callback
from ray.tune.search import Searcher

from bansweep.cluster.allocation import remove_placement_group
from bansweep.scheduling.conductor import Conductor
from bansweep.scheduling.messages import (
    LOST,
    Displaced,
    Ended,
    EpochDone,
    Outcome,
    Placed,
    Started,
    Uncompiled,
    messages_in,
)
from bansweep.scheduling.schedule import Task

# If nothing can start, the conductor is asked again after this duration, or after an event.
_PAUSE_S = 1.0


class SweepSearcher(Searcher):
    """Hands the conductor's tasks to trials, and the messages of trials to the conductor.

    `capacity` returns how many trials may run at a time. A trial that ends without an `Ended` has lost its process.
    """

    def __init__(
        self,
        conductor: Conductor,
        configuration: Callable[[Task], dict[str, Any]],
        capacity: Callable[[], int],
        remove: Callable[[str], None] = remove_placement_group,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._conductor = conductor
        self._configuration = configuration
        self._capacity = capacity
        self._remove_placement_group = remove
        self._clock = clock
        self._idle_until = float("-inf")
        self._placement_group_of: dict[str, str] = {}
        self._task_of: dict[str, Task] = {}
        self._ended_of: dict[str, Ended] = {}

    def suggest(self, trial_id: str) -> Any:
        """A trial's configuration; None: ask again later; FINISHED: there will be no more."""
        if len(self._task_of) >= self._capacity() or self._clock() < self._idle_until:
            return None
        task = self._conductor.next()
        if task is not None:
            self._task_of[trial_id] = task
            return self._configuration(task)
        # Each question reads the store, and Tune asks ten times a second.
        self._idle_until = self._clock() + _PAUSE_S
        # After None, Tune asks again, forever: not the answer if nothing runs that could change it.
        return Searcher.FINISHED if self._conductor.done else None

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        self._idle_until = float("-inf")
        task = self._task_of.get(trial_id)
        if task is None:
            return
        for message in messages_in(result):
            match message:
                case Started():
                    self._displaced(trial_id, task)
                case Placed(group):
                    self._placement_group_of[trial_id] = group
                case Ended():
                    self._ended_of[trial_id] = message  # for the conductor once the trial has freed its place
                    continue
                case Displaced() | Uncompiled() | EpochDone():
                    pass
                case _:
                    assert_never(message)
            self._conductor.handle(task, message)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        self._idle_until = float("-inf")
        if result is not None and not error:
            # A trial's last report arrives only here.
            self.on_trial_result(trial_id, result)
        task = self._task_of.pop(trial_id, None)
        if task is None:
            return  # Tune calls twice after an error in between
        if error:
            self._displaced(trial_id, task)
        self._conductor.handle(task, self._ended_of.pop(trial_id, Ended(Outcome.FAILED, LOST)))

    def on_trial_lost(self, trial_id: str) -> None:
        """A trial's process is gone; Tune will start another once the cluster has a free slot."""
        if (task := self._task_of.get(trial_id)) is not None:
            self._displaced(trial_id, task)

    def on_step(self) -> None:
        """To be called in every iteration of Tune's loop, also while all trials are busy."""
        self._conductor.tick()

    def _displaced(self, trial_id: str, task: Task) -> None:
        """Free what a former attempt of a trial may have left when its processes died."""
        self._conductor.handle(task, Displaced())
        if group := self._placement_group_of.pop(trial_id, ""):
            self._remove_placement_group(group)

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles its whole configuration, for a restore that is never used: a sweep resumes from the store.
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Nothing: see `__getstate__`."""

    def restore(self, checkpoint_path: str) -> None:
        raise NotImplementedError("a sweep resumes from the store, with a new searcher")


class TuneLoop(Callback):
    """Passes on to the searcher the events that Tune reports to callbacks only.

    `check` is called in every iteration of Tune's loop, and ends the loop by raising an exception.
    """

    def __init__(self, searcher: SweepSearcher, check: Callable[[], None]) -> None:
        self._searcher = searcher
        self._check = check

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:  # noqa: ARG002
        self._check()
        self._searcher.on_step()

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:  # noqa: ARG002
        self._searcher.on_trial_lost(trial.trial_id)

    def __getstate__(self) -> dict[str, Any]:
        # See `SweepSearcher.__getstate__`.
        return {}
