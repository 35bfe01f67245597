"""Trainings that other processes do just now: they wait here, where waiting holds no CPU and no GPU."""

from __future__ import annotations

from collections.abc import Callable

from bansweep.scheduling.schedule import Task
from bansweep.store.claims import Claim


class WaitingTasks:
    """Tasks that somebody else has claimed, until he finishes them or gives them up.

    `claim_of` makes the claim on what a task trains. Asked again and again, it also notices that an owner is silent.
    `tell` is called once for each task that has to wait, and hears who has it.
    """

    def __init__(self, claim_of: Callable[[Task], Claim], tell: Callable[[Task, str], None]) -> None:
        self._claim_of = claim_of
        self._tell = tell
        self._waiting: dict[str, tuple[Task, Claim]] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add_if_claimed(self, task: Task) -> bool:
        """Whether somebody else has it, in which case it waits here from now on."""
        claim = self._claim_of(task)
        if not claim.is_taken():
            return False
        self._waiting[task.key] = task, claim
        self._tell(task, claim.owner)
        return True

    def take(self) -> Task | None:
        """One that nobody has any more."""
        for key, (task, claim) in self._waiting.items():
            if not claim.is_taken():
                del self._waiting[key]
                return task
        return None

    def drop(self, generation_id: str) -> None:
        """Those of a generation are not wanted any more."""
        self._waiting = {key: one for key, one in self._waiting.items() if one[0].generation_id != generation_id}
