"""The trainings of a sweep that run, and the requests to stop them, which go through the store."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from bansweep.errors import StoreError
from bansweep.scheduling.schedule import Task
from bansweep.store.store import Store

_log = logging.getLogger(__name__)


class Trainings:
    """The running tasks of a sweep whose results are in `store`: those that wait for their devices, and those that
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
        """A task is handed out. Side effect: former requests to stop it are withdrawn."""
        with logged_store_errors():
            self.store_of(task).withdraw_stop(task.id)
        self._running[task.key] = task

    def begin(self, task: Task) -> None:
        """A task trains from now on."""
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
        """Ask those that train to stop, each once."""
        for key in self._training - self._stopping:
            self._stopping.add(key)
            self.ask_to_stop(self._running[key])

    def ask_to_stop(self, task: Task) -> None:
        with logged_store_errors():
            self.store_of(task).ask_to_stop(task.id)

    def store_of(self, task: Task) -> Store:
        """Where a task's progress and result are kept."""
        return self._store if task.candidate is None else self._store.candidates


@contextmanager
def logged_store_errors() -> Iterator[None]:
    """For steps that may fail without harm: the process that depends on one finds out, and reports it."""
    try:
        yield
    except StoreError as error:
        _log.warning("%s", error.cause)
