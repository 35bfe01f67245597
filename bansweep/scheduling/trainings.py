"""The trainings of a sweep: those that run, requests to stop them, and those that other processes have claimed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bansweep.errors import StoreError
from bansweep.scheduling.schedule import Task
from bansweep.store.claims import Claim
from bansweep.store.store import Store

_log = logging.getLogger(__name__)


class Trainings:
    """The running tasks of a sweep whose results go to `store`: those that wait for their devices, and those that
    train."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._running: dict[str, Task] = {}
        self._training: set[str] = set()
        self._stopping: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._running)

    def __contains__(self, task: Task) -> bool:
        return task.key in self._running

    def __iter__(self) -> Iterator[Task]:
        return iter(self._running.values())

    def add(self, task: Task) -> None:
        """A task is handed out. Side effect: withdraws earlier requests to stop it."""
        with logged_store_errors():
            self.store_of(task).withdraw_stop(task.id)
        self._running[task.key] = task

    def begin(self, task: Task) -> None:
        """A task has started to train."""
        self._training.add(task.key)

    def remove(self, task: Task) -> bool:
        """A task has ended; returns whether `stop_all` had asked it to."""
        self._running.pop(task.key, None)
        self._training.discard(task.key)
        stopping = task.key in self._stopping
        self._stopping.discard(task.key)
        return stopping

    def of(self, generation_id: str) -> list[Task]:
        """The running tasks of a generation: itself, or its candidates."""
        return [task for task in self if task.generation_id == generation_id]

    def stop_all(self) -> None:
        """Ask the tasks that train to stop, each once."""
        for key in self._training - self._stopping:
            self._stopping.add(key)
            self.ask_to_stop(self._running[key])

    def ask_to_stop(self, task: Task) -> None:
        with logged_store_errors():
            self.store_of(task).ask_to_stop(task.id)

    def store_of(self, task: Task) -> Store:
        """The store of a task's progress and result."""
        return self._store if task.candidate is None else self._store.candidates


class WaitingTasks:
    """Tasks that other processes have claimed, until these finish or release them. Waiting holds no CPU and no GPU.

    `claim_of` makes the claim for a task: checked repeatedly, it also detects an owner that sends no more heartbeats.
    `announce` is called once for each task that waits, with the claim's owner.
    """

    def __init__(self, claim_of: Callable[[Task], Claim], announce: Callable[[Task, str], None]) -> None:
        self._claim_of = claim_of
        self._announce = announce
        self._waiting: dict[str, tuple[Task, Claim]] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add_if_claimed(self, task: Task) -> bool:
        """Add a task if another process has claimed it; returns whether it has."""
        claim = self._claim_of(task)
        if not claim.is_taken():
            return False
        self._waiting[task.key] = task, claim
        self._announce(task, claim.owner)
        return True

    def take(self) -> Task | None:
        """A task that is no longer claimed."""
        for key, (task, claim) in self._waiting.items():
            if not claim.is_taken():
                del self._waiting[key]
                return task
        return None

    def drop(self, generation_id: str) -> None:
        """Drop the tasks of a generation."""
        self._waiting = {key: one for key, one in self._waiting.items() if one[0].generation_id != generation_id}


@contextmanager
def logged_store_errors() -> Iterator[None]:
    """Log store errors of steps that may fail without harm: a process that depends on one reports its failure."""
    try:
        yield
    except StoreError as error:
        _log.warning("%s", error.cause)
