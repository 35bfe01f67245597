"""Which trainings may start next: ready generations, candidates of searches, and nothing that chains end.

A generation is ready once its teacher is finished. Generations after the end of a chain are dropped unless something
else needs them. Knows no clock, no store and no cluster.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from bansweep.graph.candidates import Candidate
from bansweep.graph.chains import ChainEnd, chain_end
from bansweep.graph.generation import Generation
from bansweep.graph.plan import Plan
from bansweep.scheduling.generation_search import GenerationSearch

Metrics = Mapping[str, float]
"""A finished generation's final metrics, by name."""


@dataclass(frozen=True)
class Task:
    """One training: of a generation, or of a candidate of a searched one."""

    generation_id: str
    candidate: Candidate | None = None

    @property
    def id(self) -> str:
        """The id under which its progress is stored. Two searches may have the same candidate."""
        return self.generation_id if self.candidate is None else self.candidate.id

    @property
    def key(self) -> str:
        """Unique among the tasks of a sweep."""
        return f"{self.generation_id}/{self.id}"


class Schedule:
    """The trainings of a plan, longest chain of descendants first.

    `finished` are the generations that the store holds; `metrics_of` returns a finished one's metrics; it is called
    only if a chain's end depends on them. `open_search` begins the search of a generation whose teacher is finished.
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
        self._requeued: list[Task] = []
        self._needed = NeededGenerations(plan)
        self._not_needed: dict[str, str] = {}
        for generation_id in finished:
            self._drop_after(generation_id)
        self._ready = ReadyGenerations(plan, finished, self._not_needed)

    def take(self) -> Task | None:
        """The next training; None if nothing can start at present."""
        if self._requeued:
            return self._requeued.pop()
        # Running searches come first: their generations are nearer to their end than those that have not begun.
        for generation_id in sorted(self._searches, key=lambda one: -self._heights[one]):
            candidate = self._searches[generation_id].take()
            if candidate is not None:
                return Task(generation_id, candidate)
        while (ready := self._ready.take()) is not None:
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
        """The running searches, by their generations."""
        return self._searches

    @property
    def decided(self) -> list[str]:
        """The searched generations whose search is decided: they can be published."""
        return [generation_id for generation_id, search in self._searches.items() if search.decided]

    def requeue(self, task: Task) -> None:
        """Hand a task out once more: its training was interrupted, or its result is lost."""
        self._requeued.append(task)

    def finish(self, generation_id: str) -> dict[str, str]:
        """A generation is in the store: its students may start. Returns the generations that are no longer needed
        because their chains have ended, each with the last generation that counts."""
        self._forget_search(generation_id)
        dropped = self._drop_after(generation_id)
        self._ready.drop(dropped)
        self._ready.finish(generation_id)
        return dropped

    def fail(self, generation_id: str) -> tuple[str, ...]:
        """A generation failed; returns its descendants, which it blocks."""
        self._forget_search(generation_id)
        return self._ready.fail(generation_id)

    @property
    def exhausted(self) -> bool:
        """Whether nothing can start. If nothing runs, either, the rest will not start in this run."""
        more_candidates = any(search.has_more() for search in self._searches.values())
        return not self._requeued and self._ready.ready == 0 and not more_candidates

    @property
    def not_needed(self) -> dict[str, str]:
        """Generation -> the last one of the chain that ended before it."""
        return dict(self._not_needed)

    def _forget_search(self, generation_id: str) -> None:
        self._searches.pop(generation_id, None)
        self._requeued = [task for task in self._requeued if task.generation_id != generation_id]

    def _drop_after(self, generation_id: str) -> dict[str, str]:
        metrics = self._metrics_of(generation_id) if self._needed.depend_on(generation_id) else {}
        dropped = self._needed.finish(generation_id, metrics)
        self._not_needed |= dropped
        return dropped


class ReadyGenerations:
    """The generations of a plan that can start: their teachers are finished, and they are not.

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
            self._push_if_ready(generation_id)

    def take(self) -> str | None:
        """The next generation to train; None if none is ready. Each is handed out once, however its training ends."""
        if not self._ready:
            return None
        _, _, generation_id = heapq.heappop(self._ready)
        return generation_id

    def finish(self, generation_id: str) -> None:
        """A generation that was taken is in the store: its students become ready."""
        assert generation_id not in self._finished, f"{generation_id} is finished twice"
        self._finished.add(generation_id)
        for student_id in self._students[generation_id]:
            self._push_if_ready(student_id)

    def fail(self, generation_id: str) -> tuple[str, ...]:
        """A generation that was taken failed; returns its descendants, which it blocks."""
        newly_blocked: list[str] = []
        stack = [generation_id]
        while stack:
            for student_id in self._students[stack.pop()]:
                if not any(student_id in known for known in (self._finished, self._blocked, self._dropped)):
                    self._blocked.add(student_id)
                    newly_blocked.append(student_id)
                    stack.append(student_id)
        return tuple(sorted(newly_blocked, key=self._order.__getitem__))

    def drop(self, generation_ids: Iterable[str]) -> None:
        """These are no longer needed, and neither running nor ready."""
        self._dropped.update(generation_ids)

    @property
    def ready(self) -> int:
        """How many generations could start now."""
        return len(self._ready)

    def _push_if_ready(self, generation_id: str) -> None:
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


