"""What a sweep does next, and what follows from what its trainings report. Runs in the driver; knows no Ray."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Container, Mapping

from bansweep.cluster.decision import publish_winner
from bansweep.errors import BansweepError, DamagedError
from bansweep.plan.candidates import Candidate, Sampler
from bansweep.plan.events import (
    CandidateEnded,
    CandidateEpochFinished,
    CandidateStarted,
    EpochFinished,
    EpochReport,
    GenerationBlocked,
    GenerationFailed,
    GenerationFinished,
    GenerationNotNeeded,
    GenerationStarted,
    GenerationStopped,
    SweepEvent,
)
from bansweep.plan.generation import Generation
from bansweep.plan.generation_search import GenerationSearch
from bansweep.plan.plan import Plan
from bansweep.plan.schedule import Schedule, Task
from bansweep.plan.spending import Spending
from bansweep.store.store import Store

_SAVE_INTERVAL_S = 5.0


class Conductor:
    """Takes a plan to its end, or to that of its budget.

    `sampler_of` makes a searched generation's sampler; `keep_all` are the ids of generations all of whose candidates
    keep their weights; `devices` is what a training holds; `stop_at_limit` stops those that run when the budget is
    spent. `save_spending` is called now and then with the hours spent so far, by generation.
    """

    def __init__(
        self,
        plan: Plan,
        store: Store,
        *,
        sampler_of: Callable[[Generation], Sampler],
        emit: Callable[[SweepEvent], None],
        spending: Spending,
        save_spending: Callable[[Mapping[str, float]], None] = lambda _: None,
        keep_all: frozenset[str] = frozenset(),
        devices: float = 1.0,
        stop_at_limit: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._plan = plan
        self._store = store
        self._sampler_of = sampler_of
        self._emit = emit
        self._spending = spending
        self._save_spending = save_spending
        self._keep_all = keep_all
        self._devices = devices
        self._stop_at_limit = stop_at_limit
        self._clock = clock
        self._running: dict[str, Task] = {}
        self._started: set[str] = set()
        self._published: set[str] = set()
        self._saved_at = clock()
        finished = {one: _metrics(store, one) for one in store.finished(plan.generations)}
        self._schedule = Schedule(plan, finished, self._open_search)
        for generation_id in self._schedule.not_needed.keys() - finished.keys():
            emit(GenerationNotNeeded(generation_id, self._schedule.not_needed[generation_id]))

    # What to do next

    def next(self) -> Task | None:
        """The next training; None where nothing can start now."""
        self._count_spending()
        if self._spending.exhausted:
            return None
        task = self._schedule.take()
        while self._publish_decided():
            task = task or self._schedule.take()
        if task is not None:
            self._store_of(task).withdraw_stop(task.id)
            self._running[task.id] = task
        return task

    @property
    def done(self) -> bool:
        """Whether nothing runs and nothing more will start."""
        return not self._running and (self._schedule.exhausted or self._spending.exhausted)

    # What happened

    def started(self, task: Task, epochs_done: int) -> None:
        """A training begins, or goes on."""
        self._spending.begin(task.id, task.generation_id, devices=self._devices, now=self._clock())
        if task.candidate is None:
            self._emit(GenerationStarted(task.generation_id, epochs_done))
            return
        if task.generation_id not in self._started:
            self._started.add(task.generation_id)
            self._emit(GenerationStarted(task.generation_id))
        self._emit(CandidateStarted(task.generation_id, task.candidate, epochs_done))
        self._save_search(task.generation_id)

    def epoch(self, task: Task, report: EpochReport) -> None:
        """A training has finished an epoch, and saved it."""
        if task.candidate is None:
            self._emit(EpochFinished(task.generation_id, report))
        else:
            if (search := self._search(task)) is not None:
                search.hear(task.candidate.number, report)
                self._stop_given_up(search)
            self._emit(CandidateEpochFinished(task.generation_id, task.candidate, report))
        self._count_spending()

    def ended(self, task: Task, outcome: str, reason: str = "", *, diverged: bool = False) -> None:
        """A training runs no longer: `finished`, `reused`, `stopped`, or `failed` for a `reason`."""
        self._running.pop(task.id, None)
        self._schedule.end()
        self._spending.end(task.id, self._clock())
        self._save()
        if outcome in ("finished", "reused"):
            self._store_of(task).clear_progress(task.id)  # it may have been asked to stop in its last moment
        if task.candidate is None:
            self._generation_ended(task.generation_id, outcome, reason)
        elif (search := self._search(task)) is not None:
            self._candidate_ended(task, task.candidate, search, outcome, reason, diverged=diverged)
        else:
            self._straggler_ended(task, task.candidate)
        self._publish_decided()

    def _generation_ended(self, generation_id: str, outcome: str, reason: str) -> None:
        if outcome == "failed":
            self._fail(generation_id, reason)
        elif outcome == "stopped":
            self._schedule.stop(generation_id)
            self._emit(GenerationStopped(generation_id))
        else:
            self._finish(generation_id, reused=outcome == "reused")

    def _candidate_ended(
        self, task: Task, candidate: Candidate, search: GenerationSearch, outcome: str, reason: str, *, diverged: bool
    ) -> None:
        if outcome == "failed" and not diverged:
            # Not the candidate's fault: a search that is decided without it would be another one.
            self._emit(CandidateEnded(task.generation_id, candidate, "failed", reason))
            self._fail(task.generation_id, f"candidate {candidate.number + 1} could not be trained: {reason}")
            for other in [one for one in self._running.values() if one.generation_id == task.generation_id]:
                self._store.candidates.ask_to_stop(other.id)
            return
        if outcome in ("finished", "reused"):
            for report in self._store.candidates.history(candidate.id):
                search.hear(candidate.number, report)
        search.end(candidate.number, failure=reason if outcome == "failed" else None)
        self._stop_given_up(search)
        given_up = candidate in search.given_up
        if outcome == "stopped" and not given_up and not self._spending.exhausted:
            # Another sweep that has this candidate gave it up; this one does not.
            self._schedule.again(task)
            return
        told = "pruned" if given_up else "finished" if outcome == "reused" else outcome
        assert told in ("finished", "pruned", "failed", "stopped")
        self._emit(CandidateEnded(task.generation_id, candidate, told, reason))  # type: ignore[arg-type]  # see above
        self._save_search(task.generation_id)

    def _save_search(self, generation_id: str) -> None:
        counts: Counter[str] = Counter(self._schedule.searches[generation_id].outcomes)
        counts["running"] = sum(task.generation_id == generation_id for task in self._running.values())
        self._store.save_search_counts(generation_id, counts)

    def _straggler_ended(self, task: Task, candidate: Candidate) -> None:
        """A candidate that was given up, or whose generation failed, has heard of it at last."""
        published = task.generation_id in self._published
        self._emit(CandidateEnded(task.generation_id, candidate, "pruned" if published else "stopped"))
        if published and task.generation_id not in self._keep_all:
            self._store.candidates.remove(candidate.id)

    def _kept(self, search: GenerationSearch) -> Container[str]:
        """The candidates that keep their files when the search is decided: all, or those that still hear of it."""
        if search.generation.id in self._keep_all:
            return {result.candidate.id for result in search.results}
        return self._running

    def _stop_given_up(self, search: GenerationSearch) -> None:
        for candidate in search.given_up:
            if candidate.id in self._running:
                self._store.candidates.ask_to_stop(candidate.id)

    # The ends of generations

    def _publish_decided(self) -> bool:
        """Publish the searched generations that are decided; whether there were any."""
        decided = self._schedule.decided
        for generation_id in decided:
            search = self._schedule.searches[generation_id]
            winner = search.winner
            if winner is None:
                first = search.results[0]
                self._fail(generation_id, f"all {len(search.results)} candidates failed; the first: {first.reason}")
                continue
            try:
                record = publish_winner(
                    self._store,
                    search,
                    label=self._plan.label(generation_id),
                    keep=self._kept(search),
                )
            except BansweepError as error:
                self._fail(generation_id, str(error))
                continue
            if record is None:
                self._schedule.again(Task(generation_id, search.lose(winner.candidate.number)))
            else:
                self._published.add(generation_id)
                self._finish(generation_id, reused=False)
        return bool(decided)

    def _finish(self, generation_id: str, *, reused: bool) -> None:
        if self._plan.generations[generation_id].search is not None:
            self._store.clear_progress(generation_id)
        self._emit(GenerationFinished(generation_id, reused=reused))
        not_needed = self._schedule.finish(generation_id, _metrics(self._store, generation_id))
        for other, cause in not_needed.items():
            self._emit(GenerationNotNeeded(other, cause))

    def _fail(self, generation_id: str, reason: str) -> None:
        blocked = self._schedule.fail(generation_id)
        self._emit(GenerationFailed(generation_id, reason))
        for student_id in blocked:
            self._emit(GenerationBlocked(student_id, cause=generation_id))

    # Searches

    def _open_search(self, generation: Generation) -> GenerationSearch:
        return GenerationSearch(generation, self._sampler_of(generation), self._known)

    def _known(self, candidate: Candidate) -> tuple[tuple[EpochReport, ...], bool]:
        """What earlier runs of the sweep have left of a candidate: its epochs, and whether these were all."""
        candidates = self._store.candidates
        try:
            if candidates.finished([candidate.id]):
                return candidates.history(candidate.id), True
        except DamagedError:
            candidates.remove(candidate.id)
        progress = candidates.load_progress(candidate.id)
        return ((), False) if progress is None else (progress.history, False)

    def _search(self, task: Task) -> GenerationSearch | None:
        """The search that a training belongs to; None where its generation has failed meanwhile."""
        return self._schedule.searches.get(task.generation_id)

    def _store_of(self, task: Task) -> Store:
        return self._store if task.candidate is None else self._store.candidates

    # The budget

    def _count_spending(self) -> None:
        now = self._clock()
        self._spending.count(now)
        if now - self._saved_at >= _SAVE_INTERVAL_S:
            self._save()
        if self._stop_at_limit and self._spending.exhausted:
            for task in self._running.values():
                store = self._store_of(task)
                if not store.is_asked_to_stop(task.id):
                    store.ask_to_stop(task.id)

    def _save(self) -> None:
        self._saved_at = self._clock()
        self._save_spending(self._spending.by_generation)


def _metrics(store: Store, generation_id: str) -> Mapping[str, float]:
    """A finished generation's figures; none where its record is damaged, which whoever needs it tells."""
    try:
        record = store.record(generation_id)
    except DamagedError:
        return {}
    return {} if record is None else record.metrics
