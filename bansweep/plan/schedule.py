"""What may be trained next: generations as their teachers finish, candidates of those that are searched, and no more
of a chain than it needs. Knows no clock, no store and no cluster."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from bansweep.plan.candidates import Candidate
from bansweep.plan.frontier import Frontier, chain_lengths
from bansweep.plan.generation import Generation
from bansweep.plan.generation_search import GenerationSearch
from bansweep.plan.needs import Needs
from bansweep.plan.plan import Plan

Metrics = Mapping[str, float]
"""A finished generation's final figures, by name."""


@dataclass(frozen=True)
class Task:
    """One training: a generation, or where it is searched one of its candidates."""

    generation_id: str
    candidate: Candidate | None = None

    @property
    def id(self) -> str:
        """Under which its progress is kept. Two searches may have the same candidate."""
        return self.generation_id if self.candidate is None else self.candidate.id

    @property
    def key(self) -> str:
        """No other task of a sweep has the same."""
        return f"{self.generation_id}/{self.id}"


class Schedule:
    """The trainings of a plan, longest chain of descendants first.

    `finished` are the generations that the store holds; `metrics_of` tells a finished one's figures, and is asked where
    a chain's end depends on them. `open_search` begins the search of a generation whose teacher is finished.
    """

    def __init__(
        self,
        plan: Plan,
        finished: Collection[str],
        *,
        metrics_of: Callable[[str], Metrics],
        open_search: Callable[[Generation], GenerationSearch],
    ) -> None:
        self._plan = plan
        self._metrics_of = metrics_of
        self._open_search = open_search
        self._heights = chain_lengths(plan)
        self._searches: dict[str, GenerationSearch] = {}
        self._again: list[Task] = []
        self._needs = Needs(plan)
        self._not_needed: dict[str, str] = {}
        for generation_id in finished:
            self._leave_out_after(generation_id)
        self._frontier = Frontier(plan, finished, self._not_needed)

    def take(self) -> Task | None:
        """The next training; None where nothing can start at present."""
        if self._again:
            return self._again.pop()
        # A search that is under way comes first: its generation is nearer to its end than one that has not begun.
        for generation_id in sorted(self._searches, key=lambda one: -self._heights[one]):
            candidate = self._searches[generation_id].take()
            if candidate is not None:
                return Task(generation_id, candidate)
        while (ready := self._frontier.take()) is not None:
            generation = self._plan.generations[ready]
            if generation.search is None:
                return Task(ready)
            search = self._searches[ready] = self._open_search(generation)
            candidate = search.take()
            if candidate is not None:
                return Task(ready, candidate)
        return None

    @property
    def searches(self) -> Mapping[str, GenerationSearch]:
        """The searches that are under way, by their generations."""
        return self._searches

    @property
    def decided(self) -> list[str]:
        """The searched generations all of whose candidates are through: they can be published."""
        return [generation_id for generation_id, search in self._searches.items() if search.decided]

    def again(self, task: Task) -> None:
        """A training whose result was lost has to be done once more."""
        self._again.append(task)

    def finish(self, generation_id: str) -> dict[str, str]:
        """A generation is in the store: its students may start. Returns those that are not needed any more, because
        their chains have ended, with the last generation that counts."""
        self._forget_search(generation_id)
        left_out = self._leave_out_after(generation_id)
        self._frontier.drop(left_out)
        self._frontier.finish(generation_id)
        return left_out

    def fail(self, generation_id: str) -> tuple[str, ...]:
        """A generation failed; returns its descendants, which are blocked by it now."""
        self._forget_search(generation_id)
        return self._frontier.fail(generation_id)

    @property
    def exhausted(self) -> bool:
        """Nothing can start: where nothing runs, either, whatever is left never will, this time."""
        more_candidates = any(search.has_more() for search in self._searches.values())
        return not self._again and self._frontier.ready == 0 and not more_candidates

    @property
    def not_needed(self) -> dict[str, str]:
        """Generation -> the last one of the chain that ended before it."""
        return dict(self._not_needed)

    def _forget_search(self, generation_id: str) -> None:
        self._searches.pop(generation_id, None)
        self._again = [task for task in self._again if task.generation_id != generation_id]

    def _leave_out_after(self, generation_id: str) -> dict[str, str]:
        metrics = self._metrics_of(generation_id) if self._needs.depend_on(generation_id) else {}
        left_out = self._needs.finish(generation_id, metrics)
        self._not_needed |= left_out
        return left_out
