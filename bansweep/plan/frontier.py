"""Which generation may start next, as teachers finish and fail. Knows no clock, no store and no cluster."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from bansweep.plan.plan import Plan


class Frontier:
    """The part of a plan that is neither finished nor hopeless.

    Ready generations are handed out longest chain of descendants first, so that the sweep's critical path never waits
    behind a leaf. Every operation costs O(log n) for each generation that it touches.
    """

    def __init__(self, plan: Plan, finished: Iterable[str] = (), not_needed: Iterable[str] = ()) -> None:
        self._generations = plan.generations
        self._order = {generation_id: position for position, generation_id in enumerate(plan.generations)}
        self._students: dict[str, list[str]] = {generation_id: [] for generation_id in plan.generations}
        for generation_id, generation in plan.generations.items():
            if generation.teacher is not None:
                self._students[generation.teacher].append(generation_id)
        self._height = chain_lengths(plan)
        self._finished = set(finished)
        self._blocked: set[str] = set()
        self._dropped = set(not_needed)
        self._ready: list[tuple[int, int, str]] = []
        for generation_id in plan.generations:
            self._offer(generation_id)

    def take(self) -> str | None:
        """The next generation to train; None where none is ready. It is handed out once, however its training ends."""
        if not self._ready:
            return None
        _, _, generation_id = heapq.heappop(self._ready)
        return generation_id

    def finish(self, generation_id: str) -> None:
        """A generation that was taken is in the store: its students become ready."""
        assert generation_id not in self._finished, f"{generation_id} is finished twice"
        self._finished.add(generation_id)
        for student_id in self._students[generation_id]:
            self._offer(student_id)

    def fail(self, generation_id: str) -> tuple[str, ...]:
        """A generation that was taken failed; returns its descendants, which are blocked by it now."""
        newly_blocked: list[str] = []
        stack = [generation_id]
        while stack:
            for student_id in self._students[stack.pop()]:
                if not any(student_id in told for told in (self._finished, self._blocked, self._dropped)):
                    self._blocked.add(student_id)
                    newly_blocked.append(student_id)
                    stack.append(student_id)
        return tuple(sorted(newly_blocked, key=self._order.__getitem__))

    def drop(self, generation_ids: Iterable[str]) -> None:
        """These are not needed any more, and neither running nor ready."""
        self._dropped.update(generation_ids)

    @property
    def ready(self) -> int:
        """How many generations could start now."""
        return len(self._ready)

    def _offer(self, generation_id: str) -> None:
        teacher = self._generations[generation_id].teacher
        wanted = generation_id not in self._finished and generation_id not in self._dropped
        if wanted and (teacher is None or teacher in self._finished):
            heapq.heappush(self._ready, (-self._height[generation_id], self._order[generation_id], generation_id))


def chain_lengths(plan: Plan) -> dict[str, int]:
    """For each generation the number of generations on the longest chain that begins with it."""
    lengths = dict.fromkeys(plan.generations, 1)
    for generation_id, generation in reversed(list(plan.generations.items())):
        if generation.teacher is not None:
            lengths[generation.teacher] = max(lengths[generation.teacher], lengths[generation_id] + 1)
    return lengths
