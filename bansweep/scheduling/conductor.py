"""What a sweep does next, and what follows from the reports of its trainings. Runs in the driver; knows no Ray."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import assert_never

from bansweep.config.resources import RetryPolicy
from bansweep.errors import BansweepError, StoreError
from bansweep.graph.candidates import Candidate, CandidateEnding, Sampler
from bansweep.graph.events import (
    CandidateEnded,
    CandidateEpochFinished,
    CandidateStarted,
    Choice,
    EpochFinished,
    GenerationBlocked,
    GenerationElsewhere,
    GenerationFailed,
    GenerationFinished,
    GenerationNotNeeded,
    GenerationStarted,
    GenerationStopped,
    GenerationUncompiled,
    SweepEvent,
)
from bansweep.graph.generation import Generation
from bansweep.graph.plan import Plan
from bansweep.graph.results import EpochReport
from bansweep.scheduling.candidate_files import CandidateFiles, publish_winner, readable_record
from bansweep.scheduling.generation_search import GenerationSearch
from bansweep.scheduling.messages import (
    Displaced,
    Ended,
    EpochDone,
    Message,
    Outcome,
    Placed,
    Started,
    Uncompiled,
)
from bansweep.scheduling.meter import Meter
from bansweep.scheduling.schedule import Schedule, Task
from bansweep.scheduling.trainings import Trainings, WaitingTasks, logged_store_errors
from bansweep.store.records import recorded_number
from bansweep.store.store import Store

_TRAINED = (Outcome.FINISHED, Outcome.REUSED)


class Conductor:
    """Runs a plan to its end, or to the end of its budget.

    `sampler_of` makes a searched generation's sampler; `keep_all` are the ids of generations all of whose candidates
    keep their weights; `stop_at_limit` stops running trainings when the budget is spent; `lost_results` is that of the
    sweep's `RetryPolicy`.
    """

    def __init__(
        self,
        plan: Plan,
        store: Store,
        *,
        sampler_of: Callable[[Generation], Sampler],
        emit: Callable[[SweepEvent], None],
        meter: Meter,
        keep_all: frozenset[str] = frozenset(),
        stop_at_limit: bool = False,
        lost_results: int = RetryPolicy().lost_results,
    ) -> None:
        self._plan = plan
        self._store = store
        self._sampler_of = sampler_of
        self._emit = emit
        self._meter = meter
        self._candidate_files = CandidateFiles(store, keep_all)
        self._stop_at_limit = stop_at_limit
        self._lost_results = lost_results
        self._trainings = Trainings(store)
        self._retries: Counter[str] = Counter()
        self._announced: set[str] = set()
        self._published: set[str] = set()
        self._waiting = WaitingTasks(lambda task: self._trainings.store_of(task).claim(task.id), self._announce_waiting)
        finished = store.finished(plan.generations)
        with logged_store_errors():
            self._candidate_files.remove_leftovers(filter(self._is_searched, finished))
        self._schedule = Schedule(plan, finished, metrics_of=self._metrics, open_search=self._open_search)
        for generation_id, cause in self._schedule.not_needed.items():
            if generation_id not in finished:
                emit(GenerationNotNeeded(generation_id, cause))

    # What to do next

    def next(self) -> Task | None:
        """The next training; None if nothing can start now."""
        self.tick()
        if self._meter.exhausted:
            return None
        for generation_id in self._schedule.searches.keys() & self._store.finished(self._schedule.searches):
            self._adopt(generation_id)
        while True:
            task = self._take()
            if task is not None and task.candidate is not None and self._store.finished([task.generation_id]):
                self._adopt(task.generation_id)
            elif not self._publish_decided() or task is not None:
                break
        if task is not None:
            self._trainings.add(task)
        return task

    def _take(self) -> Task | None:
        """A task that can be trained now, and that no other process trains."""
        if (task := self._waiting.take()) is not None:
            return task
        while (task := self._schedule.take()) is not None and self._waiting.add_if_claimed(task):
            pass
        return task

    @property
    def done(self) -> bool:
        """Whether nothing runs and nothing more will start."""
        nothing_left = self._schedule.exhausted and not self._waiting
        return not self._trainings and (nothing_left or self._meter.exhausted)

    def tick(self) -> None:
        """Check the clock; to be called often, even if nothing happens."""
        self._meter.tick()
        if self._stop_at_limit and self._meter.exhausted:
            self._trainings.stop_all()

    # What happened

    def handle(self, task: Task, message: Message) -> None:
        """A task's training has reported."""
        match message:
            case Started(epochs_done):
                self._started(task, epochs_done)
            case Placed():
                self._meter.begin(task.key, task.generation_id)
            case Displaced():
                self._meter.end(task.key)
            case Uncompiled(failure, compiled_epochs):
                self._emit(GenerationUncompiled(task.generation_id, failure, compiled_epochs))
            case EpochDone(report):
                self._epoch_done(task, report)
            case Ended():
                self._ended(task, message)
            case _:
                assert_never(message)

    def _started(self, task: Task, epochs_done: int) -> None:
        self._trainings.begin(task)
        if task.candidate is None:
            self._emit(GenerationStarted(task.generation_id, epochs_done))
            return
        search = self._schedule.searches.get(task.generation_id)
        if search is None:
            self._trainings.ask_to_stop(task)
            return
        if epochs_done:
            self._catch_up(search, task.candidate)
        if task.generation_id not in self._announced:
            self._announced.add(task.generation_id)
            self._emit(GenerationStarted(task.generation_id))
        self._emit(CandidateStarted(task.generation_id, task.candidate, epochs_done))
        self._save_search(task.generation_id, search)

    def _epoch_done(self, task: Task, report: EpochReport) -> None:
        if task.candidate is None:
            self._emit(EpochFinished(task.generation_id, report))
            return
        self._emit(CandidateEpochFinished(task.generation_id, task.candidate, report))
        search = self._schedule.searches.get(task.generation_id)
        if search is None:
            return
        if report.epoch > search.epochs_recorded(task.candidate.number) + 1:
            self._catch_up(search, task.candidate)
        if report.epoch <= search.epochs_recorded(task.candidate.number) + 1:
            search.record(task.candidate.number, report)
            self._stop_pruned(search)

    def _ended(self, task: Task, ended: Ended) -> None:
        stopping = self._trainings.remove(task)
        self._meter.end(task.key)
        self._meter.tick()
        if ended.outcome in _TRAINED:
            with logged_store_errors():
                # It may have been asked to stop just before its end.
                self._trainings.store_of(task).clear_progress(task.id)
        if task.candidate is None:
            self._generation_ended(task, ended, stopping=stopping)
        elif (search := self._schedule.searches.get(task.generation_id)) is None:
            self._superseded_ended(task, task.candidate)
        elif ended.outcome is Outcome.FAILED:
            # The failure says nothing about the candidate: without it the search could have another winner.
            self._emit(CandidateEnded(task.generation_id, task.candidate, "failed", ended.reason))
            number = recorded_number(task.candidate)
            self._fail(task.generation_id, f"candidate {number} could not be trained: {ended.reason}")
        else:
            self._candidate_ended(task, task.candidate, search, ended, stopping=stopping)
        self._publish_decided()
        if self.done:
            self._meter.save()

    def _generation_ended(self, task: Task, ended: Ended, *, stopping: bool) -> None:
        match ended.outcome:
            case Outcome.FINISHED | Outcome.REUSED:
                self._finish(task.generation_id, reused=ended.outcome is Outcome.REUSED)
            case Outcome.FAILED | Outcome.DIVERGED:
                self._fail(task.generation_id, ended.reason)
            case Outcome.STOPPED | Outcome.CLAIMED if stopping:
                self._emit(GenerationStopped(task.generation_id))
            case Outcome.STOPPED | Outcome.CLAIMED:
                # Another sweep asked it to stop, at the end of its own budget; or another sweep trains it now.
                self._schedule.requeue(task)
            case _:
                assert_never(ended.outcome)

    def _candidate_ended(
        self, task: Task, candidate: Candidate, search: GenerationSearch, ended: Ended, *, stopping: bool
    ) -> None:
        if ended.outcome in _TRAINED:
            try:
                history = self._store.candidates.history(candidate.id)
            except StoreError as error:
                # Another search with the same candidate is decided and has removed it.
                self._retry(task, error)
                return
            for report in history:
                search.record(candidate.number, report)
        failed = ended.outcome in (Outcome.FAILED, Outcome.DIVERGED)
        search.end(candidate.number, failure=ended.reason if failed else None)
        self._stop_pruned(search)
        ending: CandidateEnding
        if candidate in search.pruned:
            ending = "pruned"
        else:
            match ended.outcome:
                case Outcome.FINISHED | Outcome.REUSED:
                    ending = "finished"
                case Outcome.FAILED | Outcome.DIVERGED:
                    ending = "failed"
                case Outcome.STOPPED | Outcome.CLAIMED if stopping:
                    ending = "stopped"
                case Outcome.STOPPED | Outcome.CLAIMED:
                    # Another sweep with this candidate pruned it, and this one does not; or another trains it now.
                    self._schedule.requeue(task)
                    return
                case _:
                    assert_never(ended.outcome)
        self._emit(CandidateEnded(task.generation_id, candidate, ending, ended.reason))
        self._save_search(task.generation_id, search)

    def _superseded_ended(self, task: Task, candidate: Candidate) -> None:
        """A candidate has stopped whose search had ended before."""
        published = task.generation_id in self._published
        self._emit(CandidateEnded(task.generation_id, candidate, "pruned" if published else "stopped"))
        if published:
            self._remove_candidates({candidate.id})

    def _retry(self, task: Task, error: StoreError) -> None:
        self._retries[task.key] += 1
        if self._retries[task.key] > self._lost_results:
            self._fail(task.generation_id, str(error))
        else:
            self._schedule.requeue(task)

    # Searches

    def _open_search(self, generation: Generation) -> GenerationSearch:
        return GenerationSearch(generation, self._sampler_of(generation), self._candidate_files.known)

    def _catch_up(self, search: GenerationSearch, candidate: Candidate) -> None:
        """Record epochs that another sweep has trained, or that a lost process could not report."""
        with logged_store_errors():
            progress = self._store.candidates.load_progress(candidate.id)
            for report in progress.history if progress is not None else ():
                search.record(candidate.number, report)
            self._stop_pruned(search)

    def _stop_pruned(self, search: GenerationSearch) -> None:
        for candidate in search.pruned:
            task = Task(search.generation.id, candidate)
            if task in self._trainings:
                self._trainings.ask_to_stop(task)

    def _save_search(self, generation_id: str, search: GenerationSearch) -> None:
        counts: Counter[str] = Counter(search.outcomes)
        counts["running"] = len(self._trainings.of(generation_id))
        self._store.save_search_counts(generation_id, counts)

    # The ends of generations

    def _publish_decided(self) -> bool:
        """Publish the searched generations that are decided; returns whether there were any."""
        decided = self._schedule.decided
        for generation_id in decided:
            if self._store.finished([generation_id]):
                self._adopt(generation_id)
            else:
                self._publish(generation_id, self._schedule.searches[generation_id])
        return bool(decided)

    def _publish(self, generation_id: str, search: GenerationSearch) -> None:
        winner = search.winner
        if winner is None:
            first = search.results[0]
            self._fail(generation_id, f"all {len(search.results)} candidates failed; the first: {first.reason}")
            return
        try:
            record = publish_winner(self._store, search, label=self._plan.label(generation_id))
        except BansweepError as error:
            self._fail(generation_id, str(error))
            return
        if record is None:
            self._schedule.requeue(Task(generation_id, search.lose(winner.candidate.number)))
            return
        assert winner.value is not None
        outcomes = Counter[str](result.outcome for result in search.results)
        self._candidate_files.keep(record)
        self._finish(generation_id, choice=Choice(winner.candidate, winner.value, outcomes))
        self._remove_candidates(search.candidate_ids)

    def _adopt(self, generation_id: str) -> None:
        """Take over a searched generation that another sweep has published."""
        if (record := readable_record(self._store, generation_id)) is not None:
            self._candidate_files.keep(record)
        self._finish(generation_id, reused=True)
        self._stop_all_of(generation_id)

    def _finish(self, generation_id: str, *, reused: bool = False, choice: Choice | None = None) -> None:
        if self._is_searched(generation_id):
            self._published.add(generation_id)
            with logged_store_errors():
                self._store.clear_progress(generation_id)
        self._emit(GenerationFinished(generation_id, reused=reused, choice=choice))
        self._waiting.drop(generation_id)
        for other, cause in self._schedule.finish(generation_id).items():
            self._emit(GenerationNotNeeded(other, cause))

    def _fail(self, generation_id: str, reason: str) -> None:
        blocked = self._schedule.fail(generation_id)
        self._waiting.drop(generation_id)
        self._stop_all_of(generation_id)
        self._emit(GenerationFailed(generation_id, reason))
        for student_id in blocked:
            self._emit(GenerationBlocked(student_id, cause=generation_id))

    def _stop_all_of(self, generation_id: str) -> None:
        for task in self._trainings.of(generation_id):
            self._trainings.ask_to_stop(task)

    def _metrics(self, generation_id: str) -> Mapping[str, float]:
        """A finished generation's metrics; empty if its record cannot be read."""
        record = readable_record(self._store, generation_id)
        return {} if record is None else record.metrics

    def _remove_candidates(self, ids: set[str]) -> None:
        """Remove candidates of decided searches, except those that another search still has."""
        in_use = {task.id for task in self._trainings}
        in_use.update(*(search.candidate_ids for search in self._schedule.searches.values()))
        self._candidate_files.remove(ids - in_use)

    def _announce_waiting(self, task: Task, owner: str) -> None:
        if task.generation_id not in self._announced:
            self._emit(GenerationElsewhere(task.generation_id, by=owner))

    def _is_searched(self, generation_id: str) -> bool:
        return self._plan.generations[generation_id].search is not None