class NeededGenerations:
    """Counts what needs each generation: cells and ensembles that show it, and students that it teaches.

    At any time, the generations that are not needed are those that `chains.without_ended` drops.
    """

    def __init__(self, plan: Plan) -> None:
        self._generations = plan.generations
        self._needed_by = Counter(cell.generation_id for cell in plan.cells)
        self._needed_by.update(member for ensemble in plan.ensembles for member in ensemble.members)
        self._needed_by.update(one.teacher for one in plan.generations.values() if one.teacher is not None)
        self._ensembles = {(one.row, one.replica_seed, one.column): one for one in plan.ensembles}
        self._open_chains = {number: chain for number, chain in enumerate(plan.chains) if chain.stop is not None}
        self._chains_of: dict[str, list[int]] = {}
        for number, chain in self._open_chains.items():
            for generation_id in (chain.teacher, *chain.members):
                self._chains_of.setdefault(generation_id, []).append(number)
        self._metrics: dict[str, Mapping[str, float]] = {}

    def depend_on(self, generation_id: str) -> bool:
        """Whether the end of a chain depends on a generation's metrics. Those of others are not read."""
        return generation_id in self._chains_of

    def finish(self, generation_id: str, metrics: Mapping[str, float]) -> dict[str, str]:
        """A generation is finished, with these metrics. Returns the generations that they make unnecessary, teachers
        first, each with the last generation that counts in its chain."""
        dropped: dict[str, str] = {}
        if self.depend_on(generation_id):
            self._metrics[generation_id] = metrics
        for number in self._chains_of.get(generation_id, ()):
            chain = self._open_chains.get(number)
            if chain is not None and (end := chain_end(chain, self._metrics)) is not None:
                del self._open_chains[number]
                dropped |= self._without(end)
        return dropped

    def _without(self, end: ChainEnd) -> dict[str, str]:
        chain = end.chain
        kept, after = chain.members[: end.length], chain.members[end.length :]
        # A part of a plan (`--only`) may have neither the last cells of a chain nor its ensemble.
        released = [member for member in after if member in self._generations]
        ensemble = self._ensembles.get((chain.row, chain.replica_seed, str(chain.ensemble)))
        if ensemble is not None:
            released += [member for member in ensemble.members if member not in kept]
        dropped = self._release(released)
        return dict.fromkeys(reversed(dropped), end.last)

    def _release(self, generation_ids: Iterable[str]) -> list[str]:
        """Lower the count of each by one; returns those that nothing needs now, students before their teachers."""
        dropped: list[str] = []
        waiting = list(generation_ids)
        while waiting:
            generation_id = waiting.pop()
            self._needed_by[generation_id] -= 1
            if not self._needed_by[generation_id]:
                dropped.append(generation_id)
                teacher = self._generations[generation_id].teacher
                if teacher is not None:
                    waiting.append(teacher)
        return dropped
